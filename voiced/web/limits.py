"""How much one guest may ask for, and how many guests there may be. Pure: `now` in seconds."""

import math
from collections import OrderedDict
from typing import Final

from attrs import define

MAX_KEYS: Final = 10_000
"""Callers that are remembered, some 2 MB; beyond it the one longest unheard of is forgotten."""

_ROUNDING: Final = 1e-6


@define
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """A token bucket for each key: `per_minute` in the long run, `burst` (as many) at once."""

    def __init__(self, per_minute: int, burst: int | None = None) -> None:
        self._burst = per_minute if burst is None else burst
        self._per_s = per_minute / 60
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """The keys that are remembered."""
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """0.0 where this one is allowed, else the seconds until one will be.

        `math.inf` where none ever will: with a limit of 0. Asking in vain costs nothing.
        """
        if min(self._burst, self._per_s) <= 0:
            return math.inf
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_s)
        bucket.at = now
        self._forget(now)
        if bucket.tokens < 1 - _ROUNDING:
            return (1 - bucket.tokens) / self._per_s
        bucket.tokens -= 1
        return 0.0

    def _forget(self, now: float) -> None:
        """Drops who has been idle until its bucket was full again, and who is too many.

        Never the one who asks now: it is the most recent.
        """
        idle_s = self._burst / self._per_s
        while len(self._buckets) > MAX_KEYS or now - self._oldest_at() >= idle_s:
            self._buckets.popitem(last=False)

    def _oldest_at(self) -> float:
        return next(iter(self._buckets.values())).at


class Visit:
    """One guest of a crowd."""

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd: Crowd | None = crowd

    def leave(self) -> None:
        """Makes room for another; once, however often it is called."""
        crowd, self._crowd = self._crowd, None
        if crowd is not None:
            crowd.present -= 1


class Crowd:
    """Counts guests, up to `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.present = 0

    def enter(self) -> Visit | None:
        """A place for one more guest; None where all are taken."""
        if self.present >= self._most:
            return None
        self.present += 1
        return Visit(self)
