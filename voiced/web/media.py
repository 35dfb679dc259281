"""The carrier's media WebSocket, on wsproto and a plain Trio stream.

The frames that come and go fifty times a second take a fast lane past wsproto
(`voiced.wire.fastframe`); all others, and the protocol's states, are wsproto's.

No subprotocol and no extension is agreed to: Twilio offers none, and compressing base64 of
mu-law would cost more than it saves.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import h11
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, ProtocolError

from voiced.web.front import CLOSE_S, GONE
from voiced.wire.fastframe import FastLane, text_frame
from voiced.wire.twilio import MAX_MESSAGE

RECEIVE_BYTES: Final = 16 * 1024


def accept(request: bytes) -> tuple[WSConnection, bytes] | None:
    """Our end of the WebSocket that `request`, a head, asks for, and the 101.

    None: it asks for none, or in a way that RFC 6455 does not allow.
    """
    connection = WSConnection(ConnectionType.SERVER)
    try:
        connection.receive_data(request)
        return connection, connection.send(AcceptConnection())
    except (ProtocolError, h11.ProtocolError, UnicodeError):
        return None


class _State(Enum):
    OPEN = auto()
    BROKEN = auto()  # a message went out by half, or the connection is gone


class WebSocket:
    """A media socket, whose 101 is still to be sent; a `MediaSocket` of `voiced.call.leg`."""

    def __init__(
        self, stream: trio.abc.Stream, connection: WSConnection, received: bytes = b""
    ) -> None:
        """`received` is what came behind the upgrade's head."""
        self._stream = stream
        self._connection = connection
        self._events = connection.events()
        self._lane = FastLane()
        self._sorted = deque(self._lane.feed(received))
        self._lock = trio.Lock()
        self._state = _State.OPEN
        self._parts: list[str | bytes] = []
        self._size = 0

    async def receive(self) -> str | bytes | None:
        """The next message; one over the limit comes cut at the limit, which no parser takes.

        None: the far end said goodbye, or something that is no WebSocket's, or is gone.
        """
        try:
            if (message := await self._next()) is not None:
                await trio.lowlevel.checkpoint()  # amid a burst: others get their turn
            while message is None:
                data = await self._stream.receive_some(RECEIVE_BYTES)
                if not data:
                    return None
                self._sorted.extend(self._lane.feed(bytes(data)))
                message = await self._next()
        except (*GONE, trio.EndOfChannel):
            return None
        return message

    async def _next(self) -> str | bytes | None:
        """The next message of what has come; None when there is no whole one."""
        message = await self._handle()
        while message is None and self._sorted:
            item = self._sorted.popleft()
            if isinstance(item, str):
                return item
            self._connection.receive_data(item)
            self._events = self._connection.events()
            message = await self._handle()
        return message

    async def _handle(self) -> str | bytes | None:
        """The next message of those that wsproto has made out."""
        for event in self._events:
            if isinstance(event, TextMessage | BytesMessage):
                if (message := self._message(event)) is not None:
                    return message
            elif isinstance(event, Ping | CloseConnection):
                await self._reply(event.response())
            if isinstance(event, CloseConnection):
                raise trio.EndOfChannel
        return None

    def _message(self, event: TextMessage | BytesMessage) -> str | bytes | None:
        """The message that this fragment ends, if it does; nothing beyond the limit is kept."""
        room = MAX_MESSAGE + 1 - self._size
        data = event.data if isinstance(event.data, str) else bytes(event.data)
        if data and room > 0:
            self._parts.append(data[:room])
            self._size += len(data)
        if not event.message_finished:
            return None
        parts, self._parts, self._size = self._parts, [], 0
        return data[:0].join(parts)  # type: ignore[arg-type]  # a message is of one type

    async def send(self, messages: Sequence[str]) -> None:
        """Sends text messages in one write; nothing on a connection that is gone."""
        if self._connection.state is ConnectionState.OPEN:
            await self.transmit(b"".join([text_frame(message) for message in messages]))

    async def _reply(self, *events: Event) -> None:
        try:
            data = b"".join([self._connection.send(event) for event in events])
        except LocalProtocolError:
            return  # goodbye has been said
        await self.transmit(data)

    async def transmit(self, data: bytes) -> None:
        """Sends what the protocol has made, whole; nothing on a connection that is gone."""
        try:
            self._lock.acquire_nowait()  # waiting for a free lock would cost a turn
        except trio.WouldBlock:
            await self._lock.acquire()
        try:
            if self._state is _State.BROKEN:
                return
            self._state = _State.BROKEN  # until all of it is out: half a frame ruins the rest
            await self._stream.send_all(data)
            self._state = _State.OPEN
        except GONE:
            return
        finally:
            self._lock.release()

    async def close(self) -> None:
        """Says goodbye, waits a moment for the far end to say it too, and closes the connection.

        Nobody else may be receiving.
        """
        with trio.move_on_after(CLOSE_S):
            await self._reply(CloseConnection(1000))
            while await self.receive() is not None:
                pass
        await trio.aclose_forcefully(self._stream)
