"""The stand-in Deepgram's hearing: mu-law of any length in, steps of 80 ms with their words out."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from attrs import define, field, frozen

from voiced.audio import g711
from voiced.lab.ear import Ear, SilenceMeter
from voiced.lab.resample import Downsampler
from voiced.lab.sphinx import END_SILENCE_S, EarWord
from voiced.lab.voice import FRAME_SAMPLES, RATE

BYTES_PER_S: Final = 8_000
STEP_BYTES: Final = 640
STEP_S: Final = STEP_BYTES / BYTES_PER_S


@frozen
class Step:
    """80 ms of the stream: its words, and how long the line has been quiet at its end."""

    at_s: float
    words: tuple[EarWord, ...]
    silence_s: float


@define
class Hearing:
    """One connection's audio. Its clock counts bytes, not seconds on the wall."""

    _ear: Ear
    clock_s: float = 0.0
    _waiting: bytearray = field(factory=bytearray)
    _silence: SilenceMeter = field(factory=SilenceMeter)
    _upsampler: Downsampler = field(factory=lambda: Downsampler(BYTES_PER_S, RATE))
    _skew_s: float = 0.0

    async def hear(self, mulaw: bytes) -> Sequence[Step]:
        """Takes audio; returns its whole steps."""
        self._waiting += mulaw
        whole = len(self._waiting) // STEP_BYTES * STEP_BYTES
        audio = bytes(self._waiting[:whole])
        del self._waiting[:whole]
        return [await self._step(audio[at : at + STEP_BYTES]) for at in range(0, whole, STEP_BYTES)]

    async def _step(self, mulaw: bytes) -> Step:
        frame = self._upsampler.convert(g711.decode_float(mulaw))
        self.clock_s += STEP_S
        silence_s = self._silence.measure(frame)
        words = await self._ear.hear(frame, silence_s)
        return Step(self.clock_s, tuple(map(self._placed, words)), silence_s)

    async def last_words(self) -> tuple[EarWord, ...]:
        """What the ear holds back, told as if silence had followed; no time passes."""
        words = await self._ear.hear(np.zeros(FRAME_SAMPLES, np.float32), END_SILENCE_S)
        placed = tuple(map(self._placed, words))
        self._skew_s += STEP_S
        return placed

    def _placed(self, word: EarWord) -> EarWord:
        start_s = max(word.start_s - self._skew_s, 0.0)
        stop_s = min(word.stop_s - self._skew_s, self.clock_s)
        return EarWord(word.text, min(start_s, stop_s), stop_s)
