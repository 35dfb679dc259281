"""Twilio's REST forms and answers; the official package is the judge."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from voiced.errors import WireError
from voiced.wire.twilio_rest import (
    CANCEL,
    COMPLETE,
    MAX_BODY,
    MAX_TEXT,
    Account,
    CallResource,
    Form,
    IncomingNumber,
    Machine,
    NewCall,
    create_form,
    error_of,
    limit_form,
    parse_account,
    parse_call,
    parse_numbers,
    redirect_form,
)

ACCOUNT, CALL = "AC00000000000000000000000000000001", "CA00000000000000000000000000000003"
NEW = NewCall(
    "+33612345678",
    "+33100000001",
    "https://voice.example.test/twilio/outbound",
    "https://voice.example.test/twilio/status",
    time_limit_s=1800,
    ring_s=25,
)
RESOURCE: dict[str, Any] = {
    "sid": CALL, "account_sid": ACCOUNT, "api_version": "2010-04-01",
    "to": "+33612345678", "to_formatted": "+33612345678",
    "from": "+33100000001", "from_formatted": "+33100000001",
    "phone_number_sid": None, "parent_call_sid": None, "status": "queued",
    "direction": "outbound-api", "start_time": None, "end_time": None, "duration": None,
    "price": None, "price_unit": "USD", "answered_by": None, "annotation": None,
    "queue_time": "0", "trunk_sid": None, "date_created": None, "date_updated": None,
}  # fmt: skip
NUMBER = {
    "sid": "PN1", "phone_number": "+33100000001", "voice_url": "https://x.test/twilio/voice",
    "voice_method": "POST", "status_callback": "", "voice_fallback_url": None,
    "voice_application_sid": None, "capabilities": {"voice": True},
}  # fmt: skip


class Recorder(HttpClient):
    """What the official client would send; every answer is the call resource."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, method: str, uri: str, *_: Any, **parts: Any) -> Response:
        self.sent.append((method, uri, parts.get("data") or parts.get("params") or {}))
        return Response(200, json.dumps(RESOURCE))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def official(recorder: Recorder) -> Client:
    return Client(ACCOUNT, "12345", http_client=recorder)


def flat(data: dict[str, Any]) -> list[tuple[str, str]]:
    """The official client's fields, a list standing for a repeated key."""
    values = {name: each if isinstance(each, list) else [each] for name, each in data.items()}
    return sorted((name, str(value)) for name, each in values.items() for value in each)


def body(**changes: object) -> bytes:
    return json.dumps({**RESOURCE, **changes}).encode()


# --- forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", Machine)
def test_a_call_is_placed_with_the_official_fields(
    machine: Machine, recorder: Recorder, official: Client
) -> None:
    new = NewCall(NEW.to, NEW.sender, NEW.url, NEW.status_callback, 1800, 25, machine)
    detection: dict[str, Any] = {}
    if machine is not Machine.NONE:
        detection = {
            "machine_detection": machine.value,
            "async_amd": "true",
            "async_amd_status_callback": new.status_callback,
        }
    official.calls.create(
        to=new.to,
        from_=new.sender,
        url=new.url,
        method="POST",
        status_callback=new.status_callback,
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        timeout=25,
        time_limit=1800,
        **detection,
    )
    assert sorted(create_form(new)) == flat(recorder.sent[0][2])


def test_the_events_are_one_repeated_key_in_order() -> None:
    events = [value for name, value in create_form(NEW) if name == "StatusCallbackEvent"]
    assert events == ["initiated", "ringing", "answered", "completed"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (list(COMPLETE), {"status": "completed"}),
        (list(CANCEL), {"status": "canceled"}),
        (redirect_form("https://x.test/a?b=1"), {"url": "https://x.test/a?b=1", "method": "POST"}),
        (limit_form(90), {"time_limit": 90}),
    ],
)
def test_a_call_is_changed_with_the_official_fields(
    ours: Form, theirs: dict[str, Any], recorder: Recorder, official: Client
) -> None:
    official.calls(CALL).update(**theirs)
    assert sorted(ours) == flat(recorder.sent[0][2])


# --- answers -------------------------------------------------------------------------------------


def test_a_call_is_read_as_the_official_client_reads_it(official: Client) -> None:
    theirs = official.calls(CALL).fetch()
    ours = parse_call(body())
    assert ours == CallResource(
        CALL, "queued", "+33612345678", "+33100000001", "outbound-api", None, None, 0
    )
    assert (ours.sid, ours.status, ours.to, ours.sender, ours.direction) == (
        theirs.sid, theirs.status, theirs.to, theirs._from, theirs.direction
    )  # fmt: skip
    assert not ours.is_over


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
def test_a_call_that_is_over_says_so(status: str) -> None:
    call = parse_call(body(status=status, duration="49", answered_by="human"))
    assert call.is_over
    assert (call.duration_s, call.answered_by) == (49, "human")


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress"])
def test_a_call_that_lives_is_not_over(status: str) -> None:
    assert not parse_call(body(status=status)).is_over


def test_what_look_alikes_send_is_read() -> None:
    call = parse_call(b'{"sid":"3f1c-4e","status":"queued","duration":7,"queue_time":null}')
    assert call == CallResource("3f1c-4e", "queued", "", "", "", None, 7, None)


