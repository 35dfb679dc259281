"""Twilio's messages: what it sends, what look-alikes send, what nobody should send."""

import json
from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import WireError
from voiced.wire import twilio
from voiced.wire.twilio import (
    Connected,
    Dtmf,
    MarkEcho,
    Media,
    Outgoing,
    SequenceMonitor,
    Start,
    Stop,
    Unknown,
    parse,
)

SID = "MZ00000000000000000000000000000002"
ACCOUNT, CALL = "AC00000000000000000000000000000001", "CA00000000000000000000000000000003"

CAPTURED = {
    '{"event":"connected","protocol":"Call","version":"1.0.0"}': Connected(),
    '{"event":"start","sequenceNumber":"1","start":{"accountSid":"' + ACCOUNT + '","streamSid":"'
    + SID + '","callSid":"' + CALL + '","tracks":["inbound"],"mediaFormat":{"encoding":'
    '"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"call_ref":"r-42"}},'
    '"streamSid":"' + SID + '"}': Start(
        SID, CALL, ACCOUNT, {"call_ref": "r-42"}, "audio/x-mulaw", 8000, 1
    ),
    '{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2","timestamp":'
    '"45","payload":"/////////////////////w=="},"streamSid":"' + SID + '"}': Media(
        b"\xff" * 16, SID, 4, 45, "inbound"
    ),
    '{"event":"dtmf","streamSid":"' + SID + '","sequenceNumber":"57","dtmf":{"track":'
    '"inbound_track","digit":"5"}}': Dtmf("5", SID, 57),
    '{"event":"mark","sequenceNumber":"61","streamSid":"' + SID + '","mark":{"name":"utt-7"}}':
        MarkEcho("utt-7", SID, 61),
    '{"event":"stop","sequenceNumber":"300","stop":{"accountSid":"' + ACCOUNT + '","callSid":"'
    + CALL + '"},"streamSid":"' + SID + '"}': Stop(SID, 300),
}  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), CAPTURED.items())
def test_reads_what_twilio_sends_as_text_or_bytes(
    message: str, expected: twilio.TwilioMessage
) -> None:
    assert parse(message) == expected
    assert parse(message.encode()) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            {"event": "start", "start": {"streamSid": "s", "callSid": "c", "accountSid": "a"}},
            Start("s", "c", "a"),
            id="start without top-level id, format, parameters or number",
        ),
        pytest.param({"event": "media", "media": {"payload": "AA=="}}, Media(b"\0"), id="media"),
        pytest.param(
            {"event": "media", "sequenceNumber": 7, "media": {"payload": "", "timestamp": 20}},
            Media(b"", None, 7, 20),
            id="numbers as integers, no audio",
        ),
        pytest.param(
            {"event": "dtmf", "dtmf": {"digit": "#", "duration": 90}}, Dtmf("#"), id="dtmf"
        ),
        pytest.param({"event": "mark", "mark": {"name": ""}}, MarkEcho(""), id="mark"),
        pytest.param({"event": "stop", "sequenceNumber": "9"}, Stop(None, 9), id="stop"),
        pytest.param({"event": "connected", "version": "0.2.0"}, Connected(), id="connected"),
    ],
)
def test_reads_look_alikes_that_leave_fields_out(
    message: object, expected: twilio.TwilioMessage
) -> None:
    assert parse(json.dumps(message)) == expected


def test_unknown_events_and_fields_are_no_errors() -> None:
    assert parse('{"event":"hologram","x":[1]}') == Unknown("hologram")
    assert parse('{"event":"mark","mark":{"name":"a","new":1},"new":null}') == MarkEcho("a")


