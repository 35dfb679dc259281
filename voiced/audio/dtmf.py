"""The tones of a telephone's keys, for machines at the far end that ask for them.

A carrier's media stream has no message for a key that we press, so it goes out as sound.

Source: ITU-T Q.23, the frequencies; Q.24, the least that a receiver must hear: tones of 40 ms,
40 ms apart, at -25 dBm.
"""

from typing import Final

import numpy as np

from voiced.audio.frame import SAMPLE_RATE
from voiced.audio.g711 import encode_float

_LOW: Final = (697, 770, 852, 941)
_HIGH: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")

TONE_S: Final = 0.1
GAP_S: Final = 0.1
WAIT: Final = "w"
WAIT_S: Final = 0.5
_AMPLITUDE: Final = 0.25  # of each of the two: about -9 dBm0 together

FREQUENCIES: Final = {
    key: (low, high)
    for low, row in zip(_LOW, _KEYS, strict=True)
    for high, key in zip(_HIGH, row, strict=True)
}
"""The two tones of each key, in Hz."""


def tones(keys: str) -> bytes:
    """The keys one after the other, each 100 ms and a gap of 100 ms: mu-law, 8 kHz.

    `w` waits for half a second; what is no key of a telephone sounds like nothing.
    """
    return b"".join(_sound(key) for key in keys)


def _sound(key: str) -> bytes:
    if key == WAIT:
        return encode_float(np.zeros(round(WAIT_S * SAMPLE_RATE), np.float32))
    if key not in FREQUENCIES:
        return b""
    at = np.arange(round(TONE_S * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * frequency * at) for frequency in FREQUENCIES[key])
    gap = np.zeros(round(GAP_S * SAMPLE_RATE))
    return encode_float(np.concatenate((_AMPLITUDE * wave, gap)).astype(np.float32))
