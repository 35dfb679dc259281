"""What webhooks are owed is written with what it tells of, and waits its turn."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from test_store_stage import (
    ALL,
    SID,
    START,
    ask,
    counts,
    full,
    live,
    opened,
    sid,
    store_in,
    turn,
    whole,
)

from voiced.records import queue
from voiced.records.model import CallStatus, Direction
from voiced.records.store import Store

CALL = {
    "sid": SID,
    "direction": "inbound",
    "agent": "default",
    "from": "+33600000001",
    "to": "+33100000001",
    "status": "live",
    "started_at": "2026-01-01T00:00:00.000Z",
    "ended_at": None,
    "duration_s": None,
    "reason": None,
    "turns": 0,
    "summary": {},
    "variables": {},
    "recording": False,
}


def bodies(store: Store) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in store.webhooks.due(START + 1e6, 1_000)]


def owed(store: Store) -> list[tuple[str, str]]:
    return [(each.webhook, each.event) for each in store.webhooks.due(START + 1e6, 1_000)]


def test_the_events_are_as_documented(tmp_path: Path) -> None:
    with store_in(tmp_path, {event: ["crm"] for event in ALL}) as store:
        store.write(whole())
        started, ended_turn, ended = bodies(store)
        ids = {each.pop("id") for each in (started, ended_turn, ended)}
        assert len(ids) == 3
        assert all(len(each) == 32 for each in ids)
        assert started == {
            "event": "call.started",
            "created_at": "2026-01-01T00:00:01.000Z",
            "call": CALL,
        }
        assert ended_turn == {
            "event": "turn.ended",
            "created_at": "2026-01-01T00:00:05.000Z",
            "call": CALL | {"turns": 1},
            "turn": {
                "number": 0,
                "at_s": 4.0,
                "ending": "barged-in",
                "stages_ms": {"answer": 840},
                "caller": "Are you open on Sundays?",
                "agent": "Yes, from ten",
            },
        }
        assert ended == {
            "event": "call.ended",
            "created_at": "2026-01-01T00:01:00.000Z",
            "call": CALL
            | {
                "turns": 1,
                "status": "ended",
                "ended_at": "2026-01-01T00:01:00.000Z",
                "duration_s": 59.0,
                "reason": "hangup",
                "summary": {"barge_ins": 1},
            },
            "transcript": [
                {"role": "caller", "text": "Are you open", "at_s": 1.5, "ending": "complete"},
                {"role": "caller", "text": "on Sundays?", "at_s": 2.5, "ending": "complete"},
                {"role": "agent", "text": "Yes, from ten", "at_s": 4.0, "ending": "interrupted"},
                {"role": "agent", "text": "Bye", "at_s": 58.0, "ending": "complete"},
            ],
            "extraction": None,
        }


def test_a_delivery_tells_what_its_body_does(tmp_path: Path) -> None:
    with store_in(tmp_path, {"call.started": ["crm"]}) as store:
        store.write([opened(variables={"name": "Zoë"}), live()])
        (delivery,) = store.webhooks.due(START + 1, 10)
        body = json.loads(delivery.body)
        assert (delivery.event_id, delivery.event) == (body["id"], "call.started")
        assert (delivery.attempts, delivery.created_at) == (0, START + 1)
        assert "Zoë".encode() in delivery.body


def test_only_who_subscribed_is_told(tmp_path: Path) -> None:
    with store_in(tmp_path, {"call.ended": ["crm", "bi"], "turn.ended": []}) as store:
        store.write(whole())
        assert owed(store) == [("crm", "call.ended"), ("bi", "call.ended")]


@pytest.mark.parametrize("direction", Direction)
def test_a_call_starts_once_when_it_is_live_at_first(tmp_path: Path, direction: Direction) -> None:
    with store_in(tmp_path, {"call.started": ["crm"]}) as store:
        store.write([opened(direction=direction), CallStatus(SID, "ringing", START)])
        assert owed(store) == []
        store.write([live()])
        store.write([CallStatus(SID, "lost", START), live()])  # it came back
        assert owed(store) == [("crm", "call.started")]


def test_what_is_not_written_is_not_told(tmp_path: Path) -> None:
    with store_in(tmp_path, ALL) as store:
        store.write([opened()])
        with full(store), pytest.raises(sqlite3.OperationalError):
            store.write([live(), *[turn(number=number) for number in range(500)]])
        assert counts(tmp_path)("deliveries") == 0
        assert counts(tmp_path)("turns") == 0
        store.write([live()])
        assert owed(store) == [("crm", "call.started")]


def test_the_oldest_of_each_webhook_comes_first(tmp_path: Path) -> None:
    with store_in(tmp_path, {"turn.ended": ["dead", "slow"], "call.ended": ["bi"]}) as store:
        store.write([turn(number=number) for number in range(3)])
        store.write(whole(sid(2)))
        first = store.webhooks.due(START + 1e6, 4)
        assert [each.webhook for each in first] == ["dead", "slow", "bi", "dead"]
        assert first[0].id < first[3].id


def test_what_is_due_is_due_and_what_is_not_is_not(tmp_path: Path) -> None:
    with store_in(tmp_path, {"turn.ended": ["crm"]}) as store:
        assert store.webhooks.next_due() is None
        store.write([turn(number=number) for number in range(3)])  # at 5, 6 and 7 seconds
        assert store.webhooks.next_due() == START + 5
        assert store.webhooks.due(START + 4.9, 9) == []
        assert [each.created_at for each in store.webhooks.due(START + 6, 9)] == [
            START + 5,
            START + 6,
        ]


def test_an_attempt_settles_a_delivery(tmp_path: Path) -> None:
    with store_in(tmp_path, {"turn.ended": ["crm"]}) as store:
        store.write([turn(number=number) for number in range(3)])
        one, two, three = store.webhooks.due(START + 9, 9)
        store.webhooks.settle(one.id, "delivered")
        store.webhooks.settle(two.id, "given-up", None, "status 410")
        store.webhooks.settle(three.id, "due", START + 99, "timeout")
        assert store.webhooks.due(START + 98, 9) == []
        assert store.webhooks.next_due() == START + 99
        (again,) = store.webhooks.due(START + 99, 9)
        assert (again.id, again.attempts, again.event_id) == (three.id, 1, three.event_id)
    assert ask(tmp_path, "SELECT state, error, attempts FROM deliveries ORDER BY id") == [
        ("delivered", "", 1),
        ("given-up", "status 410", 1),
        ("due", "timeout", 1),
    ]


def test_of_two_daemons_one_claims_a_delivery(tmp_path: Path) -> None:
    with store_in(tmp_path, {"turn.ended": ["crm"]}) as store, store_in(tmp_path) as other:
        store.write([turn()])
        (one,) = store.webhooks.due(START + 9, 9)
        (same,) = other.webhooks.due(START + 9, 9)
        assert not store.webhooks.claim(one.id, START + 4, START + 24), "it is not due yet"
        assert store.webhooks.claim(one.id, START + 9, START + 29)
        assert not other.webhooks.claim(same.id, START + 9, START + 29)
        assert other.webhooks.due(START + 28, 9) == []
        assert other.webhooks.next_due() == START + 29
        assert other.webhooks.claim(same.id, START + 29, START + 49), "whoever had it is gone"
        store.webhooks.settle(one.id, "delivered")
        assert not other.webhooks.claim(same.id, START + 99, START + 119)
    assert ask(tmp_path, "SELECT state, attempts FROM deliveries") == [("delivered", 1)]


def test_more_than_the_bound_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_UNDELIVERED", 3)
    with store_in(tmp_path, {"turn.ended": ["crm"]}) as store:
        assert store.write([turn(number=number) for number in range(3)]).given_up == 0
        (first, *_) = store.webhooks.due(START + 99, 9)
        store.webhooks.settle(first.id, "delivered")  # it does not wait any more
        assert store.write([turn(number=number) for number in range(3, 6)]).given_up == 2
        left = [json.loads(each.body)["turn"]["number"] for each in store.webhooks.due(3e9, 9)]
        assert left == [3, 4, 5]
    lost = ask(tmp_path, "SELECT due_at, error FROM deliveries WHERE state = 'given-up'")
    assert lost == [(None, "too many are waiting")] * 2


@pytest.mark.parametrize(
    "question",
    [
        "SELECT id, row_number() OVER (PARTITION BY webhook ORDER BY id) AS place FROM deliveries"
        " WHERE state = 'due' AND due_at <= 5",
        "SELECT count(*) FROM deliveries WHERE state = 'due'",
        "SELECT min(due_at) FROM deliveries WHERE state = 'due'",
    ],
)
def test_a_month_of_delivered_ones_is_not_read_each_time(tmp_path: Path, question: str) -> None:
    with store_in(tmp_path):
        plan = str(ask(tmp_path, f"EXPLAIN QUERY PLAN {question}"))
        assert "COVERING INDEX deliveries_" in plan, plan
