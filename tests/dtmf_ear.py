"""Hears the keys of a telephone in a recording, by frequencies that the test states itself."""

import numpy as np

from voiced.audio import g711

# ITU-T Q.23, table 1.
ROWS = {697: "123A", 770: "456B", 852: "789C", 941: "*0#D"}
COLUMNS = (1209, 1336, 1477, 1633)
WINDOW = 160


def keys(mulaw: bytes) -> str:
    """The keys, each once for as long as it sounds."""
    heard, last = "", ""
    for start in range(0, len(mulaw) - WINDOW + 1, WINDOW):
        key = _key(g711.decode_float(mulaw[start : start + WINDOW]))
        heard += key if key != last else ""
        last = key
    return heard


def power(samples: np.ndarray, hertz: float) -> float:
    """How strong a frequency is, from 0; 1 is a sine of full scale."""
    wave = np.exp(-2j * np.pi * hertz / 8000 * np.arange(len(samples)))
    return float(abs(np.dot(samples, wave)) * 2 / len(samples))


def _key(samples: np.ndarray) -> str:
    low = max(ROWS, key=lambda hertz: power(samples, hertz))
    high = max(COLUMNS, key=lambda hertz: power(samples, hertz))
    if min(power(samples, low), power(samples, high)) < 0.1:
        return ""
    return ROWS[low][COLUMNS.index(high)]
