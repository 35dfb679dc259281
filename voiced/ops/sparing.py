"""Logging what a stranger can make happen at will, without letting him fill the disk."""

import math
from typing import Final

EVERY_S: Final = 60.0


class Sparing:
    """Lets one of many alike events be told, at most every `every_s` seconds.

    Pure: `now` is in seconds, on a clock that does not go back.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._told_at = -math.inf
        self._others = 0

    def due(self, now: float) -> int | None:
        """Takes note of an event; where it is to be told, how many went untold before it.

        None: it is not to be told, but counted.
        """
        if now - self._told_at < self._every_s:
            self._others += 1
            return None
        self._told_at = now
        others, self._others = self._others, 0
        return others
