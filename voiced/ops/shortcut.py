"""A plain TCP stream on the short way to the kernel, for connections that carry audio.

`trio.SocketStream` tries first and then waits: a read that finds nothing costs an exception, a
send costs a whole turn of the scheduler, and each of them two context managers. Here a read waits
first, and a send that the kernel takes at once (a frame of audio always is, on a connection that
lives) returns at once. Measured with 40 calls on one core, three runs each way: 17.3 instead of
18.5 ms of CPU for each second of a call.

Hence the one rule of Trio that this bends: `send_all` is no checkpoint unless it has to wait.
Its callers wait for something in each round. One task reads and one sends at a time, as ever.
"""

import os
from typing import Final

import trio

RECEIVE_BYTES: Final = 64 * 1024


class Shortcut(trio.abc.Stream):
    """Reads and writes the socket of a `trio.SocketStream`, which still owns and closes it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As `trio.abc.ReceiveStream`; empty at the end."""
        while True:
            file = self._file()
            await trio.lowlevel.wait_readable(file)
            try:
                return os.read(file, max_bytes or RECEIVE_BYTES)
            except BlockingIOError:
                continue  # woken for nothing
            except OSError as error:
                raise trio.BrokenResourceError("the connection broke") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As `trio.abc.SendStream`, without a checkpoint where nothing has to be waited for."""
        sent = self._send(data)
        if sent < len(data):
            with memoryview(data) as rest:
                while sent < len(data):
                    await trio.lowlevel.wait_writable(self._file())
                    sent += self._send(rest[sent:])

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return os.write(self._file(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError("the connection broke") from error

    def _file(self) -> int:
        file = self._stream.socket.fileno()
        if file < 0:
            raise trio.ClosedResourceError("this stream is closed")
        return file

    async def wait_send_all_might_not_block(self) -> None:
        """As `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Closes the socket."""
        await self._stream.aclose()


def shortened(stream: trio.abc.Stream) -> trio.abc.Stream:
    """The stream on the short way, where there is one: not through TLS, nor in memory."""
    return Shortcut(stream) if isinstance(stream, trio.SocketStream) else stream
