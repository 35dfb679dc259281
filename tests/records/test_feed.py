"""What happens, for those who watch."""

import pytest
import trio
from test_store_stage import SID, START, closed, live, opened, sid, turn
from trio.testing import MockClock

from voiced.records.feed import KEPT, Event, Feed
from voiced.records.model import EngineFailed, Happened, Record


def watched() -> tuple[Feed, list[Record]]:
    kept: list[Record] = []
    return Feed(kept.append), kept


SAID = {"caller": "Are you open on Sundays?", "agent": "Yes, from ten"}


@pytest.mark.parametrize(
    ("record", "kind", "detail"),
    [
        (opened(), "opened", {"direction": "inbound", "agent": "default"}),
        (live(), "status", {"status": "live"}),
        (
            turn(),
            "turn",
            {"number": 0, "ending": "barged-in", "stages_ms": {"answer": 840}} | SAID,
        ),
        (Happened(SID, START, "digits", {"count": 4}), "digits", {"count": 4}),
        (
            EngineFailed(SID, START, "tts", "voice", "timeout", "late"),
            "engine-failed",
            {"role": "tts", "engine": "voice", "reason": "timeout"},
        ),
        (closed(), "closed", {"status": "ended", "reason": "hangup", "duration_s": 59.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_record_is_kept_and_shown(
    record: Record, kind: str, detail: dict[str, object]
) -> None:
    feed, kept = watched()
    feed.put(record)
    assert kept == [record]
    assert feed.after(0) == [Event(1, record.at, SID, kind, detail)]


def test_an_event_as_the_api_shows_it() -> None:
    assert Event(7, START + 1.25, SID, "say", {"a": 1}).public() == {
        "id": 7,
        "at": "2026-01-01T00:00:01.250Z",
        "call": SID,
        "kind": "say",
        "detail": {"a": 1},
    }


def test_ids_count_from_one_and_after_means_after() -> None:
    feed, _ = watched()
    assert (feed.last, feed.after(0)) == (0, [])
    for number in (1, 2, 1):
        feed.put(live(sid(number)))
    assert feed.last == 3
    assert [each.id for each in feed.after(1)] == [2, 3]
    assert [each.id for each in feed.after(0, sid(1))] == [1, 3]
    assert feed.after(3) == []
    assert feed.after(1, sid(9)) == []


def test_what_is_kept_is_bounded_and_its_ids_go_on() -> None:
    feed, kept = watched()
    for _ in range(KEPT + 5):
        feed.put(live())
    ids = [each.id for each in feed.after(0)]
    assert ids == list(range(6, KEPT + 6))
    assert len(kept) == KEPT + 5


async def test_who_waits_is_woken_by_what_concerns_them(autojump_clock: MockClock) -> None:
    feed, _ = watched()
    found: dict[str, list[int]] = {}

    async def wait(sid: str) -> None:
        found[sid] = [each.id for each in await feed.wait_after(0, sid)]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "")
        nursery.start_soon(wait, sid(2))
        await trio.testing.wait_all_tasks_blocked()
        assert found == {}
        feed.put(live(sid(1)))
        await trio.testing.wait_all_tasks_blocked()
        assert found == {"": [1]}
        feed.put(live(sid(2)))
    assert found == {"": [1], sid(2): [2]}


async def test_who_comes_late_need_not_wait(autojump_clock: MockClock) -> None:
    feed, _ = watched()
    feed.put(live())
    with trio.fail_after(0):
        assert [each.id for each in await feed.wait_after(0)] == [1]
