"""Many replies on one connection to Cartesia: none waits for another, none harms another."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from attrs import define
from cartesia_peers import (
    SENTENCE,
    SETTINGS,
    WORD_BYTES,
    Cartesia,
    Serve,
    Spoken,
    chunk,
    closing,
    deaf,
    done,
    dropping,
    engine,
    error,
    resetting,
    say,
    saying,
)
from engine_peers import Line, Peer, Wire, refused

from voiced.engines.cartesia import CartesiaTts
from voiced.engines.cartesia_line import UNREAD_MESSAGES
from voiced.engines.rooms import Reach
from voiced.errors import EngineAtCapacity, EngineBroken, EngineRefused, EngineTimeout
from voiced.ops.held import account

NEVER = float("inf")


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Serve]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


@pytest.fixture
async def keep(nursery: trio.Nursery) -> Callable[[CartesiaTts], Any]:
    async def kept(tts: CartesiaTts, tell: Callable[[Reach], None] = lambda _reach: None) -> None:
        nursery.start_soon(tts.run, tell)
        await trio.sleep(0.01)

    return kept


async def both(tts: CartesiaTts, one: list[Any], two: list[Any]) -> tuple[Spoken, Spoken]:
    first, second = Spoken(), Spoken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, tts, one, first)
        nursery.start_soon(say, tts, two, second)
    return first, second


# --- one connection -------------------------------------------------------------------------------


async def test_the_connection_is_there_before_the_first_reply(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)
    told: list[Reach] = []
    tts = engine(served)
    await keep(tts, told.append)
    assert len(server.lines) == 1
    await say(tts, SENTENCE)
    await say(tts, SENTENCE)
    assert len(served.lines) == 1
    assert told == [Reach.OK]


async def test_replies_at_once_share_it_and_each_hears_its_own(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    first, second = await both(tts, ["One.", 0.05, "Two.", 0.05], ["a.", 0.07, "b.", 0.07, "c."])
    assert (first.letters, second.letters) == ("OT", "abc")
    assert len(served.lines) == 1
    assert len(server.contexts) == 2


async def test_languages_share_it(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    await say(tts.in_language("fr"), SENTENCE)
    await say(tts.in_language("en"), SENTENCE)
    assert len(served.lines) == 1
    assert {request["language"] for request in server.requests} == {"fr", "en"}


async def test_a_reply_that_reads_slowly_holds_up_no_other(peer, keep, autojump_clock):
    flood = saying(*[chunk("?", b"a" * WORD_BYTES)] * (UNREAD_MESSAGES + 2))
    server = Cartesia(faults=[flood])
    tts = engine(peer(server))
    await keep(tts)
    write, words_in = trio.open_memory_channel[str](8)
    speech_out, speech_in = trio.open_memory_channel(0)
    write.send_nowait("Yes.")
    with pytest.RaisesGroup(EngineBroken):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tts.speak, words_in, speech_out)
            await trio.sleep(1)
            began = trio.current_time()
            assert (await say(tts, SENTENCE)).letters == "Tkcat"
            assert trio.current_time() - began < 0.2
            while True:
                await speech_in.receive()
    assert server.cancelled == server.contexts[:1]
    assert len(server.lines) == 1


async def test_a_call_does_not_hold_the_shared_connection(peer, keep, autojump_clock):
    server = Cartesia()
    tts = engine(peer(server))
    await keep(tts)
    with account() as held:
        await say(tts, SENTENCE)
        assert not held


# --- a barge-in -----------------------------------------------------------------------------------


async def test_a_reply_that_is_cut_off_cancels_its_context_and_no_other(peer, keep, autojump_clock):
    server = Cartesia(first_s=0.5)
    tts = engine(peer(server))
    await keep(tts)
    other = Spoken()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.3):
            await say(tts, [*SENTENCE, NEVER])
        nursery.start_soon(say, tts, SENTENCE, other)
    assert server.cancelled == server.contexts[:1]
    assert other.letters == "Tkcat"
    assert len(server.lines) == 1


async def test_late_chunks_of_a_cancelled_context_are_not_heard(peer, keep, autojump_clock):
    async def late(server: Cartesia, context: str) -> None:
        await saying(chunk("?", b"z"))(server, context)
        server.lines[-1].nursery.start_soon(send_late, server, context)

    async def send_late(server: Cartesia, context: str) -> None:
        await trio.sleep(0.5)
        await saying(chunk("?", b"z"), done("?"), error("?", status_code=400))(server, context)

    server = Cartesia(faults=[late], first_s=0.3)
    tts = engine(peer(server))
    await keep(tts)
    cut = Spoken()
    with trio.move_on_after(0.3):
        await say(tts, [*SENTENCE, NEVER], cut)
    spoken = await say(tts, SENTENCE)
    await trio.sleep(1)
    assert cut.mulaw == b"z"
    assert spoken.letters == "Tkcat"
    assert len(server.lines) == 1


async def test_a_finished_reply_cancels_nothing(peer, keep, autojump_clock):
    server = Cartesia()
    tts = engine(peer(server))
    await keep(tts)
    await say(tts, SENTENCE)
    with trio.move_on_after(0.1):
        await say(tts, [NEVER])  # not a word, so there is no context to cancel
    await trio.sleep(1)
    assert server.cancelled == []


@define(eq=False)
class SlowWire(trio.abc.Stream):
    """Takes its time in the middle of each message."""

    wire: Wire
    pause_s: float = 0.02

    async def send_all(self, data: bytes) -> None:
        await self.wire.send_all(data[:9])
        await trio.sleep(self.pause_s)
        await self.wire.send_all(data[9:])

    async def wait_send_all_might_not_block(self) -> None:
        await self.wire.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.wire.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.wire.aclose()


async def test_who_is_cancelled_while_sending_leaves_no_half_message(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)

    async def connect(url: str) -> trio.abc.Stream:
        return SlowWire(await served.connect(url))

    tts = CartesiaTts("cartesia", SETTINGS, connect=connect)
    await keep(tts)
    await trio.sleep(1)
    for step in range(1, 9):
        with trio.move_on_after(step * 0.005):
            await say(tts, [*SENTENCE, NEVER])
    assert (await say(tts, SENTENCE)).letters == "Tkcat"
    assert len(served.lines) == 1


async def test_a_far_end_that_does_not_read_is_given_up(peer, keep, autojump_clock):
    """Not even the cancellations find room any more; a reply's own deadline ends it."""
    server = Cartesia()
    served = peer(server)
    wires: list[SlowWire] = []

    async def connect(url: str) -> trio.abc.Stream:
        wires.append(SlowWire(await served.connect(url)))
        return wires[-1]

    tts = CartesiaTts("cartesia", SETTINGS, connect=connect)
    await keep(tts)
    await trio.sleep(6)
    wires[0].pause_s = NEVER
    for _ in range(100):
        with trio.move_on_after(0.005):
            await say(tts, [*SENTENCE, NEVER])
    with pytest.raises(EngineTimeout):
        await say(tts, SENTENCE)
    await trio.sleep(0.1)
    assert (await say(tts, SENTENCE)).letters == "Tkcat"
    assert len(served.lines) == 2


