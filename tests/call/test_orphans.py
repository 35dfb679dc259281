"""The calls that a crash left behind."""

import time

import pytest
import trio
from call_desk import AFTER, SID, Desk, FakeCall, at_work
from trio.testing import MockClock

from voiced.call.afterwards import FETCH_S, Connect, Dial, HangUp
from voiced.call.orphans import Orphans
from voiced.call.parties import Entry, Stage
from voiced.call.switchboard import Switchboard
from voiced.dialog.history import Ending, Role
from voiced.dialog.parting import Phrase
from voiced.errors import CallGone, CarrierError
from voiced.records.model import Direction, OpenCall, Said
from voiced.wire.twilio_callback import CallProgress, DialResult
from voiced.wire.twilio_rest import CallResource

SAID = (
    Said("caller", "a table for two", 3.0, "complete"),
    Said("agent", "With pleasure, for", 4.5, "interrupted"),
)


def left_behind(status: str, sid: str = SID) -> OpenCall:
    return OpenCall(
        sid, Direction.INBOUND, "default", "+33612345678", "+33123456789", status,
        time.time() - 100, {}, SAID, 2,
    )  # fmt: skip


def resource(status: str) -> CallResource:
    return CallResource(
        sid=SID, status=status, to="", sender="", direction="inbound",
        answered_by=None, duration_s=None, queue_ms=None,
    )  # fmt: skip


def orphans_of(desk: Desk) -> Orphans:
    board = Switchboard(desk.register, lambda parties: None, desk.errands)  # type: ignore[arg-type, return-value]
    return Orphans(board, desk.carrier, desk.errands)  # type: ignore[arg-type]


async def settle(desk: Desk, kept: str, found: str) -> Entry:
    """Adopts a call that the records have in one state, and the carrier in another."""
    orphans = orphans_of(desk)
    desk.carrier.found = lambda sid: resource(found)
    (entry,) = orphans.adopt([left_behind(kept)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.errands.run)
        await orphans.settle([entry])
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return entry


@pytest.mark.parametrize("kept", ["live", "lost", "ringing"])
async def test_a_call_that_lives_is_fetched_back_with_what_was_said(
    autojump_clock: MockClock, kept: str
) -> None:
    desk = Desk()
    entry = await settle(desk, kept, "in-progress")
    assert desk.carrier.asked == [("fetch", SID), ("redirect", SID, AFTER)]
    assert await desk.afterwards.next(SID, "in-progress") == Connect(entry)
    assert entry.opening is Phrase.RESUMED
    assert entry.past is not None
    assert entry.past.turns == 2
    assert entry.past.started_at == pytest.approx(trio.current_time() - 100, abs=5)
    assert [(e.role, e.text, e.ending) for e in entry.past.items] == [
        (Role.CALLER, "a table for two", Ending.COMPLETE),
        (Role.AGENT, "With pleasure, for", Ending.INTERRUPTED),
    ]


async def test_one_that_does_not_come_back_is_ended(autojump_clock: MockClock) -> None:
    desk = Desk()
    await settle(desk, "live", "in-progress")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.afterwards.run)
        nursery.start_soon(desk.errands.run)
        await trio.sleep(FETCH_S + 1)
        nursery.cancel_scope.cancel()
    assert desk.carrier.asked[-1] == ("end", SID)
    assert desk.journal.ends == ["socket-lost"]


async def test_a_transferred_call_is_let_be_and_its_end_understood(
    autojump_clock: MockClock,
) -> None:
    desk = Desk()
    entry = await settle(desk, "transferring", "in-progress")
    assert (entry.stage, desk.carrier.asked) == (Stage.TRANSFERRING, [("fetch", SID)])
    assert desk.afterwards.dialled(SID, DialResult("no-answer", None)) == Connect(entry)


