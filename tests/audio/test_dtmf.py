"""The tones of keys, heard by a detector that knows the standard's frequencies."""

import numpy as np
import pytest
from dtmf_ear import COLUMNS, ROWS, keys, power

from voiced.audio import g711
from voiced.audio.dtmf import GAP_S, TONE_S, WAIT_S, tones

ALL = "123A456B789C*0#D"


def test_every_key_is_heard_as_itself() -> None:
    assert keys(tones(ALL)) == ALL


def test_the_same_key_twice_is_two_keys() -> None:
    assert keys(tones("1155")) == "1155"


@pytest.mark.parametrize("key", ALL)
def test_nothing_but_the_two_tones_is_in_it(key: str) -> None:
    """Q.24: the two within 4 dB of each other; what else there is at least 20 dB below."""
    samples = g711.decode_float(tones(key)[: int(TONE_S * 8000)])
    strength = {hertz: power(samples, hertz) for hertz in (*ROWS, *COLUMNS)}
    *others, second, first = sorted(strength.values())
    assert 20 * np.log10(first / second) < 4
    assert 20 * np.log10(second / max(others)) > 20


def test_tones_and_gaps_are_long_enough_and_a_wait_is_silent() -> None:
    sound = tones("1w2")
    assert len(sound) == round((2 * (TONE_S + GAP_S) + WAIT_S) * 8000)
    assert min(TONE_S, GAP_S) >= 0.04
    wait = sound[round((TONE_S + GAP_S) * 8000) :][: round(WAIT_S * 8000)]
    assert set(wait) == {0xFF}


def test_what_is_no_key_is_not_heard() -> None:
    assert tones("") == tones("x -") == b""
