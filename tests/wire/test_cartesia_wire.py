"""Cartesia's messages: what we send, letter for letter, and all that may come back."""

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import WireError
from voiced.wire.cartesia import (
    MAX_MESSAGE,
    MAX_TEXT,
    Chunk,
    Done,
    Failure,
    Message,
    More,
    Speaker,
    Timestamps,
    Unknown,
    WordTime,
    cancel,
    parse,
)

VOICE = "11111111-2222-4333-8444-555555555555"
AMELIE = Speaker("sonic-3", VOICE, "fr")
HEAD = {"context_id": "turn-7", "status_code": 206, "done": False}


def read(**fields: Any) -> Message:
    return parse(json.dumps(fields)).message()


def test_a_piece_of_text_is_the_documented_request() -> None:
    assert json.loads(AMELIE.text("turn-7", "Bonjour, ", More.TEXT)) == {
        "model_id": "sonic-3",
        "transcript": "Bonjour, ",
        "voice": {"mode": "id", "id": VOICE},
        "language": "fr",
        "context_id": "turn-7",
        "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
        "continue": True,
        "max_buffer_delay_ms": 0,
        "add_timestamps": True,
    }


def test_pieces_differ_in_nothing_but_the_text_and_whether_more_comes() -> None:
    first = json.loads(AMELIE.text("turn-7", "Bonjour, ", More.TEXT))
    last = json.loads(AMELIE.text("turn-7", "", More.NONE))
    changed = {key for key in first if first[key] != last[key]}
    assert first.keys() == last.keys()
    assert changed == {"transcript", "continue"}


def test_without_a_language_the_voice_decides() -> None:
    assert "language" not in json.loads(Speaker("sonic-3", VOICE).text("a", "b", More.NONE))


def test_how_it_speaks_is_told_where_it_is_not_the_voices_own_way() -> None:
    calm = Speaker("sonic-3", VOICE, "fr", {"speed": 0.9, "emotion": "calm"})
    first, last = (json.loads(calm.text("a", text, more)) for text, more in
                   (("b", More.TEXT), ("", More.NONE)))  # fmt: skip
    assert first["generation_config"] == {"speed": 0.9, "emotion": "calm"}
    assert last["generation_config"] == first["generation_config"]
    assert "generation_config" not in json.loads(AMELIE.text("a", "b", More.NONE))


def test_half_a_character_is_not_sent() -> None:
    assert json.loads(AMELIE.text("a", "na\ud83d\u00efve", More.NONE))["transcript"] == "naïve"


def test_a_context_is_cancelled_by_its_id() -> None:
    assert json.loads(cancel("turn-7")) == {"context_id": "turn-7", "cancel": True}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "chunk", **HEAD, "data": "//////////8=", "step_time": 41.2}, Chunk(b"\xff" * 8)),
        ({"type": "chunk", **HEAD, "data": "AA==", "step_time": 1, "flush_id": 1}, Chunk(b"\0")),
        ({"type": "chunk", **HEAD, "data": ""}, Chunk(b"")),
        ({"type": "chunk", **HEAD, "data": None}, Chunk(b"")),
        (
            {
                "type": "timestamps",
                **HEAD,
                "word_timestamps": {
                    "words": ["Bonjour,", "comment"],
                    "start": [0.05, 1],
                    "end": [0.47, 1.5],
                },
            },
            Timestamps((WordTime("Bonjour,", 0.05, 0.47), WordTime("comment", 1.0, 1.5))),
        ),
        ({"type": "timestamps", **HEAD, "word_timestamps": None}, Timestamps(())),
        ({"type": "timestamps", **HEAD}, Timestamps(())),
        ({"type": "done", "context_id": "turn-7", "status_code": 200, "done": True}, Done()),
        ({"type": "flush_done", **HEAD, "flush_done": True, "flush_id": 1}, Unknown("flush_done")),
        ({"type": "phoneme_timestamps", **HEAD}, Unknown("phoneme_timestamps")),
        ({"type": "weather"}, Unknown("weather")),
    ],
)
def test_reads_every_kind_of_message(fields: dict[str, Any], message: Message) -> None:
    assert read(**fields) == message


