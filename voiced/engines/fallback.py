"""Which engine of a role is asked, and which one when that fails: common to all three roles.

One `Search` is one reply's, or one call's ear's, way through the engines, the preferred one first.
Those whose breaker lets nothing through are passed over. When no other is left, one of them is
tried all the same, the most preferred: better a late answer than none.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Generic, Protocol, TypeVar

from attrs import define, field, frozen

from voiced.engines.breaker import Breaker, Breakers, Probe
from voiced.errors import EngineAtCapacity, EngineError, EngineRefused, RequestRefused


@frozen
class Failover:
    """An engine failed in a call. `reason` is `EngineError.reason`, `message` what to mend.

    `spare` is the engine that goes on; None where none does, because none is left (the error is
    raised too), or because nothing was left to do.
    """

    role: str
    engine: str
    reason: str
    spare: str | None
    message: str = ""


Tell = Callable[[Failover], None]
"""Called once for each engine that failed in a reply or in an ear; must not block."""


class Named(Protocol):
    """All that is known of an engine here."""

    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Named)


@frozen
class Spares(Generic[E]):
    """One agent's engines of one role, at least one, the preferred one first."""

    role: str
    engines: Sequence[E] = field(converter=tuple)
    breakers: Breakers
    tell: Tell

    @property
    def preferred(self) -> E:
        return self.engines[0]

    def search(self) -> "Search[E]":
        """A new way through them."""
        return Search(self)


class _Resort(Enum):
    LEFT = 1
    USED = 2


@define(eq=False)
class Search(Generic[E]):
    """Holds at most one attempt. `leave` is owed at the end, however it comes."""

    _spares: Spares[E]
    _tried: list[int] = field(factory=list)
    _resort: _Resort = _Resort.LEFT
    _probe: Probe | None = None

    def begin(self, now: float) -> E:
        """The first engine to ask, whatever the breakers say."""
        engine = self._next(now)
        assert engine is not None  # there is one at least, and none has been tried
        return engine

    def has_spare(self, now: float) -> bool:
        """Whether another engine may well do better than the present one."""
        return self._allowed(now) is not None

    def fail_over(self, error: EngineError, now: float) -> E:
        """The present engine has failed: the next one to ask.

        Raises:
            EngineError: the one given; no engine is left.
        """
        self._judge(error, now)
        spare = self._next(now)
        self._tell(error, spare.name if spare else None)
        if spare is None:
            raise error
        return spare

    def failed(self, error: EngineError, now: float) -> None:
        """The present engine has failed, and no other is needed."""
        self._judge(error, now)
        self._tell(error, None)

    def succeeded(self) -> None:
        """The present engine has done its work; all of them may be asked again."""
        self._breaker(self._tried[-1]).succeeded()
        del self._tried[:-1]
        self._resort = _Resort.LEFT

    def leave(self) -> None:
        """No more attempts; one under way has come to no verdict."""
        if self._tried:
            self._breaker(self._tried[-1]).abandoned(self._probe)

    def _next(self, now: float) -> E | None:
        index = self._allowed(now)
        if index is None and self._resort is _Resort.LEFT:
            self._resort = _Resort.USED
            index = next(iter(self._untried()), None)
        if index is None:
            return None
        self._tried.append(index)
        self._probe = self._breaker(index).begin(now)
        return self._spares.engines[index]

    def _allowed(self, now: float) -> int | None:
        allowed = (index for index in self._untried() if self._breaker(index).allows(now))
        return next(allowed, None)

    def _untried(self) -> list[int]:
        return [index for index in range(len(self._spares.engines)) if index not in self._tried]

    def _breaker(self, index: int) -> Breaker:
        return self._spares.breakers.of(self._spares.role, self._spares.engines[index].name)

    def _judge(self, error: EngineError, now: float) -> None:
        """Having no slot is no fault: another call has it. Nor is a no to this one request."""
        breaker = self._breaker(self._tried[-1])
        if isinstance(error, EngineAtCapacity | RequestRefused):
            breaker.abandoned(self._probe)
        else:
            for_good = isinstance(error, EngineRefused) and not error.retryable
            breaker.failed(now, retryable=not for_good)

    def _tell(self, error: EngineError, spare: str | None) -> None:
        engine = self._spares.engines[self._tried[-1 if spare is None else -2]].name
        self._spares.tell(Failover(self._spares.role, engine, error.reason, spare, str(error)))
