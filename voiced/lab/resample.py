"""Sample-rate conversion for the lab: windowed sinc, any ratio. Pure.

Not the daemon's resampler: the lab judges it, so it must not be it.
"""

import math
from functools import lru_cache

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

TAPS = 64
"""Taps across the lower of the two rates."""
ROLL_OFF = 0.92
KAISER_BETA = 8.0
CHUNK_SAMPLES = 16_384

Signal = NDArray[np.float32]


def resample(signal: Signal, source: int, target: int) -> Signal:
    """Converts a whole signal, without delay; `len(signal) * target // source` samples."""
    common = math.gcd(source, target)
    up, down = target // common, source // common
    bank = _filter_bank(up, down)
    half = bank.shape[1] // 2
    return _convolve(np.pad(signal, (half - 1, half)), bank, down, len(signal) * up // down)


@define
class Downsampler:
    """Converts a stream piece by piece; each piece must be a whole number of output samples."""

    _source: int
    _target: int
    _history: Signal = field(factory=lambda: np.zeros(0, np.float32))

    def convert(self, piece: Signal) -> Signal:
        """The next samples, a few milliseconds late."""
        common = math.gcd(self._source, self._target)
        up, down = self._target // common, self._source // common
        bank = _filter_bank(up, down)
        past = bank.shape[1] - 1
        if not self._history.size:
            self._history = np.zeros(past, np.float32)
        signal = np.concatenate((self._history, piece))
        self._history = signal[-past:]
        return _convolve(signal, bank, down, len(piece) * up // down)


def _convolve(padded: Signal, bank: Signal, down: int, count: int) -> Signal:
    up, taps = bank.shape
    if not count:
        return np.zeros(0, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)
    converted = np.empty(count, np.float32)
    for start in range(0, count, CHUNK_SAMPLES):  # bounds the memory of the gathered windows
        places = np.arange(start, min(start + CHUNK_SAMPLES, count)) * down
        converted[start : start + CHUNK_SAMPLES] = np.einsum(
            "ij,ij->i", windows[places // up], bank[places % up]
        )
    return converted


@lru_cache(maxsize=8)
def _filter_bank(up: int, down: int) -> Signal:
    """One row of taps for each of the `up` phases; cut off below the lower Nyquist rate."""
    band = min(1.0, up / down)
    cutoff = ROLL_OFF * band
    taps = 2 * math.ceil(TAPS / 2 / band)
    distance = np.arange(taps) - (taps // 2 - 1) - np.arange(up)[:, None] / up
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (2 * distance / taps) ** 2)))
    bank = np.sinc(cutoff * distance) * window
    unit: Signal = (bank / bank.sum(axis=1, keepdims=True)).astype(np.float32)
    return unit
