"""The listening side: one port, the media sockets and the HTTP application behind it."""

import logging
import socket
import ssl
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Final

import h11
import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import wrap_app

from voiced.call.parties import Entry
from voiced.config import Server, Tls
from voiced.engines.capacity import Capacity
from voiced.errors import CallRefused, StartupError, WireError
from voiced.ops.busy import Busy
from voiced.ops.metrics import Exposition
from voiced.ops.presence import Presence
from voiced.ops.shortcut import shortened
from voiced.ops.sparing import Sparing
from voiced.web import media
from voiced.web.api import Api
from voiced.web.app import create_app
from voiced.web.door import SIGNATURE, Door
from voiced.web.forward import Forwarder
from voiced.web.front import (
    CLOSE_S,
    GONE,
    MAX_HEAD,
    MEDIA_PATH,
    Head,
    Rewound,
    close,
    read_head,
    refuse,
)
from voiced.web.gate import Gate
from voiced.web.limits import Crowd, Visit
from voiced.wire import twilio

log = logging.getLogger(__name__)

EXCHANGE_S: Final = 30.0
"""What a guest has for its whole request, and we between two parts of an answer; Twilio gives us
15 s for all of it."""

START_S: Final = 10.0
"""Twilio names the call in its first messages; a socket that does not is closed."""

MAX_BEFORE_START: Final = 10

MAX_GUESTS: Final = 512
"""Connections at once, calls under way apart. Twilio's webhooks last milliseconds and its sockets
name their call at once, so hundreds of calls a second fit. A flood of guests who say nothing is
cut off after `HEAD_S`, and until then costs this many sockets and heads: half of the 1,024 files
that a process has by default; the others are the calls'."""


class Listening:
    """Serves connections on any number of listeners, until cancelled."""

    def __init__(
        self,
        door: Door,
        api: Api,
        gate: Gate,
        capacity: Capacity,
        exposition: Exposition | None = None,
    ) -> None:
        self._config = _hypercorn()
        self._exposition = exposition
        self.renew(door, api, gate, capacity)
        self._context = WorkerContext(None)
        self._crowd = Crowd(MAX_GUESTS)
        self.exchanges = Busy()
        self.forwarder = Forwarder(Presence(()))
        self._warned: defaultdict[str, Sparing] = defaultdict(Sparing)

    def renew(self, door: Door, api: Api, gate: Gate, capacity: Capacity) -> None:
        """From the next guest on it is these that serve."""
        self._door = door
        app = create_app(door, api, gate, capacity, self._exposition)
        self._app: AppWrapper = wrap_app(app, self._config.wsgi_max_body_size, "asgi")

    async def serve(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        handlers: trio.Nursery,
    ) -> None:
        """Accepts until cancelled; the connections live in `handlers`."""
        await trio.serve_listeners(self.handle, list(listeners), handler_nursery=handlers)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serves one connection; whatever the guest does costs no other."""
        visit = self._crowd.enter()
        if visit is None:
            self._warn("refused a connection: too many at once")
            return await refuse(stream, HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            await self._receive(stream, visit)
        finally:
            visit.leave()
        return None

    async def _receive(self, stream: trio.abc.Stream, visit: Visit) -> None:
        with self.exchanges:  # from the first byte on: who was let in gets an answer
            head = await read_head(stream)
            if head is None:
                await close(stream)
            elif not isinstance(head, Head):
                await refuse(stream, head)
            elif not head.is_media:
                await self._exchange(stream, head)
        if isinstance(head, Head) and head.is_media:
            await self._media(stream, head, visit)

    async def _exchange(self, stream: trio.abc.Stream, head: Head) -> None:
        """One request and its answer, by hypercorn and the application."""
        if await self.forwarder.took(stream, head):
            return
        http = Rewound(stream, head.alone(), EXCHANGE_S)
        state = ConnectionState({})
        try:
            with http.limit:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_close_when_cancelled, stream)
                    await TCPServer(self._app, self._config, self._context, state, http)  # type: ignore[arg-type]
                    nursery.cancel_scope.cancel(reason="served")
        except* (OSError, *GONE, h11.ProtocolError) as group:
            log.debug("a guest's connection broke: %r", group.exceptions)

    async def _media(self, stream: trio.abc.Stream, head: Head, visit: Visit) -> None:
        if await self.forwarder.took(stream, head):
            return None
        offer = media.accept(head.received.removesuffix(head.body))
        if offer is None:
            return await refuse(stream, HTTPStatus.BAD_REQUEST)
        entry = self._judge(head.request)
        if entry is None:
            return await refuse(stream, HTTPStatus.FORBIDDEN)
        connection, switching = offer
        socket = media.WebSocket(shortened(stream), connection, head.body)
        try:
            if start := await self._open(socket, switching, entry):
                visit.leave()  # from here on it is a call, and `max_calls` counts those
                await self._take(socket, entry, start)
        finally:
            with trio.move_on_after(2 * CLOSE_S, shield=True):
                await socket.close()
        return None

    def _judge(self, request: h11.Request) -> Entry | None:
        """Redeems the token of a signed upgrade request; an unsigned one redeems nothing."""
        path = request.target.decode("ascii").rstrip("/")  # a proxy may have added one
        given = dict(request.headers).get(SIGNATURE.lower().encode(), b"").decode("latin-1")
        if not self._door.is_signed(self._door.media_url(path), {}, given):
            self._warn("refused a media socket that Twilio did not sign")
            return None
        token = path.removeprefix(MEDIA_PATH)
        sid = self._door.tokens.redeem(token, trio.current_time())
        entry = None if sid is None else self._door.switchboard.register.calls.get(sid)
        if entry is None:
            self._warn("refused a media socket whose token is unknown, used or expired")
        return entry

    def _warn(self, what: str) -> None:
        """Logs what anybody can bring about, once a minute; `others` went unlogged before."""
        others = self._warned[what].due(trio.current_time())
        if others is not None:
            log.warning(what, extra={"fields": {"others": others}})

    async def _open(
        self, socket: media.WebSocket, switching: bytes, entry: Entry
    ) -> twilio.Start | None:
        """Switches protocols and waits for the call's start; None where another or none came."""
        start: twilio.Start | None = None
        with trio.move_on_after(START_S):
            await socket.transmit(switching)
            start = await _read_start(socket)
        if start is None or not _is_of(start, entry):
            what = "no start" if start is None else "the start of another call"
            log.warning("closed a media socket that brought %s", what)
            return None
        return start

    async def _take(self, socket: media.WebSocket, entry: Entry, start: twilio.Start) -> None:
        try:
            await self._door.switchboard.take(entry, socket, start.stream_sid)
        except CallRefused as refused:
            log.warning("call refused", extra={"fields": {"reason": refused.reason}})
        except WireError as error:
            log.warning("closed a media socket whose start is malformed: %s", error)


