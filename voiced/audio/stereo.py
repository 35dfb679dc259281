"""Two voices on one time line: caller left, agent right, as a WAV file has them.

Where both sides are silent or nothing was placed there is silence. Where two packets of one side
overlap, the later one counts: an overlap is one voice placed twice (a clock that was corrected,
or new audio over audio that was cleared before it was heard), and mixed it would echo.
"""

import struct

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from voiced.audio import g711
from voiced.audio.frame import SAMPLE_RATE

_CHANNELS = 2
_SAMPLE_BYTES = 2
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_LONGEST = 0xFFFF_FFFF - _HEADER.size

HEADER_BYTES = _HEADER.size
BLOCK_BYTES = _CHANNELS * _SAMPLE_BYTES
"""Bytes of a WAV file that belong to one moment: a sample of each line."""


@frozen
class _Piece:
    position: int
    mulaw: bytes

    @property
    def end(self) -> int:
        return self.position + len(self.mulaw)


class StereoTrack:
    """Places mu-law at absolute positions, in samples at 8 kHz, and gives PCM in order.

    It holds what was placed and not yet taken; who records a long call takes now and then.
    """

    def __init__(self) -> None:
        self._left: list[_Piece] = []
        self._right: list[_Piece] = []
        self._taken = 0

    def left(self, position: int, mulaw: bytes) -> None:
        """Places the caller's audio. What lies before the end of the last `take` is lost."""
        self._left.append(_Piece(position, mulaw))

    def right(self, position: int, mulaw: bytes) -> None:
        """Places the agent's audio. What lies before the end of the last `take` is lost."""
        self._right.append(_Piece(position, mulaw))

    @property
    def end(self) -> int:
        """The position behind the last sample placed or taken."""
        return max([self._taken, *(piece.end for piece in self._left + self._right)])

    def take(self, upto: int) -> bytes:
        """The samples from where the last `take` ended up to `upto`, exclusive.

        Interleaved, left first, 16 bits little-endian: four bytes per position.
        """
        pcm = np.zeros((max(0, upto - self._taken), _CHANNELS), "<i2")
        self._left = self._lay(self._left, pcm[:, 0])
        self._right = self._lay(self._right, pcm[:, 1])
        self._taken += len(pcm)
        return pcm.tobytes()

    def _lay(self, pieces: list[_Piece], channel: NDArray[np.int16]) -> list[_Piece]:
        """Writes the pieces into a channel that begins where the last one ended.

        Returns those that go on behind it.
        """
        for piece in pieces:
            offset = piece.position - self._taken
            first, last = max(0, offset), min(len(channel), offset + len(piece.mulaw))
            if first < last:
                channel[first:last] = g711.decode(piece.mulaw[first - offset : last - offset])
        return [piece for piece in pieces if piece.end > self._taken + len(channel)]


def interleave(left: bytes, right: bytes) -> bytes:
    """Two lines of mu-law of equal length as PCM: left first, 16 bits little-endian."""
    pcm = np.empty((len(left), _CHANNELS), "<i2")
    pcm[:, 0] = g711.decode(left)
    pcm[:, 1] = g711.decode(right)
    return pcm.tobytes()


def wav_header(data_bytes: int) -> bytes:
    """The 44 bytes in front of a WAV file's samples: stereo, 16 bits, 8 kHz.

    A length that 32 bits cannot hold is given as the most they can, as is customary.
    """
    block = BLOCK_BYTES
    data_bytes = min(data_bytes, _LONGEST)
    return _HEADER.pack(
        *(b"RIFF", data_bytes + _HEADER.size - 8, b"WAVE"),
        *(b"fmt ", 16, 1, _CHANNELS, SAMPLE_RATE, SAMPLE_RATE * block, block, 8 * _SAMPLE_BYTES),
        *(b"data", data_bytes),
    )


def wav(pcm: bytes) -> bytes:
    """A whole WAV file around what `StereoTrack.take` returned."""
    return wav_header(len(pcm)) + pcm
