import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voiced.audio import g711

CODES = bytes(range(256))
SAMPLES = np.arange(-32_768, 32_768).astype(np.int16)


def plain_decode(code: int) -> int:
    """One code by shifts, as a codec on a small chip does it."""
    bits = ~code & 0xFF
    magnitude = (((((bits & 0x0F) << 1) + 33) << (bits >> 4 & 7)) - 33) * 4
    return -magnitude if bits & 0x80 else magnitude


def plain_encode(sample: int) -> int:
    """One sample by bias and bit search, as a codec on a small chip does it."""
    biased = min(abs(sample), 32_635) + 132
    segment = biased.bit_length() - 8
    step = biased >> (segment + 3) & 0x0F
    return ~((0x80 if sample < 0 else 0) | segment << 4 | step) & 0xFF


def test_every_code_is_decoded_as_the_standard_says() -> None:
    assert g711.decode(CODES).tolist() == [plain_decode(code) for code in CODES]


def test_every_sample_is_encoded_as_the_standard_says() -> None:
    assert list(g711.encode(SAMPLES)) == [plain_encode(sample) for sample in SAMPLES.tolist()]


@pytest.mark.parametrize(
    ("code", "value"),
    [(0xFF, 0), (0x7F, 0), (0xFE, 2), (0x7E, -2), (0xF0, 30), (0xEF, 33), (0x80, 8031), (0, -8031)],
)
def test_the_tables_of_the_standard_hold(code: int, value: int) -> None:
    assert g711.decode(bytes([code]))[0] == 4 * value


def test_every_code_survives_decoding_and_encoding_but_minus_zero() -> None:
    again = g711.encode(g711.decode(CODES))
    assert again == CODES.replace(b"\x7f", b"\xff")
    assert g711.encode_float(g711.decode_float(CODES)) == again


def test_the_standard_librarys_codec_agrees_on_every_14_bit_sample() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop", reason=f"not in {sys.version_info[:2]}")
    assert audioop.ulaw2lin(CODES, 2) == g711.decode(CODES).tobytes()
    # It rounds to 14 bits first, downwards; the standard begins behind that.
    rounded = SAMPLES >> 2 << 2
    assert audioop.lin2ulaw(SAMPLES.tobytes(), 2) == g711.encode(rounded)


@given(st.floats(-1, 1, width=32))
def test_floats_are_encoded_like_the_whole_samples_they_hold(level: float) -> None:
    pcm = np.array([level], np.float32)
    whole = np.array([np.clip(int(level * 32_768), -32_768, 32_767)], np.int16)
    assert g711.encode_float(pcm) == g711.encode(whole)


@given(hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32)))
def test_any_floats_at_all_become_one_byte_each(pcm: np.ndarray) -> None:
    before = pcm.copy()
    assert len(g711.encode_float(pcm)) == len(pcm)
    assert np.array_equal(pcm, before, equal_nan=True)


def test_too_loud_is_clipped_and_no_number_is_silence() -> None:
    pcm = np.array([np.inf, 3e38, 1.0, -np.inf, -7.0, -1.0, np.nan], np.float32)
    assert g711.encode_float(pcm).hex() == "80" * 3 + "00" * 3 + "ff"


def test_a_view_with_gaps_is_encoded_in_its_own_order() -> None:
    assert g711.encode(SAMPLES[::-7]) == g711.encode(SAMPLES)[::-7]


def test_nothing_becomes_nothing() -> None:
    assert g711.decode(b"").dtype == np.int16
    assert g711.decode_float(b"").dtype == np.float32
    assert g711.encode(np.zeros(0, np.int16)) == b""
    assert g711.encode_float(np.zeros(0, np.float32)) == b""
