"""24 kHz <-> 8 kHz, streaming: the same samples whatever the packet boundaries.

Both directions use one linear-phase low-pass at 24 kHz: a sinc that cuts at 4 kHz under a Kaiser
window. Its every third tap is zero, but for the one in the middle, so that going up keeps each
sample of the telephone as it was.

The filter runs in rows of 1 ms. A row of outputs depends on a window of inputs, a little longer
than the row on both sides, and the rows of a packet are one matrix product: overlapping windows
times a matrix that holds the taps, shifted by one output per column. That asks more
multiplications than a dot product per output and is still twice as fast.

BLAS adds in whatever order suits the shape it is given, so sums of floats would depend on how
the audio was cut. Ours do not: samples and taps are rounded to binary grids so coarse that every
product and every sum is exact in float64, and exact sums have no order. The grids lie 144 and
132 dB below full scale. This holds for samples within +-32.
"""

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

RATIO: Final = 3
_SAMPLE_GRID = 2.0**24
_TAP_GRID = 2.0**22

_HALF = 47
_WINDOW_BETA = 7.3  # the Kaiser window that a transition from 3.4 to 4.6 kHz leaves room for
_ROW = 8  # samples at 8 kHz: 1 ms


def _lowpass() -> NDArray[np.float64]:
    """The taps, 2 * 47 + 1 of them at 24 kHz; unity gain in the passband."""
    places = np.arange(-_HALF, _HALF + 1)
    taps: NDArray[np.float64] = np.sinc(places / RATIO) * np.kaiser(len(places), _WINDOW_BETA)
    return taps / RATIO


def _on_grid(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The taps rounded, and scaled for samples counted in units of their own grid."""
    rounded: NDArray[np.float64] = np.rint(taps * _TAP_GRID) / (_TAP_GRID * _SAMPLE_GRID)
    return rounded


@frozen(eq=False)
class _Rows:
    """How a filter works row by row. `matrix` is (inputs of a window, outputs of a row)."""

    matrix: NDArray[np.float64]
    hop: int
    before: int

    def __call__(self, samples: NDArray[np.float64], rows: int) -> NDArray[np.float32]:
        """The outputs of the first `rows` rows; window n starts at sample `n * hop`."""
        step = samples.itemsize
        shape = (rows, self.matrix.shape[0])
        windows = np.ndarray(shape, samples.dtype, samples, 0, (self.hop * step, step))
        outputs: NDArray[np.float64] = np.dot(windows, self.matrix)
        return outputs.astype(np.float32).ravel()


def _down() -> _Rows:
    """24 inputs a row, 8 outputs: output i is centred on input 3i."""
    taps = _on_grid(_lowpass())
    matrix = np.zeros((RATIO * (_ROW - 1) + len(taps), _ROW))
    for i in range(_ROW):
        matrix[RATIO * i : RATIO * i + len(taps), i] = taps
    return _Rows(matrix, hop=RATIO * _ROW, before=_HALF)


def _up() -> _Rows:
    """8 inputs a row, 24 outputs: input n stands at output 3n, with two zeros behind it."""
    taps = _on_grid(RATIO * _lowpass())
    reach = _HALF // RATIO
    inputs = np.arange(-reach, _ROW + reach)[:, None]
    places = np.arange(RATIO * _ROW)[None, :] - RATIO * inputs + _HALF
    matrix = np.where((places >= 0) & (places < len(taps)), taps.take(places, mode="clip"), 0.0)
    return _Rows(matrix, hop=_ROW, before=reach)


_DOWN, _UP = _down(), _up()


class _Stream:
    """One signal on its way through a filter, padded with silence at both ends."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self._kept = np.zeros(rows.before)

    def feed(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        """All whole rows that the samples so far allow."""
        fresh = np.rint(np.multiply(pcm, _SAMPLE_GRID, dtype=np.float64))
        samples = np.concatenate((self._kept, fresh))
        window, hop = self._rows.matrix.shape[0], self._rows.hop
        rows = max(0, (len(samples) - window) // hop + 1)
        self._kept = samples[rows * hop :].copy()
        return self._rows(samples, rows)

    def flush(self) -> NDArray[np.float32]:
        """What is owed to the samples kept, that is, to those behind the last whole row."""
        left = len(self._kept) - self._rows.before
        window, outputs = self._rows.matrix.shape
        rows = -(-left // self._rows.hop)
        owed = -(-left * outputs // self._rows.hop)
        silence = np.zeros(max(0, (rows - 1) * self._rows.hop + window - len(self._kept)))
        samples = np.concatenate((self._kept, silence))
        self._kept = np.zeros(self._rows.before)
        return self._rows(samples, rows)[:owed]


class Downsampler:
    """24 kHz -> 8 kHz, float32 within +-1 on both sides.

    Flat within 0.01 dB to 3.4 kHz, 70 dB down from 4.6 kHz on. n samples become n/3, rounded up,
    in line with the input: output i is the input at time 3i, and comes out 2 to 3 ms later.
    """

    def __init__(self) -> None:
        self._stream = _Stream(_DOWN)

    def feed(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes a packet of any length; returns the samples that are ready, often fewer or none."""
        return self._stream.feed(pcm)

    def flush(self) -> NDArray[np.float32]:
        """The signal has ended: returns the rest of it, and starts afresh."""
        return self._stream.flush()


class Upsampler:
    """8 kHz -> 24 kHz, float32 within +-1 on both sides.

    Flat within 0.01 dB to 3.4 kHz; the images of that band are 70 dB down. n samples become 3n:
    output 3i is input i, unchanged, and comes out 2 to 3 ms later.
    """

    def __init__(self) -> None:
        self._stream = _Stream(_UP)

    def feed(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes a packet of any length; returns the samples that are ready, often fewer or none."""
        return self._stream.feed(pcm)

    def flush(self) -> NDArray[np.float32]:
        """The signal has ended: returns the rest of it, and starts afresh."""
        return self._stream.flush()
