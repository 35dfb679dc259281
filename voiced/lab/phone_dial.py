"""Opens a media stream as Twilio does, and closes it as a caller does: politely, or not at all."""

import ssl
from collections.abc import Awaitable, Callable
from enum import Enum
from urllib.parse import urlsplit

import trio
from attrs import field, frozen
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

from voiced.lab.carrier import CarrierWarning
from voiced.lab.phone_wire import Connect, Line, Quirk, sign

CONNECT_S = 5.0
CLOSE_S = 2.0


class Farewell(Enum):
    """How the caller's side goes away."""

    STOP = "stop, then close"
    DROP = "the TCP connection goes, without a word"


@frozen
class CallSettings:
    """One call: whom, as whom, and how."""

    url: str = "http://127.0.0.1:8765"
    public_url: str = ""
    """The daemon's `server.public_url`, which signatures are made of; `url` where it is empty."""
    auth_token: str = field(default="", repr=False)
    account_sid: str = "AC" + "1".zfill(32)
    caller: str = "+15550100001"
    called: str = "+15550100002"
    chunk_bytes: int = 160
    quirks: frozenset[Quirk] = frozenset()
    farewell: Farewell = Farewell.STOP
    max_call_s: float = 600.0

    @property
    def line(self) -> Line:
        """The daemon's addresses."""
        return Line(self.url, self.public_url or self.url)


async def dial(
    connect: Connect,
    settings: CallSettings,
    live: Callable[[WebSocketConnection], Awaitable[Farewell]],
) -> CarrierWarning | None:
    """Opens the stream and lives it; returns what Twilio's debugger would say if it cannot open.

    `live` returns how the stream is left when it is over.
    """
    target = urlsplit(settings.line.reachable(connect.url))
    secure = target.scheme == "wss"
    port = target.port or (443 if secure else 80)
    try:
        with trio.fail_after(CONNECT_S):
            stream = await _open_tcp(target.hostname or "", port, secure=secure)
    except (OSError, trio.TooSlowError):
        return CarrierWarning(31901, "the media server did not answer")
    except trio.BrokenResourceError:
        return CarrierWarning(31910, "no TLS connection to the media server")
    problem = None
    try:
        async with stream, trio.open_nursery() as nursery:
            with trio.move_on_after(CONNECT_S) as opening:
                socket = await wrap_client_stream(
                    nursery,
                    stream,
                    urlsplit(connect.url).netloc,
                    target.path or "/",
                    extra_headers=_headers(connect, settings),
                    message_queue_size=256,
                )
            if opening.cancelled_caught:
                problem = CarrierWarning(31901, "the upgrade was not answered")
            else:
                await _leave(socket, stream, await live(socket))
            nursery.cancel_scope.cancel(reason="the stream is over")
    except* ConnectionRejected:
        problem = CarrierWarning(31920, "the upgrade was refused")
    return problem


async def _open_tcp(
    host: str, port: int, *, secure: bool
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    if not secure:
        return await trio.open_tcp_stream(host, port)
    stream = await trio.open_ssl_over_tcp_stream(
        host, port, ssl_context=ssl.create_default_context(), https_compatible=True
    )
    await stream.do_handshake()
    return stream


def _headers(connect: Connect, settings: CallSettings) -> list[tuple[bytes, bytes]]:
    headers = [(b"User-Agent", b"Twilio.TmeWs/1.0")]
    if settings.auth_token:
        signature = sign(settings.auth_token, connect.url)
        headers.append((b"x-twilio-signature", signature.encode()))
    return headers


async def _leave(
    socket: WebSocketConnection,
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
    farewell: Farewell,
) -> None:
    if farewell is Farewell.DROP:
        await trio.aclose_forcefully(stream)
        return
    with trio.move_on_after(CLOSE_S):
        await socket.aclose()
