"""When the far end plays which frame."""

import math

from attrs import define

from voiced.audio.frame import FRAME_S


@define
class TimeLine:
    """Frame n is played at `origin + n * 20 ms`; `position` frames have been sent."""

    origin: float = -math.inf  # the far end has had nothing to play since ever
    position: int = 0
    slot: int = 0  # of the last tick

    def begin(self, origin: float) -> None:
        """Another time line."""
        self.origin, self.position, self.slot = origin, 0, 0

    @property
    def end(self) -> float:
        """From here on the far end has nothing left to play."""
        return self.origin + self.position * FRAME_S

    def time(self, position: int) -> float:
        """When the frame at that position is played."""
        return self.origin + position * FRAME_S

    def slot_at(self, now: float) -> int:
        """The position of the frame that is being played."""
        # The division alone may be a hair off, at the very times that `next_tick` names.
        nearest = round((now - self.origin) / FRAME_S)
        return nearest if self.origin + nearest * FRAME_S <= now else nearest - 1
