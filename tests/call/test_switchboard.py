"""Who is on the line, and who may be."""

import logging
from pathlib import Path

import pytest
import trio
from stories import CALL_SID, SID, FakeSocket, Line
from trio.testing import MockClock

from voiced.call.call import Persona
from voiced.call.phrases import PhraseBook
from voiced.call.switchboard import Parties, Switchboard
from voiced.errors import CallRefused
from voiced.lab.carrier import Carrier, Playback


def parties(sid: str = CALL_SID) -> Parties:
    return Parties(sid, "test", "+331", "+332")


def persona_for(_parties: Parties) -> Persona:
    return Line().persona(PhraseBook(Path("/nonexistent")))


def socket() -> FakeSocket:
    to_us, inbox = trio.open_memory_channel[str | bytes](100)
    return FakeSocket(Carrier(SID, Playback(trio.current_time())), inbox, to_us)


def fields(record: logging.LogRecord) -> dict[str, object]:
    return getattr(record, "fields", {})


async def test_a_call_is_live_until_it_is_over_and_one_line_tells_it(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    switchboard, line = Switchboard(persona_for, 2), socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(switchboard.take, parties(), line, SID)
        await trio.testing.wait_all_tasks_blocked()
        assert list(switchboard.live) == [CALL_SID]
        line.deliver({"event": "stop", "streamSid": SID})
        await switchboard.wait_empty()
        assert dict(switchboard.live) == {}
    (ended,) = [record for record in caplog.records if record.message == "call ended"]
    assert fields(ended)["reason"] == "hangup"
    assert fields(ended)["duration_s"] == 0.0


async def test_a_call_cut_by_the_daemon_is_told_as_well(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    switchboard = Switchboard(persona_for, 2)
    with trio.move_on_after(0.1):
        await switchboard.take(parties(), socket(), SID)
    (ended,) = [record for record in caplog.records if record.message == "call ended"]
    assert fields(ended)["reason"] == "cancelled"
    assert dict(switchboard.live) == {}


async def test_there_are_never_more_calls_than_room(autojump_clock: MockClock) -> None:
    switchboard = Switchboard(persona_for, 1)
    switchboard.admit()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(switchboard.take, parties(), socket(), SID)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(CallRefused) as refused:
            switchboard.admit()
        assert refused.value.reason == "max-calls"
        with pytest.raises(CallRefused):
            await switchboard.take(parties("CA2"), socket(), SID)
        nursery.cancel_scope.cancel()
    switchboard.admit()


async def test_a_call_cannot_be_on_two_sockets(autojump_clock: MockClock) -> None:
    switchboard = Switchboard(persona_for, 9)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(switchboard.take, parties(), socket(), SID)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(CallRefused) as refused:
            await switchboard.take(parties(), socket(), SID)
        assert refused.value.reason == "duplicate"
        nursery.cancel_scope.cancel()


async def test_a_stream_whose_id_we_could_not_write_is_refused() -> None:
    switchboard = Switchboard(persona_for, 9)
    with pytest.raises(CallRefused) as refused:
        await switchboard.take(parties(), socket(), 'MZ"')
    assert refused.value.reason == "malformed-stream"
    assert dict(switchboard.live) == {}


async def test_a_draining_switchboard_lets_calls_finish_and_takes_none(
    autojump_clock: MockClock,
) -> None:
    switchboard, line = Switchboard(persona_for, 9), socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(switchboard.take, parties(), line, SID)
        await trio.testing.wait_all_tasks_blocked()
        switchboard.drain()
        with pytest.raises(CallRefused) as refused:
            switchboard.admit()
        assert refused.value.reason == "draining"
        assert list(switchboard.live) == [CALL_SID]
        line.to_us.close()
        await switchboard.wait_empty()


async def test_waiting_for_emptiness_is_not_upset_by_calls_that_come_meanwhile(
    autojump_clock: MockClock,
) -> None:
    switchboard = Switchboard(persona_for, 9)
    lines = {"CA1": socket(), "CA2": socket()}
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(switchboard.take, parties("CA1"), lines["CA1"], SID)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(switchboard.wait_empty)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(switchboard.take, parties("CA2"), lines["CA2"], SID)
            await trio.testing.wait_all_tasks_blocked()
            for line in lines.values():
                line.to_us.close()


async def test_all_calls_may_be_closed_at_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    switchboard = Switchboard(persona_for, 9)
    async with trio.open_nursery() as nursery:
        for sid in ("CA1", "CA2"):
            nursery.start_soon(switchboard.take, parties(sid), socket(), SID)
        await trio.testing.wait_all_tasks_blocked()
        switchboard.close_all("shutdown")
        await switchboard.wait_empty()
    ended = [fields(record) for record in caplog.records if record.message == "call ended"]
    assert [each["reason"] for each in ended] == ["shutdown", "shutdown"]


async def test_a_bug_in_one_call_does_not_touch_another(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def broken_for(who: Parties) -> Persona:
        line = Line()
        if who.call_sid == "CA1":
            line.tts.fails = RuntimeError()
        return line.persona(PhraseBook(Path("/nonexistent")))

    switchboard = Switchboard(broken_for, 9)
    async with trio.open_nursery() as nursery:
        for sid in ("CA1", "CA2"):
            nursery.start_soon(switchboard.take, parties(sid), socket(), SID)
        await trio.sleep(3.0)
        assert list(switchboard.live) == ["CA2"]
        nursery.cancel_scope.cancel()
