"""How a running call is led from outside: the one place where the REST API touches it.

An order cancels the innermost thing that the call is doing. What stands around it (a stream's
`stop` and close, a document's loop) goes on in order and sees the order before it does more.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import trio
from attrs import define, field, frozen


class Demand(Enum):
    """What an order wants."""

    END = "Status=completed"
    TIME_LIMIT = "TimeLimit"
    DOCUMENT = "another document"


@frozen
class Order:
    """To end, or to go on with a document: by its address, or as it stands."""

    demand: Demand
    url: str = ""
    twiml: str = ""


@define(eq=False)
class Reins:
    """Of one call. An order stays until it is taken; one that ends the call stays for ever."""

    order: Order | None = None
    deadline: float = math.inf
    """When the call's time is over, on Trio's clock."""
    _scopes: list[trio.CancelScope] = field(factory=list, init=False)
    _changed: trio.Event = field(factory=trio.Event, init=False)

    def give(self, order: Order) -> None:
        """Orders; what runs now is cancelled."""
        if self.order is not None and self.order.demand is not Demand.DOCUMENT:
            return
        self.order = order
        if self._scopes:
            self._scopes[-1].cancel(reason=order.demand.value)

    def take(self) -> Order | None:
        """The order, if there is one; a document is ordered once."""
        order = self.order
        if order is not None and order.demand is Demand.DOCUMENT:
            self.order = None
        return order

    @contextmanager
    def interruptible(self) -> Iterator[trio.CancelScope]:
        """What is done inside ends when an order comes, or at once if one is there."""
        with trio.CancelScope() as scope:
            if self.order is not None:
                scope.cancel(reason=self.order.demand.value)
            self._scopes.append(scope)
            try:
                yield scope
            finally:
                self._scopes.remove(scope)

    def limit(self, deadline: float) -> None:
        """The call ends at this time, if somebody runs `keep_time`."""
        self.deadline = deadline
        self._changed.set()

    async def keep_time(self) -> None:
        """Gives the order when the time is over."""
        while True:
            with trio.move_on_at(self.deadline) as waiting:
                await self._changed.wait()
            if waiting.cancelled_caught:
                self.give(Order(Demand.TIME_LIMIT))
                return
            self._changed = trio.Event()
