"""Who is on the line: conducting calls on their streams, and the drain."""

import logging
from pathlib import Path

import pytest
import trio
from call_desk import Desk
from stories import CALL_SID, SID, FakeSocket, Line, media
from trio.testing import MockClock

from voiced.call.call import GOODBYE_S
from voiced.call.parties import Parties, Stage
from voiced.call.persona import Persona
from voiced.call.phrases import PhraseBook
from voiced.call.switchboard import SLACK_S, Switchboard
from voiced.dialog.parting import Phrase
from voiced.errors import CallRefused
from voiced.lab.carrier import Carrier, Playback
from voiced.records.model import CallClosed, Direction, TurnEnded


def persona_for(_parties: Parties) -> Persona:
    return Line().persona(PhraseBook(Path("/nonexistent")))


def socket() -> FakeSocket:
    to_us, inbox = trio.open_memory_channel[str | bytes](100)
    return FakeSocket(Carrier(SID, Playback(trio.current_time())), inbox, to_us)


class Board(Switchboard):
    """A switchboard with a desk around it."""

    def __init__(self, of=persona_for, max_calls: int = 9) -> None:  # type: ignore[no-untyped-def]
        self.desk = Desk(max_calls=max_calls)
        super().__init__(self.desk.register, of, self.desk.errands)

    def answered(self, sid: str = CALL_SID):  # type: ignore[no-untyped-def]
        return self.admit(Parties(sid, "test", "+331", "+332"), Stage.AWAITED, 60.0)


def fields(record: logging.LogRecord) -> dict[str, object]:
    return getattr(record, "fields", {})


def ended(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [fields(record) for record in caplog.records if record.message == "call ended"]


async def test_a_call_is_live_until_it_is_over_and_one_line_tells_it(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    board, line = Board(), socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.take, board.answered(), line, SID)
        await trio.testing.wait_all_tasks_blocked()
        assert list(board.live) == [CALL_SID]
        line.deliver({"event": "stop", "streamSid": SID})
        await board.register.wait_quiet()
        assert dict(board.live) == {}
    (told,) = ended(caplog)
    assert told["reason"] == "hangup"
    assert told["duration_s"] == 0.0
    assert board.desk.journal.statuses == ["live"]
    assert board.desk.journal.ends == ["hangup"]
    assert board.desk.rooms.taken == 0


async def test_a_call_cut_by_the_daemon_is_told_as_well(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    board = Board()
    with trio.move_on_after(0.1):
        await board.take(board.answered(), socket(), SID)
    assert ended(caplog)[0]["reason"] == "cancelled"
    assert board.desk.journal.ends == ["cancelled"]
    assert board.desk.rooms.taken == 0


async def test_the_carrier_is_told_the_longest_that_the_call_may_last(
    autojump_clock: MockClock,
) -> None:
    board, line = Board(), socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.desk.errands.run)
        nursery.start_soon(board.take, board.answered(), line, SID)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    limit_s = round(Line().max_call_s + GOODBYE_S + SLACK_S)
    assert board.desk.carrier.asked == [("limit", CALL_SID, limit_s)]


async def test_a_call_cannot_be_on_two_sockets(autojump_clock: MockClock) -> None:
    board = Board()
    entry = board.answered()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.take, entry, socket(), SID)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(CallRefused) as refused:
            await board.take(entry, socket(), SID)
        assert refused.value.reason == "duplicate"
        assert list(board.live) == [CALL_SID]
        nursery.cancel_scope.cancel()


async def test_a_stream_whose_id_we_could_not_write_is_refused(autojump_clock: MockClock) -> None:
    board = Board()
    with pytest.raises(CallRefused) as refused:
        await board.take(board.answered(), socket(), 'MZ"}')
    assert refused.value.reason == "malformed-stream"
    assert dict(board.live) == {}


async def test_a_draining_switchboard_lets_calls_finish_and_takes_none(
    autojump_clock: MockClock,
) -> None:
    board, line = Board(), socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.take, board.answered(), line, SID)
        await trio.testing.wait_all_tasks_blocked()
        board.drain()
        for attempt in (lambda: board.answered("CA2"), lambda: board.check("test")):
            with pytest.raises(CallRefused) as refused:
                attempt()
            assert refused.value.reason == "draining"
        assert list(board.live) == [CALL_SID]
        line.deliver({"event": "stop", "streamSid": SID})
        await board.register.wait_quiet()


