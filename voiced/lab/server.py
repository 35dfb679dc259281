"""An HTTP and WebSocket server small enough to misbehave on purpose.

Real engines answer 401 without a body, close without a code, drop TCP without a Close frame,
send resets. No server framework lets one do that, so this one is h11 and wsproto on a Trio
stream, and the handler holds the connection in its hands.
"""

import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from urllib.parse import parse_qsl, urlsplit

import h11
import trio
import wsproto
from attrs import define, field, frozen
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from voiced.errors import StartupError

RECEIVE_BYTES = 65_536
REQUEST_BODY_LIMIT = 2 * 1024 * 1024
CLOSE_GRACE_S = 1.0

_GONE = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    h11.RemoteProtocolError,
    h11.LocalProtocolError,
    LocalProtocolError,
    RemoteProtocolError,
)
"""What a peer that leaves, or talks nonsense, makes of us: the end of its connection."""


@frozen
class Request:
    """An HTTP request; header names in lower case, the last of a name wins."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


class Signal(Enum):
    """What a WebSocket may receive beside a message."""

    CONTROL = auto()  # a ping or pong: proof of life, no data
    CLOSED = auto()  # a Close frame, the end of TCP, or a violation of the protocol


@define
class WebSocket:
    """A server's side of an open WebSocket. Any task may send; one task receives."""

    _stream: trio.SocketStream
    _protocol: wsproto.WSConnection
    _sending: trio.Lock = field(factory=trio.Lock)
    _pending: list[bytes | str | Signal] = field(factory=list)
    _parts: list[bytes | str] = field(factory=list)

    async def receive(self) -> bytes | str | Signal:
        """The next message or sign; answers pings."""
        while not self._pending:
            for event in self._protocol.events():
                await self._take(event)
            if self._pending:
                break
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
                self._protocol.receive_data(data or None)
            except (*_GONE,):
                return Signal.CLOSED
        return self._pending.pop(0)

    async def _take(self, event: object) -> None:
        if isinstance(event, BytesMessage | TextMessage):
            self._parts.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
            if event.message_finished:
                empty = self._parts[0][:0]
                self._pending.append(empty.join(self._parts))  # type: ignore[arg-type]
                self._parts.clear()
            return
        if isinstance(event, Ping):
            await self._write(event.response())
        closed = isinstance(event, CloseConnection)
        self._pending.append(Signal.CLOSED if closed else Signal.CONTROL)

    async def send(self, message: bytes) -> None:
        """Sends one binary message."""
        await self._write(BytesMessage(data=message))

    async def ping(self) -> None:
        """Sends an empty ping."""
        await self._write(Ping())

    async def close(self) -> None:
        """Sends a Close frame without a code (the client sees 1005), or its echo."""
        await self._write(CloseConnection(code=CloseReason.NO_STATUS_RCVD))

    async def _write(self, event: wsproto.events.Event) -> None:
        async with self._sending:
            await self._stream.send_all(self._protocol.send(event))

    def drop(self) -> None:
        """Closes TCP without a Close frame (the client sees 1006)."""
        self._stream.socket.close()

    def reset(self) -> None:
        """Closes TCP with a reset."""
        reset(self._stream)


@define
class Exchange:
    """One request and the way to answer it."""

    request: Request
    _stream: trio.SocketStream
    _http: h11.Connection
    _raw_headers: list[tuple[bytes, bytes]]
    _target: bytes

    async def respond(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answers whole."""
        fields = [("content-length", str(len(body))), *headers]
        if body:
            fields.append(("content-type", content_type))
        await self._send(h11.Response(status_code=status, headers=fields))
        if body:
            await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def begin(self, content_type: str) -> None:
        """Starts a streamed 200, chunked."""
        fields = [("content-type", content_type), ("transfer-encoding", "chunked")]
        await self._send(h11.Response(status_code=200, headers=fields))

    async def write(self, data: bytes) -> None:
        """Sends a piece of a streamed body."""
        await self._send(h11.Data(data=data))

    async def finish(self) -> None:
        """Ends a streamed body."""
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        await self._stream.send_all(self._http.send(event) or b"")

    async def wait_gone(self) -> None:
        """Returns when the client has closed; for use while a body is streamed."""
        try:
            while await self._stream.receive_some(RECEIVE_BYTES):
                pass
        except trio.BrokenResourceError:
            return

    def drop(self) -> None:
        """Closes TCP in mid-answer."""
        self._stream.socket.close()

    def wants_websocket(self) -> bool:
        headers = self.request.headers
        return (
            self.request.method == "GET"
            and headers.get("upgrade", "").lower() == "websocket"
            and headers.get("sec-websocket-version") == "13"
            and "sec-websocket-key" in headers
        )

    async def accept(self) -> WebSocket:
        """Upgrades to a WebSocket, without extensions or subprotocol."""
        protocol = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        protocol.initiate_upgrade_connection(self._raw_headers, self._target.decode())
        for _request in protocol.events():
            pass
        await self._stream.send_all(protocol.send(AcceptConnection()))
        early, _closed = self._http.trailing_data
        if early:
            protocol.receive_data(early)
        return WebSocket(self._stream, protocol)


Handler = Callable[[Exchange], Awaitable[None]]


async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled; reports the bound port (`port` 0: the system chooses).

    Raises:
        StartupError: the port is taken.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise StartupError(f"the lab cannot listen on {host}:{port}: {error.strerror}") from error

    async def connection(stream: trio.SocketStream) -> None:
        try:
            await _serve_connection(stream, handler)
        except* _GONE:
            pass
        finally:
            stream.socket.close()

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, connection, listeners)
        task_status.started(listeners[0].socket.getsockname()[1])


async def _serve_connection(stream: trio.SocketStream, handler: Handler) -> None:
    http = h11.Connection(h11.SERVER)
    while True:
        exchange = await _next_exchange(stream, http)
        if exchange is None:
            return
        await handler(exchange)
        if http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return  # upgraded, dropped, or cut short
        http.start_next_cycle()


async def _next_exchange(stream: trio.SocketStream, http: h11.Connection) -> Exchange | None:
    """The next request with its body; None at the end of the connection."""
    head = await _next_event(stream, http)
    if not isinstance(head, h11.Request):
        return None
    body = bytearray()
    while isinstance(event := await _next_event(stream, http), h11.Data):
        body += event.data
        if len(body) > REQUEST_BODY_LIMIT:
            return None
    return _exchange(stream, http, head, bytes(body))


async def _next_event(stream: trio.SocketStream, http: h11.Connection) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await stream.receive_some(RECEIVE_BYTES))
    return event


def _exchange(
    stream: trio.SocketStream, http: h11.Connection, head: h11.Request, body: bytes
) -> Exchange:
    url = urlsplit(head.target.decode("ascii"))
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    request = Request(head.method.decode("ascii"), url.path, query, headers, body)
    return Exchange(request, stream, http, list(head.headers), head.target)


def reset(stream: trio.SocketStream) -> None:
    """Closes a TCP connection with a reset: linger on, for no time."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()
