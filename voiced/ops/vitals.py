"""Whether the daemon is well enough to be left alone: pure, and wide of what merely sounds bad.

A daemon whose watchdog is not fed is killed, with all its calls, and started again. So a limit
here is where a call is of no use any more, and it takes several looks in a row to pass it: systemd
waits for four of them.
"""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

SCHEDULER_S: Final = 1.0
"""How late a task may be woken. The carrier has 0.1 s of audio at hand, so every call is in pieces
long before; a machine that is busy for a moment, or was asleep, comes back below it."""

PACER_S: Final = 1.0
"""How late a frame may be handed to its socket: a second of silence in the middle of a word."""

LISTENER_S: Final = 3.0
"""How long our own front door may take for an answer. Twilio waits for 15 s; a webhook of ours
takes milliseconds."""


@frozen
class Pulse:
    """One look. `pacers`: the worst lateness of each call since the look before, in seconds, by
    name. `listener` says why nobody is let in, "" where somebody is.
    """

    scheduler_s: float
    pacers: Mapping[str, float] = field(factory=dict)
    listener: str = ""

    @property
    def ailment(self) -> str:
        """What is the matter, in words for the log; "" where nothing is."""
        pacer_s = max(self.pacers.values(), default=0.0)
        ailments = (
            (self.scheduler_s > SCHEDULER_S, f"tasks wake {self.scheduler_s:.1f} s late"),
            (pacer_s > PACER_S, f"a call's audio went out {pacer_s:.1f} s late"),
            (bool(self.listener), f"nobody is let in: {self.listener}"),
        )
        return "; ".join(told for is_so, told in ailments if is_so)
