"""Where the daemon listens: on sockets that systemd has opened, or on a port of its own."""

import logging
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio
from attrs import frozen

from voiced.config import Server
from voiced.house import House
from voiced.ops.presence import Presence, Sign
from voiced.ops.systemd import listeners_from
from voiced.ops.watchdog import any_certificate, here, knock
from voiced.web.forward import Forwarder
from voiced.web.server import open_listeners

log = logging.getLogger(__name__)

CLOSE_S: Final = 0.5

Listener = trio.abc.Listener[trio.abc.Stream]


@frozen
class Port:
    """Cancelling `serving` closes `listeners`. `addresses`: where it is reached from here.

    `door` is where daemons that share them hand on what is ours. It stays open to the end.
    """

    listeners: Sequence[Listener]
    addresses: Sequence[tuple[str, int]]
    presence: Presence
    serving: trio.CancelScope
    certificate: ssl.SSLContext | None
    door: Listener | None

    async def serve(self, house: House, handlers: trio.Nursery, ready: trio.Event) -> None:
        """Lets guests in, whose connections live in `handlers`, until `serving` is cancelled.

        Where another daemon serves the port, that begins when we are `ready`, not before: some
        of its callers would come to us, and so would the webhooks of its calls.
        """
        house.listening.forwarder = Forwarder(self.presence)
        if self.door:
            handlers.start_soon(house.listening.serve, [self.door], handlers)
        with self.serving:
            if self.presence.others(Sign.SERVING):
                await ready.wait()
            log.info("listening", extra={"fields": {"port": self.addresses[0][1]}})
            await house.listening.serve(self.listeners, handlers)

    def hand_over(self) -> None:
        """Closes it where another daemon serves it too. Else it stays open while calls last: their
        webhooks come in there, and new calls hear a polite sentence."""
        self.presence.hide(Sign.SERVING)
        if self.presence.others(Sign.SERVING):
            log.info("another daemon has taken over the port")
            self.serving.cancel(reason="handed over")

    async def knock(self) -> str:
        """Why guests are not let in; "" where they are, or are not meant to be any more."""
        if self.serving.cancel_called:
            return ""
        return await knock(*self.addresses[0], self.certificate)


@asynccontextmanager
async def open_port(server: Server) -> AsyncIterator[Port]:
    """The daemon's; closed at the end, if it was not before.

    Raises:
        StartupError: as `listeners_from` and `open_listeners`.
    """
    shared = listeners_from(os.environ, os.getpid())
    listeners = await open_listeners(server, shared)
    sockets = [_plain(each).socket for each in listeners]
    presence = Presence([each.fileno() for each in sockets] if shared else ())
    presence.show(Sign.ALIVE)
    door = _door(presence)
    addresses = [here(each.getsockname()) for each in sockets]
    if server.port not in [number for _, number in addresses]:
        numbers = {"port": addresses[0][1], "server_port": server.port}
        log.warning("voiced's own commands ask at server.port", extra={"fields": numbers})
    certificate = any_certificate() if server.tls else None
    try:
        yield Port(listeners, addresses, presence, trio.CancelScope(), certificate, door)
    finally:
        presence.hide(*Sign)
        with trio.move_on_after(CLOSE_S, shield=True):
            for listener in [*listeners, door] if door else listeners:
                await listener.aclose()


def _door(presence: Presence) -> Listener | None:
    door = presence.open_door()
    return trio.SocketListener(trio.socket.from_stdlib_socket(door)) if door else None


def _plain(listener: Listener) -> trio.SocketListener:
    inner = listener.transport_listener if isinstance(listener, trio.SSLListener) else listener
    assert isinstance(inner, trio.SocketListener)
    return inner
