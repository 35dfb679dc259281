"""Whether the daemon is well enough to be left alone: pure, and wide of what merely sounds bad.

A daemon whose watchdog is not fed is killed, with all its calls, and started again. So a limit
here is where a call is of no use any more, and it takes several looks in a row to pass it: systemd
waits for four of them.
"""

from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen

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
    """One look. `pacers`: the worst lateness of each call since it began, in seconds, by name.

    `listener` says why nobody is let in, "" where somebody is.
    """

    scheduler_s: float
    pacers: Mapping[str, float] = field(factory=dict)
    listener: str = ""


@define
class Vitals:
    """Judges one look after the other."""

    _worst: dict[str, float] = field(factory=dict)

    def ailment(self, pulse: Pulse) -> str:
        """What is the matter, in words for the log; "" where nothing is."""
        pacer_s = self._pacer_s(pulse.pacers)
        ailments = (
            (pulse.scheduler_s > SCHEDULER_S, f"tasks wake {pulse.scheduler_s:.1f} s late"),
            (pacer_s > PACER_S, f"a call's audio went out {pacer_s:.1f} s late"),
            (bool(pulse.listener), f"nobody is let in: {pulse.listener}"),
        )
        return "; ".join(told for is_so, told in ailments if is_so)

    def _pacer_s(self, pacers: Mapping[str, float]) -> float:
        """The worst lateness since the last look, as far as it is a call's worst so far."""
        before, self._worst = self._worst, dict(pacers)
        return max((late for name, late in pacers.items() if late > before.get(name, 0)), default=0)
