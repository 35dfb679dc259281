"""What the carrier is told to do next, and what becomes of a call about which it says nothing."""

import itertools

import pytest
import trio
from call_desk import AFTER, SID, Desk, FakeCall, at_work
from trio.testing import MockClock

from voiced.call.afterwards import FETCH_S, UNTOLD_S, Connect, Dial, HangUp
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.register import AWAITED_S, LOST_S, PARTING_S
from voiced.dialog import events as ev
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.errors import CarrierError
from voiced.records.model import Direction
from voiced.wire.twilio_callback import CallProgress, DialResult, MachineVerdict, StreamEvent

COLLEAGUE = Transfer("+33199999999")
ELSEWHERE = Parting("transfer", (Phrase.TRANSFER,), COLLEAGUE)


def placed(desk: Desk) -> Entry:
    """A call that we placed, and that rings."""
    ours = Parties("out-1", "default", "+33123456789", "+33612345678", Direction.OUTBOUND)
    desk.register.admit(ours, Stage.QUEUED, 90.0)
    entry = desk.register.name("out-1", SID)
    assert entry
    return entry


def told(status: str, sequence: int, sip_code: int | None = None) -> CallProgress:
    return CallProgress(SID, status, sequence, None, sip_code, "")


# --- the stream is over -------------------------------------------------------------------------


async def test_a_call_that_nobody_knows_is_hung_up(autojump_clock: MockClock) -> None:
    assert await Desk().afterwards.next(SID, "in-progress") == HangUp()


