"""moshi-server's messages: its golden bytes, and every other legal spelling of them."""

import struct
from contextlib import suppress

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import WireError
from voiced.wire import moshi
from voiced.wire.moshi import (
    Audio,
    EndWord,
    Marker,
    Module,
    Ready,
    ServerError,
    Step,
    Text,
    Unknown,
    Word,
)

READY = "81a474797065a55265616479"
FULL = "82a474797065a54572726f72a76d657373616765b06e6f2066726565206368616e6e656c73"
AUDIO = "82a474797065a5417564696fa370636d93ca00000000ca3f000000cabf800000"

GOLDEN_TTS = {
    READY: Ready(),
    "84a474797065a454657874a474657874a24869a773746172745f73cb3fb47ae147ae147ba673746f705f73cb3ff0000"
    "000000000": Text("Hi", 0.08, 1.0),
    AUDIO: Audio(np.array([0, 0.5, -1], np.float32)),
    "82a474797065a74f67674f707573a4646174619201ccc8": Unknown("OggOpus"),
    FULL: ServerError("no free channels"),
}
GOLDEN_STT = {
    READY: Ready(),
    "83a474797065a4576f7264a474657874a2796faa73746172745f74696d65cb3fdeb851eb851eb8":
        Word("yo", 0.48),
    "82a474797065a7456e64576f7264a973746f705f74696d65cb3ff0000000000000": EndWord(1.0),
    "82a474797065a64d61726b6572a26964fb": Marker(-5),
    "82a474797065a64d61726b6572a26964cd03e8": Marker(1000),
    "84a474797065a453746570a8737465705f696478cd012ca370727391ca3e800000ac62756666657265645f70636dcd56"
    "40": Step(300, (0.25,), 22080),
    FULL: ServerError("no free channels"),
}  # fmt: skip


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(("data", "message"), GOLDEN_TTS.items())
def test_reads_the_golden_tts_messages(data: str, message: moshi.TtsMessage) -> None:
    assert moshi.parse_tts(bytes.fromhex(data)) == message


@pytest.mark.parametrize(("data", "message"), GOLDEN_STT.items())
def test_reads_the_golden_stt_messages(data: str, message: moshi.SttMessage) -> None:
    assert moshi.parse_stt(bytes.fromhex(data)) == message


def test_writes_the_golden_bytes() -> None:
    assert moshi.stt_audio(floats(0, 0.5, -1)).hex() == AUDIO
    assert moshi.TTS_EOS.hex() == "81a474797065a3456f73"
    assert moshi.tts_text("Hi") == msgpack.packb({"type": "Text", "text": "Hi"})


def test_text_is_always_encodable() -> None:
    assert moshi.tts_text("é\ud83d!") == moshi.tts_text("é!")


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1920, 65535, 65536])
def test_audio_is_what_msgpack_writes_and_comes_back(count: int) -> None:
    pcm = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    data = moshi.stt_audio(pcm)
    assert data == msgpack.packb({"type": "Audio", "pcm": pcm.tolist()}, use_single_float=True)
    assert moshi.parse_tts(data) == Audio(pcm)


def test_a_frame_of_audio_has_the_length_known_from_the_wire() -> None:
    assert len(moshi.stt_audio(np.zeros(moshi.FRAME_SAMPLES, np.float32))) == 9_619


def test_audio_may_be_a_view_with_strides_or_of_doubles() -> None:
    assert moshi.stt_audio(np.arange(8.0)[::2]) == moshi.stt_audio(floats(0, 2, 4, 6))


pcm_values = st.lists(st.floats(width=32) | st.floats() | st.integers(-(2**63), 2**64 - 1))


@given(values=pcm_values, type_first=st.booleans(), single=st.booleans())
def test_audio_in_any_legal_encoding_is_read_finite(
    *, values: list[float], type_first: bool, single: bool
) -> None:
    fields = [("type", "Audio"), ("pcm", values)]
    if single:
        largest = float(np.finfo(np.float32).max)
        fields[1] = ("pcm", [v for v in values if not abs(v) > largest or v in (np.inf, -np.inf)])
    message = dict(fields if type_first else fields[::-1])
    audio = moshi.parse_tts(msgpack.packb(message, use_single_float=single))
    assert isinstance(audio, Audio)
    with np.errstate(over="ignore"):
        expected = np.array([float(v) for v in message["pcm"]]).astype(np.float32)
    expected[~np.isfinite(expected)] = 0
    assert audio.pcm.dtype == np.float32
    assert np.array_equal(audio.pcm, expected)


def test_not_a_number_becomes_silence_in_the_fast_path_too() -> None:
    data = moshi.stt_audio(floats(np.nan, 0.5, np.inf, -np.inf))
    assert moshi.parse_tts(data) == Audio(floats(0, 0.5, 0, 0))


def test_pcm_does_not_alias_the_message_and_may_be_written() -> None:
    audio = moshi.parse_tts(bytes.fromhex(AUDIO))
    assert isinstance(audio, Audio)
    audio.pcm[0] = 1
    assert moshi.parse_tts(bytes.fromhex(AUDIO)) == Audio(floats(0, 0.5, -1))


