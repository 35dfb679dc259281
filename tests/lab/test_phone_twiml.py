"""TwiML in full, as Twilio's own library writes it."""

import pytest
from twilio.twiml.voice_response import Dial as TwilioDial
from twilio.twiml.voice_response import VoiceResponse

from voiced.errors import WireError
from voiced.lab.phone_twiml import Dial, Pause, Sound, Target, parse_document
from voiced.lab.phone_wire import Announce, Leave, Line

LINE = Line("http://127.0.0.1:8765", "https://voice.example.com")


def test_a_transfer_is_read_whole() -> None:
    response = VoiceResponse()
    response.say("Un instant.")
    dial = TwilioDial(action="/after", caller_id="+331", timeout=20, time_limit=600,
        answer_on_bridge=True)  # fmt: skip
    dial.number("+332", url="/whisper")
    dial.number("+333")
    response.append(dial)
    response.hangup()
    targets = (Target("+332", "https://voice.example.com/whisper"), Target("+333"))
    after = "https://voice.example.com/after"
    assert parse_document(str(response).encode(), LINE) == [
        Announce("Un instant."),
        Dial(targets, after, "+331", 20.0, 600.0, answer_on_bridge=True),
        Leave("hangup"),
    ]


def test_a_number_may_stand_in_the_dial_itself() -> None:
    (dial,) = parse_document(b"<Response><Dial> +332 </Dial></Response>", LINE)
    assert dial == Dial((Target("+332"),))


def test_pauses_and_sounds() -> None:
    pauses, sounds = '<Pause/><Pause length="3"/>', '<Play>/a.wav</Play><Play digits="w1"/>'
    document = f"<Response>{pauses}{sounds}</Response>"
    assert parse_document(document.encode(), LINE) == [
        Pause(1.0),
        Pause(3.0),
        Sound("https://voice.example.com/a.wav"),
        Sound("", "w1"),
    ]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b'<Response><Pause length="long"/></Response>', "12200"),
        (b'<Response><Dial timeout="-1">+332</Dial></Response>', "12200"),
        (b"<Response>" + b" " * 65_536 + b"</Response>", "11750"),
    ],
)
def test_what_twilio_would_not_run_is_refused(document: bytes, code: str) -> None:
    with pytest.raises(WireError, match=code):
        parse_document(document, LINE)
