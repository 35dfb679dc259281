"""The byte stream under an engine's WebSocket, while its handshake is under way.

trio-websocket waits for ever where the far end hangs up then, or answers something else than HTTP.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

import trio
from attrs import define, field

_HTTP: Final = b"HTTP/1."
_STATUS_LINE: Final = len(b"HTTP/1.1 101")


class Refused(Exception):
    """The upgrade was answered with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HungUp(Exception):
    """The stream ended before the handshake did."""


class Stage(Enum):
    HANDSHAKE = 1
    OPEN = 2


@define(eq=False)
class Line(trio.abc.Stream):
    """The byte stream, which until the handshake is done takes any other end of it for an error."""

    _stream: trio.abc.Stream
    stage: Stage = Stage.HANDSHAKE
    _head: bytes = field(default=b"", init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.stage is Stage.OPEN:
            return await self._stream.send_all(data)
        with self._hang_ups():
            await self._stream.send_all(data)
        return None

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self.stage is Stage.OPEN:
            return await self._stream.receive_some(max_bytes)
        with self._hang_ups():
            data = await self._stream.receive_some(max_bytes)
        if self.stage is Stage.HANDSHAKE:  # it may have ended while this was waiting
            self._examine(data)
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _examine(self, data: bytes | bytearray) -> None:
        self._head = (self._head + data)[:_STATUS_LINE]
        if not data or not _HTTP.startswith(self._head[: len(_HTTP)]):
            raise HungUp
        status = self._head[_STATUS_LINE - 3 :]
        if len(status) == 3 and status != b"101":
            raise Refused(int(status)) if status.isdigit() else HungUp

    @contextmanager
    def _hang_ups(self) -> Iterator[None]:
        try:
            yield
        except trio.BrokenResourceError:
            if self.stage is Stage.HANDSHAKE:
                raise HungUp from None
            raise
