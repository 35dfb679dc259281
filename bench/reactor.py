"""One thread, many sockets: cheap enough that a hundred telephones disturb nobody.

The far side of a hundred calls is ten thousand messages a second. Here each costs one system
call and a little arithmetic, so the far side takes a part of its core, and its clock is good.
Waits are rounded up to the millisecond, as epoll has it.
"""

import heapq
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from time import monotonic

RECEIVE_BYTES = 64 * 1024

Received = Callable[[bytes], None]
Closed = Callable[[], None]


class Link:
    """A connected socket; `received` and `closed` are set by its owner."""

    def __init__(self, reactor: "Reactor", sock: socket.socket) -> None:
        self.received: Received = lambda _data: None
        self.closed: Closed = lambda: None
        self.keeps_open = False
        """Does not close when the far end has: a peer that never answers."""
        self._reactor = reactor
        self._socket = sock
        self._unsent = b""
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reactor.watch(sock.fileno(), self._ready, select.EPOLLIN)

    def send(self, data: bytes) -> None:
        """Sends, or keeps for later what the socket does not take."""
        if self._unsent:
            self._unsent += data
            return
        try:
            data = data[self._socket.send(data) :]
        except BlockingIOError:
            pass
        except OSError:
            return  # the end is told by the reading side
        if data:
            self._unsent = data
            self._reactor.rewatch(self._socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def close(self) -> None:
        """Closes TCP, at once; `closed` is not called."""
        if self._socket.fileno() >= 0:
            self._reactor.unwatch(self._socket.fileno())
            self._socket.close()

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush()
        if events & ~select.EPOLLOUT:
            self._read()

    def _flush(self) -> None:
        data, self._unsent = self._unsent, b""
        self._reactor.rewatch(self._socket.fileno(), select.EPOLLIN)
        self.send(data)

    def _read(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.received(data)
        else:
            self._ended()

    def _ended(self) -> None:
        if self.keeps_open:
            self._reactor.unwatch(self._socket.fileno())
        else:
            self.close()
        self.closed()


class Reactor:
    """Sockets and timers; nothing happens but in `run_until`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._listening: list[socket.socket] = []

    def listen(self, accept: Callable[[Link], None]) -> int:
        """Accepts connections on a free port of this machine; returns the port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.settimeout(0)
        self._listening.append(listener)

        def ready(_events: int) -> None:
            with suppress(BlockingIOError):
                accept(Link(self, listener.accept()[0]))

        self.watch(listener.fileno(), ready, select.EPOLLIN)
        return int(listener.getsockname()[1])

    def connect(self, port: int) -> Link:
        """Connects to a port of this machine; on loopback that takes no time."""
        return Link(self, socket.create_connection(("127.0.0.1", port), timeout=5))

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Does something at a time of the monotonic clock."""
        heapq.heappush(self._timers, (when, next(self._order), action))

    def run_until(self, when: float, done: Callable[[], bool] = lambda: False) -> None:
        """Works until then, or until `done`."""
        while (now := monotonic()) < when and not done():
            next_due = self._timers[0][0] if self._timers else when
            for fd, events in self._epoll.poll(max(0.0, min(next_due, when) - now)):
                if ready := self._ready.get(fd):  # closed by one before it
                    ready(events)
            now = monotonic()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        """Closes the listeners and the poll; links are their owners'."""
        for listener in self._listening:
            listener.close()
        self._epoll.close()

    def watch(self, fd: int, ready: Callable[[int], None], events: int) -> None:
        """Calls `ready` whenever the descriptor is."""
        self._ready[fd] = ready
        self._epoll.register(fd, events)

    def rewatch(self, fd: int, events: int) -> None:
        """Waits for other events of it."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Forgets it."""
        if self._ready.pop(fd, None):
            self._epoll.unregister(fd)