PREFIX = bytes.fromhex("82a474797065a5417564696fa370636d")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not msgpack"),
        (b"\x00", "not an object"),
        (b"\xc1", "not msgpack"),
        (bytes.fromhex(READY) + b"\x00", "not msgpack"),
        (bytes.fromhex(READY)[:-1], "not msgpack"),
        (b"\x81\xa4type\xa1\xff", "not msgpack"),
        (b"\x81\x01\x02", "not msgpack"),
        (b"\x91" * 100_000, "not msgpack"),
        (msgpack.packb(["Ready"]), "not an object"),
        (msgpack.packb({}), "type: missing"),
        (msgpack.packb({"type": 1}), "type: wrong type"),
        (msgpack.packb({"type": b"Ready"}), "type: wrong type"),
        (msgpack.packb({"type": "Error"}), "message: missing"),
        (msgpack.packb({"type": "Text", "text": "a", "start_s": 1}), "stop_s: missing"),
        (msgpack.packb({"type": "Text", "start_s": 1, "stop_s": 1}), "text: missing"),
        (
            msgpack.packb({"type": "Text", "text": "a", "start_s": 0, "stop_s": float("nan")}),
            "stop_s: wrong type",
        ),
        (
            msgpack.packb({"type": "Text", "text": "a", "start_s": True, "stop_s": 1}),
            "start_s: wrong type",
        ),
        (msgpack.packb({"type": "Audio"}), "pcm: missing"),
        (msgpack.packb({"type": "Audio", "pcm": b"\0\0\0\0"}), "pcm: wrong type"),
        (msgpack.packb({"type": "Audio", "pcm": [0.5, "1.5"]}), "array: not numbers"),
        (msgpack.packb({"type": "Audio", "pcm": [[0.5]]}), "array: not numbers"),
        (msgpack.packb({"type": "Audio", "pcm": [True]}), "array: not numbers"),
        (PREFIX, "not msgpack"),
        (PREFIX + b"\xdc\x00", "not msgpack"),
        (PREFIX + b"\xdc\x00\x02" + b"\xca\0\0\0\0", "not msgpack"),
        (PREFIX + b"\xdd\xff\xff\xff\xff", "not msgpack"),
        (PREFIX + b"\xdd\x00\x00\x00\x01" + b"\xc0\0\0\0\0", "not msgpack"),
        (bytes(moshi.MAX_MESSAGE + 1), "message too long"),
        (PREFIX + b"\x90" + bytes(moshi.MAX_MESSAGE), "message too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:24].hex(),
)
def test_malformed_tts_messages_are_wire_errors(data: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        moshi.parse_tts(data)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "Word", "text": "a"}, "start_time: missing"),
        ({"type": "Word", "text": 3, "start_time": 1.0}, "text: wrong type"),
        ({"type": "EndWord", "stop_time": "1"}, "stop_time: wrong type"),
        ({"type": "Marker", "id": 1.5}, "id: wrong type"),
        ({"type": "Step", "step_idx": 1, "buffered_pcm": 0}, "prs: missing"),
        ({"type": "Step", "step_idx": 1, "prs": [None], "buffered_pcm": 0}, "array: not numbers"),
        ({"type": "Step", "prs": [], "buffered_pcm": 0}, "step_idx: missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_stt_messages_are_wire_errors(message: object, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        moshi.parse_stt(msgpack.packb(message))
    assert str(caught.value) == reason


def test_a_pause_score_that_is_not_a_number_is_no_pause() -> None:
    message = {"type": "Step", "step_idx": 1, "prs": [float("nan"), 1], "buffered_pcm": 0, "x": 1}
    assert moshi.parse_stt(msgpack.packb(message)) == Step(1, (0.0, 1.0), 0)


def test_only_the_capacity_error_is_one_of_capacity() -> None:
    assert ServerError("no free channels").at_capacity
    assert not ServerError("out of memory").at_capacity


def test_a_long_error_is_cut() -> None:
    message = moshi.parse_tts(msgpack.packb({"type": "Error", "message": "x" * 5_000}))
    assert message == ServerError("x" * moshi.MAX_ERROR)


def test_messages_of_the_other_route_are_unknown() -> None:
    assert moshi.parse_stt(bytes.fromhex(AUDIO)) == Unknown("Audio")
    assert moshi.parse_tts(msgpack.packb({"type": "Marker", "id": 1})) == Unknown("Marker")


@given(st.binary() | st.binary().map(lambda tail: PREFIX + tail))
def test_nothing_but_a_wire_error_comes_out_of_noise(data: bytes) -> None:
    with suppress(WireError):
        moshi.parse_tts(data)
    with suppress(WireError):
        moshi.parse_stt(data)


def test_signalling_nans_of_both_widths_are_silence() -> None:
    single = b"\xca" + bytes.fromhex("7f800001")
    double = b"\xcb" + struct.pack(">Q", 0x7FF0000000000001)
    assert moshi.parse_tts(PREFIX + b"\x92" + single + single) == Audio(floats(0, 0))
    assert moshi.parse_tts(PREFIX + b"\x92" + single + double) == Audio(floats(0, 0))


MODULES = b"""[
  {"type": "py", "path": "/api/tts_streaming", "script": "tts.py",
   "used_slots": "3", "total_slots": "8"},
  {"type": "batched_asr", "path": "/api/asr-streaming", "lm": "hf://a", "audio_tokenizer": "b",
   "used_slots": 0, "total_slots": 64},
  {"type": "novel", "path": "/api/novel"}
]"""


def test_slots_are_read_from_strings_and_numbers() -> None:
    assert moshi.modules_info(MODULES) == (
        Module("py", "/api/tts_streaming", 3, 8),
        Module("batched_asr", "/api/asr-streaming", 0, 64),
    )
    assert moshi.modules_info(b"[]") == ()


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b'[{"used_slots":"x","total_slots":"1"}]',
     b'[{"used_slots":"0","total_slots":"1","type":"py"}]'],
)  # fmt: skip
def test_malformed_module_lists_are_wire_errors(body: bytes) -> None:
    with pytest.raises(WireError):
        moshi.modules_info(body)
