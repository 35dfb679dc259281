"""A WebSocket client for the lab's tests: trio-websocket on a stream of our own.

The library closes its socket only when the client closes first; the lab's servers often do.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

Headers = Sequence[tuple[str, str]]
KEY: Headers = [("kyutai-api-key", "public_token")]


@asynccontextmanager
async def connect(url: str, headers: Headers = KEY) -> AsyncIterator[WebSocketConnection]:
    parts = urlsplit(url)
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 0)
    async with stream, trio.open_nursery() as nursery:
        ws = await wrap_client_stream(
            nursery,
            stream,
            parts.netloc,
            f"{parts.path}?{parts.query}",
            extra_headers=[(name.encode(), value.encode()) for name, value in headers],
            message_queue_size=256,
        )
        yield ws
        with trio.move_on_after(0.2):
            await ws.aclose()
        nursery.cancel_scope.cancel()


async def upgrade(url: str, headers: Headers) -> httpx.Response:
    """The answer to an upgrade that will be refused."""
    upgrading = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with httpx.AsyncClient() as client:
        return await client.get(
            url.replace("ws", "http", 1), headers={**upgrading, **dict(headers)}
        )


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what the lab does in its own time, and tells nobody."""
    with trio.fail_after(2):
        while True:
            await trio.sleep(0.005)
            if condition():
                return
