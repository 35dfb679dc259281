"""Two daemons on one port: an operator's order finds the one that has the call."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import define, evolve
from call_desk import FakeCall
from guests import CALL, FakeCapacity, House, api
from operators import Answer, live, office, recorded, ringing

from voiced.config import Api, Secret
from voiced.dialog import events as ev
from voiced.ops import presence
from voiced.ops.presence import Presence
from voiced.records.store import StoreError
from voiced.web import api_neighbours
from voiced.web.api_neighbours import MAX_ANSWER, PASSED_ON, Neighbours, Order
from voiced.web.forward import Forwarder
from voiced.web.gate import Gate
from voiced.web.limits import RateLimit

TOKEN = "Authorization: Bearer s3cret"
OTHER = "CA" + "9" * 32


@pytest.fixture
def shared() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as there:
        yield there


@asynccontextmanager
async def neighbour(shared: socket.socket, directory: Path) -> AsyncIterator[House]:
    """A house with a name, a door, a token for its API, and the records that both have."""
    chosen = evolve(office(), api=Api(token=Secret("s3cret")))
    async with recorded(directory, chosen) as there:
        at = Presence([shared.fileno()])
        opened = at.open_door()
        assert opened
        with opened:
            there.listening.forwarder = Forwarder(at)
            there.api.neighbours.presence = lambda: at
            door = trio.SocketListener(trio.socket.from_stdlib_socket(opened))
            handle, nursery = there.listening.handle, there.nursery
            serve = partial(trio.serve_listeners, handle, [door], handler_nursery=nursery)
            await nursery.start(serve)
            yield there


@define
class Two:
    old: House
    new: House

    async def ask(self, method: str, path: str, body: object = b"", *headers: str) -> Answer:
        """Of the new one."""
        given = headers or (TOKEN,)
        return Answer(*await self.new.knock("127.0.0.1").ask(api(method, path, body, *given)))

    async def written(self) -> None:
        for each in (self.old, self.new):
            await each.recorder.flush()  # type: ignore[union-attr]


@pytest.fixture
async def two(shared: socket.socket, tmp_path: Path) -> AsyncIterator[Two]:
    async with neighbour(shared, tmp_path) as old, neighbour(shared, tmp_path) as new:
        yield Two(old, new)


def asked(there: House, sid: str = CALL) -> list[ev.Event]:
    call = there.desk.register.calls[sid].call
    assert isinstance(call, FakeCall)
    return list(call.requests)


# --- orders ---------------------------------------------------------------------------------------


async def test_an_order_reaches_the_daemon_that_has_the_call(two: Two) -> None:
    live(two.old)
    await two.written()
    answer = await two.ask("POST", f"/v1/calls/{CALL}/say", {"text": "Hello"})
    assert (answer.status, answer.json["sid"]) == (202, CALL)
    assert asked(two.old) == [ev.SayRequested("Hello")]


async def test_who_has_the_call_says_what_is_wrong_with_the_order(two: Two) -> None:
    live(two.old)
    answer = await two.ask("POST", f"/v1/calls/{CALL}/say", {"txt": "Hello"})
    assert answer.error == (422, "invalid", "txt")
    assert asked(two.old) == []


async def test_one_s_own_call_is_not_asked_about(two: Two) -> None:
    live(two.old)
    live(two.new)
    assert (await two.ask("POST", f"/v1/calls/{CALL}/interrupt")).status == 202
    assert (asked(two.old), asked(two.new)) == ([], [ev.InterruptRequested()])


async def test_both_look_at_the_token(two: Two) -> None:
    live(two.old)
    await two.written()
    path = f"/v1/calls/{CALL}/interrupt"
    assert (await two.ask("POST", path, b"", "X-No: token")).error[0] == 401
    gate = Gate(Api(token=Secret("newer")), RateLimit(9))
    two.old.listening.renew(two.old.door, two.old.api, gate, FakeCapacity())  # type: ignore[arg-type]
    assert (await two.ask("POST", path)).error == (409, "not-live", "")
    assert asked(two.old) == []


async def test_a_call_that_nobody_has_is_unknown(two: Two) -> None:
    assert (await two.ask("POST", f"/v1/calls/{CALL}/hangup")).error == (404, "unknown-call", "")


async def test_an_order_goes_no_further_than_to_the_next(two: Two) -> None:
    live(two.old)
    answer = await two.ask("POST", f"/v1/calls/{CALL}/interrupt", b"", TOKEN, f"{PASSED_ON}: 1")
    assert answer.error[0] in (404, 409)
    assert asked(two.old) == []


async def test_without_records_an_order_still_arrives(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(two.old)
    monkeypatch.setattr(two.new.recorder, "read", without_records)
    assert (await two.ask("POST", f"/v1/calls/{CALL}/interrupt")).status == 202


async def without_records(query: object) -> object:
    await trio.lowlevel.checkpoint()
    raise StoreError("the records cannot be read")


# --- the list -------------------------------------------------------------------------------------


async def test_the_live_calls_are_those_of_both(two: Two) -> None:
    live(two.old)
    live(two.new, OTHER)
    await two.written()
    calls = (await two.ask("GET", "/v1/calls?state=live")).json["calls"]
    assert [(each["sid"], each["status"]) for each in calls] == [(OTHER, "live"), (CALL, "live")]


async def test_one_s_own_are_shown_as_they_are(two: Two) -> None:
    """The records may be behind."""
    ringing(two.new)
    await two.written()
    entry = two.new.desk.register.calls[CALL]
    two.new.desk.register.connected(entry, FakeCall())  # type: ignore[arg-type]
    calls = (await two.ask("GET", "/v1/calls?state=live")).json["calls"]
    assert [(each["sid"], each["status"]) for each in calls] == [(CALL, "live")]


async def test_without_records_one_s_own_are_shown(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(two.new)
    monkeypatch.setattr(two.new.recorder, "read", without_records)
    calls = (await two.ask("GET", "/v1/calls?state=live")).json["calls"]
    assert [each["sid"] for each in calls] == [CALL]


async def test_alone_the_records_do_not_say_what_is_live(tmp_path: Path) -> None:
    """What they hold open may be of a run that has crashed."""
    async with recorded(tmp_path) as before:
        live(before)
        await before.recorder.flush()  # type: ignore[union-attr]
    async with recorded(tmp_path) as alone:
        answer = Answer(*await alone.knock("127.0.0.1").ask(api("GET", "/v1/calls?state=live")))
        assert answer.json["calls"] == []


# --- doors with somebody else behind them ---------------------------------------------------------

ORDER = Order("POST", f"/v1/calls/{CALL}/say", [("Host", "localhost")], b"{}")


@asynccontextmanager
async def behind_a_door(shared: socket.socket, *answers: bytes) -> AsyncIterator[Neighbours]:
    """One that answers whatever it is asked, and the neighbours of another."""
    theirs, ours = Presence([shared.fileno()]), Presence([shared.fileno()])
    opened, own = theirs.open_door(), ours.open_door()
    assert opened
    assert own
    told = list(answers)

    async def answer(stream: trio.SocketStream) -> None:
        request = await stream.receive_some()
        assert request.startswith(b"POST /v1/calls/CA333")
        assert b"\r\nvoiced-passed-on: 1\r\n" in request.lower()
        for each in told:
            await stream.send_all(each)
        if not told:
            await trio.sleep_forever()
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(opened))
        await nursery.start(trio.serve_listeners, answer, [listener])  # it listens
        with own:
            yield Neighbours(lambda: ours)
        nursery.cancel_scope.cancel()


HEAD = b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n"


@pytest.mark.parametrize("status", [401, 404, 409, 429, 500, 503])
async def test_a_daemon_that_has_nothing_to_say_is_not_quoted(
    shared: socket.socket, status: int
) -> None:
    async with behind_a_door(shared, HEAD % (status, 2) + b"{}") as there:
        assert await there.pass_on(ORDER) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        HEAD % (202, 9) + b"{}",
        HEAD % (202, MAX_ANSWER + 2) + bytes(MAX_ANSWER + 2),
        HEAD[:9],
    ],
    ids=["nonsense", "cut short", "endless", "no head"],
)
async def test_a_broken_answer_is_none(shared: socket.socket, answer: bytes) -> None:
    async with behind_a_door(shared, answer) as there:
        assert await there.pass_on(ORDER) is None


async def test_an_answer_in_pieces_is_whole(shared: socket.socket) -> None:
    hints = b"HTTP/1.1 103 x\r\n\r\n"
    async with behind_a_door(shared, hints + HEAD % (202, 4) + b"{", b'"', b'"}') as there:
        reply = await there.pass_on(ORDER)
        assert reply
        assert (reply.status, reply.body) == (202, b'{""}')


async def test_a_silent_daemon_is_not_waited_for(
    shared: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_neighbours, "ANSWER_S", 0.05)
    async with behind_a_door(shared) as there:
        with trio.fail_after(5):
            assert await there.pass_on(ORDER) is None


async def test_another_user_s_door_is_asked_nothing(
    shared: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind_a_door(shared, HEAD % (202, 2) + b"{}") as there:
        uid = os.getuid()
        monkeypatch.setattr(presence.os, "getuid", lambda: uid + 1)
        assert await there.pass_on(ORDER) is None


async def test_alone_there_is_nobody() -> None:
    assert list(await Neighbours().names()) == []
    assert await Neighbours().pass_on(ORDER) is None
