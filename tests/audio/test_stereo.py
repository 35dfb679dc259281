import io
import wave

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voiced.audio import g711
from voiced.audio.stereo import StereoTrack, interleave, wav, wav_header

Pieces = list[tuple[int, bytes]]
PIECES = st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=200)), max_size=8)


def channels(pcm: bytes) -> tuple[list[int], list[int]]:
    both = np.frombuffer(pcm, "<i2").reshape(-1, 2)
    return both[:, 0].tolist(), both[:, 1].tolist()


def decoded(mulaw: bytes) -> list[int]:
    return g711.decode(mulaw).tolist()


def test_the_caller_is_left_and_the_agent_right_and_gaps_are_silent() -> None:
    track = StereoTrack()
    track.left(2, b"\x00\x01")
    track.right(4, b"\x80")
    left, right = channels(track.take(6))
    assert left == [0, 0, *decoded(b"\x00\x01"), 0, 0]
    assert right == [0, 0, 0, 0, *decoded(b"\x80"), 0]


def test_where_packets_overlap_the_later_one_counts() -> None:
    track = StereoTrack()
    track.left(0, b"\x00" * 4)
    track.left(2, b"\x10" * 4)
    assert channels(track.take(6))[0] == decoded(b"\x00\x00" + b"\x10" * 4)


def test_what_comes_too_late_is_lost_and_moves_nothing() -> None:
    track = StereoTrack()
    track.take(10)
    track.left(5, b"\x00" * 5)
    track.left(8, b"\x00\x01\x02\x03")
    assert track.end == 12
    assert channels(track.take(12))[0] == decoded(b"\x02\x03")


def test_what_was_taken_is_not_taken_again() -> None:
    track = StereoTrack()
    track.right(0, b"\x00" * 4)
    assert len(track.take(4)) == 16
    assert track.take(4) == track.take(0) == b""
    assert track.end == 4


@given(PIECES, PIECES, st.lists(st.integers(0, 700), max_size=6))
def test_taking_in_parts_gives_the_same_samples(
    left: Pieces, right: Pieces, cuts: list[int]
) -> None:
    whole, parts = StereoTrack(), StereoTrack()
    for track in (whole, parts):
        for position, mulaw in left:
            track.left(position, mulaw)
        for position, mulaw in right:
            track.right(position, mulaw)
    end = whole.end
    taken = b"".join(parts.take(cut) for cut in [*cuts, 700])
    assert taken[: 4 * end] == whole.take(end)
    assert not any(taken[4 * end :])


def test_nothing_is_held_of_what_was_taken() -> None:
    track = StereoTrack()
    for position in range(0, 16_000, 160):
        track.left(position, bytes(160))
        track.right(position + 80, bytes(160))
        track.take(position + 160)
    assert len(track._left) == 0
    assert len(track._right) == 1


def test_the_standard_library_reads_the_file() -> None:
    track = StereoTrack()
    track.left(0, bytes(range(256)))
    track.right(100, bytes(range(256)))
    pcm = track.take(track.end)
    with wave.open(io.BytesIO(wav(pcm))) as file:
        assert file.getparams()[:4] == (2, 2, 8_000, 356)
        assert file.readframes(356) == pcm


def test_a_length_beyond_32_bits_is_given_as_the_most_they_hold() -> None:
    header = wav_header(1 << 40)
    assert header[4:8] == (0xFFFF_FFFF - 8).to_bytes(4, "little")
    assert header[40:] == (0xFFFF_FFFF - 44).to_bytes(4, "little")


def test_two_lines_of_equal_length_are_interleaved() -> None:
    assert channels(interleave(b"\x00\x01", b"\x80\x90")) == (
        decoded(b"\x00\x01"),
        decoded(b"\x80\x90"),
    )
    assert interleave(b"", b"") == b""
