"""Far ends for the engine clients: real protocols over streams in memory, on a virtual clock."""

import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpcore
import httpx
import msgpack
import numpy as np
import trio
import trio.testing
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

READY = msgpack.packb({"type": "Ready"})
FULL = msgpack.packb({"type": "Error", "message": "no free channels"})


def packed(kind: str, **fields: object) -> bytes:
    """As the server packs it: samples and scores in 32 bits, times in 64."""
    single = kind in {"Audio", "Step"}
    return msgpack.packb({"type": kind, **fields}, use_single_float=single)


def pcm_frame(level: float = 0.0) -> bytes:
    return packed("Audio", pcm=[level] * 1920)


def pcm_of(message: bytes) -> np.ndarray:
    fields = msgpack.unpackb(message)
    assert fields["type"] == "Audio"
    return np.array(fields["pcm"], np.float32)


@define(eq=False)
class Wire(trio.abc.Stream):
    """One end of a stream in memory; the end of `peer` may be made to look like a TCP reset."""

    stream: trio.abc.Stream
    end: str = "open"
    opcodes: list[int] = field(factory=list)

    async def send_all(self, data: bytes) -> None:
        self.opcodes.append(data[0] & 0x0F)
        if self.end == "reset":
            raise trio.BrokenResourceError
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = await self.stream.receive_some(max_bytes)
        if not data and self.end == "reset":
            raise trio.BrokenResourceError
        return data

    async def aclose(self) -> None:
        self.end = "closed"
        await self.stream.aclose()


Handler = Callable[["Line"], Awaitable[None]]


def is_whole(request: bytes) -> bool:
    head, empty_line, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(empty_line) and len(body) >= (int(length[1]) if length else 0)


@define(eq=False)
class Line:
    """The server's side of one connection, as a handler has it."""

    stream: trio.abc.Stream
    client: Wire
    nursery: trio.Nursery
    url: str
    headers: dict[str, str] = field(factory=dict)
    path: str = ""
    websocket: Any = None

    async def accept(self) -> WebSocketConnection:
        request = await wrap_server_stream(self.nursery, self.stream, message_queue_size=999)
        self.headers = {k.decode().lower(): v.decode() for k, v in request.headers}
        self.path = request.path
        self.websocket = await request.accept()
        return self.websocket

    async def read_request(self) -> bytes:
        """The whole request; for handlers that answer with raw bytes. Empty at the end."""
        request = b""
        while not is_whole(request):
            data = await self.stream.receive_some()
            if not data:
                break
            request += data
        return request

    async def drop(self) -> None:
        """The end of TCP without a closing handshake."""
        await self.stream.aclose()

    async def reset(self) -> None:
        self.client.end = "reset"
        await self.stream.aclose()

    async def close_without_code(self) -> None:
        await self.stream.send_all(b"\x88\x00")


@define(eq=False)
class Peer:
    """What a client's `connect` leads to: each connection gets a handler of its own."""

    nursery: trio.Nursery
    handler: Handler
    lines: list[Line] = field(factory=list)

    async def connect(self, url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        line = Line(theirs, Wire(ours), self.nursery, url)
        self.lines.append(line)
        self.nursery.start_soon(self._serve, line)
        return line.client

    async def _serve(self, line: Line) -> None:
        with suppress(ConnectionClosed, trio.ClosedResourceError, trio.BrokenResourceError):
            await self.handler(line)

    @property
    def all_closed(self) -> bool:
        return all(line.client.end == "closed" for line in self.lines)


def refused() -> OSError:
    """What Trio raises when nothing listens."""
    error = OSError("all attempts to connect failed")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


def unknown_host() -> OSError:
    return socket.gaierror(-2, "Name or service not known")


# --- HTTP ----------------------------------------------------------------------------------------


@define(eq=False)
class HttpLine(httpcore.AsyncNetworkStream):
    """httpcore's side of a stream in memory."""

    wire: Wire

    async def read(self, max_bytes: int, **options: object) -> bytes:
        try:
            return await self.wire.receive_some(max_bytes)
        except trio.BrokenResourceError as error:
            raise httpcore.ReadError from error

    async def write(self, buffer: bytes, **options: object) -> None:
        try:
            if buffer:
                await self.wire.send_all(buffer)
        except trio.BrokenResourceError as error:
            raise httpcore.WriteError from error

    async def aclose(self) -> None:
        await self.wire.aclose()

    def get_extra_info(self, info: str) -> object:
        return self.wire.end != "open" if info == "is_readable" else None


@define(eq=False)
class HttpBackend(httpcore.AsyncNetworkBackend):
    peer: Peer
    failures: list[Exception] = field(factory=list)

    async def connect_tcp(self, host: str, port: int, **options: object) -> HttpLine:
        try:
            if self.failures:
                raise self.failures.pop(0)
            return HttpLine(await self.peer.connect(f"{host}:{port}"))
        except OSError as error:
            raise httpcore.ConnectError from error


def http_transport(backend: HttpBackend) -> httpx.AsyncHTTPTransport:
    transport = httpx.AsyncHTTPTransport()
    transport._pool = httpcore.AsyncConnectionPool(network_backend=backend)
    return transport
