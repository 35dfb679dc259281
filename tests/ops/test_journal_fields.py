"""What of a log record becomes which field of the journal."""

import logging
import sys
from typing import Any

import pytest

from voiced.errors import CallRefused, CarrierError, EngineTimeout
from voiced.ops.journal_fields import fields_of


def told(msg: str, *args: object, **extra: Any) -> dict[str, str | bytes]:
    redact = extra.pop("redact", True)
    record = logging.LogRecord(
        extra.pop("logger", "voiced.tests"),
        extra.pop("level", logging.INFO),
        "/x/file.py",
        7,
        msg,
        args,
        extra.pop("exc_info", None),
        "work",
    )
    vars(record).update(extra)
    fields = list(fields_of(record, "the words", redact=redact))
    assert len(dict(fields)) == len(fields), "a field is there twice"
    return dict(fields)


def test_a_record_without_anything() -> None:
    assert told("x") == {
        "MESSAGE": "the words",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "voiced",
        "SYSLOG_FACILITY": "3",
        "LOGGER": "voiced.tests",
        "CODE_FILE": "/x/file.py",
        "CODE_LINE": "7",
        "CODE_FUNC": "work",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [(10, "7"), (20, "6"), (25, "6"), (30, "4"), (40, "3"), (50, "2")],
)
def test_the_level_is_the_priority(level: int, priority: str) -> None:
    assert told("x", level=level)["PRIORITY"] == priority


def test_a_known_event_has_its_id_and_its_own_priority() -> None:
    refused = told("call refused", level=logging.WARNING, fields={"reason": "draining"})
    assert refused["MESSAGE_ID"] == "46a91981a036429881ed623704d3a313"
    assert refused["PRIORITY"] == "5"
    assert refused["REASON"] == "draining"


def test_the_call_its_stream_and_the_turn() -> None:
    found = told(
        "turn ended",
        call_sid="CA1",
        stream_sid="MZ1",
        fields={"turn": 2, "at_s": 1.23456789, "asked_ms": 76, "first_token_ms": 208,
            "first_frame_ms": 1, "answer_ms": 285},
    )  # fmt: skip
    assert (found["CALL_SID"], found["STREAM_SID"], found["TURN"]) == ("CA1", "MZ1", "2")
    assert (found["LATENCY_MS"], found["STAGE"]) == ("285", "first_token")
    assert (found["AT_S"], found["ASKED_MS"]) == ("1.23457", "76")
    assert "ANSWER_MS" not in found


def test_a_record_may_name_its_call_and_its_stage_itself() -> None:
    found = told("x", call_sid="CA1", fields={"call": "CA2", "stage": "asked", "first_token_ms": 1})
    assert (found["CALL_SID"], found["STAGE"]) == ("CA2", "asked")


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        (
            EngineTimeout("lab", "stt", "nothing"),
            {"ENGINE": "lab", "ROLE": "stt", "REASON": "timeout"},
        ),
        (CallRefused("stt-slots"), {"REASON": "stt-slots"}),
        (CarrierError("no", code=21211), {"CODE": "21211"}),
        (CarrierError("no"), {}),
        (ValueError("no"), {}),
    ],
)
def test_an_error_that_is_quoted_tells_what_it_knows(
    fault: Exception, fields: dict[str, str]
) -> None:
    found = told("%s", fault)
    assert {name: found.get(name) for name in ("ENGINE", "ROLE", "REASON", "CODE")} == {
        **dict.fromkeys(("ENGINE", "ROLE", "REASON", "CODE")),
        **fields,
    }


def test_what_the_record_says_itself_goes_before_what_its_error_knows() -> None:
    found = told("%s", EngineTimeout("lab", "stt", "nothing"), fields={"reason": "late"})
    assert (found["REASON"], found["ROLE"]) == ("late", "stt")


def test_values_by_name_are_no_errors() -> None:
    assert "ENGINE" not in told("%(a)s", {"a": 1})


def test_an_exception_has_its_name_and_its_lines() -> None:
    try:
        raise ValueError("two\nlines of +33612345678")
    except ValueError:
        found = told("x", exc_info=sys.exc_info())
    assert found["EXCEPTION"] == "ValueError"
    trace = found["TRACEBACK"]
    assert isinstance(trace, str)
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.endswith("ValueError: two\nlines of +336******78")


def test_no_exception_is_no_field() -> None:
    assert "EXCEPTION" not in told("x", exc_info=(None, None, None))


@pytest.mark.parametrize("redact", [True, False])
def test_numbers_and_speech_stay_out_unless_wanted(redact: bool) -> None:  # noqa: FBT001
    found = told(
        "x",
        redact=redact,
        fields={"to": "+33612345678", "raw": b"\xff+33612345678\n"},
        speech={"caller": "my name is Alice"},
    )
    number = "+336******78" if redact else "+33612345678"
    assert found["TO"] == number
    assert found["RAW"] == b"\xff" + number.encode() + b"\n"
    assert found.get("SPEECH_CALLER") == (None if redact else "my name is Alice")


def test_no_field_takes_the_place_of_the_journal_s_own() -> None:
    found = told("x", fields={"message": "other", "priority": 0, "none": None})
    assert (found["MESSAGE"], found["PRIORITY"], found["NONE"]) == ("the words", "6", "None")
    assert (found["FIELD_MESSAGE"], found["FIELD_PRIORITY"]) == ("other", "0")
