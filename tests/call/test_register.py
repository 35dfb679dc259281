"""Where a call is between the first ring and its end, and what it keeps others from."""

import pytest
import trio
from call_desk import SID, FakeCall, FakeRooms, at_work
from trio.testing import MockClock

from voiced.call.parties import Parties, Stage
from voiced.call.register import ASKED_S
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.errors import CallRefused
from voiced.records.model import CallClosed, CallOpened, Direction, Said

ELSEWHERE = Parting("transfer", (Phrase.TRANSFER,), Transfer("+33199999999"))
OURS = Parties("out-1", "default", "+33123456789", "+33612345678", Direction.OUTBOUND)


async def test_a_call_that_rings_takes_a_place_and_is_on_record(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.ringing()
    assert (desk.register.free, desk.rooms.taken, entry.stage) == (2, 1, Stage.AWAITED)
    (opened,) = desk.journal.of(CallOpened)
    assert isinstance(opened, CallOpened)
    assert (opened.sid, opened.direction, opened.status) == (SID, Direction.INBOUND, "ringing")


async def test_a_call_that_is_told_twice_is_one_call(autojump_clock: MockClock) -> None:
    desk = await at_work()
    first = desk.ringing()
    await trio.sleep(30)
    again = desk.ringing()
    assert again is first
    assert again.until == trio.current_time() + 60.0
    assert (desk.register.free, desk.rooms.taken, len(desk.journal.of(CallOpened))) == (2, 1, 1)


@pytest.mark.parametrize("state", ["live", "over"])
async def test_a_replayed_ring_of_a_call_that_is_or_was_live_is_refused(
    autojump_clock: MockClock, state: str
) -> None:
    desk = await at_work()
    entry = desk.live()
    if state == "over":
        desk.over(entry, "hangup")
    with pytest.raises(CallRefused) as refused:
        desk.ringing()
    assert refused.value.reason == "duplicate"


async def test_there_are_never_more_calls_than_max_calls(autojump_clock: MockClock) -> None:
    desk = await at_work(max_calls=2)
    desk.live("CA1")
    desk.ringing("CA2")
    for attempt in (lambda: desk.ringing("CA3"), lambda: desk.register.check("default")):
        with pytest.raises(CallRefused) as refused:
            attempt()
        assert refused.value.reason == "max-calls"
    assert desk.rooms.taken == 2


async def test_what_the_engines_say_counts(autojump_clock: MockClock) -> None:
    desk = await at_work(FakeRooms(reason="tts-slots"))
    with pytest.raises(CallRefused) as refused:
        desk.ringing()
    assert (refused.value.reason, desk.register.free) == ("tts-slots", 3)
    assert desk.journal.records == []
    with pytest.raises(CallRefused):
        desk.register.check("default")


async def test_a_look_whether_there_is_room_takes_none(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.register.check("default")
    assert desk.rooms.taken == 0


async def test_a_call_that_ends_gives_its_place_back_and_says_why(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    entry = desk.live()
    assert entry.call
    entry.call.said = (Said("caller", "wait", 1.0, "complete"),)  # type: ignore[misc]
    desk.over(entry, "hangup")
    assert (desk.register.free, desk.rooms.taken, dict(desk.register.calls)) == (3, 0, {})
    (closed,) = desk.journal.of(CallClosed)
    assert isinstance(closed, CallClosed)
    assert closed.reason == "hangup"
    assert closed.summary["reason"] == "hangup"
    assert [said.text for said in closed.said] == ["wait"]
    assert entry.left.is_set()


@pytest.mark.parametrize("reason", ["socket-lost", "stalled"])
async def test_a_broken_stream_keeps_the_call_its_place_once(
    autojump_clock: MockClock, reason: str
) -> None:
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, reason)
    assert (entry.stage, desk.rooms.taken, desk.journal.happened) == (
        Stage.LOST,
        1,
        ["stream-drop"],
    )
    assert entry.past is not None
    assert entry.past.turns == 3
    entry.returns += 1
    desk.register.expect(entry, Phrase.RESUMED)
    assert (entry.stage, entry.opening) == (Stage.AWAITED, Phrase.RESUMED)
    desk.register.connected(entry, FakeCall())  # type: ignore[arg-type]
    desk.over(entry, reason)
    assert desk.journal.ends == [reason]
    assert desk.journal.statuses == ["live", "lost", "live"]


async def test_a_transfer_frees_the_engines_and_its_place(autojump_clock: MockClock) -> None:
    desk = await at_work(max_calls=1)
    entry = desk.live()
    desk.over(entry, "transfer", ELSEWHERE)
    assert (entry.stage, desk.register.free, desk.rooms.taken) == (Stage.PARTING, 1, 0)
    assert desk.journal.ends == []


async def test_who_comes_back_from_a_transfer_needs_a_place_again(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work(max_calls=1)
    entry = desk.live()
    desk.over(entry, "transfer", ELSEWHERE)
    desk.live("CA2")
    with pytest.raises(CallRefused):
        desk.register.expect(entry, Phrase.TRANSFER_FAILED)
    desk.over(desk.register.calls["CA2"], "hangup")
    desk.register.expect(entry, Phrase.TRANSFER_FAILED)
    assert desk.rooms.taken == 1


async def test_a_call_that_we_place_has_a_record_once_the_carrier_has_named_it(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    entry = desk.register.admit(OURS, Stage.QUEUED, 90.0)
    assert (desk.register.free, desk.journal.records) == (2, [])
    assert desk.register.name("out-1", SID) is entry
    assert (entry.sid, entry.stage, list(desk.register.calls)) == (SID, Stage.RINGING, [SID])
    (opened,) = desk.journal.of(CallOpened)
    assert isinstance(opened, CallOpened)
    assert (opened.sid, opened.direction, opened.status) == (SID, Direction.OUTBOUND, "queued")
    assert desk.register.name("out-1", SID) is None


async def test_quiet_is_when_nobody_waits_for_us(autojump_clock: MockClock) -> None:
    desk = await at_work()
    await desk.register.wait_quiet()
    entry = desk.live()
    with trio.move_on_after(1) as waiting:
        await desk.register.wait_quiet()
    assert waiting.cancelled_caught
    desk.over(entry, "transfer", ELSEWHERE)
    desk.register.move(entry, Stage.TRANSFERRING, 60.0)
    await desk.register.wait_quiet()


async def test_every_change_wakes_who_waits_for_one(autojump_clock: MockClock) -> None:
    desk = await at_work()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.register.wait_change)
        await trio.testing.wait_all_tasks_blocked()
        desk.ringing()


async def test_a_call_that_is_closed_twice_is_on_record_once(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.ringing()
    desk.register.close(entry, "never-connected")
    desk.register.close(entry, "never-connected")
    assert desk.journal.ends == ["never-connected"]


async def test_who_was_hung_up_on_is_waited_for_until_the_carrier_has_asked(
    autojump_clock: MockClock,
) -> None:
    """Without an answer of ours the carrier would apologise to the person on the line."""
    desk = await at_work()
    desk.over(desk.live(), "operator", Parting("operator"))
    assert desk.rooms.taken == 0
    with trio.move_on_after(1) as waiting:
        await desk.register.wait_quiet()
    assert waiting.cancelled_caught
    desk.register.asked(SID)
    await desk.register.wait_quiet()


async def test_a_carrier_that_does_not_ask_is_not_waited_for_long(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    desk.over(desk.live(), "operator", Parting("operator"))
    with trio.fail_after(ASKED_S + 0.1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.afterwards.run)
            await desk.register.wait_quiet()
            nursery.cancel_scope.cancel()


async def test_who_hung_up_himself_is_told_nothing_more(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.over(desk.live(), "hangup")
    await desk.register.wait_quiet()


async def test_an_order_that_the_carrier_refused_was_no_call(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.register.close(desk.register.admit(OURS, Stage.QUEUED, 90.0), "failed")
    assert desk.journal.records == []
