"""Opens the byte stream under an engine's WebSocket."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import cache
from typing import TypeAlias
from urllib.parse import urlsplit

import trio

from voiced.ops.shortcut import shortened

Dial: TypeAlias = Callable[[str], Awaitable[trio.abc.Stream]]
"""From a `ws://`, `wss://`, `http://` or `https://` address to a connected stream."""


async def dial(url: str) -> trio.abc.Stream:
    """TCP, with TLS for `wss` and `https`.

    Raises:
        OSError: no such host, nothing listens there, no way to it.
        trio.BrokenResourceError: TLS failed; its cause says why.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme in {"wss", "https"}
    stream = await trio.open_tcp_stream(host, parts.port or (443 if secure else 80))
    return await _encrypted(stream, host) if secure else shortened(stream)


async def _encrypted(stream: trio.SocketStream, host: str) -> trio.abc.Stream:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(trio.aclose_forcefully, stream)
        tls = trio.SSLStream(stream, _tls(), server_hostname=host, https_compatible=True)
        await tls.do_handshake()
        stack.pop_all()
    return tls


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the machine's certificates takes tens of milliseconds."""
    return ssl.create_default_context()
