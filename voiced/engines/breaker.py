"""Circuit breakers: an engine that has failed time and again is left alone for a while. Pure.

A breaker belongs to one engine and is shared by all calls. Three failures in a row open it, and so
does one refusal for good. Open, it lets nothing through for five seconds; then one attempt, the
probe, shows whether the engine is back. A probe that fails doubles the pause, up to a minute; any
success closes the breaker.
"""

from collections.abc import Iterator
from enum import Enum

from attrs import define, field, frozen


class BreakerState(Enum):
    """What a breaker thinks of its engine."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    """The pause is over: one probe may pass, or is under way."""


@frozen
class BreakerRule:
    """`failures` in a row open it; the first pause, and the longest that doubling leads to, in
    seconds."""

    failures: int = 3
    pause_s: float = 5.0
    longest_s: float = 60.0


@define(eq=False)
class Probe:
    """The one attempt that a half-open breaker let through."""


@define(eq=False)
class Breaker:
    """One engine's. `now` is in seconds, on any clock that does not go back."""

    rule: BreakerRule = field(factory=BreakerRule)
    _failures: int = field(default=0, init=False)
    _pause_s: float = field(default=0.0, init=False)
    _next_probe: float | None = field(default=None, init=False)
    _probe: Probe | None = field(default=None, init=False)

    def state(self, now: float) -> BreakerState:
        """As it stands at `now`."""
        if self._next_probe is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._next_probe else BreakerState.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Whether an attempt may be made now. Asking changes nothing; `begin` takes the place."""
        match self.state(now):
            case BreakerState.CLOSED:
                return True
            case BreakerState.HALF_OPEN:
                return self._probe is None
        return False

    def begin(self, now: float) -> Probe | None:
        """An attempt is made; returns the probe if it is one, to be handed to `abandoned` should
        it come to no verdict."""
        if self.state(now) is not BreakerState.HALF_OPEN or self._probe is not None:
            return None
        self._probe = Probe()
        return self._probe

    def succeeded(self) -> None:
        """An attempt has shown that the engine works."""
        self._failures = 0
        self._pause_s = 0.0
        self._next_probe = self._probe = None

    def failed(self, now: float, *, retryable: bool) -> None:
        """An attempt failed; not `retryable`: it was refused for good.

        While the breaker is open this says nothing new: the attempt began before it opened, or
        was made in need, and must not put off the probe.
        """
        state = self.state(now)
        if state is BreakerState.OPEN:
            return
        self._failures += 1
        lenient = state is BreakerState.CLOSED and retryable
        if lenient and self._failures < self.rule.failures:
            return
        self._pause_s = min(self._pause_s * 2 or self.rule.pause_s, self.rule.longest_s)
        self._next_probe = now + self._pause_s
        self._probe = None

    def abandoned(self, probe: Probe | None) -> None:
        """The attempt was given up without a verdict; the next may be the probe. Without a probe,
        or with one that has had its verdict, nothing happens."""
        if self._probe is probe:
            self._probe = None

    def next_probe(self) -> float | None:
        """When an open breaker lets a probe through; None while it is closed."""
        return self._next_probe


class Breakers:
    """Those of all engines, by role and name."""

    def __init__(self, rule: BreakerRule | None = None) -> None:
        self._rule = rule or BreakerRule()
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def of(self, role: str, name: str) -> Breaker:
        """The engine's breaker, always the same one."""
        return self._breakers.setdefault((role, name), Breaker(self._rule))

    def __iter__(self) -> Iterator[tuple[str, str, Breaker]]:
        """Role, name and breaker of each engine that was ever asked for."""
        return ((role, name, breaker) for (role, name), breaker in self._breakers.items())
