"""What is written is there: each kind of record, once, whatever is in it."""

import math
from pathlib import Path
from typing import Any

import pytest
from test_store_stage import (
    ALL,
    SAID,
    SID,
    START,
    ask,
    closed,
    counts,
    live,
    opened,
    sid,
    store_in,
    turn,
    whole,
)

from voiced.records.feed import Event
from voiced.records.model import (
    CallClosed,
    CallStatus,
    Direction,
    EngineFailed,
    Happened,
    OpenCall,
    Record,
    Said,
    TurnEnded,
)
from voiced.records.store import Store, Written

AWKWARD = 'nul \0, half \ud83d, whole 😀, "quotes", \' and \\'
CLEANED = AWKWARD.replace("\ud83d", "?")


def timeline(store: Store) -> dict[str, Any]:
    call = store.call(SID)
    assert call
    shown: dict[str, Any] = call["timeline"]
    return shown


def test_a_whole_call_is_read_as_it_was_written(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(variables={"name": "Ada"}), live(), turn()])
        store.write([Happened(SID, START + 7, "digits", {"count": 4, "deep": {"a": [1, None]}})])
        store.write([EngineFailed(SID, START + 8, "tts", "voice", "timeout", "tts voice: late")])
        store.write([closed(recording="a.wav")])
        assert store.call(SID) == {
            "sid": SID,
            "direction": "inbound",
            "agent": "default",
            "from": "+33600000001",
            "to": "+33100000001",
            "status": "ended",
            "started_at": "2026-01-01T00:00:00.000Z",
            "ended_at": "2026-01-01T00:01:00.000Z",
            "duration_s": 59.0,
            "reason": "hangup",
            "turns": 1,
            "summary": {"barge_ins": 1},
            "variables": {"name": "Ada"},
            "recording": True,
            "timeline": {
                "turns": [
                    {
                        "number": 0,
                        "at_s": 4.0,
                        "ending": "barged-in",
                        "stages_ms": {"answer": 840},
                        "caller": "Are you open on Sundays?",
                        "agent": "Yes, from ten",
                    }
                ],
                "events": [
                    {"at": "2026-01-01T00:00:01.000Z", "kind": "live", "detail": {}},
                    {
                        "at": "2026-01-01T00:00:07.000Z",
                        "kind": "digits",
                        "detail": {"count": 4, "deep": {"a": [1, None]}},
                    },
                ],
                "engine_failures": [
                    {
                        "at": "2026-01-01T00:00:08.000Z",
                        "role": "tts",
                        "engine": "voice",
                        "reason": "timeout",
                        "message": "tts voice: late",
                    }
                ],
            },
            "extraction": None,
        }
        assert store.transcript(SID) == [
            {"role": "caller", "text": "Are you open", "at_s": 1.5, "ending": "complete"},
            {"role": "caller", "text": "on Sundays?", "at_s": 2.5, "ending": "complete"},
            {"role": "agent", "text": "Yes, from ten", "at_s": 4.0, "ending": "interrupted"},
            {"role": "agent", "text": "Bye", "at_s": 58.0, "ending": "complete"},
        ]
        assert store.recording(SID) == "a.wav"
        assert store.open_calls() == []


def test_a_call_that_goes_on_has_no_end_yet(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(direction=Direction.OUTBOUND), CallStatus(SID, "queued", START)])
        call = store.call(SID)
        assert call
        shown = [call[key] for key in ("status", "ended_at", "duration_s", "reason", "recording")]
        assert shown == ["queued", None, None, None, False]
        assert call["direction"] == "outbound"
        assert store.recording(SID) is None
        assert store.transcript(SID) == []


def test_a_turn_in_which_nothing_was_said(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(), TurnEnded(SID, 0, START, None, "withdrawn", {}, ())])
        assert timeline(store)["turns"] == [
            {
                "number": 0,
                "at_s": None,
                "ending": "withdrawn",
                "stages_ms": {},
                "caller": "",
                "agent": "",
            }
        ]


def test_what_a_crash_left_behind(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(sid(2), START + 9), *whole(sid(1))])
        store.write([opened(variables={"a": "b"}), live(), turn(), turn(number=1, said=())])
        first, second = store.open_calls()
        parties = (Direction.INBOUND, "default", "+33600000001", "+33100000001")
        assert first == OpenCall(SID, *parties, "live", START, {"a": "b"}, SAID, 2)
        assert second == OpenCall(sid(2), *parties, "ringing", START + 9, {}, (), 0)


