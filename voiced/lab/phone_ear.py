"""Who was heard when: telephone audio as runs of speech, by energy alone."""

from collections.abc import Sequence

import numpy as np
from attrs import define, evolve, field, frozen

from voiced.audio import g711
from voiced.audio.frame import FRAME_S

LOUD_RMS = 200.0
"""Of 16-bit samples: -44 dBFS, under any voice and over any line noise of a software phone."""

PAUSE_S = 0.2
"""A shorter silence is within speech: a stop consonant, a comma."""

_POWER = np.square(g711.decode(bytes(range(256))).astype(np.float64))


@frozen
class Run:
    """Speech without a pause, in seconds since the stream's start."""

    start_s: float
    stop_s: float


@define
class Ear:
    """Listens to one line, 20 ms frame by frame; `runs` grows at its end."""

    runs: list[Run] = field(factory=list, init=False)
    _frames: int = field(default=0, init=False)

    def listen(self, frame: bytes) -> None:
        """Takes the next 160 bytes of mu-law."""
        start_s, stop_s = self._frames * FRAME_S, (self._frames + 1) * FRAME_S
        self._frames += 1
        if not is_loud(frame):
            return
        if self.runs and start_s - self.runs[-1].stop_s < PAUSE_S - 1e-9:
            self.runs[-1] = evolve(self.runs[-1], stop_s=stop_s)
        else:
            self.runs.append(Run(start_s, stop_s))


def is_loud(frame: bytes) -> bool:
    """Whether this mu-law can be heard as speech."""
    power = _POWER[np.frombuffer(frame, np.uint8)].mean() if frame else 0.0
    return bool(power > LOUD_RMS**2)


@frozen
class Utterance:
    """One turn of the caller, as it was sent: times are of the turn's audio, silence included."""

    number: int
    words: str
    start_s: float
    stop_s: float


@frozen
class Measured:
    """What a turn was like at the caller's ear.

    `answer_s`: from the last sound of the caller to the first sound of the agent; None without
    an answer before the next turn. `yield_s`: in a barge-in, from the caller's first sound to
    the agent's last; None where the agent was not speaking.
    """

    utterance: Utterance
    spoken: Run
    answer_s: float | None
    yield_s: float | None


def measure(
    utterances: Sequence[Utterance], caller: Sequence[Run], agent: Sequence[Run]
) -> tuple[Measured, ...]:
    """Measures each turn from what both lines held."""
    until = [utterance.start_s for utterance in utterances[1:]] + [float("inf")]
    return tuple(
        _measure(utterance, caller, agent, next_s)
        for utterance, next_s in zip(utterances, until, strict=False)
    )


def _measure(
    utterance: Utterance, caller: Sequence[Run], agent: Sequence[Run], next_s: float
) -> Measured:
    within = [r for r in caller if utterance.start_s <= r.start_s < utterance.stop_s]
    spoken = Run(utterance.start_s, utterance.stop_s)
    if within:
        spoken = Run(within[0].start_s, within[-1].stop_s)
    answers = (r.start_s - spoken.stop_s for r in agent if spoken.stop_s <= r.start_s < next_s)
    yields = (r.stop_s - spoken.start_s for r in agent if r.start_s < spoken.start_s < r.stop_s)
    return Measured(utterance, spoken, next(answers, None), next(yields, None))
