"""One port for two kinds of guests: media sockets, and everything else.

A media socket carries a hundred messages a second for the length of a call, and an ASGI server
and a framework would each add a queue and a task to every one of them. So the head of the first
request, read here, decides: the media path goes to `media`, the rest to hypercorn.

Hypercorn gets well-formed heads only, and each guest of its gets one exchange: its head is put
back without an offer to switch protocols (we serve no HTTP/2 and no other WebSocket, and what
hypercorn does with a malformed offer ends the process) and with `connection: close`.
"""

import json
import math
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import h11
import trio
from attrs import frozen

from voiced.web.problem import problem

HEAD_S: Final = 10.0

TAKE_S: Final = 10.0
"""What a guest has for taking the next `PIECE` of our answer."""

PIECE: Final = 16 * 1024
"""Bytes; as many as Trio lets the kernel hold back before it calls a socket full.

What a guest takes shows late, for the buffers on its side fill first: one who takes 200 kB/s over
loopback was seen to take something every 0.7 s, and every 1.7 s after a start at full speed. So
some 35 kB/s are sure to be enough; slower guests may be cut off.
"""

CLOSE_S: Final = 0.5
MAX_HEAD: Final = 16 * 1024
MEDIA_PATH: Final = "/twilio/media/"
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)

_HOP: Final = frozenset({b"connection", b"upgrade", b"http2-settings", b"keep-alive"})


@frozen
class Head:
    """The head of an HTTP/1 request. `received` are all bytes so far, `body` those behind it."""

    request: h11.Request
    received: bytes
    body: bytes

    @property
    def is_media(self) -> bool:
        """Whether it asks for a media socket."""
        return self.request.method == b"GET" and self.request.target.startswith(MEDIA_PATH.encode())

    def alone(self) -> bytes:
        """The request, to be served alone on its connection and by no other protocol."""
        request = self.request
        lines = [b"%b %b HTTP/%b" % (request.method, request.target, request.http_version)]
        lines += [b"%b: %b" % header for header in request.headers if header[0] not in _HOP]
        return b"\r\n".join([*lines, b"connection: close", b"", self.body])


class Rewound:
    """A stream for hypercorn: its first bytes, already read, are read once more.

    It closes also where hypercorn closes it in a task that was cancelled meanwhile, as
    quart-trio's are when an exchange that closes its connection is over. And it keeps the time of
    the exchange, which is to run in `limit`: so long from the beginning, and again from whatever
    has been sent, so that a long answer may take long while it is taken.
    """

    def __init__(self, stream: trio.abc.Stream, head: bytes, exchange_s: float = math.inf) -> None:
        self._stream = stream
        self._head = head
        self._exchange_s = exchange_s
        self.limit = trio.CancelScope(deadline=trio.current_time() + exchange_s)

    async def send_all(self, data: bytes) -> None:
        """As the stream's own, piece by piece; each one puts off the end of the exchange."""
        for start in range(0, len(data), PIECE):
            self.limit.deadline = trio.current_time() + TAKE_S
            await self._stream.send_all(data[start : start + PIECE])
            # What the kernel has taken the guest has not: the next piece waits until there is room.
            await self._stream.wait_send_all_might_not_block()
        self.limit.deadline = trio.current_time() + self._exchange_s

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream's own, the head first."""
        if self._head:
            await trio.lowlevel.checkpoint()
            head, self._head = self._head, b""
            return head
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        """Left out: closing says as much."""
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def aclose(self) -> None:
        """Closes the stream, at once."""
        await close(self._stream)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


async def read_head(stream: trio.abc.Stream) -> Head | int | None:
    """Reads the first request's head, `MAX_HEAD` bytes in `HEAD_S` at most.

    A status: the guest is to be refused with it. None: it is too slow, or gone.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    received = bytearray()
    with trio.move_on_after(HEAD_S), suppress(*GONE):
        while data := await stream.receive_some(MAX_HEAD):
            received += data
            connection.receive_data(bytes(data))
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                return error.error_status_hint
            if isinstance(event, h11.Request):
                body, _ = connection.trailing_data
                return _fault(event) or Head(event, bytes(received), body)
    return None


def _fault(request: h11.Request) -> int | None:
    if request.http_version not in (b"1.0", b"1.1"):
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    if not request.target.startswith(b"/"):
        return HTTPStatus.BAD_REQUEST  # a proxy's or a tunnel's; we are neither
    return None


async def refuse(stream: trio.abc.Stream, status: int) -> None:
    """Tells the guest why, as far as that goes quickly, and closes the connection."""
    body = json.dumps(problem(status)).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with trio.move_on_after(CLOSE_S), suppress(*GONE):
        await stream.send_all(head.encode() + body)
    await close(stream)


async def close(stream: trio.abc.Stream) -> None:
    """Closes the connection at once, also while cancelled."""
    with trio.move_on_after(CLOSE_S, shield=True):
        await trio.aclose_forcefully(stream)
