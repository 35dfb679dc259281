"""A watchdog for a conversation in which the far end owes something only at times."""

import math
from collections.abc import Callable

import trio
from attrs import define, field

from voiced.engines.socket import AnyMessage, Socket
from voiced.errors import EngineTimeout


@define(eq=False)
class Watch:
    """Bounds the wait for the next message by what is owed at that moment.

    `patience_s` says how long the far end may be silent from now on, `math.inf` where it owes
    nothing. It is asked when a wait begins, and by `remind` when the sending task has just made
    the far end owe something. Time that the receiving task spends elsewhere does not count.
    """

    patience_s: Callable[[], float]
    complaint: str
    _waiting: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    def remind(self) -> None:
        """Something may be owed now; a deadline that runs already is not put off."""
        if self._waiting.deadline == math.inf:
            self._waiting.deadline = trio.current_time() + self.patience_s()

    async def receive(self, socket: Socket[AnyMessage]) -> AnyMessage | None:
        """As `Socket.receive`.

        Raises:
            EngineTimeout: patience is at an end.
            EngineBroken: the connection dropped.
        """
        due = trio.current_time() + self.patience_s()
        with trio.CancelScope(deadline=due) as self._waiting:
            return await socket.receive()
        raise socket.endpoint.error(EngineTimeout, self.complaint)
