"""A caller who wants the greeting's first frame, no more: how long a call takes to begin."""

from enum import Enum, auto

from attrs import define, field

from bench import tones
from bench.findings import Findings, Setup
from bench.line import Line
from bench.reactor import Reactor


@define
class Visits:
    """What came of such calls."""

    made: int = 0
    setups: list[Setup] = field(factory=list)
    """Of those that were greeted."""
    lost: int = 0

    @property
    def are_over(self) -> bool:
        """Whether each has been greeted or lost."""
        return len(self.setups) + self.lost == self.made


class _Stage(Enum):
    CALLING = auto()
    GONE = auto()


class Visitor:
    """Rings at once, and hangs up as soon as it is greeted."""

    number = 0

    def __init__(self, reactor: Reactor, port: int, visits: Visits) -> None:
        self._visits = visits
        self._stage = _Stage.CALLING
        visits.made += 1
        self._line = Line(reactor, self, Findings())
        self._line.ring(port)

    def tick(self, now: float, packet: int) -> bytes | None:
        """Silence, until it has hung up."""
        return tones.SILENCES[packet % tones.COUNT] if self._stage is _Stage.CALLING else None

    def hears(self, now: float) -> None:
        """The greeting has begun."""
        if self._stage is _Stage.CALLING:
            self._stage = _Stage.GONE
            self._line.setup.greeted = now
            self._visits.setups.append(self._line.setup)
            self._line.hang_up()

    def lost(self) -> None:
        """It was not answered, or not greeted."""
        if self._stage is _Stage.CALLING:
            self._stage = _Stage.GONE
            self._visits.lost += 1
