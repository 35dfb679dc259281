"""An engine's WebSocket: one connection, one scope, one kind of error.

trio-websocket speaks the protocol; this module keeps its promises for it:

- Every failure becomes an `EngineError` that says what to mend. Errors inside the scope come out
  alone, not in the groups of the nurseries they passed.
- The far end may hang up, or answer something else than HTTP, before the handshake is done.
  trio-websocket would wait for ever; `handshake.Line` notices, and reads the status of a refusal
  without waiting for its body.
- Leaving the scope closes TCP at once. There is no closing handshake: moshi-server takes the end
  of the stream for a Close (rust/moshi-server/src/py_module.rs, batched_asr.rs), and a far end
  that does not answer must not keep a call waiting.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, Generic, TypeVar

import h11
import trio
from attrs import frozen
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import LocalProtocolError, ProtocolError

from voiced.engines.dial import Dial, dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.handshake import HungUp, Line, Refused, Stage
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

_ABNORMAL: Final = 1006
"""Stands for a connection that ended without a closing frame."""

# In a connection that is being closed, sending is an error of its own until the close is through.
_OVER: Final = (ConnectionClosed, LocalProtocolError)

AnyMessage = TypeVar("AnyMessage", bytes, str)


@frozen
class Ended:
    """The connection is over. `code` is as a closing frame gives it, ours where it gave none."""

    code: int
    told: str

    @property
    def is_regular(self) -> bool:
        """Whether it was closed without a complaint."""
        return self.code in _REGULAR


_WRONG: Final[Mapping[type, Ended]] = {
    bytes: Ended(1003, "it sent text where only binary is allowed"),
    str: Ended(1003, "it sent binary where only text is allowed"),
}


@frozen
class Socket(Generic[AnyMessage]):
    """An open connection. Only `receive` and `hear` tell of its end, after the last message."""

    endpoint: Endpoint
    _kind: type[AnyMessage]
    _websocket: WebSocketConnection

    def header(self, name: str) -> bytes:
        """A header of the server's answer to the upgrade; empty where it has none such."""
        wanted = name.encode()
        headers = self._websocket.handshake_headers
        return next((value for name, value in headers if name == wanted), b"")

    async def send(self, message: bytes | str) -> None:
        """Sends a binary or a text message; one to a connection that has ended is dropped.

        A task that is cancelled in here may leave half a message on the wire.
        """
        with suppress(*_OVER):
            await self._websocket.send_message(message)

    async def keep_alive(self) -> None:
        """Sends a pong that nobody asked for, the smallest sign of life."""
        with suppress(*_OVER):
            await self._websocket.pong()

    async def ping(self) -> None:
        """Returns when the far end has answered, or has gone."""
        with suppress(*_OVER):
            await self._websocket.ping()

    async def receive(self) -> AnyMessage | None:
        """The next message; None when the far end has closed the WebSocket without a complaint.

        Raises:
            EngineBroken: the connection dropped, it complained, or a message of the other kind
                came.
        """
        try:
            message = await self._websocket.get_message()
        except ConnectionClosed as closed:
            ended = self._ended(closed.reason)
        else:
            if isinstance(message, self._kind):
                return message
            ended = _WRONG[self._kind]
        if ended.is_regular:
            return None
        raise self.endpoint.error(EngineBroken, ended.told)

    async def hear(self) -> AnyMessage | Ended:
        """The same, but the end is returned, whatever it is."""
        try:
            message = await self._websocket.get_message()
        except ConnectionClosed as closed:
            return self._ended(closed.reason)
        return message if isinstance(message, self._kind) else _WRONG[self._kind]

    def _ended(self, reason: CloseReason | None) -> Ended:
        if reason is None or reason.code == _ABNORMAL:
            return Ended(_ABNORMAL, "it dropped the connection")
        if reason.code in _REGULAR:
            return Ended(reason.code, "it closed the connection")
        return Ended(reason.code, self.endpoint.ending(reason.code, reason.reason))


@asynccontextmanager
async def open_socket(
    endpoint: Endpoint, kind: type[AnyMessage], connect: Dial = dial
) -> AsyncGenerator[Socket[AnyMessage]]:
    """Connects to a server whose messages are all `bytes` or all `str`; closes at once when the
    scope is left, however it is left.

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
                websocket = await _shaken_hands(endpoint, Line(stream), reading, due)
                yield Socket(endpoint, kind, websocket)
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
    endpoint: Endpoint, line: Line, reading: trio.Nursery, due: float
) -> WebSocketConnection:
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
    line.stage = Stage.OPEN
    return websocket


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
        case Refused(status=status):
            return endpoint.refusal(status)
    told = f"{endpoint.where} hung up, or does not speak WebSocket: is it {endpoint.program}?"
    return endpoint.error(EngineBroken, told)


# trio-websocket lets the errors of its protocol libraries through where it tries to tell a server
# that it broke the protocol and that server never spoke it.
_FAILURES: Final = (
    EngineError, Refused, HungUp, ConnectionClosed, ProtocolError, h11.ProtocolError,
)  # fmt: skip