async def test_a_call_that_said_goodbye_is_hung_up(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.over(desk.live(), "operator", Parting("operator"))
    assert await desk.afterwards.next(SID, "in-progress") == HangUp()


async def test_a_transfer_is_dialled(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, "transfer", ELSEWHERE)
    assert await desk.afterwards.next(SID, "in-progress") == Dial(entry, COLLEAGUE)
    assert (entry.stage, desk.journal.statuses[-1]) == (Stage.TRANSFERRING, "transferring")


async def test_a_broken_stream_is_opened_again_once(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, "socket-lost")
    assert await desk.afterwards.next(SID, "in-progress") == Connect(entry)
    assert (entry.stage, entry.opening) == (Stage.AWAITED, Phrase.RESUMED)
    desk.register.connected(entry, FakeCall())  # type: ignore[arg-type]
    desk.over(entry, "socket-lost")
    assert await desk.afterwards.next(SID, "in-progress") == HangUp()
    assert desk.journal.ends == ["socket-lost"]


async def test_who_has_hung_up_meanwhile_is_not_fetched_back(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.over(desk.live(), "socket-lost")
    assert await desk.afterwards.next(SID, "completed") == HangUp()
    assert desk.journal.ends == ["hangup"]


async def test_the_carrier_may_tell_first_that_a_stream_broke(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.live()

    async def breaks() -> None:
        await trio.sleep(0.5)
        desk.over(entry, "socket-lost")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(breaks)
        assert await desk.afterwards.next(SID, "in-progress") == Connect(entry)


async def test_a_half_open_socket_is_given_up_on_the_carriers_word(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    entry = desk.live()
    call = entry.call
    assert isinstance(call, FakeCall)

    async def notices() -> None:
        await trio.sleep(UNTOLD_S + 0.5)
        assert call.requests == [ev.LegEnded("socket-lost")]
        desk.over(entry, "socket-lost")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(notices)
        assert await desk.afterwards.next(SID, "in-progress") == Connect(entry)


async def test_without_room_any_more_a_lost_call_hears_that(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, "transfer", ELSEWHERE)
    await desk.afterwards.next(SID, "in-progress")
    desk.rooms.reason = "stt-slots"
    step = desk.afterwards.dialled(SID, DialResult("busy", None))
    assert step == HangUp("default", "stt-slots")
    assert desk.journal.ends == ["stt-slots"]


async def test_a_media_socket_that_never_came_ends_the_call(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.ringing()
    assert await desk.afterwards.next(SID, "in-progress") == HangUp("default", "media")
    assert desk.journal.ends == ["never-connected"]


# --- the transfer is over -----------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_a_transfer_that_somebody_took_is_the_end(
    autojump_clock: MockClock, status: str
) -> None:
    desk = await at_work()
    desk.over(desk.live(), "transfer", ELSEWHERE)
    await desk.afterwards.next(SID, "in-progress")
    assert desk.afterwards.dialled(SID, DialResult(status, 63)) == HangUp()
    assert (desk.journal.ends, desk.journal.happened) == (["transferred"], ["transfer-ended"])


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
async def test_a_transfer_that_nobody_took_comes_back(
    autojump_clock: MockClock, status: str
) -> None:
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, "transfer", ELSEWHERE)
    await desk.afterwards.next(SID, "in-progress")
    assert desk.afterwards.dialled(SID, DialResult(status, None)) == Connect(entry)
    assert (entry.opening, entry.parting, desk.rooms.taken) == (Phrase.TRANSFER_FAILED, None, 1)


async def test_the_end_of_a_transfer_that_there_was_not(autojump_clock: MockClock) -> None:
    desk = await at_work()
    assert desk.afterwards.dialled(SID, DialResult("busy", None)) == HangUp()
    desk.live()
    assert desk.afterwards.dialled(SID, DialResult("busy", None)) == HangUp()
    assert desk.journal.ends == []


# --- progress -----------------------------------------------------------------------------------


STEPS = [told("initiated", 0), told("ringing", 1), told("busy", 2, 486)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_callbacks_in_any_order_end_a_call_the_same_way(
    autojump_clock: MockClock, order: tuple[int, ...]
) -> None:
    desk = await at_work()
    placed(desk)
    for index in order:
        desk.afterwards.progress("out-1", STEPS[index])
    assert (desk.journal.ends, desk.rooms.taken) == (["busy"], 0)


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
async def test_a_call_that_was_not_taken_ends_with_its_reason(
    autojump_clock: MockClock, status: str
) -> None:
    desk = await at_work()
    placed(desk)
    desk.afterwards.progress("", told(status, 2))
    assert desk.journal.ends == [status]


async def test_a_callback_may_come_before_the_carrier_has_named_the_call(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    ours = Parties("out-1", "default", "+33123456789", "+33612345678", Direction.OUTBOUND)
    entry = desk.register.admit(ours, Stage.QUEUED, 90.0)
    desk.afterwards.progress("out-1", told("ringing", 1))
    assert (entry.sid, entry.stage) == (SID, Stage.RINGING)
    assert desk.journal.statuses == ["ringing"]


async def test_the_end_that_the_carrier_tells_of_a_live_call_comes_by_its_stream(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    desk.live()
    desk.afterwards.progress("", told("completed", 3))
    assert desk.journal.ends == []


@pytest.mark.parametrize(
    ("reason", "parting", "end"),
    [("transfer", ELSEWHERE, "hangup"), ("socket-lost", None, "hangup")],
)
async def test_who_hangs_up_between_two_stages_has_hung_up(
    autojump_clock: MockClock, reason: str, parting: Parting | None, end: str
) -> None:
    desk = await at_work()
    desk.over(desk.live(), reason, parting)
    desk.afterwards.progress("", told("completed", 3))
    assert desk.journal.ends == [end]


async def test_a_transferred_call_that_completes_was_transferred(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    desk.over(desk.live(), "transfer", ELSEWHERE)
    await desk.afterwards.next(SID, "in-progress")
    desk.afterwards.progress("", told("completed", 3))
    assert desk.journal.ends == ["transferred"]


async def test_an_answered_call_that_never_came_to_us(autojump_clock: MockClock) -> None:
    desk = await at_work()
    placed(desk)
    desk.afterwards.progress("", told("completed", 3))
    assert desk.journal.ends == ["never-connected"]


async def test_what_is_told_of_strangers_changes_nothing(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.afterwards.progress("out-9", told("busy", 1))
    desk.afterwards.verdict(MachineVerdict(SID, "human", None))
    desk.afterwards.stream_failed(StreamEvent(SID, "MZ1", "stream-error", "oops"))
    assert desk.journal.records == []


async def test_a_verdict_reaches_the_call_or_waits_for_it(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.ringing()
    verdict = MachineVerdict(SID, "machine_start", 3000)
    desk.afterwards.verdict(verdict)
    assert entry.answered_by == "machine_start"
    call = FakeCall()
    desk.register.connected(entry, call)  # type: ignore[arg-type]
    desk.afterwards.verdict(verdict)
    assert call.requests == [ev.MachineDetected("machine_start")]


async def test_a_stream_that_the_carrier_cannot_open_is_on_record(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    desk.ringing()
    desk.afterwards.stream_failed(StreamEvent(SID, "MZ1", "stream-error", "handshake"))
    assert desk.journal.happened == ["stream-error"]


# --- nothing is told ----------------------------------------------------------------------------


async def run_until(desk: Desk, seconds: float) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.afterwards.run)
        nursery.start_soon(desk.errands.run)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


async def test_a_token_that_nobody_redeems_gives_the_place_back(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.ringing()
    await run_until(desk, AWAITED_S + 1)
    assert (desk.journal.ends, desk.rooms.taken) == (["never-connected"], 0)
    assert desk.carrier.asked == [("end", SID)]


async def test_a_lost_call_is_asked_for_and_then_given_up(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.over(desk.live(), "socket-lost")
    await run_until(desk, LOST_S + 1)
    assert desk.carrier.asked == [("redirect", SID, AFTER)]
    await run_until(desk, FETCH_S)
    assert desk.carrier.asked[1:] == [("end", SID)]
    assert desk.journal.ends == ["socket-lost"]


async def test_a_lost_call_that_comes_back_is_let_be(autojump_clock: MockClock) -> None:
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, "socket-lost")
    await run_until(desk, LOST_S / 2)
    await desk.afterwards.next(SID, "in-progress")
    desk.register.connected(entry, FakeCall())  # type: ignore[arg-type]
    await run_until(desk, 3600)
    assert (desk.carrier.asked, entry.stage) == ([], Stage.LIVE)


async def test_a_transfer_for_which_the_carrier_never_asks(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.over(desk.live(), "transfer", ELSEWHERE)
    await run_until(desk, PARTING_S + 1)
    assert (desk.journal.ends, desk.carrier.asked) == (["transfer-lost"], [("end", SID)])


async def test_a_call_that_rings_for_ever_was_not_answered(autojump_clock: MockClock) -> None:
    desk = await at_work()
    placed(desk)
    await run_until(desk, 91)
    assert (desk.journal.ends, desk.rooms.taken) == (["no-answer"], 0)


async def test_a_carrier_that_fails_costs_a_line_in_the_log(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await at_work()
    desk.carrier.error = CarrierError("it is down")
    desk.ringing("CA1")
    desk.ringing("CA2")
    await run_until(desk, AWAITED_S + 1)
    assert [record.getMessage() for record in caplog.records] == [
        "the carrier did not do as asked: it is down"
    ] * 2


async def test_without_an_account_the_carrier_is_asked_nothing(autojump_clock: MockClock) -> None:
    desk = await at_work()
    desk.carrier.is_configured = False
    desk.ringing()
    await run_until(desk, AWAITED_S + 1)
    assert (desk.carrier.asked, desk.journal.ends) == ([], ["never-connected"])


async def test_requests_to_a_dead_carrier_do_not_pile_up(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await at_work()
    for _ in range(300):
        desk.errands.end(SID)
    assert len(caplog.records) == 300 - 256


async def test_a_request_to_come_back_is_dropped_when_the_call_is_back(
    autojump_clock: MockClock,
) -> None:
    """Carried out late, it would tear the new stream away."""
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, "socket-lost")
    await trio.sleep(LOST_S)
    desk.afterwards.sweep()
    assert await desk.afterwards.next(SID, "in-progress") == Connect(entry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.errands.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert desk.carrier.asked == []


async def test_a_request_that_was_carried_out_too_late_costs_nothing(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    entry = desk.live()
    desk.over(entry, "socket-lost")
    await trio.sleep(LOST_S)
    desk.afterwards.sweep()
    for _ in range(2):  # by itself, and because it was asked to
        assert await desk.afterwards.next(SID, "in-progress") == Connect(entry)
    assert await desk.afterwards.next(SID, "in-progress") == HangUp("default", "media")
