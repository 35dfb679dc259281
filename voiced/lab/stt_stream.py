"""One stream of the stand-in STT: samples in, the messages of each step out. Pure.

Times and order are the real server's (moshi-core asr.rs, moshi-server batched_asr.rs): a step
per 1,920 samples; a word comes `delay_steps` after it was said; its end only when the next one
begins.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from voiced.lab.sphinx import EarWord
from voiced.lab.voice import FRAME_SAMPLES, RATE

STEP_S = FRAME_SAMPLES / RATE
NOISY_STEPS = 12
"""The first pause scores of a stream mean nothing, as with the real model."""
HEADS = (0.7, 0.85, 1.0, 1.15)
"""The four heads look 0.5, 1, 2 and 3 s ahead: each is surer later than the one before."""
SLOPE_S = 0.025

Samples = NDArray[np.float32]


@define
class SttStream:
    """`put` audio, `next_frame` to hear, `step` to tell."""

    delay_steps: int
    pause_s: float
    """The silence after which the third head is undecided."""
    steps: int = 0
    _pieces: deque[Samples] = field(factory=deque)
    _due: deque[tuple[float, dict[str, Any]]] = field(factory=deque)
    _last_stop_s: float | None = None

    @property
    def buffered(self) -> int:
        """Samples that wait for a step."""
        return sum(map(len, self._pieces))

    def put(self, pcm: Samples) -> None:
        """Audio of any length."""
        self._pieces.append(pcm)

    def next_frame(self) -> Samples | None:
        """The next 1,920 samples, if they are there."""
        if self.buffered < FRAME_SAMPLES:
            return None
        joined = np.concatenate(self._pieces)
        self._pieces.clear()
        if len(joined) > FRAME_SAMPLES:
            self._pieces.append(joined[FRAME_SAMPLES:])
        return joined[:FRAME_SAMPLES]

    def step(
        self, step_idx: int, silence_s: float, words: Sequence[EarWord]
    ) -> list[dict[str, Any]]:
        """One step of the model: its Step, then the words that are due."""
        self.steps += 1
        prs = pause_scores(self.steps, silence_s, self.pause_s)
        messages: list[dict[str, Any]] = [
            {"type": "Step", "step_idx": step_idx, "prs": prs, "buffered_pcm": self.buffered}
        ]
        for word in words:
            self._queue(word)
        heard_until_s = (self.steps - self.delay_steps) * STEP_S
        while self._due and self._due[0][0] <= heard_until_s:
            messages.append(self._due.popleft()[1])
        return messages

    def _queue(self, word: EarWord) -> None:
        if self._last_stop_s is not None:
            end = {"type": "EndWord", "stop_time": self._last_stop_s}
            self._due.append((word.start_s, end))
        self._last_stop_s = word.stop_s
        start = {"type": "Word", "text": word.text, "start_time": word.start_s}
        self._due.append((word.stop_s, start))


def pause_scores(step: int, silence_s: float, pause_s: float) -> list[float]:
    """The four heads: tiny in speech, near 1 after it (moshi-core asr.rs `prs`)."""
    if step <= NOISY_STEPS:
        return [0.5 + 0.45 * math.sin(7.3 * step + head) for head in HEADS]
    return [pause_score(silence_s - head * pause_s) for head in HEADS]


def pause_score(late_s: float) -> float:
    """One head, by how long the silence has lasted beyond its own patience."""
    score = 1 / (1 + math.exp(-max(min(late_s, 1.0), -1.0) / SLOPE_S))
    return min(max(score, 1e-4), 0.98)
