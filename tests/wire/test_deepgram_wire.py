"""Deepgram's messages for Nova models, as they come and as they might."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import WireError
from voiced.wire import deepgram
from voiced.wire.deepgram import (
    Complaint,
    ListenOptions,
    Results,
    SpeechStarted,
    Unknown,
    UtteranceEnd,
    Word,
    code_of,
    ending,
    parse_listen,
    words_of,
)

INTERIM = """{"type":"Results","channel_index":[0,1],"duration":1.02,"start":0.5,"is_final":false,
"speech_final":false,"channel":{"alternatives":[{"transcript":"bonjour je vou","confidence":0.91,
"words":[{"word":"bonjour","start":0.32,"end":0.64,"confidence":0.99,"punctuated_word":"Bonjour"},
{"word":"vou","start":0.72,"end":0.96,"confidence":0.61}]}]},"metadata":{"request_id":"7d0f",
"model_info":{"name":"general-nova-3","version":"2025-07-31.0","arch":"nova-3"},"model_uuid":"40"},
"from_finalize":false}"""


def results(transcript: str = "", *words: dict[str, object], **fields: object) -> str:
    best = {"transcript": transcript, "confidence": 0.9, "words": list(words)}
    told = {"type": "Results", "start": 2.4, "duration": 1.1, "channel": {"alternatives": [best]}}
    return json.dumps(told | fields)


def test_the_request_asks_for_telephone_audio_in_the_callers_language() -> None:
    path = ListenOptions("nova-3", "fr-CA", 300, 1000).path()
    assert urlsplit(path).path == "/v1/listen"
    assert parse_qs(urlsplit(path).query) == {
        "model": ["nova-3"],
        "language": ["fr-CA"],
        "encoding": ["mulaw"],
        "sample_rate": ["8000"],
        "channels": ["1"],
        "interim_results": ["true"],
        "punctuate": ["true"],
        "endpointing": ["300"],
        "utterance_end_ms": ["1000"],
        "vad_events": ["true"],
    }


def test_each_keyterm_is_a_parameter_of_its_own() -> None:
    path = ListenOptions("nova-3", "fr", 300, 1000, ("Kyutai", "crème & café")).path()
    assert parse_qs(urlsplit(path).query)["keyterm"] == ["Kyutai", "crème & café"]
    assert path.endswith("&keyterm=Kyutai&keyterm=cr%C3%A8me+%26+caf%C3%A9")


def test_who_opts_out_of_training_says_so() -> None:
    path = ListenOptions("nova-3", "fr", 300, 1000, mip_opt_out=True).path()
    assert path.endswith("&vad_events=true&mip_opt_out=true")


def test_booleans_of_the_request_are_in_lower_case() -> None:
    path = ListenOptions("nova-3", "fr", 300, 1000, mip_opt_out=True).path()
    assert "True" not in path
    assert "False" not in path


def test_no_parameter_rewrites_words_that_were_told() -> None:
    path = ListenOptions("nova-3", "fr", 300, 1000).path()
    assert "smart_format" not in path
    assert "numerals" not in path


@pytest.mark.parametrize("command", ["KEEP_ALIVE", "FINALIZE", "CLOSE_STREAM"])
def test_commands_are_text(command: str) -> None:
    message = getattr(deepgram, command)
    assert isinstance(message, str)
    assert json.loads(message) == {"type": command.title().replace("_", "")}


def test_an_interim_result_has_words_with_their_punctuation_and_times() -> None:
    assert parse_listen(INTERIM) == Results(
        (Word("Bonjour", 0.32, 0.64, 0.99), Word("vou", 0.72, 0.96, 0.61)), 0.5, 1.52
    )
    assert parse_listen(INTERIM.encode()) == parse_listen(INTERIM)


def test_flags_are_read() -> None:
    message = parse_listen(results(is_final=True, speech_final=True, from_finalize=True))
    assert message == Results((), 2.4, 3.5, is_final=True, speech_final=True, from_finalize=True)


def test_absent_and_null_flags_are_false() -> None:
    assert parse_listen(results(is_final=None)) == Results((), 2.4, 3.5)


def test_a_transcript_without_words_is_split() -> None:
    message = parse_listen(results("un rendez-vous."))
    assert isinstance(message, Results)
    assert message.words == (Word("un"), Word("rendez-vous."))


def test_silence_has_no_words() -> None:
    for channel in ({"alternatives": []}, {"alternatives": [{"transcript": ""}]}, {}):
        message = parse_listen(results(channel=channel))
        assert isinstance(message, Results)
        assert message.words == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"UtteranceEnd","channel":[0,1],"last_word_end":3.36}', UtteranceEnd(3.36)),
        ('{"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1}', UtteranceEnd(-1)),
        ('{"type":"SpeechStarted","channel":[0,1],"timestamp":0.28}', SpeechStarted()),
        ('{"type":"Metadata","request_id":"7","duration":3.5,"channels":1}', Unknown()),
        ('{"type":"Error","variant":"SchemaError","message":"{}"}', Complaint("SchemaError")),
        ('{"type":"Error","code":"OLD_CODE"}', Complaint("OLD_CODE")),
        ('{"type":"Error"}', Complaint("unknown")),
        ('{"type":"ConfigureFailure","code":"X"}', Unknown()),
        ('{"type":"Forecast"}', Unknown()),
        ("{}", Unknown()),
    ],
)
def test_other_messages(text: str, message: deepgram.ListenMessage) -> None:
    assert parse_listen(text) == message


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "{not JSON",
        b"\xff\xfe",
        "[]",
        '{"type":"UtteranceEnd"}',
        '{"type":"Results"}',
        results(start="0"),
        results(duration=None),
        results(channel=[]),
        results(channel={"alternatives": ["x"]}),
        results("x", {"word": 3}),
        results("x", {"word": "x", "start": "soon"}),
        '{"type":"Results","start":NaN,"duration":1,"channel":{}}',
    ],
)
def test_a_malformed_message_is_an_error_that_quotes_nothing(bad: str | bytes) -> None:
    with pytest.raises(WireError) as caught:
        parse_listen(bad)
    assert "soon" not in str(caught.value)


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists, max_leaves=3))
def test_whatever_comes_is_read_or_refused(value: object) -> None:
    for message in (value, {"type": "Results", "start": 0, "duration": 0, "channel": value}):
        try:
            parse_listen(json.dumps(message))
        except WireError:
            continue


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1008, "DATA-0000", "it could not decode the audio as mu-law at 8 kHz (1008 DATA-0000)"),
        (1011, "NET-0000", "it had no transcript in time, by its own account (1011 NET-0000)"),
        (1011, "NET-0001", "it had no audio for ten seconds, by its own account (1011 NET-0001)"),
        (1011, "NEW-0007", "it closed the connection (1011 NEW-0007)"),
        (1011, "the caller said hello", "it closed the connection (1011)"),
        (1006, None, "it closed the connection (1006)"),
    ],
)
def test_the_end_is_told_in_a_sentence(code: int, reason: str | None, told: str) -> None:
    assert ending(code, reason) == told


def test_a_code_is_one_short_word() -> None:
    assert code_of("A-1_b") == "A-1_b"
    assert [code_of(value) for value in ("two words", "", None, 3, "x" * 61)] == ["unknown"] * 5


def test_where_a_model_listens_for_several_languages_each_word_has_its_own() -> None:
    words = [{"word": "bonjour", "language": "fr"}, {"word": "sir"}]
    told = words_of({"words": words, "languages": ["en", "fr"]})
    assert [(word.text, word.language) for word in told] == [("bonjour", "fr"), ("sir", "en")]
    alone = words_of({"transcript": "bonjour", "languages": ["fr"]})
    assert alone == (Word("bonjour", language="fr"),)
    assert words_of({"transcript": "bonjour", "languages": [7]}) == (Word("bonjour"),)
