"""G.711 mu-law, both ways, by table.

The tables are written down from the standard's own definition (ITU-T G.711, tables 2a and 2b):
eight segments of sixteen steps, each segment's step twice as wide as the one before. On the
standard's 14-bit scale step `m` of segment `s` begins at the decision value `(2m + 32) 2^s - 33`
and is decoded to `(2m + 33) 2^s - 33`. Our samples are 16-bit, so four times that.

A magnitude that lies on a decision value belongs to the step above it, for both signs alike. The
decision values are applied to all 16 bits: nothing is rounded to 14 bits first, as `audioop` and
Sun's `g711.c` do (they round downwards, which moves a quarter of the faint negative samples away
from zero). Wherever the input is a 14-bit number, all of them agree.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FULL_SCALE: Final = 32_768
"""The 16-bit magnitude that floats call 1.0."""

_SEGMENT, _STEP = np.divmod(np.arange(128), 16)
_DECISIONS = 4 * (((2 * _STEP + 32) << _SEGMENT) - 33)
_VALUES = 4 * (((2 * _STEP + 33) << _SEGMENT) - 33)

# On the wire all bits of segment and step are inverted and the sign bit is set for positives:
# 0x00 is the loudest negative, 0x7F is -0, 0x80 the loudest positive, 0xFF is +0.
_DECODE = np.concatenate((-_VALUES[::-1], _VALUES[::-1])).astype(np.int16)
_DECODE_FLOAT = (_DECODE / FULL_SCALE).astype(np.float32)


def _encode_table() -> NDArray[np.uint8]:
    """The code of each 16-bit sample, at the place of the sample read as an unsigned number."""
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    steps = np.searchsorted(_DECISIONS, np.abs(samples), side="right") - 1
    return (np.where(samples < 0, 0x7F, 0xFF) - steps).astype(np.uint8)


_ENCODE = _encode_table()
_LARGEST = np.float32((FULL_SCALE - 1) / FULL_SCALE)


def decode(mulaw: bytes) -> NDArray[np.int16]:
    """Mu-law to 16-bit samples, one per byte."""
    return _DECODE.take(np.frombuffer(mulaw, np.uint8))


def decode_float(mulaw: bytes) -> NDArray[np.float32]:
    """Mu-law to samples within -1 and 1, one per byte."""
    return _DECODE_FLOAT.take(np.frombuffer(mulaw, np.uint8))


def encode(pcm: NDArray[np.int16]) -> bytes:
    """16-bit samples to mu-law, one byte each."""
    return _ENCODE.take(pcm.view(np.uint16)).tobytes()


def encode_float(pcm: NDArray[np.float32]) -> bytes:
    """Samples within -1 and 1 to mu-law, one byte each; louder ones are clipped, NaN is silence.

    Exact: decision values are whole numbers, so cutting the fraction off crosses none of them.
    """
    samples = np.minimum(np.maximum(pcm, -1.0), _LARGEST) * np.float32(FULL_SCALE)
    samples[np.isnan(samples)] = 0.0
    return encode(samples.astype(np.int16))