@pytest.mark.parametrize(
    ("malformed", "fault"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "sid: missing"),
        (body(sid=None), "sid: missing"),
        (body(sid=7), "sid: wrong type"),
        (body(sid="../Accounts"), "sid: malformed"),
        (body(sid="C" * 65), "sid: malformed"),
        (body(sid=CALL + "\n"), "sid: malformed"),
        (body(status=None), "status: missing"),
        (body(status="s" * 1025), "status: too long"),
        (body(to=3), "to: wrong type"),
        (body(**{"from": "+" * 1025}), "from: too long"),
        (body(duration="long"), "duration: wrong type"),
        (body(duration="-1"), "duration: out of range"),
        (body(queue_time="9" * 10), "queue_time: out of range"),
        (body(queue_time=True), "queue_time: wrong type"),
        (b" " * (MAX_BODY + 1), "answer too long"),
    ],
)
def test_a_malformed_call_names_the_fault(malformed: bytes, fault: str) -> None:
    with pytest.raises(WireError, match=f"^{fault}$"):
        parse_call(malformed)


FIELDS = st.dictionaries(
    st.sampled_from([*RESOURCE, "incoming_phone_numbers"]),
    st.none() | st.text() | st.integers() | st.lists(st.none()),
)


@given(st.binary() | FIELDS.map(lambda fields: json.dumps(fields).encode()))
def test_anything_else_is_a_wire_error(anything: bytes) -> None:
    for parse in (parse_call, parse_account, parse_numbers):
        try:
            parse(anything)
        except WireError:
            continue


def test_an_account_is_read() -> None:
    text = f'{{"sid":"{ACCOUNT}","status":"active","type":"Trial","auth_token":"x","owner":null}}'
    assert parse_account(text.encode()) == Account(ACCOUNT, "active", "Trial")


def test_numbers_are_read_and_null_is_empty() -> None:
    page = json.dumps({"incoming_phone_numbers": [NUMBER], "page": 0, "page_size": 50}).encode()
    assert parse_numbers(page) == (
        IncomingNumber("+33100000001", "https://x.test/twilio/voice", "POST", "", "", ""),
    )
    assert parse_numbers(b'{"incoming_phone_numbers":[]}') == ()


@pytest.mark.parametrize(
    "malformed",
    [b"{}", b'{"incoming_phone_numbers":{}}', b'{"incoming_phone_numbers":[1]}',
     b'{"incoming_phone_numbers":[{"phone_number":null}]}'],
)  # fmt: skip
def test_malformed_numbers_are_refused(malformed: bytes) -> None:
    with pytest.raises(WireError):
        parse_numbers(malformed)


# --- errors --------------------------------------------------------------------------------------


def error(code: object, message: object = "No.") -> bytes:
    return json.dumps({"code": code, "message": message, "more_info": "x", "status": 400}).encode()


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (20003, "twilio.account_sid and twilio.auth_token"),
        (20404, "twilio.account_sid"),
        (21201, "missing"),
        (21205, "server.public_url"),
        (21210, "twilio.phone_number"),
        (21212, "twilio.phone_number"),
        (21211, "+33123456789"),
        (21217, "+33123456789"),
        (21214, "cannot be reached"),
        (21215, "Geographic permissions"),
        (21216, "blocks"),
        (21219, "trial account"),
        (21220, "ended"),
        (20429, "try again later"),
        (10004, "too many calls"),
        (22005, "waited too long"),
    ],
)
def test_each_code_has_a_hint_that_says_what_to_do(code: int, names: str) -> None:
    refused = error_of(400, error(code))
    assert (refused.status, refused.code, refused.message) == (400, code, "No.")
    assert names in refused.hint


@pytest.mark.parametrize(
    ("status", "retryable"), [(400, False), (401, False), (429, True), (500, True), (503, True)]
)
def test_rates_and_failures_may_be_tried_again(*, status: int, retryable: bool) -> None:
    assert error_of(status, b"").retryable is retryable


@pytest.mark.parametrize(
    ("status", "code", "is_gone"),
    [
        (404, 20404, True),
        (400, 21220, True),
        (404, 0, False),  # another server's
        (400, 20404, False),
        (401, 20003, False),
    ],
)
def test_what_has_ended_is_told_from_what_is_wrong(
    *, status: int, code: int, is_gone: bool
) -> None:
    assert error_of(status, error(code)).is_gone is is_gone


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Invalid 'To' Phone Number: +33612345678", "Invalid 'To' Phone Number: (number)"),
        ("The number 14158675309 is\n unverified", "The number (number) is unverified"),
        ("Call 21220 of 2026", "Call 21220 of 2026"),
        ("x" * (MAX_TEXT - 3) + "+33612345678", "x" * (MAX_TEXT - 3) + "(nu"),
        ("lone \ud800 surrogate", "lone surrogate"),
        (None, ""),
        ([1], ""),
    ],
)
def test_a_message_is_one_short_line_without_numbers(said: object, message: str) -> None:
    assert error_of(400, error(21999, said)).message == message


@pytest.mark.parametrize("code", [None, True, "21211", -1, 10**12, [1]])
def test_a_code_that_is_none_is_zero(code: object) -> None:
    refused = error_of(400, error(code))
    assert (refused.code, refused.hint, refused.message) == (0, "", "No.")


def test_a_rate_limit_without_a_body_has_a_hint() -> None:
    assert "too much at once" in error_of(429, b"").hint


@given(st.integers(300, 599), st.binary())
def test_an_error_is_understood_from_anything(status: int, anything: bytes) -> None:
    assert error_of(status, anything).status == status
