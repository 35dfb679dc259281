"""What was learnt from a call: kept with it, shown with it, and told with its end."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from test_store_opening import VERSION_1, by_hand
from test_store_stage import SID, START, ask, closed, opened, sid, store_in, whole

from voiced.records.feed import Feed
from voiced.records.model import CallClosed, Extracted, Record
from voiced.records.store import Store

END = START + 60
FIELDS = {"name": {"value": "Zoé", "words": "it is zoé"}, "guests": {"value": 4, "words": None}}
SHOWN = {
    "status": "partial",
    "at": "2026-01-01T00:01:05.000Z",
    "fields": FIELDS,
    "missing": ["day"],
    "faults": ["time: must be a time, as in 19:30"],
}
HOOK = {"call.ended": ["crm"]}


def extracted(at: float = END + 5, **changed: Any) -> Extracted:
    faults = ("time: must be a time, as in 19:30",)
    return evolve(Extracted(SID, at, "partial", FIELDS, ("day",), faults), **changed)


def awaiting(sid: str = SID, awaits_s: float = 30.0) -> CallClosed:
    return evolve(closed(sid), awaits_s=awaits_s)


def sent(store: Store, at: float) -> list[dict[str, Any]]:
    """What is due, as it goes out."""
    return [json.loads(each.body) for each in store.webhooks.due(at, 99)]


def shown(store: Store, of: str = SID) -> Any:
    call = store.call(of)
    assert call
    return call["extraction"]


def test_it_is_shown_with_its_call_and_nowhere_else(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([*whole(), extracted(), *whole(sid(2))])
        assert shown(store) == SHOWN
        assert shown(store, sid(2)) is None
        page = store.calls(state=None, limit=9, before=None)["calls"]
        assert not any("extraction" in each for each in page)


def test_a_later_one_takes_its_place(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(), extracted(), extracted(END + 9, status="complete", fields={})])
        assert (shown(store)["status"], shown(store)["fields"]) == ("complete", {})


@pytest.mark.parametrize("before", ["complete", "partial", "empty"])
def test_one_that_failed_replaces_nothing_better(tmp_path: Path, before: str) -> None:
    with store_in(tmp_path) as store:
        failed = extracted(END + 9, status="failed", fields={})
        store.write([opened(), failed, extracted(status=before), failed])
        assert (shown(store)["status"], shown(store)["fields"]) == (before, FIELDS)


def test_a_call_that_nobody_knows_is_not_made_known_by_it(tmp_path: Path) -> None:
    with store_in(tmp_path, HOOK) as store:
        written = store.write([extracted()])
        assert written.refused == ()
        assert store.call(SID) is None


def test_it_goes_with_its_call(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([*whole(), extracted()])
        store.purge(END + 1)
    assert ask(tmp_path, "SELECT * FROM extractions") == []


@pytest.mark.parametrize("at", [float("nan"), float("inf")])
def test_one_without_a_time_is_refused_alone(tmp_path: Path, at: float) -> None:
    with store_in(tmp_path, HOOK) as store:
        written = store.write([opened(), awaiting(), extracted(at)])
        assert [kind for kind, _ in written.refused] == ["Extracted"]
        assert len(sent(store, END + 30)) == 1


def test_awkward_texts_are_kept(tmp_path: Path) -> None:
    awkward = {"a": {"value": 'half \ud83d "é"', "words": "\0'; DROP"}}
    with store_in(tmp_path, HOOK) as store:
        store.write([opened(), awaiting(), extracted(fields=awkward)])
        assert shown(store)["fields"]["a"] == {"value": 'half ? "é"', "words": "\0'; DROP"}
        assert len(sent(store, END + 30)) == 1


# --- the webhook of the end -----------------------------------------------------------------------


def test_the_end_is_told_with_it_as_soon_as_it_is_there(tmp_path: Path) -> None:
    with store_in(tmp_path, HOOK | {"turn.ended": ["bi"]}) as store:
        store.write([*whole()[:-1], awaiting()])
        assert [each["event"] for each in sent(store, END + 29.9)] == ["turn.ended"]
        (before,) = ask(tmp_path, "SELECT event_id FROM deliveries WHERE webhook = 'crm'")
        store.write([extracted()])
        (_, body) = sent(store, END + 5)
        assert list(body) == ["id", "event", "created_at", "call", "transcript", "extraction"]
        assert (body["event"], body["extraction"]) == ("call.ended", SHOWN)
        assert (body["id"],) == before
        assert body["created_at"] == "2026-01-01T00:01:00.000Z"


def test_both_in_one_batch(tmp_path: Path) -> None:
    with store_in(tmp_path, {"call.ended": ["crm", "bi"]}) as store:
        store.write([opened(), awaiting(), extracted(END)])
        assert [each["extraction"]["status"] for each in sent(store, END)] == ["partial"] * 2


def test_the_end_is_told_without_it_after_its_time(tmp_path: Path) -> None:
    with store_in(tmp_path, HOOK) as store:
        store.write([opened(), awaiting()])
    with store_in(tmp_path, HOOK) as store:  # after a crash
        assert store.webhooks.next_due() == END + 30
        (body,) = sent(store, END + 30)
        assert body["extraction"] is None


def test_what_was_learnt_on_the_way_is_better_than_nothing(tmp_path: Path) -> None:
    with store_in(tmp_path, HOOK) as store:
        store.write([opened(), extracted(START + 9), awaiting()])
        (body,) = sent(store, END + 30)
        assert body["extraction"]["fields"] == FIELDS
        store.write([extracted(status="failed", fields={})])
        (body,) = sent(store, END + 30)
        assert body["extraction"]["fields"] == FIELDS


def test_nothing_is_awaited_where_nothing_is_wanted(tmp_path: Path) -> None:
    with store_in(tmp_path, HOOK) as store:
        store.write([opened(), closed()])
        store.write([extracted()])  # asked for by hand, later
        (body,) = sent(store, END)
        assert body["extraction"] is None
    assert ask(tmp_path, "SELECT awaits FROM deliveries") == [(None,)]


def test_what_is_on_its_way_is_not_changed_any_more(tmp_path: Path) -> None:
    with store_in(tmp_path, HOOK) as store:
        store.write([opened(), awaiting()])
        (delivery,) = store.webhooks.due(END + 30, 9)
        assert store.webhooks.claim(delivery.id, END + 30, END + 50)
        store.write([extracted(END + 31)])
        assert store.webhooks.next_due() == END + 50, "it would be sent twice"
        assert shown(store)["status"] == "partial"


@pytest.mark.parametrize("state", ["delivered", "given-up"])
def test_what_is_settled_stays_settled(tmp_path: Path, state: str) -> None:
    with store_in(tmp_path, HOOK) as store:
        store.write([opened(), awaiting()])
        (delivery,) = store.webhooks.due(END + 30, 9)
        store.webhooks.settle(delivery.id, state)
        store.write([extracted()])
        assert store.webhooks.next_due() is None


def test_of_several_calls_each_is_told_its_own(tmp_path: Path) -> None:
    with store_in(tmp_path, HOOK) as store:
        for number in (1, 2):
            store.write([opened(sid(number)), awaiting(sid(number))])
        store.write([extracted(sid=sid(2))])
        (body,) = sent(store, END + 5)
        assert body["call"]["sid"] == sid(2)


def test_who_waits_is_found_without_reading_them_all(tmp_path: Path) -> None:
    with store_in(tmp_path):
        question = "SELECT id, body FROM deliveries WHERE awaits = ? AND state = 'due'"
        assert "deliveries_awaiting" in str(ask(tmp_path, f"EXPLAIN QUERY PLAN {question}", SID))


# --- the version before ---------------------------------------------------------------------------


def test_a_call_of_the_version_before_can_be_learnt_from(tmp_path: Path) -> None:
    by_hand(tmp_path, VERSION_1)
    with store_in(tmp_path, HOOK) as store:
        store.write([evolve(closed("CAold"), awaits_s=30.0), extracted(sid="CAold")])
        assert shown(store, "CAold") == SHOWN
        bodies = {each["event"] for each in sent(store, END + 5) if each}
        assert "call.ended" in bodies


def test_a_daemon_of_the_version_before_goes_on_beside_us(tmp_path: Path) -> None:
    """Its statements, during an upgrade: what it writes and sends is as good as ever."""
    with store_in(tmp_path, HOOK) as store:
        store.write([opened(), awaiting()])
        by_hand(
            tmp_path,
            "INSERT INTO deliveries (webhook, event_id, event, body, created_at, due_at)"
            " VALUES ('crm', 'old', 'call.started', '{}', 1.0, 1.0);"
            "INSERT INTO turns VALUES ('CAx', 0, 1.0, 'heard', '{}', '', '');"
            f"UPDATE deliveries SET due_at = {END + 50} WHERE due_at <= {END + 30};",
        )
        store.write([extracted()])
        assert len(store.webhooks.due(END + 60, 9)) == 2


def test_there_is_room_for_memories(tmp_path: Path) -> None:
    with store_in(tmp_path):
        by_hand(tmp_path, "INSERT INTO memories VALUES ('+1', 'default', 'A regular.', 1.0)")
    question = "SELECT summary FROM memories WHERE caller = '+1' AND agent = 'default'"
    assert ask(tmp_path, question) == [("A regular.",)]
    assert "memories_of_caller" in str(ask(tmp_path, f"EXPLAIN QUERY PLAN {question}"))


# --- the feed -------------------------------------------------------------------------------------


def test_the_feed_tells_that_it_is_there_and_not_what_it_says() -> None:
    kept: list[Record] = []
    feed = Feed(kept.append)
    feed.put(extracted())
    (event,) = feed.after(0)
    assert (event.kind, event.detail) == ("extraction", {"status": "partial", "missing": ["day"]})
    assert kept == [extracted()]
