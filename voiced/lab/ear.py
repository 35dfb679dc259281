"""The lab's ears: 80 ms frames in, words out, and how long the line has been quiet.

The real one hears with pocketsphinx (`voiced.lab.sphinx`) in a worker thread; the scripted one
hears what it is told to, so that a benchmark measures the daemon.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import numpy as np
import trio
from attrs import define
from numpy.typing import NDArray

from voiced.lab.sphinx import END_SILENCE_S, EarWord, SphinxEar, load_sphinx
from voiced.lab.voice import FRAME_SAMPLES, RATE

BLOCK_SAMPLES = 480
"""Speech is told from silence in blocks of 20 ms."""
SPEECH_RMS = 0.006
WORD_FRAMES = 3
"""The scripted ear's pace: a word each 240 ms."""

Frame = NDArray[np.float32]
"""1,920 samples, 24 kHz, ±1."""


class Ear(Protocol):
    """One stream's ear."""

    async def hear(self, frame: Frame, silence_s: float) -> Sequence[EarWord]:
        """Takes the next frame and the length of the silence at its end; tells new words."""

    def restart(self) -> None:
        """Forgets the stream; its clock starts again at 0."""


EarFactory = Callable[[], Awaitable[Ear]]


@define
class SilenceMeter:
    """How long the line has been quiet; infinite before any speech."""

    silence_s: float = math.inf

    def measure(self, frame: Frame) -> float:
        """The length of the silence at the end of this frame, in seconds."""
        blocks = frame.reshape(-1, BLOCK_SAMPLES)
        loud = np.flatnonzero(np.sqrt(np.mean(blocks**2, axis=1)) > SPEECH_RMS)
        if loud.size:
            self.silence_s = 0.0
        quiet_blocks = len(blocks) - (int(loud[-1]) + 1 if loud.size else 0)
        self.silence_s += quiet_blocks * BLOCK_SAMPLES / RATE
        return self.silence_s


@define
class ThreadedEar:
    """pocketsphinx in a worker thread: 2 ms per frame that the event loop does not see."""

    _ear: SphinxEar
    _threads: trio.CapacityLimiter

    async def hear(self, frame: Frame, silence_s: float) -> Sequence[EarWord]:
        return await trio.to_thread.run_sync(
            self._ear.hear, frame, silence_s, limiter=self._threads
        )

    def restart(self) -> None:
        self._ear.restart()


def sphinx_ears(grammar: str, threads: int = 2) -> EarFactory:
    """Ears that hear the sentences of a JSGF grammar; all of them share `threads`."""
    limiter = trio.CapacityLimiter(threads)

    async def new_ear() -> Ear:
        ear = await trio.to_thread.run_sync(load_sphinx, grammar, limiter=limiter)
        return ThreadedEar(ear, limiter)

    return new_ear


def scripted_ears(sentences: Sequence[str]) -> EarFactory:
    """Ears that hear the next sentence in each burst of sound; without sentences they are deaf."""

    async def new_ear() -> Ear:
        await trio.lowlevel.checkpoint()
        return ScriptedEar(sentences)

    return new_ear


@define
class ScriptedEar:
    """Tells a word of its sentence every 240 ms of the burst, and the rest when it ends."""

    _sentences: Sequence[str]
    _frames: int = 0
    _burst_frames: int = 0
    _bursts: int = 0
    _told: int = 0

    async def hear(self, frame: Frame, silence_s: float) -> Sequence[EarWord]:
        await trio.lowlevel.checkpoint()
        self._frames += 1
        if silence_s < END_SILENCE_S:
            self._burst_frames += 1
            return self._tell(self._burst_frames // WORD_FRAMES)
        if not self._burst_frames:
            return ()
        rest = self._tell(None)
        self._burst_frames = self._told = 0
        self._bursts += 1
        return rest

    def restart(self) -> None:
        self._frames = self._burst_frames = self._bursts = self._told = 0

    def _tell(self, until: int | None) -> Sequence[EarWord]:
        if not self._sentences:
            return ()
        words = self._sentences[self._bursts % len(self._sentences)].split()
        news = words[self._told : until]
        self._told += len(news)
        frame_s = FRAME_SAMPLES / RATE
        stop_s = self._frames * frame_s
        start_s = max(stop_s - WORD_FRAMES * frame_s, 0.0)
        return [EarWord(word, start_s, stop_s) for word in news]
