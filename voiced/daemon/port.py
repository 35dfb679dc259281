"""Where the daemon listens: on sockets that systemd has opened, or on a port of its own."""

import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Final

import trio
from attrs import frozen

from voiced.config import Server
from voiced.errors import StartupError
from voiced.house import House
from voiced.ops.presence import Presence, Sign
from voiced.ops.systemd import listeners_from
from voiced.ops.watchdog import any_certificate, here, knock
from voiced.web.forward import Forwarder
from voiced.web.server import open_listeners

log = logging.getLogger(__name__)

CLOSE_S: Final = 0.5

AWAY_S: Final = 1.0
MAX_AWAY: Final = 1_000
"""Who is turned away at once; voiced.socket holds half as many."""

MOMENT_S: Final = 0.05

_AWAY: Final = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD: Final = 16 * 1024

Listener = trio.abc.Listener[trio.abc.Stream]


@frozen
class Port:
    """Cancelling `serving` closes `listeners`. `addresses`: where it is reached from here.

    `door` is where daemons that share them hand on what is ours. It is open for as long as there
    are calls; cancelling `at_door` closes it.
    """

    listeners: Sequence[Listener]
    addresses: Sequence[tuple[str, int]]
    presence: Presence
    serving: trio.CancelScope
    certificate: ssl.SSLContext | None
    door: trio.SocketListener | None
    at_door: trio.CancelScope

    async def serve(self, house: House, handlers: trio.Nursery, ready: trio.Event) -> None:
        """Lets guests in, whose connections live in `handlers`, until `serving` is cancelled.

        Where another daemon serves the port, that begins when we are `ready`, not before: some
        of its callers would come to us, and so would the webhooks of its calls.
        """
        house.listening.forwarder = Forwarder(self.presence)
        handlers.start_soon(self._serve_door, house, handlers)
        with self.serving:
            if self.presence.others(Sign.SERVING):
                await ready.wait()
            log.info("listening", extra={"fields": {"port": self.addresses[0][1]}})
            await house.listening.serve(self.listeners, handlers)

    async def _serve_door(self, house: House, handlers: trio.Nursery) -> None:
        with self.at_door:
            if self.door:
                await house.listening.serve([self.door], handlers)

    async def close(self, house: House, handlers: trio.Nursery) -> None:
        """Lets nobody in any more: the last call is over. Who has come to the door by now is in,
        and one of `house.listening.exchanges`; from now on others serve what they would have
        handed on."""
        for guest in _shut(self.door) if self.door else ():
            handlers.start_soon(house.listening.handle, guest)
        for scope in (self.serving, self.at_door):
            scope.cancel(reason="the last call is over")
        for _ in range(2):  # whoever was let in, there and here, has begun when these are over
            await trio.lowlevel.checkpoint()

    async def is_gone(self, name: str) -> bool:
        """Whether the daemon is, to which the carrier has come back by this name. By none it comes
        to any that there is."""
        if not name:
            await trio.lowlevel.checkpoint()
            return not self.presence.others(Sign.ALIVE)
        if name == self.presence.name:
            await trio.lowlevel.checkpoint()
            return False
        return name not in await trio.to_thread.run_sync(self.presence.neighbours)

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
        scopes = trio.CancelScope(), trio.CancelScope()
        yield Port(listeners, addresses, presence, scopes[0], certificate, door, scopes[1])
    finally:
        presence.hide(*Sign)
        with trio.move_on_after(CLOSE_S, shield=True):
            for listener in [*listeners, door] if door else listeners:
                await listener.aclose()


def _door(presence: Presence) -> trio.SocketListener | None:
    door = presence.open_door()
    return trio.SocketListener(trio.socket.from_stdlib_socket(door)) if door else None


def _shut(door: trio.SocketListener) -> Sequence[trio.SocketStream]:
    """All who wait at a door, at which nobody can wait from now on.

    One that were closed at once would cut them off. A listening Unix socket that is shut down for
    reading refuses whoever comes, and still has those who came. Source: unix_stream_connect and
    unix_accept in Linux's net/unix/af_unix.c.
    """
    waiting: list[trio.SocketStream] = []
    # Trio's own would wait for the next one.
    with socket.fromfd(door.socket.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as there:
        there.settimeout(0)
        with suppress(OSError):
            there.shutdown(socket.SHUT_RD)
            while True:
                guest, _ = there.accept()
                waiting.append(trio.SocketStream(trio.socket.from_stdlib_socket(guest)))
    return waiting


def _plain(listener: Listener) -> trio.SocketListener:
    inner = listener.transport_listener if isinstance(listener, trio.SSLListener) else listener
    assert isinstance(inner, trio.SocketListener)
    return inner


def turn_away() -> None:
    """Refuses with 503 who waits at the sockets that systemd has opened, unless another daemon
    that shares them is there for them.

    For one that ends and can only be started in vain: systemd starts it for whoever waits, and
    would do so again and again. Takes `AWAY_S`, and what is under way then, at most.
    """
    with suppress(StartupError):  # such sockets are not voiced.socket's
        given = listeners_from(os.environ, os.getpid())
        if not Presence([each.fileno() for each in given]).others(Sign.ALIVE):
            until = time.monotonic() + AWAY_S
            while _refuse([*islice(_waiting(given), MAX_AWAY)]) and time.monotonic() < until:
                pass


def _waiting(listeners: Sequence[socket.socket]) -> Iterator[socket.socket]:
    for listener in listeners:
        with suppress(OSError):  # nobody waits any more
            while True:
                yield listener.accept()[0]


def _refuse(guests: Sequence[socket.socket]) -> bool:
    """Whether there was anybody. Who says more behind our end would lose the answer: so they get a
    moment, and what they have said is taken."""
    for guest in guests:
        guest.settimeout(0)
        with suppress(OSError):
            guest.send(_AWAY)
            guest.shutdown(socket.SHUT_WR)
    if guests:
        time.sleep(MOMENT_S)
    for guest in guests:
        with guest, suppress(OSError):
            guest.recv(_HEAD)
    return bool(guests)
