"""Twilio's half of the wire: judged by Twilio's own library and by its documentation's words."""

import json

import pytest
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect as TwilioConnect
from twilio.twiml.voice_response import VoiceResponse

from voiced.errors import WireError
from voiced.lab.phone_wire import (
    Announce,
    Connect,
    Leave,
    Line,
    Quirk,
    Redirect,
    StreamMessages,
    Unplayed,
    Verb,
    read_response,
    read_verb,
    sign,
)

LINE = Line("http://127.0.0.1:8765", "https://voice.example.com")


def parse_twiml(document: bytes, line: Line) -> list[Verb]:
    return [read_verb(element, line) for element in read_response(document)]


def test_signatures_are_those_of_twilio() -> None:
    url, form = "https://voice.example.com/twilio/voice", {"To": "+1", "From": "", "CallSid": "CA"}
    assert sign("12345", url, form) == RequestValidator("12345").compute_signature(url, form)
    url = "wss://voice.example.test/media/abc"
    assert sign("12345", url) == "Ngey1rZUgD+rgJGoZ/V1xROpzXk="


def test_a_public_address_is_reached_on_the_daemons_own_port() -> None:
    assert LINE.public("/twilio/voice") == "https://voice.example.com/twilio/voice"
    assert LINE.reachable("https://voice.example.com/a") == "http://127.0.0.1:8765/a"
    assert LINE.reachable("wss://voice.example.com/a") == "ws://127.0.0.1:8765/a"
    assert LINE.reachable("wss://other.example.com/a") == "wss://other.example.com/a"


def test_a_document_is_read_verb_by_verb() -> None:
    response = VoiceResponse()
    response.say("Un instant & merci.", language="fr-FR")
    connect = TwilioConnect(action="/after")
    stream = connect.stream(url="wss://voice.example.com/media/t0ken")
    stream.parameter(name="call_ref", value="a&b<1>")
    response.append(connect)
    response.pause()
    response.redirect("https://voice.example.com/next")
    response.hangup()
    assert parse_twiml(str(response).encode(), LINE) == [
        Announce("Un instant & merci."),
        Connect(
            "wss://voice.example.com/media/t0ken",
            {"call_ref": "a&b<1>"},
            "https://voice.example.com/after",
        ),
        Unplayed("Pause"),
        Redirect("https://voice.example.com/next"),
        Leave("hangup"),
    ]


def stream(url: str, attributes: str = "") -> bytes:
    connect = f'<Connect><Stream url="{url}"{attributes}/></Connect>'
    return f"<Response>{connect}</Response>".encode()


def test_a_relative_stream_address_is_completed() -> None:
    (connect,) = parse_twiml(stream("/media/x"), LINE)
    assert isinstance(connect, Connect)
    assert connect.url == "wss://voice.example.com/media/x"


def test_plain_ws_is_for_this_machine_only() -> None:
    (connect,) = parse_twiml(stream("ws://127.0.0.1:8765/media/x"), LINE)
    assert isinstance(connect, Connect)
    with pytest.raises(WireError, match="31922"):
        parse_twiml(stream("ws://voice.example.com/media/x"), LINE)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"<Response>", "12100"),
        (b"<Answer/>", "12100"),
        (b"<Response><Connect/></Response>", "12200"),
        (stream("wss://voice.example.com/media?token=x"), "31920"),
        (stream("wss://voice.example.com/media", ' track="both_tracks"'), "31941"),
    ],
)
def test_what_twilio_would_not_run_is_refused(document: bytes, code: str) -> None:
    with pytest.raises(WireError, match=code):
        parse_twiml(document, LINE)


def messages(*quirks: Quirk) -> StreamMessages:
    return StreamMessages("MZ2", "CA3", "AC1", frozenset(quirks))


def test_a_stream_begins_as_twilios_do() -> None:
    connected, start = map(json.loads, messages().prelude({"call_ref": "r-42"}))
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ2",
            "callSid": "CA3",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"call_ref": "r-42"},
        },
        "streamSid": "MZ2",
    }


def test_counters_are_texts_and_time_is_counted_in_samples() -> None:
    stream = messages()
    stream.prelude({})
    stream.media(b"\xff" * 320)
    assert json.loads(stream.media(b"\xff")) == {
        "event": "media",
        "sequenceNumber": "3",
        "media": {"track": "inbound", "chunk": "2", "timestamp": "40", "payload": "/w=="},
        "streamSid": "MZ2",
    }
    assert json.loads(stream.digit("5"))["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert json.loads(stream.mark("m"))["mark"] == {"name": "m"}
    stop = json.loads(stream.stop())
    assert stop["stop"] == {"accountSid": "AC1", "callSid": "CA3"}
    assert stop["sequenceNumber"] == "6"


def test_quirks_change_what_they_say() -> None:
    _, start, unknown = messages(Quirk.NO_PARAMETERS, Quirk.UNKNOWN_EVENT).prelude({"a": "b"})
    assert "customParameters" not in json.loads(start)["start"]
    assert json.loads(unknown)["event"] == "weather"
    stream = messages(Quirk.SEQUENCE_JUMP)
    numbers = [int(json.loads(stream.media(b""))["sequenceNumber"]) for _ in range(51)]
    assert numbers[48:] == [49, 57, 58]