def test_nobody_knows_a_call_that_never_was(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        assert store.call(SID) is None
        assert store.transcript(SID) is None
        assert store.recording(SID) is None


def test_a_call_that_is_opened_or_closed_twice_is_one(tmp_path: Path) -> None:
    with store_in(tmp_path, ALL) as store:
        store.write(whole())
        before = store.call(SID), store.transcript(SID), counts(tmp_path)("deliveries")
        store.write([opened(), closed()])
        store.write([closed(at=START + 99)])
        assert (store.call(SID), store.transcript(SID), counts(tmp_path)("deliveries")) == before


@pytest.mark.parametrize(
    "record",
    [
        live(),
        turn(),
        Happened(SID, START, "say", {}),
        EngineFailed(SID, START, "stt", "ear", "refused", "no"),
        closed(),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_call_whose_opening_was_lost_is_kept_and_loses_nothing(
    tmp_path: Path, record: Record
) -> None:
    with store_in(tmp_path) as store:
        assert store.write([record, opened(sid(2))]) == Written((), 0)
        assert store.call(SID)
        assert store.call(sid(2))


def test_an_opening_that_comes_late_completes_the_call(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([live(), opened(at=START + 3, variables={"a": "b"})])
        call = store.call(SID)
        assert call
        assert (call["status"], call["from"]) == ("live", "+33600000001")
        assert (call["started_at"], call["variables"]) == ("2026-01-01T00:00:01.000Z", {"a": "b"})


def test_an_ended_call_stays_ended(tmp_path: Path) -> None:
    with store_in(tmp_path, ALL) as store:
        store.write([opened(), closed(), live()])
        call = store.call(SID)
        assert call
        assert call["status"] == "ended"
        events = ask(tmp_path, "SELECT event FROM deliveries")
        assert ("call.started",) not in events, "it would come after call.ended"


def test_any_text_is_kept_as_well_as_utf_8_can(tmp_path: Path) -> None:
    said = (Said("caller", AWKWARD, 0.0, "complete"),)
    with store_in(tmp_path, ALL) as store:
        written = store.write(
            [
                opened(variables={"name": AWKWARD}),
                Happened(SID, START, "note", {AWKWARD: [AWKWARD]}),
                EngineFailed(SID, START, "llm", "mind", "broken", AWKWARD),
                turn(said=said),
                CallClosed(SID, START, "hangup", 0.0, {"word": AWKWARD}, said),
            ]
        )
        assert written == Written((), 0)
        call, words = store.call(SID), store.transcript(SID)
        assert call
        assert words
        assert [each["text"] for each in words] == [CLEANED, CLEANED]
        assert call["variables"] == {"name": CLEANED}
        assert call["summary"] == {"word": CLEANED}
        assert call["timeline"]["turns"][0]["caller"] == CLEANED
        assert call["timeline"]["events"][0]["detail"] == {CLEANED: [CLEANED]}
        assert call["timeline"]["engine_failures"][0]["message"] == CLEANED


def test_what_json_has_no_word_for_is_written_as_text_or_null(tmp_path: Path) -> None:
    detail = {"path": Path("/a"), "nan": math.nan, "deep": [math.inf, 1.5]}
    with store_in(tmp_path) as store:
        assert store.write([opened(), Happened(SID, START, "odd", detail)]) == Written((), 0)
        shown = timeline(store)["events"][0]["detail"]
        assert shown == {"path": "/a", "nan": None, "deep": [None, 1.5]}


def looped() -> dict[str, object]:
    detail: dict[str, object] = {}
    detail["self"] = detail
    return detail


@pytest.mark.parametrize(
    ("record", "kind", "fault"),
    [
        (Happened(SID, START, "odd", {("a",): 1}), "Happened", "TypeError"),  # type: ignore[dict-item]
        (Happened(SID, START, "odd", looped()), "Happened", "ValueError"),
        (Happened(SID, START, "odd", 5), "Happened", "TypeError"),  # type: ignore[arg-type]
        (Happened(SID, START, "\ud83d", {}), "Happened", "UnicodeEncodeError"),
        (live(at=math.nan), "CallStatus", "ValueError"),
        (live(at=1e300), "CallStatus", "OverflowError"),
        (turn(number=2**70), "TurnEnded", "OverflowError"),
        (turn(said=(Said("agent", "x", math.nan, "complete"),)), "TurnEnded", "IntegrityError"),
        (turn(said=("hello",)), "TurnEnded", "AttributeError"),  # type: ignore[arg-type]
        (opened(sid=None), "CallOpened", "IntegrityError"),  # type: ignore[arg-type]
        ("hello", "str", "AttributeError"),
    ],
    ids=range(11),
)
def test_a_record_that_cannot_be_written_takes_no_other_with_it(
    tmp_path: Path, record: Record, kind: str, fault: str
) -> None:
    with store_in(tmp_path, ALL) as store:
        written = store.write([opened(sid(1)), record, *whole(sid(2))])
        assert written == Written(((kind, fault),), 0)
        assert store.call(sid(1))
        assert store.call(sid(2))
        assert store.call(SID) is None, "a half-written record leaves nothing"
        assert counts(tmp_path)("deliveries") == 4


def test_a_class_that_is_no_record_is_refused(tmp_path: Path) -> None:
    odd = OpenCall(SID, Direction.INBOUND, "a", "", "", "live", START, {}, (), 0)
    odd_event = Event(1, START, SID, "odd", {})
    with store_in(tmp_path) as store:
        written = store.write([odd, odd_event])  # type: ignore[list-item]
        assert written.refused == (("OpenCall", "AttributeError"), ("Event", "TypeError"))