def _is_of(start: twilio.Start, entry: Entry) -> bool:
    """Whether a stream is that of the call whose webhook we answered."""
    account = entry.parties.account_sid
    return start.call_sid == entry.sid and account in ("", start.account_sid)


async def _read_start(socket: media.WebSocket) -> twilio.Start | None:
    """The stream's `start`; None if it does not come among the first messages."""
    for _ in range(MAX_BEFORE_START):
        data = await socket.receive()
        if data is None:
            return None
        try:
            message = twilio.parse(data)
        except WireError:
            continue
        if isinstance(message, twilio.Start):
            return message
    return None


async def _close_when_cancelled(stream: trio.abc.Stream) -> None:
    """Ends what hypercorn shields from cancellation: it sends without a limit of time."""
    try:
        await trio.sleep_forever()
    finally:
        with trio.move_on_after(CLOSE_S, shield=True):
            await trio.aclose_forcefully(stream)


def _hypercorn() -> Config:
    return Config.from_mapping(
        errorlog=logging.getLogger("hypercorn.error"),  # to where all our logging goes
        include_server_header=False,
        h11_max_incomplete_size=2 * MAX_HEAD,  # `read_head` has judged it
    )


async def open_listeners(
    server: Server, given: Sequence[socket.socket] = ()
) -> list[trio.abc.Listener[trio.abc.Stream]]:
    """Takes the sockets that systemd has opened, or without them binds the configured address.

    Raises:
        StartupError: the port is taken, the address is not ours, the certificate is unreadable.
    """
    context = None if server.tls is None else _tls(server.tls)
    if given:
        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(each)) for each in given]
    else:
        listeners = await _bound(server)
    if context is None:
        return list(listeners)
    wrap = partial(trio.SSLListener, ssl_context=context, https_compatible=True)
    return [wrap(listener) for listener in listeners]


async def _bound(server: Server) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(server.port, host=server.host)
    except (OSError, UnicodeError) as error:
        raise StartupError(
            f"cannot listen on {server.host}:{server.port}:"
            f" {getattr(error, 'strerror', None) or error}; is another voiced running, or"
            " server.host or server.port wrong?"
        ) from error


def _tls(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # With a password, if a wrong one: OpenSSL would ask for it on the terminal.
        context.load_cert_chain(tls.certificate, tls.private_key, password="")
    except OSError as error:
        raise StartupError(
            f"cannot use the certificate {tls.certificate} with the key {tls.private_key}:"
            f" {error.strerror or error}; both must be PEM, belong together and be readable by"
            " voiced, the key without a password"
        ) from error
    return context
