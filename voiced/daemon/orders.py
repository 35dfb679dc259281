"""What signals order: stop, stop at once, read the configuration again."""

import logging
import signal
from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import Final

import trio

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Phase(Enum):
    STARTING = auto()
    SERVING = auto()


class Orders:
    """`life` stands around the whole run, `service` around what is done while calls are taken,
    `patience` around the drain. `stop` is set when there is to be a drain.
    """

    def __init__(self) -> None:
        self.life = trio.CancelScope()
        self.service = trio.CancelScope()
        self.patience = trio.CancelScope()
        self.stop = trio.Event()
        self._again = trio.Event()
        self._phase = _Phase.STARTING

    def started(self) -> None:
        """From now on there are calls that an order to stop has to leave time for."""
        self._phase = _Phase.SERVING

    async def wait_again(self) -> None:
        """Returns when the configuration is to be read again; once for all orders before it."""
        await self._again.wait()
        self._again = trio.Event()

    async def heed(self, signals: AsyncIterator[int]) -> None:
        """Takes the signals as they come, until cancelled."""
        async for number in signals:
            if number == signal.SIGHUP:
                self._again.set()
            elif self._phase is _Phase.STARTING:
                log.info("stopped before it had started")
                self.life.cancel(reason="stopped")
            elif self.stop.is_set():
                log.warning("a second signal: ending at once")
                self.patience.cancel(reason="a second signal")
            else:
                self.stop.set()
                self.service.cancel(reason="stopped")
