"""What a moshi-server tells of its modules."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import WireError
from voiced.lab.moshi_server import MoshiServer
from voiced.wire.moshi_modules import MAX_BYTES, MAX_SLOTS, Module, parse_modules

ASR = {"type": "batched_asr", "path": "/api/asr-streaming", "lm": "a", "audio_tokenizer": "b",
    "used_slots": "3", "total_slots": "64"}  # fmt: skip
TTS = {"type": "py", "path": "/api/tts_streaming", "script": "tts.py",
    "used_slots": "0", "total_slots": "8"}  # fmt: skip


def packed(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def test_slots_come_as_strings_and_are_numbers() -> None:
    assert parse_modules(packed(ASR, TTS)) == (
        Module("batched_asr", "/api/asr-streaming", 3, 64),
        Module("py", "/api/tts_streaming", 0, 8),
    )


def test_numbers_that_are_numbers_are_taken_too() -> None:
    (module,) = parse_modules(packed(ASR | {"used_slots": 3, "total_slots": 64}))
    assert (module.used, module.total) == (3, 64)


def test_a_module_without_slots_is_left_out() -> None:
    assert parse_modules(packed({"type": "lm", "path": "/api/lm"}, TTS)) == (
        Module("py", "/api/tts_streaming", 0, 8),
    )


def test_a_server_may_have_no_module() -> None:
    assert parse_modules(b"[]") == ()


def test_the_lab_tells_what_the_parser_reads() -> None:
    modules = SimpleNamespace(used_slots=1, batch_size=4)
    told = MoshiServer(frozenset(), stt=modules, tts=modules).modules_info()
    assert parse_modules(packed(*told)) == (
        Module("batched_asr", "/api/asr-streaming", 1, 4),
        Module("py", "/api/tts_streaming", 1, 4),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"\xff",
        b"{}",
        b"[1]",
        b"[" * 10_000,
        packed(ASR | {"path": 1}),
        packed({"total_slots": "1", "used_slots": "1", "path": "/"}),
        packed({"total_slots": "1", "type": "py", "path": "/"}),
        packed(ASR | {"used_slots": "-1"}),
        packed(ASR | {"used_slots": "many"}),
        packed(ASR | {"used_slots": "1.5"}),
        packed(ASR | {"total_slots": True}),
        packed(ASR | {"total_slots": str(MAX_SLOTS + 1)}),
        packed(ASR | {"total_slots": "9" * 5_000}),
        b" " * MAX_BYTES + b"[]",
    ],
)
def test_what_is_malformed_is_said_to_be(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_modules(data)


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["type", "path", "used_slots", "total_slots"]), inner
    ),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_else_is_ever_raised(data: bytes) -> None:
    try:
        modules = parse_modules(data)
    except WireError:
        return
    assert all(0 <= module.total <= MAX_SLOTS for module in modules)