# --- errors: of a context, of nobody, of the connection ---------------------------------------


async def test_an_error_of_one_context_is_no_others(peer, keep, autojump_clock):
    server = Cartesia(first_s=0.3)
    tts = engine(peer(server))
    await keep(tts)
    other = Spoken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, tts, SENTENCE, other)
        await trio.sleep(0.1)
        server.faults = [saying(error("?", status_code=400, error_code="invalid_voice"))]
        with pytest.raises(EngineRefused):
            await say(tts, SENTENCE)
    assert other.letters == "Tkcat"
    assert len(server.lines) == 1


async def test_an_error_of_nobody_is_that_of_who_waits_for_a_first_answer(
    peer, keep, autojump_clock
):
    full = saying(error(None, status_code=429, error_code="concurrency_limited"))
    server = Cartesia()
    tts = engine(peer(server))
    await keep(tts)
    spoken = Spoken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, tts, ["One.", 0.45, "Two.", 0.4, "Three."], spoken)
        await trio.sleep(0.12)  # the other is spoken by now
        server.faults = [full] * 5
        with pytest.raises(EngineAtCapacity):
            await say(tts, SENTENCE)
        server.faults = []
    assert spoken.letters == "OTT"


async def test_an_error_of_nobody_concerns_all_where_all_are_spoken_already(
    peer, keep, autojump_clock
):
    server = Cartesia()
    tts = engine(peer(server))
    await keep(tts)
    server.faults = [saying(chunk("?", b"a"))] * 2
    failures = []

    async def fail() -> None:
        with pytest.raises(EngineBroken) as caught:
            await say(tts, ["One.", 0.3, "Two.", NEVER])
        failures.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        nursery.start_soon(fail)
        await trio.sleep(0.2)
        await server.send(error(status_code=500))
    assert len(failures) == 2


