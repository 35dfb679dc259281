import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.audio import g711
from voiced.audio.frame import FRAME_SAMPLES, MULAW_SILENCE, SILENT_FRAME, Framer
from voiced.audio.resample import Downsampler


@given(st.lists(st.binary(max_size=500), max_size=20))
def test_all_audio_comes_out_in_whole_frames_and_in_order(packets: list[bytes]) -> None:
    framer = Framer()
    frames = [frame for packet in packets for frame in framer.feed(packet)] + framer.flush()
    audio = b"".join(packets)
    assert all(len(frame) == FRAME_SAMPLES for frame in frames)
    assert len(frames) == -(-len(audio) // FRAME_SAMPLES)
    assert b"".join(frames)[: len(audio)] == audio


def test_a_frame_comes_out_as_soon_as_it_is_whole() -> None:
    framer = Framer()
    assert framer.feed(b"a" * 159) == []
    assert framer.feed(b"a") == [b"a" * 160]
    assert framer.feed(b"b" * 321) == [b"b" * 160] * 2


def test_whole_frames_leave_nothing_to_flush() -> None:
    framer = Framer()
    framer.feed(SILENT_FRAME * 3)
    assert framer.flush() == []


def test_after_a_flush_it_is_as_new() -> None:
    framer = Framer()
    framer.feed(b"a" * 10)
    framer.flush()
    assert framer.flush() == []
    assert framer.feed(SILENT_FRAME) == [SILENT_FRAME]


@pytest.mark.parametrize("code", [0x00, 0x3A, 0x80, 0xC4, 0xFE])
@pytest.mark.parametrize("length", [1, 40, 100])
def test_the_padding_fades_to_silence_without_a_click(code: int, length: int) -> None:
    framer = Framer()
    framer.feed(bytes([code]) * length)
    [frame] = framer.flush()
    level = abs(int(g711.decode(bytes([code]))[0]))
    fade = np.abs(g711.decode(frame)[length - 1 :].astype(int))
    falls = -np.diff(fade)
    assert falls.min() >= 0
    # One step of the fade, and one of the code at this loudness: a sixteenth, 8 at the least.
    assert falls.max() <= level / (FRAME_SAMPLES - length) + max(8, level / 16)
    assert frame[-1] == MULAW_SILENCE


@pytest.mark.parametrize(("moshi_frames", "size", "frames"), [(58, 37_120, 232), (38, 24_320, 152)])
def test_a_moshi_reply_has_the_known_length_in_bytes_and_frames(
    moshi_frames: int, size: int, frames: int
) -> None:
    voice = np.random.default_rng(1).uniform(-0.5, 0.5, moshi_frames * 1_920).astype(np.float32)
    resampler, framer = Downsampler(), Framer()
    packets = [resampler.feed(packet) for packet in np.split(voice, moshi_frames)]
    packets.append(resampler.flush())
    mulaw = [g711.encode_float(packet) for packet in packets]
    assert sum(map(len, mulaw)) == size
    out = [frame for packet in mulaw for frame in framer.feed(packet)] + framer.flush()
    assert len(out) == frames
    assert b"".join(out) == b"".join(mulaw)