def test_done_in_a_chunk_is_not_the_end() -> None:
    assert read(type="chunk", context_id="a", done=True, data="AA==") == Chunk(b"\0")


@pytest.mark.parametrize(
    ("fields", "failure"),
    [
        (
            {
                "status_code": 429,
                "error_code": "concurrency_limited",
                "title": "Too many concurrent requests",
                "message": "You have exceeded\nyour plan's limit.",
                "request_id": "550e8400",
                "doc_url": "https://docs.cartesia.ai",
            },
            Failure(
                429,
                "concurrency_limited",
                "Too many concurrent requests You have exceeded your plan's limit.",
            ),
        ),
        (
            {"status_code": 400, "error": "Invalid voice: no such voice"},
            Failure(400, "", "Invalid voice: no such voice"),
        ),
        ({}, Failure(0, "", "")),
        ({"status_code": None, "error_code": None, "message": None}, Failure(0, "", "")),
    ],
)
def test_reads_errors_of_all_versions(fields: dict[str, Any], failure: Failure) -> None:
    assert read(type="error", done=True, **fields) == failure


def test_an_errors_texts_are_cut() -> None:
    failure = read(type="error", error_code="c" * 999, message="m" * 999)
    assert isinstance(failure, Failure)
    assert (len(failure.code), len(failure.message)) == (MAX_TEXT, MAX_TEXT)


def test_the_address_is_read_without_the_rest() -> None:
    envelope = parse('{"type": "chunk", "context_id": "turn-7", "data": "?"}')
    assert (envelope.type, envelope.context) == ("chunk", "turn-7")
    with pytest.raises(WireError, match="not base64"):
        envelope.message()


def test_an_error_may_have_no_context() -> None:
    assert parse('{"type": "error"}').context is None


@pytest.mark.parametrize(
    "data",
    ["", "{", "[]", "null", "{}", '{"type": 7}', '{"type": "done", "context_id": 7}', "[" * 9999],
)
def test_what_has_no_address_is_malformed(data: str) -> None:
    with pytest.raises(WireError):
        parse(data)


def test_a_message_without_end_is_malformed() -> None:
    with pytest.raises(WireError, match="too long"):
        parse(" " * (MAX_MESSAGE + 1))


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "chunk", "data": 7},
        {"type": "chunk", "data": "AAA"},
        {"type": "chunk", "data": "AA=A"},
        {"type": "chunk", "data": "ÄÄ=="},
        {"type": "timestamps", "word_timestamps": []},
        {"type": "timestamps", "word_timestamps": {"words": ["a"], "start": [0]}},
        {"type": "timestamps", "word_timestamps": {"words": ["a"], "start": [0], "end": []}},
        {"type": "timestamps", "word_timestamps": {"words": [1], "start": [0], "end": [1]}},
        {"type": "timestamps", "word_timestamps": {"words": ["a"], "start": ["x"], "end": [1]}},
        {"type": "error", "status_code": "many"},
        {"type": "error", "title": 7},
    ],
)
def test_a_field_that_is_wrong_is_malformed(fields: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read(context_id="a", **fields)


@given(st.binary(max_size=400))
def test_audio_comes_out_as_it_was(mulaw: bytes) -> None:
    assert read(type="chunk", context_id="a", data=b64encode(mulaw).decode()) == Chunk(mulaw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(
    st.sampled_from(["chunk", "timestamps", "done", "error", "flush_done"]),
    st.dictionaries(
        st.sampled_from(["context_id", "data", "word_timestamps", "status_code", "error"]),
        json_values,
    ),
)
def test_nothing_but_a_wire_error_comes_of_nonsense(kind: str, fields: dict[str, Any]) -> None:
    with suppress(WireError):
        read(type=kind, **fields)