async def test_an_error_of_nobody_with_nobody_there_is_dropped(peer, keep, autojump_clock):
    server = Cartesia(early=['{"type": "error"}', '{"type": "chunk"}'])
    tts = engine(peer(server))
    await keep(tts)
    assert (await say(tts, SENTENCE)).letters == "Tkcat"
    assert len(server.lines) == 1


@pytest.mark.parametrize("end", [dropping, resetting, closing, saying("{"), saying(b"\0")])
async def test_a_connection_that_ends_before_it_has_spoken_is_replaced_at_once(
    peer, keep, autojump_clock, end
):
    server = Cartesia(faults=[end])
    tts = engine(peer(server))
    await keep(tts)
    began = trio.current_time()
    spoken = await say(tts, SENTENCE)
    assert spoken.letters == "Tkcat"
    assert trio.current_time() - began < 0.3
    assert len(server.lines) == 2


@pytest.mark.parametrize("end", [dropping, resetting, closing])
async def test_a_connection_that_ends_in_mid_speech_ends_its_replies(
    peer, keep, autojump_clock, end
):
    async def fault(server: Cartesia, context: str) -> None:
        await saying(chunk("?", b"a"))(server, context)
        await trio.sleep(0.01)
        await end(server, context)

    server = Cartesia(faults=[fault])
    tts = engine(peer(server))
    await keep(tts)
    with pytest.raises(EngineBroken):
        await say(tts, SENTENCE)
    assert len(server.lines) == 1