def media(payload: object, **fields: object) -> str:
    return json.dumps({"event": "media", "media": {"payload": payload}, **fields})


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 60_000, "not JSON"),
        ("1" * 60_000, "not JSON"),
        (b"\xff\xfe\x00\x01", "not JSON"),
        ('{"event":"stop"}'.encode("utf-16"), "not JSON"),
        ("[]", "not an object"),
        ('"media"', "not an object"),
        ("null", "not an object"),
        ("{}", "event: missing"),
        ('{"event":null}', "event: missing"),
        ('{"event":["media"]}', "event: wrong type"),
        ('{"event":"media"}', "media: missing"),
        ('{"event":"media","media":[]}', "media: wrong type"),
        ('{"event":"media","media":{}}', "payload: missing"),
        (media(5), "payload: wrong type"),
        (media("A"), "payload: not base64"),
        (media("AA"), "payload: not base64"),
        (media("A A="), "payload: not base64"),
        (media("AA==AA=="), "payload: not base64"),
        (media("_-8="), "payload: not base64"),
        (media("é"), "payload: not base64"),
        (media("AA==", sequenceNumber="two"), "sequenceNumber: wrong type"),
        (media("AA==", sequenceNumber="9" * 5_000), "sequenceNumber: wrong type"),
        (media("AA==", sequenceNumber=True), "sequenceNumber: wrong type"),
        (media("AA==", sequenceNumber=1.5), "sequenceNumber: wrong type"),
        (media("AA==", streamSid=1), "streamSid: wrong type"),
        ('{"event":"start"}', "start: missing"),
        ('{"event":"start","start":{"callSid":"c","accountSid":"a"}}', "streamSid: missing"),
        ('{"event":"start","streamSid":"s","start":{"accountSid":"a"}}', "callSid: missing"),
        ('{"event":"start","streamSid":"s","start":{"callSid":"c"}}', "accountSid: missing"),
        (
            '{"event":"start","streamSid":"s","start":{"callSid":"c","accountSid":"a",'
            '"customParameters":{"ref":[1]}}}',
            "ref: wrong type",
        ),
        ('{"event":"dtmf","dtmf":{"digit":5}}', "digit: wrong type"),
        ('{"event":"mark","mark":{}}', "name: missing"),
        ('{"event":"x","pad":"' + "x" * twilio.MAX_MESSAGE + '"}', "message too long"),
        (b" " * (twilio.MAX_MESSAGE + 1), "message too long"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_malformed_messages_are_wire_errors_that_name_the_fault(
    message: str | bytes, reason: str
) -> None:
    with pytest.raises(WireError) as caught:
        parse(message)
    assert str(caught.value) == reason


def test_the_longest_message_is_still_read() -> None:
    audio = bytes(48_000)
    message = media(b64encode(audio).decode())
    assert parse(message + " " * (twilio.MAX_MESSAGE - len(message))) == Media(audio)


def test_text_that_could_not_be_encoded_again_is_cleaned() -> None:
    message = r'{"event":"mark","mark":{"name":"a\ud800b\u00e9"}}'
    assert parse(message) == MarkEcho("abé")


@given(st.text() | st.binary())
def test_nothing_but_a_wire_error_comes_out_of_noise(message: str | bytes) -> None:
    with suppress(WireError):
        parse(message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(sorted(CAPTURED)).map(json.loads),
    st.lists(st.integers(0, 20), min_size=1, max_size=3),
    json_values,
)
def test_any_field_may_be_anything(message: object, path: list[int], value: object) -> None:
    """Replaces one field, at any depth, by any JSON value."""
    place = message
    assert isinstance(place, dict)
    for index in path:
        key = sorted(place)[index % len(place)]
        if index == path[-1] or not isinstance(place[key], dict) or not place[key]:
            place[key] = value
            break
        place = place[key]
    with suppress(WireError):
        parse(json.dumps(message))


def test_outgoing_messages_have_exactly_twilios_fields() -> None:
    out = Outgoing(SID)
    assert out.media(b"\xff" * 16) == (
        '{"event":"media","streamSid":"' + SID + '","media":{"payload":"/////////////////////w=="}}'
    )
    assert out.mark("utt-7") == (
        '{"event":"mark","streamSid":"' + SID + '","mark":{"name":"utt-7"}}'
    )
    assert out.clear() == '{"event":"clear","streamSid":"' + SID + '"}'


@given(st.binary(max_size=2000), st.text())
def test_what_we_send_is_json_that_holds_what_we_gave(mulaw: bytes, name: str) -> None:
    out = Outgoing("0b5d6e0e-1c5f-4c57-a3a7-7a4e0e5a0001")
    assert parse(out.media(mulaw)) == Media(mulaw, "0b5d6e0e-1c5f-4c57-a3a7-7a4e0e5a0001")
    assert json.loads(out.mark(name))["mark"] == {"name": name}


@pytest.mark.parametrize("sid", ["", 'MZ"', "MZ 1", "MZ\n", "MZé", "M" * 65, "{}"])
def test_a_stream_sid_that_would_break_the_template_is_refused(sid: str) -> None:
    with pytest.raises(WireError, match="streamSid: malformed"):
        Outgoing(sid)


def test_the_monitor_counts_jumps_and_late_numbers() -> None:
    monitor = SequenceMonitor()
    for number in [2, 3, None, 4, 7, 8, 5, 8, 9]:
        monitor.note(number)
    assert (monitor.jumps, monitor.out_of_order) == (1, 2)
