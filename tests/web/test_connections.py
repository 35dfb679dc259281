"""How many guests there may be, and how long one may take over an answer."""

import json
import logging
import random

import pytest
import trio
from attrs import define, field
from guests import CALL, START, Guest, House, Wire, code, get, house
from quart import Response
from trio.testing import MockClock, memory_stream_pair
from wsproto.events import TextMessage

from voiced.web.front import HEAD_S, PIECE, TAKE_S, Rewound
from voiced.web.server import EXCHANGE_S, MAX_GUESTS, START_S

STRANGER = "wss://voice.example.com/twilio/media/strange"


def warnings(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    """Of this module's messages, each with the count of the others."""
    return [
        (record.getMessage(), record.fields["others"])
        for record in caplog.records
        if record.name == "voiced.web.server" and hasattr(record, "fields")
    ]


# --- the crowd -----------------------------------------------------------------------------------


async def test_a_guest_too_many_is_told_so_at_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with house() as open_house:
        for _ in range(MAX_GUESTS):
            open_house.knock()
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        for _ in range(3):
            answer = await open_house.knock().rest()
            assert answer.startswith(b"HTTP/1.1 503 ")
            code(answer.partition(b"\r\n\r\n")[2])
        assert trio.current_time() - before < 1
        assert warnings(caplog) == [("refused a connection: too many at once", 0)]
        await trio.sleep(HEAD_S + 1)  # those who said nothing are gone
        assert (await open_house.knock().ask(get("/healthz")))[0] == 200


async def test_whoever_is_served_makes_room(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        for _ in range(MAX_GUESTS - 1):
            open_house.knock()
        for _ in range(3):
            assert (await open_house.knock().ask(get("/healthz")))[0] == 200
            assert (await open_house.knock().ask(b"nonsense\r\n\r\n"))[0] == 400
            stranger = open_house.knock()
            assert (await stranger.upgrade(STRANGER, "")).startswith(b"HTTP/1.1 403")
            await stranger.over.wait()


async def started(open_house: House, call: str) -> Guest:
    start = START | {"start": START["start"] | {"callSid": call}}
    guest = open_house.knock()
    await guest.upgrade(open_house.mint(f"token-{call}", call))
    await guest.say(TextMessage(json.dumps(start)), TextMessage("12345"))
    assert await guest.hear() == TextMessage("5")
    return guest


async def test_calls_under_way_are_no_guests(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        calls = [await started(open_house, call) for call in ("CA1", "CA2")]
        for _ in range(MAX_GUESTS - 1):
            open_house.knock()
        assert (await open_house.knock().ask(get("/healthz")))[0] == 200
        for call in calls:
            await call.stream.aclose()
            await call.over.wait()
        assert (await open_house.knock().ask(get("/healthz")))[0] == 200


async def test_a_media_socket_that_has_not_started_is_a_guest(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = open_house.knock()
        await guest.upgrade(open_house.mint())
        for _ in range(MAX_GUESTS - 1):
            open_house.knock()
        await trio.testing.wait_all_tasks_blocked()
        assert (await open_house.knock().rest()).startswith(b"HTTP/1.1 503")
        await trio.sleep(START_S + 2)
        assert (await open_house.knock().ask(get("/healthz")))[0] == 200


async def test_a_token_is_spent_before_the_protocol_is_switched(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        url = open_house.mint()
        rivals = [open_house.knock() for _ in range(5)]
        answers: list[bytes] = []

        async def race(guest: Guest) -> None:
            answers.append((await guest.upgrade(url))[:12])

        async with trio.open_nursery() as nursery:
            for guest in rivals:
                nursery.start_soon(race, guest)
        assert sorted(answers) == [b"HTTP/1.1 101"] + [b"HTTP/1.1 403"] * 4


# --- the log -------------------------------------------------------------------------------------


async def test_strangers_do_not_fill_the_log(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "voiced")
    async with house() as open_house:
        for _ in range(5):
            await open_house.knock().upgrade(STRANGER, "")
            await open_house.knock().upgrade(STRANGER)
        await trio.sleep(61)
        await open_house.knock().upgrade(STRANGER, "")
        unsigned = "refused a media socket that Twilio did not sign"
        unknown = "refused a media socket whose token is unknown, used or expired"
        assert warnings(caplog) == [(unsigned, 0), (unknown, 0), (unsigned, 4)]
        assert "strange" not in caplog.text
        assert CALL not in caplog.text


# --- the time of an answer -----------------------------------------------------------------------

SIZE = 40 * PIECE


@define(eq=False)
class SlowLine(Wire):
    """A line that takes a piece each `piece_s`; closing it ends the wait, as TCP does."""

    piece_s: float = 0.0
    closed: trio.Event = field(factory=trio.Event)

    async def wait_send_all_might_not_block(self) -> None:
        with trio.move_on_after(self.piece_s):
            await self.closed.wait()
            raise trio.ClosedResourceError

    async def aclose(self) -> None:
        self.closed.set()
        await self.stream.aclose()


@define(eq=False)
class Parts:
    """The body of an answer: four parts, each ready `part_s` after the one before."""

    part_s: float
    left: int = 4

    def __aiter__(self) -> "Parts":
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(0 if self.left == 4 else self.part_s)
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return b"~" * (SIZE // 4)


def ask_slowly(open_house: House, piece_s: float, part_s: float = 0.0) -> Guest:
    """A guest on a slow line, who has asked for an answer that comes in four parts."""

    async def view() -> Response:
        await trio.lowlevel.checkpoint()
        response = Response(Parts(part_s))
        response.timeout = None
        return response

    open_house.listening._app.app.add_url_rule("/long", "long", view)
    ours, theirs = memory_stream_pair()
    guest = Guest(ours)
    line = SlowLine(theirs, piece_s=piece_s)
    open_house.nursery.start_soon(open_house._serve, line, guest.over)
    return guest


async def received(guest: Guest) -> int:
    """Bytes of the body, until the server closes, however long that takes."""
    await guest.send(get("/long"))
    size = 0
    async for data in guest.stream:
        size += data.count(b"~")
    await guest.over.wait()
    return size


async def test_a_long_answer_may_take_long_while_it_is_taken(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        assert await received(ask_slowly(open_house, TAKE_S - 1)) == SIZE
        assert trio.current_time() > 10 * EXCHANGE_S


async def test_a_guest_who_takes_nothing_is_cut_off(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        assert await received(ask_slowly(open_house, TAKE_S + 1)) == 0  # but the head
        assert trio.current_time() == pytest.approx(TAKE_S, abs=1)


@pytest.mark.parametrize(("part_s", "whole"), [(EXCHANGE_S - 1, True), (EXCHANGE_S + 1, False)])
async def test_an_answer_may_pause_as_long_as_a_request(
    part_s: float, whole: object, autojump_clock: MockClock
) -> None:
    async with house() as open_house:
        size = await received(ask_slowly(open_house, 0.0, part_s))
        assert (size == SIZE) is whole


async def test_an_answer_in_one_goes_out_in_pieces() -> None:
    theirs, ours = memory_stream_pair()
    sizes: list[int] = []
    pump = ours.send_stream.send_all_hook

    async def note() -> None:
        await pump()
        sizes.append(len(await theirs.receive_some()))

    ours.send_stream.send_all_hook = note
    data = random.Random(1).randbytes(2 * PIECE + 5)
    await Rewound(ours, b"").send_all(data)
    assert sizes == [PIECE, PIECE, 5]
