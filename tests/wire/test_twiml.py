"""Our TwiML against twilio-python's, compared as trees."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Dial, VoiceResponse

from voiced.wire import twiml

Tree = tuple[str, dict[str, str], str, list["Tree"]]


def tree(document: str) -> Tree:
    return branch(ElementTree.fromstring(document.encode()))


def branch(element: ElementTree.Element) -> Tree:
    return element.tag, dict(element.attrib), element.text or "", [branch(e) for e in element]


def test_connect_is_what_twilios_library_writes() -> None:
    judge = VoiceResponse()
    stream = judge.connect(action="https://v.test/after").stream(
        url="wss://v.test/media/t0ken", status_callback="https://v.test/status"
    )
    stream.parameter(name="call_ref", value='a&b<1>"é')
    ours = twiml.connect(
        "wss://v.test/media/t0ken",
        {"call_ref": 'a&b<1>"é'},
        action="https://v.test/after",
        status_callback="https://v.test/status",
    )
    assert tree(ours) == tree(str(judge))


def test_connect_leaves_out_what_is_not_given() -> None:
    judge = VoiceResponse()
    judge.connect().stream(url="wss://v.test/m")
    assert tree(twiml.connect("wss://v.test/m", {})) == tree(str(judge))


def test_the_other_documents_are_what_twilios_library_writes() -> None:
    say, hang_up, redirect = (VoiceResponse() for _ in range(3))
    say.say("Désolé, à bientôt.", language="fr-FR")
    say.hangup()
    hang_up.hangup()
    redirect.redirect("https://v.test/voice?a=1&b=2", method="POST")
    assert tree(twiml.say_and_hang_up("Désolé, à bientôt.", "fr-FR")) == tree(str(say))
    assert tree(twiml.hang_up()) == tree(str(hang_up))
    assert tree(twiml.redirect("https://v.test/voice?a=1&b=2")) == tree(str(redirect))


@pytest.mark.parametrize("action", [None, "https://v.test/after-dial"])
def test_dial_is_what_twilios_library_writes(action: str | None) -> None:
    judge = VoiceResponse()
    dial = Dial(action=action, answer_on_bridge=True, caller_id="+33100000001", timeout=25)
    dial.number("+33612345678")
    judge.append(dial)
    ours = twiml.dial("+33612345678", "+33100000001", timeout_s=25, action=action)
    assert tree(ours) == tree(str(judge))


def test_the_document_declares_its_encoding() -> None:
    assert twiml.hang_up() == (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup /></Response>'
    )


@given(st.text(st.characters(exclude_characters="\r"), max_size=200))
def test_any_text_makes_a_document_that_parses(text: str) -> None:
    for document in (
        twiml.say_and_hang_up(text, "en"),
        twiml.connect("wss://v.test/m", {"a": text}),
    ):
        assert tree(document)[0] == "Response"


def test_only_characters_that_xml_cannot_hold_are_removed() -> None:
    document = twiml.say_and_hang_up("a\x00b\x1f\ufffe\ud800 😀\tc", "en")
    assert tree(document)[3][0][2] == "ab 😀\tc"


def test_what_is_said_is_cut_at_twilios_limit() -> None:
    assert tree(twiml.say_and_hang_up("x" * 5000, "en"))[3][0][2] == "x" * 4096


def test_a_parameter_must_be_shorter_than_500_characters() -> None:
    twiml.connect("wss://v.test/m", {"name": "x" * 495})
    with pytest.raises(ValueError, match="too long"):
        twiml.connect("wss://v.test/m", {"name": "x" * 496})


def test_a_stream_url_with_a_query_is_refused_because_twilio_drops_it() -> None:
    with pytest.raises(ValueError, match="query"):
        twiml.connect("wss://v.test/m?token=1", {})