async def test_who_was_answered_before_the_drain_may_still_come(autojump_clock: MockClock) -> None:
    board, line = Board(), socket()
    entry = board.answered()
    board.drain()
    with trio.move_on_after(5) as waiting:
        await board.register.wait_quiet()
    assert waiting.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.take, entry, line, SID)
        await trio.testing.wait_all_tasks_blocked()
        assert list(board.live) == [CALL_SID]
        line.deliver({"event": "stop", "streamSid": SID})


async def test_all_calls_may_be_closed_at_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    board = Board()
    async with trio.open_nursery() as nursery:
        for sid in ("CA1", "CA2"):
            nursery.start_soon(board.take, board.answered(sid), socket(), SID)
        nursery.start_soon(board.desk.afterwards.run)
        await trio.testing.wait_all_tasks_blocked()
        board.close_all("shutdown")
        await board.register.wait_quiet()
        nursery.cancel_scope.cancel()
    assert [each["reason"] for each in ended(caplog)] == ["shutdown", "shutdown"]


async def test_a_bug_in_one_call_does_not_touch_another(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def broken_for(who: Parties) -> Persona:
        line = Line()
        if who.call_sid == "CA1":
            line.tts.fails = RuntimeError()
        return line.persona(PhraseBook(Path("/nonexistent")))

    board = Board(broken_for)
    async with trio.open_nursery() as nursery:
        for sid in ("CA1", "CA2"):
            nursery.start_soon(board.take, board.answered(sid), socket(), SID)
        await trio.sleep(3.0)
        assert list(board.live) == ["CA2"]
        nursery.cancel_scope.cancel()


async def test_a_call_whose_socket_drops_goes_on_where_it_was(
    autojump_clock: MockClock,
) -> None:
    line = Line()
    line.llm.answers = ["We open at nine", "Until ten at night"]
    board = Board(lambda _parties: line.persona(PhraseBook(Path("/nonexistent"))))
    entry = board.answered()
    for phrase in (None, Phrase.RESUMED):
        if phrase:
            await board.desk.afterwards.next(CALL_SID, "in-progress")
            assert entry.opening is phrase
        wire = socket()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(board.take, entry, wire, SID)
            await trio.sleep(5.0)
            wire.to_us.close()
        assert (entry.stage is Stage.LOST) is (phrase is None)
    turns = [each for each in board.desk.journal.records if isinstance(each, TurnEnded)]
    assert [turn.number for turn in turns] == list(range(len(turns)))
    assert len(turns) >= 2
    assert len(board.desk.journal.of(CallClosed)) == 1


async def test_a_verdict_that_came_early_is_not_forgotten(autojump_clock: MockClock) -> None:
    board = Board()
    entry = board.answered()
    entry.answered_by = "machine_start"
    wire = socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.take, entry, wire, SID)
        await trio.testing.wait_all_tasks_blocked()
        assert "answered-by" in board.desk.journal.happened
        nursery.cancel_scope.cancel()


async def test_a_recording_has_the_name_of_its_call_and_part(tmp_path: Path) -> None:
    desk = Desk()
    board = Switchboard(desk.register, persona_for, desk.errands, tmp_path / "recordings")
    entry = board.admit(Parties(CALL_SID, "test", "+331", "+332"), Stage.AWAITED, 60.0)
    wire = socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.take, entry, wire, SID)
        await trio.testing.wait_all_tasks_blocked()
        for tick in range(1, 60):
            wire.deliver(media(tick, bytes(160)))
        await trio.sleep(0.05)
        wire.deliver({"event": "stop", "streamSid": SID})
    (file,) = (tmp_path / "recordings").iterdir()
    assert file.name == f"{CALL_SID}.wav"
    (closed,) = desk.journal.of(CallClosed)
    assert isinstance(closed, CallClosed)
    assert closed.recording == file.name


async def test_what_rings_when_the_time_is_over_stops_ringing(autojump_clock: MockClock) -> None:
    board = Board()
    board.register.admit(
        Parties("out-1", "test", "+331", "+332", Direction.OUTBOUND), Stage.QUEUED, 90.0
    )
    board.register.name("out-1", CALL_SID)
    with trio.move_on_after(5) as waiting:
        await board.register.wait_quiet()
    assert waiting.cancelled_caught
    board.close_all("shutdown")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.desk.errands.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert board.desk.carrier.asked == [("cancel", CALL_SID)]
