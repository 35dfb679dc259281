"""WAV files as people have them, and as we write them."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.audio import g711, wavfile
from voiced.audio.wavfile import WavError

RATE = 8000
SINE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(form: bytes, samples: bytes, *others: bytes) -> bytes:
    body = b"WAVE" + chunk(b"fmt ", form) + b"".join(others) + chunk(b"data", samples)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def form(code: int, bits: int, rate: int = RATE, channels: int = 1) -> bytes:
    block = channels * bits // 8
    return struct.pack("<HHIIHH", code, channels, rate, rate * block, block, bits)


def coded(signal: np.ndarray, code: int, bits: int) -> bytes:
    if code == 7:
        return g711.encode_float(signal.astype(np.float32))
    if code == 3:
        return signal.astype(f"<f{bits // 8}").tobytes()
    if bits == 8:
        return np.round(signal * 127 + 128).astype(np.uint8).tobytes()
    whole = np.round(signal * (2 ** (bits - 1) - 1)).astype("<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


def heard(data: bytes) -> np.ndarray:
    return g711.decode_float(wavfile.telephone(data))


@pytest.mark.parametrize(
    ("code", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64), (7, 8)]
)
def test_every_coding_sounds_the_same(code: int, bits: int) -> None:
    sound = heard(riff(form(code, bits), coded(SINE, code, bits)))
    assert len(sound) == RATE
    assert np.abs(sound - SINE).max() < 0.02


def test_an_extensible_format_and_chunks_between() -> None:
    extended = form(0xFFFE, 16) + struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    data = riff(extended, coded(SINE, 1, 16), chunk(b"LIST", b"odd"))
    assert np.abs(heard(data) - SINE).max() < 0.02


def test_of_two_channels_the_first_is_heard() -> None:
    left = np.frombuffer(coded(SINE, 1, 16), "<i2")
    both = np.stack([left, np.full_like(left, 20_000)], axis=1)
    assert np.abs(heard(riff(form(1, 16, channels=2), both.tobytes())) - SINE).max() < 0.02


def test_mulaw_of_the_telephone_stays_as_it_is() -> None:
    every = bytes(range(256))
    assert wavfile.telephone(riff(form(7, 8), every)) == every


def test_mulaw_at_another_rate_is_converted() -> None:
    twice = np.repeat(SINE, 2)
    assert np.abs(heard(riff(form(7, 8, 2 * RATE), coded(twice, 7, 8))) - SINE).max() < 0.2


@pytest.mark.parametrize("rate", [11_025, 16_000, 24_000, 44_100, 48_000])
def test_any_rate_becomes_the_telephones(rate: int) -> None:
    moments = np.arange(rate) / rate
    signal = 0.5 * np.sin(2 * np.pi * 440 * moments) + 0.3 * np.sin(2 * np.pi * 5000 * moments)
    sound = heard(riff(form(1, 16, rate), coded(signal, 1, 16)))
    assert len(sound) == RATE
    assert np.abs(sound - SINE).max() < 0.02  # and nothing of what lies above 4 kHz


def test_a_file_that_was_cut_off_or_told_no_length_gives_what_there_is() -> None:
    whole = riff(form(1, 16), coded(SINE, 1, 16))
    assert len(heard(whole[:-1001])) == RATE - 501
    at = whole.index(b"data") + 4
    assert len(heard(whole[:at] + b"\xff" * 4 + whole[at + 4 :])) == RATE


def test_floats_that_are_no_sound_are_tamed() -> None:
    wild = np.array([np.nan, np.inf, -np.inf, 9.0])
    sound = heard(riff(form(3, 32), coded(wild, 3, 32)))
    assert sound[0] == 0
    assert sound[1] > 0.9
    assert sound[2] < -0.9
    assert sound[3] > 0.9


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a WAV file"),
        (b"OggS" + bytes(40), "not a WAV file"),
        (b"RIFF" + bytes(4) + b"WAVE", "not a WAV file"),
        (riff(form(1, 16), b""), "no sound"),
        (riff(form(1, 16)[:10], bytes(8)), "cut off"),
        (riff(form(6, 8), bytes(8)), "format 6, 8 bits"),
        (riff(form(1, 12), bytes(8)), "is not read"),
        (riff(form(1, 16, channels=0), bytes(8)), "is not read"),
        (riff(form(1, 16, rate=0), bytes(8)), "is not read"),
        (riff(form(7, 8, rate=1), bytes(3601)), "longer than 3600 s"),
    ],
)
def test_what_cannot_be_heard_is_told(data: bytes, said: str) -> None:
    with pytest.raises(WavError, match=said):
        wavfile.telephone(data)


@given(st.binary(max_size=300))
def test_nonsense_is_a_wav_error_or_sound(noise: bytes) -> None:
    try:
        wavfile.telephone(riff(form(1, 16), b"ab") + noise)
        wavfile.telephone(b"RIFF" + bytes(4) + b"WAVE" + noise)
    except WavError:
        pass


def test_what_we_write_is_mono_and_comes_back() -> None:
    mulaw = g711.encode_float(SINE.astype(np.float32))
    with wave.open(io.BytesIO(wavfile.mono(mulaw))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        assert file.getnframes() == RATE
    assert wavfile.telephone(wavfile.mono(mulaw)) == mulaw
