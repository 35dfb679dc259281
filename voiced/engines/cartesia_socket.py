"""A WebSocket of text messages, on the connection that `open_socket` makes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

from attrs import astuple, frozen
from trio_websocket import ConnectionClosed

from voiced.engines.dial import Dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.socket import Socket, open_socket

_IDLE: Final = frozenset({1000, 1001})


@frozen
class Ended:
    """The connection is over, and how."""

    told: str


@frozen
class TextSocket(Socket):
    """An open connection. Only `hear` tells of its end, after the last message."""

    async def say(self, message: str) -> None:
        """Sends a text message; one to a connection that has ended is dropped.

        A task that is cancelled in here may leave half a message on the wire.
        """
        with suppress(ConnectionClosed):
            await self._websocket.send_message(message)

    async def ping(self) -> None:
        """Returns when the far end has answered, or has gone."""
        with suppress(ConnectionClosed):
            await self._websocket.ping()

    async def hear(self) -> str | Ended:
        """The next message, or the end."""
        try:
            message = await self._websocket.get_message()
        except ConnectionClosed as closed:
            if closed.reason is not None and closed.reason.code in _IDLE:
                return Ended("it closed the connection")
            return Ended("it dropped the connection")
        return message if isinstance(message, str) else Ended("it sent what is not text")


@asynccontextmanager
async def open_text_socket(endpoint: Endpoint, connect: Dial) -> AsyncGenerator[TextSocket]:
    """As `open_socket`."""
    async with open_socket(endpoint, connect) as socket:
        yield TextSocket(*astuple(socket, recurse=False))
