"""Spacing what an account may do only so often in a second."""


class Pace:
    """Gives each request a time of its own. Times are seconds on the caller's clock."""

    def __init__(self, per_s: float) -> None:
        self._interval_s = 1 / per_s
        self._free_at = float("-inf")

    def due(self, now: float) -> float:
        """When the next one could go, without taking the place."""
        return max(now, self._free_at)

    def next(self, now: float) -> float:
        """Takes a place; returns the time at which this one may go."""
        at = self.due(now)
        self._free_at = at + self._interval_s
        return at
