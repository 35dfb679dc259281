"""An engine's WebSocket: one connection, one scope, one kind of error.

trio-websocket speaks the protocol; this module keeps its promises for it:

- Every failure becomes an `EngineError` that says what to mend. Errors inside the scope come out
  alone, not in the groups of the nurseries they passed.
- The far end may hang up, or answer something else than HTTP, before the handshake is done.
  trio-websocket would wait for ever; `_Line` notices, and reads the status of a refusal without
  waiting for its body.
- Leaving the scope closes TCP at once. There is no closing handshake: moshi-server takes the end
  of the stream for a Close (rust/moshi-server/src/py_module.rs, batched_asr.rs), and a far end
  that does not answer must not keep a call waiting.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum
from typing import Final

import h11
import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

from voiced.engines.dial import Dial, dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.reach import why_unreachable
from voiced.errors import EngineBroken, EngineError, EngineTimeout
from voiced.ops.held import holding

QUEUED_MESSAGES: Final = 64
"""A reader that lags by fewer messages still answers pings."""

RECEIVE_BYTES: Final = 64 * 1024
CLOSE_S: Final = 0.1
"""Closing forcibly takes one pass of the scheduler; this bounds even that."""

_REGULAR: Final = frozenset({1000, 1001, 1005})
"""Close codes that mean no fault; 1005 stands for a Close without a code, as moshi-server's."""

_HTTP: Final = b"HTTP/1."
_STATUS_LINE: Final = len(b"HTTP/1.1 101")


@frozen
class Socket:
    """An open connection. Only `receive` tells of its end, after the last message."""

    endpoint: Endpoint
    _websocket: WebSocketConnection

    async def send(self, message: bytes) -> None:
        """Sends a binary message; one to a connection that has ended is dropped."""
        with suppress(ConnectionClosed):
            await self._websocket.send_message(message)

    async def keep_alive(self) -> None:
        """Sends a pong that nobody asked for, the smallest sign of life."""
        with suppress(ConnectionClosed):
            await self._websocket.pong()

    async def receive(self) -> bytes | None:
        """The next message; None when the far end has closed the WebSocket properly.

        Raises:
            EngineBroken: the connection dropped, or a text message came.
        """
        try:
            message = await self._websocket.get_message()
        except ConnectionClosed as closed:
            if closed.reason is not None and closed.reason.code in _REGULAR:
                return None
            raise self.endpoint.error(EngineBroken, "it dropped the connection") from None
        if isinstance(message, bytes):
            return message
        raise self.endpoint.error(EngineBroken, "it sent text where only binary is allowed")


@asynccontextmanager
async def open_socket(endpoint: Endpoint, connect: Dial = dial) -> AsyncGenerator[Socket]:
    """Connects; closes at once when the scope is left, however it is left.

    Raises:
        EngineTimeout: no connection within `endpoint.connect_s`.
        EngineRefused: the upgrade was refused: key, path, not this server.
        EngineAtCapacity: refused for want of room.
        EngineBroken: nothing listens there, no such host, TLS failed, or it hung up.
    """
    with _alone(endpoint), holding(f"{endpoint.role} socket"):
        due = trio.current_time() + endpoint.connect_s
        stream = await _connected(endpoint, connect, due)
        try:
            async with trio.open_nursery() as reading:
                yield await _shaken_hands(endpoint, _Line(stream), reading, due)
                reading.cancel_scope.cancel()
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await trio.aclose_forcefully(stream)


async def _connected(endpoint: Endpoint, connect: Dial, due: float) -> trio.abc.Stream:
    try:
        with trio.fail_at(due):
            return await connect(endpoint.url)
    except trio.TooSlowError:
        raise _slow(endpoint) from None
    except (OSError, trio.BrokenResourceError) as error:
        told = why_unreachable(error, endpoint.where, endpoint.program)
        raise endpoint.error(EngineBroken, told) from error


async def _shaken_hands(
    endpoint: Endpoint, line: "_Line", reading: trio.Nursery, due: float
) -> Socket:
    headers = [(name.encode(), value.encode()) for name, value in endpoint.headers.items()]
    try:
        with trio.fail_at(due):
            websocket = await wrap_client_stream(
                reading,
                line,  # type: ignore[arg-type]  # any Stream will do
                endpoint.host,
                endpoint.target,
                extra_headers=headers,
                message_queue_size=QUEUED_MESSAGES,
                receive_buffer_size=RECEIVE_BYTES,
            )
    except trio.TooSlowError:
        raise _slow(endpoint) from None
    line.stage = _Stage.OPEN
    return Socket(endpoint, websocket)


def _slow(endpoint: Endpoint) -> EngineTimeout:
    told = f"{endpoint.where} did not take the connection within {endpoint.connect_s:g} s"
    return endpoint.error(EngineTimeout, told)


@contextmanager
def _alone(endpoint: Endpoint) -> Iterator[None]:
    """Turns a group of engine errors into the first of them; anything else outranks it."""
    try:
        yield
    except BaseExceptionGroup as group:
        failures, others = group.split(_FAILURES)
        if others is not None:
            raise others from None
        raise _told(endpoint, _first(group)) from failures


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _told(endpoint: Endpoint, error: BaseException) -> EngineError:
    match error:
        case EngineError():
            return error
        case _Refused(status=status):
            return endpoint.refusal(status)
    told = f"{endpoint.where} hung up, or does not speak WebSocket: is it {endpoint.program}?"
    return endpoint.error(EngineBroken, told)


class _Refused(Exception):
    """The upgrade was answered with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _HungUp(Exception):
    """The stream ended before the handshake did."""


# trio-websocket lets the errors of its protocol libraries through where it tries to tell a server
# that it broke the protocol and that server never spoke it.
_FAILURES: Final = (
    EngineError, _Refused, _HungUp, ConnectionClosed, ProtocolError, h11.ProtocolError,
)  # fmt: skip


class _Stage(Enum):
    HANDSHAKE = 1
    OPEN = 2


@define(eq=False)
class _Line(trio.abc.Stream):
    """The byte stream, which until the handshake is done takes any other end of it for an error."""

    _stream: trio.abc.Stream
    stage: _Stage = _Stage.HANDSHAKE
    _head: bytes = field(default=b"", init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.stage is _Stage.OPEN:
            return await self._stream.send_all(data)
        with self._hang_ups():
            await self._stream.send_all(data)
        return None

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self.stage is _Stage.OPEN:
            return await self._stream.receive_some(max_bytes)
        with self._hang_ups():
            data = await self._stream.receive_some(max_bytes)
        if self.stage is _Stage.HANDSHAKE:  # it may have ended while this was waiting
            self._examine(data)
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _examine(self, data: bytes | bytearray) -> None:
        self._head = (self._head + data)[:_STATUS_LINE]
        if not data or not _HTTP.startswith(self._head[: len(_HTTP)]):
            raise _HungUp
        status = self._head[_STATUS_LINE - 3 :]
        if len(status) == 3 and status != b"101":
            raise _Refused(int(status)) if status.isdigit() else _HungUp

    @contextmanager
    def _hang_ups(self) -> Iterator[None]:
        try:
            yield
        except trio.BrokenResourceError:
            if self.stage is _Stage.HANDSHAKE:
                raise _HungUp from None
            raise
