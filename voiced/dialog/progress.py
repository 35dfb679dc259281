"""How far a call has come, from reports that may overtake each other.

The carrier numbers its callbacks from 0. What it says otherwise, such as in the answer to a
request, has no number: it is taken to be news, behind all that came so far and before the
numbers still to come.
"""

from bisect import insort
from typing import Final

from attrs import frozen

from voiced.wire.twilio_rest import OVER

MAX_STEPS: Final = 32
"""More is not kept of one call, but for its end; a real one has five."""


@frozen(order=True)
class _Step:
    sequence: int
    nth: int
    """0 where the carrier gave the number; else where it stands behind the step that had it."""
    status: str


class Progress:
    """The steps of one call in their order."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []

    def receive(self, status: str, sequence: int | None) -> bool:
        """Takes a report; returns whether it is now the latest of the call.

        One that came before is not. Nothing but a later end follows an end.
        """
        step = self._placed(status, sequence)
        if step is None or not self._has_room(status):
            return False
        insort(self._steps, step)
        return self._latest() is step

    @property
    def status(self) -> str:
        """The call's latest status; "" before the first."""
        latest = self._latest()
        return latest.status if latest else ""

    @property
    def is_over(self) -> bool:
        """Whether the call has ended, or failed to begin."""
        return self.status in OVER

    @property
    def reason(self) -> str:
        """How it ended: completed, busy, no-answer, failed or canceled; "" while it has not."""
        return self.status if self.is_over else ""

    @property
    def history(self) -> tuple[str, ...]:
        """Every status that was reported, in the order of the call."""
        return tuple(step.status for step in self._steps)

    def _placed(self, status: str, sequence: int | None) -> _Step | None:
        """Where the report belongs; None where it tells nothing new."""
        if sequence is not None:
            known = any(step.sequence == sequence for step in self._steps)
            return None if known else _Step(sequence, 0, status)
        if self.is_over or status == self.status:
            return None
        last = self._steps[-1] if self._steps else _Step(-1, 0, "")
        return _Step(last.sequence, last.nth + 1, status)

    def _has_room(self, status: str) -> bool:
        return len(self._steps) < MAX_STEPS or (status in OVER and not self.is_over)

    def _latest(self) -> _Step | None:
        ends = [step for step in self._steps if step.status in OVER]
        return max(ends or self._steps, default=None)
