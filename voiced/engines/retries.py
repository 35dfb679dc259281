"""How long a voice that has no room is asked again, and after which pauses. Pure.

Room comes free when another call's reply ends, so a refusal need not last. But the caller waits
meanwhile, and a spare may have room now.
"""

from typing import Final

from attrs import define

FIRST_PAUSE_S: Final = 0.05
GROWTH: Final = 1.5
"""Each pause is so much longer than the one before; the last ends with the time."""

_ROUNDING_S: Final = 0.001


@define
class Retries:
    """The attempts of one reply, counted from its first refusal, for `total_s` seconds in all."""

    total_s: float
    _until: float | None = None
    _next_s: float = FIRST_PAUSE_S

    def pause_s(self, now: float) -> float | None:
        """It was refused at `now`, in seconds on any clock: how long to wait before it is asked
        again; None where the time is over.
        """
        if self._until is None:
            self._until = now + self.total_s
        left_s = self._until - now
        if left_s < _ROUNDING_S:
            return None
        pause_s = min(self._next_s, left_s)
        self._next_s *= GROWTH
        return pause_s