@pytest.mark.parametrize("found", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_one_that_has_ended_is_closed(autojump_clock: MockClock, found: str) -> None:
    desk = Desk()
    await settle(desk, "live", found)
    assert desk.journal.ends == ["crash"]
    assert dict(desk.register.calls) == {}


async def test_one_that_still_rings_is_ended(autojump_clock: MockClock) -> None:
    desk = Desk()
    await settle(desk, "queued", "ringing")
    assert (desk.carrier.asked[-1], desk.journal.ends) == (("end", SID), ["crash"])


async def test_one_that_the_carrier_has_forgotten(autojump_clock: MockClock) -> None:
    desk = Desk()
    desk.carrier.error = CallGone("gone")
    await settle(desk, "live", "")
    assert desk.journal.ends == ["crash"]


async def test_a_carrier_that_does_not_answer_is_told_to_end_it(autojump_clock: MockClock) -> None:
    desk = Desk()
    desk.carrier.error = CarrierError("down")
    await settle(desk, "live", "")
    assert (desk.carrier.asked[-1], desk.journal.ends) == (("end", SID), ["crash"])


async def test_without_an_account_it_is_closed(autojump_clock: MockClock) -> None:
    desk = Desk()
    desk.carrier.is_configured = False
    await settle(desk, "live", "")
    assert (desk.carrier.asked, desk.journal.ends) == ([], ["crash"])


async def test_the_carrier_may_ask_before_we_have(autojump_clock: MockClock) -> None:
    desk = Desk()
    (entry,) = orphans_of(desk).adopt([left_behind("live")])
    step = await desk.afterwards.next(SID, "in-progress")
    assert step == Connect(entry)
    assert not isinstance(step, Dial | HangUp)


# --- put through by a daemon that is gone ---------------------------------------------------------


def inheriting(desk: Desk, *calls: OpenCall) -> Orphans:
    """These are open, and the carrier asks about them."""
    orphans = orphans_of(desk)

    async def inherit(sid: str, at: str) -> None:
        await trio.lowlevel.checkpoint()
        orphans.inherit(sid, calls)

    desk.afterwards.inherit = inherit
    return orphans


async def test_a_transfer_of_a_daemon_that_is_gone_comes_back_with_what_was_said(
    autojump_clock: MockClock,
) -> None:
    desk = await at_work()
    inheriting(desk, left_behind("live", "CA1"), left_behind("transferring"))
    await desk.afterwards.meet(SID, "0123abcd")
    entry = desk.register.calls[SID]
    assert desk.afterwards.dialled(SID, DialResult("no-answer", None)) == Connect(entry)
    assert (entry.opening, entry.past and entry.past.turns) == (Phrase.TRANSFER_FAILED, 2)
    assert list(desk.register.calls) == [SID]
    assert desk.carrier.asked == []


@pytest.mark.parametrize("by", ["dialled", "progress"])
async def test_one_that_was_taken_is_closed_once(autojump_clock: MockClock, by: str) -> None:
    """Its end may not be on record yet when the carrier tells of it again."""
    desk = await at_work()
    inheriting(desk, left_behind("transferring"))
    for _ in range(2):
        await desk.afterwards.meet(SID, "")
        if by == "dialled":
            assert desk.afterwards.dialled(SID, DialResult("completed", 5)) == HangUp()
        else:
            desk.afterwards.progress("", CallProgress(SID, "completed", None, 9, None, ""))
    assert desk.journal.ends == ["transferred"]


@pytest.mark.parametrize("status", ["live", "lost", "ringing", "queued"])
async def test_only_what_was_put_through_is_inherited(
    autojump_clock: MockClock, status: str
) -> None:
    desk = await at_work()
    assert not inheriting(desk).inherit(SID, [left_behind(status)])
    assert dict(desk.register.calls) == {}


async def test_a_call_of_our_own_is_none_of_another_s(autojump_clock: MockClock) -> None:
    desk = await at_work()
    orphans = inheriting(desk, left_behind("transferring"))
    entry = desk.live()
    await desk.afterwards.meet(SID, "0123abcd")
    assert not orphans.inherit(SID, [left_behind("transferring")])
    assert desk.register.calls[SID] is entry


async def test_without_an_heir_an_unknown_call_stays_unknown(autojump_clock: MockClock) -> None:
    desk = await at_work()
    await desk.afterwards.meet(SID, "0123abcd")
    assert desk.afterwards.dialled(SID, DialResult("completed", 5)) == HangUp()
    assert desk.journal.records == []


async def test_the_inherited_are_remembered_up_to_a_bound(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voiced.call.orphans.REMEMBERED", 1)
    desk = await at_work()
    orphans = orphans_of(desk)
    for sid in ("CA1", "CA2", "CA1"):
        assert orphans.inherit(sid, [left_behind("transferring", sid)])
        desk.register.close(desk.register.calls[sid], "transferred")
    assert not orphans.inherit("CA1", [left_behind("transferring", "CA1")])


async def test_one_that_came_back_and_is_lost_is_fetched_back(autojump_clock: MockClock) -> None:
    """Nothing had been asked of the carrier about a transfer."""
    desk = Desk()
    entry = await settle(desk, "transferring", "in-progress")
    desk.afterwards.dialled(SID, DialResult("busy", None))
    desk.register.connected(entry, FakeCall())  # type: ignore[arg-type]
    desk.over(entry, "socket-lost")
    entry.until = trio.current_time()
    desk.afterwards.sweep()
    assert entry.fetching