async def test_another_connection_follows_and_serves_again(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    await dropping(server, "")
    await trio.sleep(1)
    assert len(served.lines) == 1
    await trio.sleep(5)
    assert len(served.lines) == 2
    await say(tts, SENTENCE)
    assert len(served.lines) == 2


async def test_while_there_is_none_a_reply_has_its_own(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    await dropping(server, "")
    await trio.sleep(1)
    assert (await say(tts, SENTENCE)).letters == "Tkcat"
    assert len(served.lines) == 2
    assert served.all_closed


# --- a connection that is old, or dead --------------------------------------------------------


async def test_it_is_renewed_before_the_far_end_closes_it(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    await trio.sleep(239)
    assert served.lines[0].client.end == "open"
    await trio.sleep(2)
    assert served.lines[0].client.end == "closed"
    assert served.lines[1].client.end == "open"


async def test_use_puts_the_renewal_off(peer, keep, autojump_clock):
    server = Cartesia()
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    await trio.sleep(200)
    await say(tts, SENTENCE)
    await trio.sleep(200)
    assert len(served.lines) == 1
    await trio.sleep(45)
    assert len(served.lines) == 2


async def test_a_far_end_that_answers_no_ping_is_given_up(peer, keep, autojump_clock, caplog):
    async def dead(line: Line) -> None:
        await (await trio_accept(line)).wait()

    async def trio_accept(line: Line) -> trio.Event:
        websocket = await line.accept()
        websocket._reader_running = False  # it reads no more, and so sends no pong
        return trio.Event()

    served = peer(dead)
    with caplog.at_level(logging.WARNING):
        await keep(engine(served))
        await trio.sleep(30 + 3 + 0.1)
    assert served.lines[0].client.end == "closed"
    assert len(served.lines) == 2
    assert "the connection is dead" in caplog.text


async def test_a_reply_that_hears_nothing_at_all_gives_the_connection_up(
    peer, keep, autojump_clock
):
    server = Cartesia(faults=[deaf])
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    await trio.sleep(6)
    with pytest.raises(EngineTimeout):
        await say(tts, SENTENCE)
    await trio.sleep(0.01)
    assert served.lines[0].client.end == "closed"
    assert (await say(tts, SENTENCE)).letters == "Tkcat"


async def test_a_context_that_stalls_alone_does_not(peer, keep, autojump_clock):
    async def stall(_server: Cartesia, _context: str) -> None:
        await trio.lowlevel.checkpoint()

    server = Cartesia(faults=[stall], expires_s=NEVER)
    served = peer(server)
    tts = engine(served)
    await keep(tts)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timing_out, tts)
        await trio.sleep(1)
        await say(tts, SENTENCE)
    assert served.lines[0].client.end == "open"


async def timing_out(tts: CartesiaTts) -> None:
    with pytest.raises(EngineTimeout):
        await say(tts, ["One.", NEVER])


# --- a far end that is not there --------------------------------------------------------------


async def test_a_failure_is_told_and_logged_once(keep, autojump_clock, caplog):
    async def nobody(url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise refused()

    told: list[Reach] = []
    with caplog.at_level(logging.INFO):
        await keep(CartesiaTts("cartesia", SETTINGS, connect=nobody), told.append)
        await trio.sleep(11)
    assert told == [Reach.FAILED] * 3
    assert caplog.text.count("nothing listens") == 1
    assert "very-secret" not in caplog.text


async def test_it_is_found_again(peer, keep, autojump_clock, caplog):
    server = Cartesia()
    served = peer(server)
    failures = [refused(), refused()]

    async def connect(url: str) -> trio.abc.Stream:
        if failures:
            raise failures.pop()
        return await served.connect(url)

    told: list[Reach] = []
    tts = CartesiaTts("cartesia", SETTINGS, connect=connect)
    with caplog.at_level(logging.INFO):
        await keep(tts, told.append)
        await trio.sleep(11)
        await say(tts, SENTENCE)
    assert told == [Reach.FAILED, Reach.FAILED, Reach.OK]
    assert len(served.lines) == 1
    assert "connected again" in caplog.text


async def test_a_far_end_without_room_is_there(peer, keep, autojump_clock):
    async def full(line: Line) -> None:
        await line.read_request()
        await line.stream.send_all(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n")

    told: list[Reach] = []
    await keep(engine(peer(full)), told.append)
    await trio.sleep(6)
    assert told == [Reach.OK, Reach.OK]


async def test_it_may_be_run_without_telling_anybody(peer, autojump_clock):
    async def nobody(url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise refused()

    served = peer(Cartesia())
    with trio.move_on_after(1):
        await engine(served).run()
    with trio.move_on_after(1):
        await CartesiaTts("cartesia", SETTINGS, connect=nobody).run()
    assert served.all_closed


async def test_stopping_closes_at_once(peer, autojump_clock):
    server = Cartesia()
    served = peer(server)
    tts = engine(served)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tts.run)
        await trio.sleep(0.1)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == began
    assert served.all_closed
