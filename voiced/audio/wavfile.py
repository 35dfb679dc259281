"""WAV files: into the telephone's audio from whatever people have, and out of it.

Source: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (RIFF, WAVE),
and its `WAVEFORMATEXTENSIBLE`, whose sub-format begins with the plain format's number.
"""

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from voiced.audio import g711
from voiced.audio.frame import SAMPLE_RATE
from voiced.errors import VoicedError

MAX_SECONDS: Final = 3600
"""A longer file is more likely a mistake than a caller."""

_PCM, _FLOAT, _MULAW, _EXTENSIBLE = 1, 3, 7, 0xFFFE
_CODINGS: Final = frozenset(
    {(_PCM, bits) for bits in (8, 16, 24, 32)} | {(_FLOAT, 32), (_FLOAT, 64), (_MULAW, 8)}
)
_FORMAT: Final = struct.Struct("<HHIIHH")
_SUB_FORMAT: Final = 24  # where it stands in an extensible format
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_SAMPLE_BYTES: Final = 2


class WavError(VoicedError):
    """A file is no WAV, or of a kind that is not read; the message says what to do."""


@frozen
class _Format:
    """`code` is WAVE's own number for the coding of the samples."""

    code: int
    channels: int
    rate: int
    bits: int

    @property
    def block(self) -> int:
        """Bytes of one moment."""
        return self.channels * self.bits // 8


def telephone(data: bytes) -> bytes:
    """What a telephone would make of a WAV file: mu-law at 8 kHz.

    PCM of 8, 16, 24 or 32 bits, floats and mu-law, at any rate. Of several channels the first is
    heard: in voiced's recordings, and by custom elsewhere, that is the caller. A file that is cut
    off gives what there is.

    Raises:
        WavError: not a WAV, of another coding, without sound, or longer than an hour.
    """
    form, samples = _parts(data)
    moments = len(samples) // form.block
    if not moments:
        raise WavError("there is no sound in it")
    if moments > MAX_SECONDS * form.rate:
        raise WavError(f"it is longer than {MAX_SECONDS} s: cut out the part in question")
    channel = _channel(form, samples[: moments * form.block])
    if form.code == _MULAW and form.rate == SAMPLE_RATE:
        return channel.tobytes()
    return g711.encode_float(_at_telephone_rate(_floats(form, channel), form.rate))


def mono(mulaw: bytes) -> bytes:
    """A whole WAV file of mu-law at 8 kHz, decoded: 16 bits, one channel."""
    pcm = g711.decode(mulaw).astype("<i2").tobytes()
    return (
        _HEADER.pack(
            *(b"RIFF", len(pcm) + _HEADER.size - 8, b"WAVE"),
            *(b"fmt ", 16, _PCM, 1, SAMPLE_RATE, SAMPLE_RATE * _SAMPLE_BYTES, _SAMPLE_BYTES),
            *(8 * _SAMPLE_BYTES, b"data", len(pcm)),
        )
        + pcm
    )


def _parts(data: bytes) -> tuple[_Format, bytes]:
    form: _Format | None = None
    for name, chunk in _chunks(data):
        if name == b"fmt ":
            form = _format(chunk)
        elif name == b"data" and form is not None:
            return form, chunk
    raise WavError("not a WAV file; `sox IN -b 16 OUT.wav` makes one")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Lengths are believed as far as the file goes: who records to a pipe cannot know them."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _format(chunk: bytes) -> _Format:
    if len(chunk) < _FORMAT.size:
        raise WavError("its format is cut off")
    code, channels, rate, _, _, bits = _FORMAT.unpack_from(chunk)
    if code == _EXTENSIBLE:
        code = int.from_bytes(chunk[_SUB_FORMAT : _SUB_FORMAT + 2], "little")
    if (code, bits) not in _CODINGS or not channels or not rate:
        told = f"its coding (format {code}, {bits} bits) is not read"
        raise WavError(f"{told}; `sox IN -b 16 OUT.wav` makes one that is")
    return _Format(code, channels, rate, bits)


def _channel(form: _Format, samples: bytes) -> NDArray[np.uint8]:
    """The first channel's bytes."""
    blocks = np.frombuffer(samples, np.uint8).reshape(-1, form.block)
    return np.ascontiguousarray(blocks[:, : form.bits // 8]).ravel()


def _floats(form: _Format, channel: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Samples within -1 and 1."""
    if form.code == _MULAW:
        return g711.decode_float(channel.tobytes()).astype(np.float64)
    if form.code == _FLOAT:
        samples: NDArray[np.float64] = channel.view(f"<f{form.bits // 8}").astype(np.float64)
        return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0)
    if form.bits == 8:  # the one width without a sign
        return (channel.astype(np.float64) - 128) / 128
    width = form.bits // 8
    padded = np.zeros((len(channel) // width, 4), np.uint8)
    padded[:, 4 - width :] = channel.reshape(-1, width)
    return padded.view("<i4").ravel() / 2.0**31


def _at_telephone_rate(pcm: NDArray[np.float64], rate: int) -> NDArray[np.float32]:
    """By the file's whole spectrum: nothing above 4 kHz is left to fold back, nothing is late."""
    if rate == SAMPLE_RATE:
        return pcm.astype(np.float32)
    samples = max(1, round(len(pcm) * SAMPLE_RATE / rate))
    spectrum = np.fft.rfft(pcm)[: samples // 2 + 1]
    return (np.fft.irfft(spectrum, samples) * (samples / len(pcm))).astype(np.float32)
