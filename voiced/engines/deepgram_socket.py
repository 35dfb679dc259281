"""The WebSocket of an engine that speaks text, and says in the closing frame why it closes."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import trio
from attrs import astuple, frozen
from trio_websocket import ConnectionClosed
from wsproto.utilities import LocalProtocolError

from voiced.engines.dial import Dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.socket import Socket, open_socket
from voiced.errors import EngineBroken
from voiced.wire.deepgram import CLOSE_STREAM, ending

BYE_S: Final = 0.1
"""A goodbye that cannot be sent by then is not."""

_REGULAR: Final = frozenset({1000, 1001, 1005})
_ABNORMAL: Final = 1006
"""Stands for a connection that ended without a closing frame."""

_ID: Final = re.compile(rb"[\w-]{1,64}")

# In a connection that is being closed, sending is an error of its own until the close is through.
_ENDED: Final = (ConnectionClosed, LocalProtocolError)


@frozen
class TextSocket(Socket):
    """As `Socket`, but what comes is text, handed over as UTF-8."""

    @property
    def request_id(self) -> str:
        """The server's name for this connection, for its support; empty where it gave none."""
        for name, value in self._websocket.handshake_headers:
            if name == b"dg-request-id" and _ID.fullmatch(value):
                return value.decode()
        return ""

    async def send(self, message: bytes) -> None:
        with suppress(*_ENDED):
            await self._websocket.send_message(message)

    async def send_text(self, message: str) -> None:
        """Sends a text message; one to a connection that has ended is dropped."""
        with suppress(*_ENDED):
            await self._websocket.send_message(message)

    async def receive(self) -> bytes | None:
        """The next message; None when the far end has closed the WebSocket without a complaint.

        Raises:
            EngineBroken: the connection dropped, it complained, or a binary message came.
        """
        try:
            message = await self._websocket.get_message()
        except ConnectionClosed as closed:
            if closed.reason is not None and closed.reason.code in _REGULAR:
                return None
            raise self.endpoint.error(EngineBroken, _why(closed)) from None
        if isinstance(message, str):
            return message.encode()
        raise self.endpoint.error(EngineBroken, "it sent binary where only text is allowed")


def _why(closed: ConnectionClosed) -> str:
    if closed.reason is None or closed.reason.code == _ABNORMAL:
        return "it dropped the connection"
    return ending(closed.reason.code, closed.reason.reason)


@asynccontextmanager
async def open_text_socket(endpoint: Endpoint, connect: Dial) -> AsyncGenerator[TextSocket]:
    """As `open_socket`; says goodbye when the scope is left, and waits for no answer.

    Raises:
        EngineError: as `open_socket`.
    """
    async with open_socket(endpoint, connect) as opened:
        socket = TextSocket(*astuple(opened, recurse=False))  # the same connection
        try:
            yield socket
        finally:
            with trio.move_on_after(BYE_S, shield=True):
                await socket.send_text(CLOSE_STREAM)
