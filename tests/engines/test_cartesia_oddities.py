"""Cartesia at its oddest: what comes late, twice, backwards, in crumbs, or at the wrong address."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from cartesia_peers import (
    SENTENCE,
    WORD_BYTES,
    Cartesia,
    Serve,
    Spoken,
    chunk,
    done,
    dropping,
    engine,
    error,
    say,
    saying,
    times,
)
from engine_peers import Line, Peer

from voiced.dialog.events import SpokenWord
from voiced.engines.cartesia import CartesiaTts
from voiced.errors import EngineBroken
from voiced.wire.cartesia import MAX_MESSAGE

Keep = Callable[[CartesiaTts], Any]


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Serve]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


@pytest.fixture
async def keep(nursery: trio.Nursery) -> Keep:
    async def kept(tts: CartesiaTts) -> None:
        nursery.start_soon(tts.run)
        await trio.sleep(0.01)

    return kept


def close(code: int) -> Callable[[Cartesia, str], Any]:
    async def closing(server: Cartesia, context: str) -> None:
        await server.lines[-1].websocket.aclose(code)

    return closing


async def without_code(server: Cartesia, context: str) -> None:
    await Line.close_without_code(server.lines[-1])


ENDS = [close(code) for code in (1000, 1001, 1011, 1012, 1013)] + [without_code, dropping]
"""Those that Cartesia's own client takes for a reason to connect again; 1005 is a close without a
code, 1006 none at all.
"""


# --- the audio and its times --------------------------------------------------------------------


async def test_crumbs_of_any_length_make_the_whole(peer, autojump_clock):
    mulaw = bytes(range(1, 256)) * 3
    crumbs = [mulaw[at : at + 7] for at in range(0, len(mulaw), 7)]
    odd = saying(chunk("?", mulaw[:0]), *[chunk("?", crumb) for crumb in crumbs], done("?"))
    assert (await say(engine(peer(Cartesia(faults=[odd]))), ["yes"])).mulaw == mulaw


async def test_times_that_run_backwards_end_nothing(peer, autojump_clock):
    odd = saying(
        times("?", "we", 3.0), chunk("?", b"a"), times("?", "open", 1.0), times("?", "at", -2.0),
        times("?", "nine", 1e9), chunk("?", b"b"), done("?"),
    )  # fmt: skip
    spoken = await say(engine(peer(Cartesia(faults=[odd]))), ["we open at nine"])
    assert [word.start_s for word in spoken.words] == [3.0, 1.0, -2.0, 1e9]  # the ledger's to mend
    assert spoken.mulaw == b"ab"


async def test_a_time_without_a_word_is_nobodys(peer, autojump_clock):
    odd = saying(times("?", "", 0.0), times("?", " ", 0.0), times("?", "yes", 0.0),
        chunk("?", b"a"), done("?"))  # fmt: skip
    spoken = await say(engine(peer(Cartesia(faults=[odd]))), ["yes"])
    assert spoken.words == [SpokenWord("yes", 0.0, WORD_BYTES / 16_000)]


async def test_what_need_not_be_understood_is_passed_over(peer, autojump_clock):
    phonemes = {"phonemes": ["j"], "start": [0.0], "end": [0.1]}
    odd = saying(
        {"type": "phoneme_timestamps", "context_id": "?", "phoneme_timestamps": phonemes},
        {"type": "flush_done", "context_id": "?", "flush_done": True, "flush_id": 1, "done": True},
        {"type": "novelty", "context_id": "?", "data": 7},
        chunk("?", b"a"),
        done("?"),
    )
    assert (await say(engine(peer(Cartesia(faults=[odd]))), ["yes"])).mulaw == b"a"


# --- what comes late, or is another's -------------------------------------------------------------


async def test_what_comes_behind_the_end_of_a_context_is_not_heard(peer, keep, autojump_clock):
    late = saying(
        chunk("?", b"a"), done("?"), chunk("?", b"z"), times("?", "zz", 0.0), done("?"),
        error("?", status_code=400, error="No such context"),
        {"type": "chunk", "context_id": "?", "data": "no base64"},
    )  # fmt: skip
    server = Cartesia(faults=[late])
    tts = engine(peer(server))
    await keep(tts)
    assert (await say(tts, ["yes"])).mulaw == b"a"
    await trio.sleep(0.1)
    assert (await say(tts, SENTENCE)).letters == "Tkcat"
    assert len(server.lines) == 1


async def test_a_cancel_that_is_answered_by_an_error_harms_nobody(peer, keep, autojump_clock):
    server = Cartesia(first_s=0.3)
    tts = engine(peer(server))
    await keep(tts)
    with trio.move_on_after(0.1):
        await say(tts, SENTENCE)
    spoken = Spoken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, tts, SENTENCE, spoken)
        await trio.sleep(0.05)
        (cancelled,) = server.cancelled
        await server.send(error(cancelled, status_code=400, error_code="unknown_context"))
    assert spoken.letters == "Tkcat"


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "chunk", "context_id": "?", "data": "no base64"},
        {"type": "chunk", "context_id": "?", "data": 7},
        {"type": "timestamps", "context_id": "?", "word_timestamps": {"words": ["a"], "start": [0],
         "end": []}},
        {"type": "error", "context_id": "?", "status_code": "many"},
    ],
)  # fmt: skip
async def test_a_malformed_message_of_one_context_is_no_others(peer, keep, autojump_clock, bad):
    server = Cartesia(first_s=0.3)
    tts = engine(peer(server))
    await keep(tts)
    other = Spoken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, tts, SENTENCE, other)
        await trio.sleep(0.1)
        server.faults = [saying(bad)]
        with pytest.raises(EngineBroken, match="malformed"):
            await say(tts, SENTENCE)
    assert other.letters == "Tkcat"
    assert len(server.lines) == 1


async def test_a_message_without_end_is_broken(peer, autojump_clock):
    flood = saying(" " * (MAX_MESSAGE + 1))
    with pytest.raises(EngineBroken):
        await say(engine(peer(Cartesia(faults=[flood]))), SENTENCE)


# --- the end of a connection, whatever its code -------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
async def test_whatever_the_code_another_connection_says_it(peer, keep, autojump_clock, end):
    server = Cartesia(faults=[end])
    tts = engine(peer(server))
    await keep(tts)
    assert (await say(tts, SENTENCE)).letters == "Tkcat"
    assert len(server.lines) == 2


@pytest.mark.parametrize("end", ENDS)
async def test_whatever_the_code_an_end_in_mid_speech_is_broken(peer, keep, autojump_clock, end):
    async def fault(server: Cartesia, context: str) -> None:
        await saying(chunk("?", b"a"))(server, context)
        await trio.sleep(0.01)
        await end(server, context)

    server = Cartesia(faults=[fault])
    tts = engine(peer(server))
    await keep(tts)
    spoken = Spoken()
    with pytest.raises(EngineBroken, match="connection"):
        await say(tts, SENTENCE, spoken)
    await trio.sleep(5)
    assert (await say(tts, SENTENCE)).letters == "Tkcat"
    assert len(server.lines) == 2
