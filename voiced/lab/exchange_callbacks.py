"""A call's callbacks: posted one by one in the background, and perhaps in another order."""

from collections.abc import Callable, Mapping

import trio
from attrs import define, field, frozen

from voiced.errors import WireError
from voiced.lab.exchange_settings import Delivery
from voiced.lab.phone_webhook import Webhooks

WAITING = 64
"""Callbacks of one call that may wait; one more is a bug of the lab."""


@frozen
class Callback:
    """A request that is owed."""

    url: str
    form: Mapping[str, str]


@define(eq=False)
class Callbacks:
    """Of one call. `deliver` ends when the last one is delivered after `close`."""

    webhooks: Webhooks
    warn: Callable[[WireError], None]
    delivery: Delivery = Delivery.IN_ORDER
    _send: trio.MemorySendChannel[Callback] = field(init=False)
    _receive: trio.MemoryReceiveChannel[Callback] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Callback](WAITING)

    def put(self, url: str, form: Mapping[str, str]) -> None:
        """Owes a request to `url`; none where nobody asked for it."""
        if url:
            self._send.send_nowait(Callback(url, form))

    def close(self) -> None:
        """There will be no more."""
        self._send.close()

    async def deliver(self) -> None:
        """Posts them; one that fails is a warning."""
        held: Callback | None = None
        async for callback in self._receive:
            if self.delivery is Delivery.SWAPPED and held is None:
                held = callback
                continue
            await self._post(callback)
            if held is not None:
                await self._post(held)
                held = None
        if held is not None:
            await self._post(held)

    async def _post(self, callback: Callback) -> None:
        try:
            await self.webhooks.post(callback.url, callback.form)
        except WireError as error:
            self.warn(error)
