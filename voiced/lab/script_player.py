"""Plays a script by what the caller can hear: the agent began, the agent has been silent."""

from collections.abc import Sequence
from enum import Enum

from attrs import define, field

from voiced.lab.phone_ear import Run
from voiced.lab.script import After, Cue, Turn

REPLY_GAP_S = 0.7
"""An agent that has been silent for longer has finished."""


class Phase(Enum):
    """What the caller is doing."""

    WAITING = "waiting"
    ACTING = "acting"


@define
class ScriptPlayer:
    """Says when the next turn is due. All times are seconds since the stream's start."""

    turns: Sequence[Turn]
    patience_s: float = 20.0
    """After so long without the cue a caller acts anyway: nobody waits for ever."""
    missed: list[int] = field(factory=list, init=False)
    """The numbers, from 1, of the turns whose cue never came."""
    _phase: Phase = field(default=Phase.WAITING, init=False)
    _next: int = field(default=0, init=False)
    _since_s: float = field(default=0.0, init=False)

    def cue(self, agent: Sequence[Run], now_s: float) -> int | None:
        """The index of the turn that begins now, given when the agent was heard so far."""
        if self._phase is Phase.ACTING or self._next >= len(self.turns):
            return None
        if not self._is_due(self.turns[self._next].after, agent, now_s):
            if now_s - self._quiet_since(agent) < self.patience_s:
                return None
            self.missed.append(self._next + 1)
        self._phase = Phase.ACTING
        self._next += 1
        return self._next - 1

    def acted(self, now_s: float) -> None:
        """The turn that began is over: its last sample is said."""
        self._phase = Phase.WAITING
        self._since_s = now_s

    def _is_due(self, after: After, agent: Sequence[Run], now_s: float) -> bool:
        quiet_s = now_s - self._quiet_since(agent)
        if after.cue is Cue.SILENCE:
            return quiet_s >= after.seconds
        reply = next((run for run in agent if run.start_s >= self._since_s), None)
        if reply is None:
            return False
        ended = quiet_s > REPLY_GAP_S
        if after.cue is Cue.INTO_REPLY:
            return ended or now_s - reply.start_s >= after.seconds
        return ended

    def _quiet_since(self, agent: Sequence[Run]) -> float:
        return max(self._since_s, agent[-1].stop_s if agent else 0.0)
