"""Callbacks about calls, machines, streams and transfers."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.wire.twilio_callback import (
    ANSWERED_BY,
    DIAL_STATUSES,
    MAX_ERROR,
    STATUSES,
    STREAM_EVENTS,
    UNKNOWN,
    CallProgress,
    DialResult,
    MachineVerdict,
    StreamEvent,
    parse_callback,
    parse_dial,
)

CALL, STREAM = "CA00000000000000000000000000000003", "MZ00000000000000000000000000000002"
COMPLETED = (
    f"CallSid={CALL}&AccountSid=AC1&From=%2B33100000001&To=%2B33612345678&CallStatus=completed"
    "&ApiVersion=2010-04-01&Direction=outbound-api&CallbackSource=call-progress-events"
    "&SequenceNumber=3&Timestamp=Fri%2C+20+Nov+2026+10%3A00%3A49+%2B0000&CallDuration=49"
    "&Duration=1&SipResponseCode=200&FromCity="
)
NAMES = ["CallSid", "StreamSid", "CallStatus", "AnsweredBy", "SequenceNumber", "CallDuration",
    "StreamEvent", "StreamError", "MachineDetectionDuration", "DialCallStatus",
    "DialCallDuration", "SipResponseCode"]  # fmt: skip


def form(**fields: str) -> dict[str, list[str]]:
    return {"CallSid": [CALL], **{name: [value] for name, value in fields.items()}}


def test_the_end_of_a_call_is_read_from_a_whole_body() -> None:
    fields = parse_qs(COMPLETED, keep_blank_values=True)
    assert parse_callback(fields) == CallProgress(CALL, "completed", 3, 49, 200, "")


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_each_status_is_a_step(status: str) -> None:
    assert parse_callback(form(CallStatus=status)) == CallProgress(
        CALL, status, None, None, None, ""
    )


def test_a_step_may_say_who_took_the_call() -> None:
    step = parse_callback(form(CallStatus="in-progress", AnsweredBy="human", SequenceNumber="2"))
    assert step == CallProgress(CALL, "in-progress", 2, None, None, "human")


@pytest.mark.parametrize("answered_by", sorted(ANSWERED_BY))
def test_a_verdict_is_a_form_without_a_status(answered_by: str) -> None:
    fields = form(AccountSid="AC1", AnsweredBy=answered_by, MachineDetectionDuration="3010")
    assert parse_callback(fields) == MachineVerdict(CALL, answered_by, 3010)


def test_a_verdict_of_a_kind_to_come_is_unknown() -> None:
    assert parse_callback(form(AnsweredBy="machine_sings")) == MachineVerdict(CALL, UNKNOWN, None)


@pytest.mark.parametrize("event", sorted(STREAM_EVENTS))
def test_a_stream_event_is_read(event: str) -> None:
    fields = form(StreamSid=STREAM, StreamEvent=event, StreamName="s", Timestamp="2026-11-20")
    assert parse_callback(fields) == StreamEvent(CALL, STREAM, event, "")


def test_a_stream_error_is_one_short_line() -> None:
    fields = form(StreamSid=STREAM, StreamEvent="stream-error", StreamError="31920\n" + "x" * 999)
    event = parse_callback(fields)
    assert isinstance(event, StreamEvent)
    assert event.error.startswith("31920 xxx")
    assert len(event.error) == MAX_ERROR


@pytest.mark.parametrize("number", ["", "-1", " 3", "3 ", "+3", "1_0", "0x3", "3.0", "٣", "9" * 10])
def test_a_malformed_number_is_none_in_its_place(number: str) -> None:
    fields = form(
        CallStatus="busy", SequenceNumber=number, CallDuration=number, SipResponseCode=number
    )
    assert parse_callback(fields) == CallProgress(CALL, "busy", None, None, None, "")
    verdict = parse_callback(form(AnsweredBy="fax", MachineDetectionDuration=number))
    assert verdict == MachineVerdict(CALL, "fax", None)


@pytest.mark.parametrize("sid", ["", "CA 1", "CA1\n", "../x", "C" * 65, "CAé"])
def test_a_malformed_id_makes_the_whole_nothing(sid: str) -> None:
    assert parse_callback(form(CallStatus="busy") | {"CallSid": [sid]}) is None
    assert parse_callback(form(StreamEvent="stream-started", StreamSid=sid)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"CallStatus": ["busy"]},
        {"CallSid": [], "CallStatus": ["busy"]},
        form(),
        form(CallStatus="dancing"),
        form(CallStatus=""),
        form(AnsweredBy=""),
        form(StreamEvent="stream-paused", StreamSid=STREAM),
        form(StreamEvent="stream-started"),
        form(RecordingStatus="completed"),
    ],
)
def test_what_is_none_of_them_is_none(fields: dict[str, list[str]]) -> None:
    assert parse_callback(fields) is None


def test_of_several_values_the_first_counts() -> None:
    step = parse_callback({"CallSid": [CALL, "CA9"], "CallStatus": ["ringing", "busy"]})
    assert step == CallProgress(CALL, "ringing", None, None, None, "")


@pytest.mark.parametrize("status", sorted(DIAL_STATUSES))
def test_a_transfer_reports_how_it_went(status: str) -> None:
    result = parse_dial(form(DialCallStatus=status, DialCallSid="CA4", DialCallDuration="12"))
    assert result == DialResult(status, 12)
    assert result.was_taken == (status in ("completed", "answered"))


@pytest.mark.parametrize("fields", [{}, form(DialCallStatus=""), form(DialCallStatus="queued")])
def test_no_report_of_a_transfer_is_none(fields: dict[str, list[str]]) -> None:
    assert parse_dial(fields) is None


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.text() | st.just(CALL))))
def test_no_form_is_an_exception(fields: dict[str, list[str]]) -> None:
    parse_callback(fields)
    parse_dial(fields)
