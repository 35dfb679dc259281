"""Arrays of floats in msgpack, through numpy views instead of Python lists.

moshi-server sends and takes PCM as a msgpack array of float32: a tag byte 0xCA and four bytes,
big-endian, for each sample. That is a numpy record, so a packet is one view.

Source: the msgpack specification; moshi-server's rust/moshi-server/src/tts.rs and asr.rs.
"""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voiced.errors import WireError

Pcm = NDArray[np.float32]

_FLOAT32: Final = 0xCA
_SAMPLE: Final = np.dtype([("tag", "u1"), ("value", ">f4")])
_FIXARRAY, _ARRAY16, _ARRAY32 = 0x90, 0xDC, 0xDD


def pack_floats(samples: Pcm) -> bytes:
    """The samples (one dimension) as a msgpack array of float32."""
    count = len(samples)
    items = np.empty(count, _SAMPLE)
    items["tag"] = _FLOAT32
    items["value"] = samples
    return _array_header(count) + items.tobytes()


def unpack_floats(data: bytes, offset: int) -> Pcm | None:
    """The array of float32 that fills `data` from `offset` to its end; not a number becomes 0.

    None where anything else stands there: the caller then decodes it the general way.
    """
    extent = _array_extent(data, offset)
    if extent is None:
        return None
    start, count = extent
    if len(data) != start + count * _SAMPLE.itemsize:
        return None
    items = np.frombuffer(data, _SAMPLE, count, start)
    if not (items["tag"] == _FLOAT32).all():
        return None
    return _without_nan(items["value"].astype(np.float32))


def floats_of(values: Sequence[object]) -> Pcm:
    """A decoded msgpack array of any numbers, as float32; not a number becomes 0.

    Raises:
        WireError: something in it is not a number.
    """
    if not all(type(value) in (float, int) for value in values):
        raise WireError("array: not numbers")
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32: infinite, then 0
        return _without_nan(np.asarray(values, np.float64).astype(np.float32))


def _array_header(count: int) -> bytes:
    if count < 16:
        return bytes([_FIXARRAY | count])
    if count < 1 << 16:
        return struct.pack(">BH", _ARRAY16, count)
    return struct.pack(">BI", _ARRAY32, count)


def _array_extent(data: bytes, offset: int) -> tuple[int, int] | None:
    """Where the items of the array at `offset` start, and how many they are."""
    header = data[offset : offset + 5]
    tag = header[0] if header else 0
    if tag == _ARRAY16 and len(header) >= 3:
        return offset + 3, int.from_bytes(header[1:3], "big")
    if tag == _ARRAY32 and len(header) == 5:
        return offset + 5, int.from_bytes(header[1:5], "big")
    if tag & 0xF0 == _FIXARRAY:
        return offset + 1, tag & 0x0F
    return None


def _without_nan(samples: Pcm) -> Pcm:
    finite = np.isfinite(samples)
    if not finite.all():
        samples[~finite] = 0.0
    return samples
