"""Small requests to the carrier that nobody waits for: to limit a call, to end or fetch one."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from voiced.call import channels
from voiced.carrier.twilio import Carrier
from voiced.errors import CarrierError
from voiced.ops.busy import Busy

log = logging.getLogger(__name__)

WORKERS: Final = 4

Errand = Callable[[], Awaitable[None]]


class Errands:
    """A queue of them, and its workers. Without an account there are none to run."""

    def __init__(self, carrier: Carrier, after_url: str) -> None:
        """`after_url` is where the carrier asks what becomes of a call."""
        self._carrier = carrier
        self._after_url = after_url
        self._send, self._receive = channels.errands()
        self.busy = Busy()

    @property
    def is_possible(self) -> bool:
        """Whether there is an account to run them with."""
        return self._carrier.is_configured

    def limit(self, sid: str, seconds: float) -> None:
        """The carrier ends the call after so long, whatever becomes of us."""
        self._put(partial(self._carrier.limit, sid, round(seconds)))

    def end(self, sid: str) -> None:
        """The carrier ends the call."""
        self._put(partial(self._carrier.end, sid))

    def cancel(self, sid: str) -> None:
        """The carrier stops ringing, or ends the call if somebody has just picked up."""
        self._put(partial(self._carrier.cancel, sid))

    def fetch_back(self, sid: str) -> trio.CancelScope:
        """The carrier leaves whatever it is doing and asks us about the call.

        Cancel the scope if the call comes back by itself: fetched then, it would be torn away.
        """
        wanted = trio.CancelScope()

        async def fetch() -> None:
            with wanted:
                await self._carrier.redirect(sid, self._after_url)

        self._put(fetch)
        return wanted

    def _put(self, errand: Errand) -> None:
        if not self.is_possible:
            return
        try:
            self._send.send_nowait(errand)
            self.busy.enter()
        except trio.WouldBlock:
            log.error("too many requests to the carrier are waiting; one is dropped")

    async def run(self) -> None:
        """Runs them until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work)

    async def _work(self) -> None:
        async for errand in self._receive:
            try:
                await errand()
            except CarrierError as error:
                log.warning("the carrier did not do as asked: %s", error)
            finally:
                self.busy.leave()
