"""A stand-in Cartesia on a port of its own, and requests to it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import frozen
from lab_websocket import connect as websocket
from trio_websocket import ConnectionClosed

from voiced.lab.cartesia import CartesiaServer
from voiced.lab.cartesia_context import CartesiaTiming
from voiced.lab.server import serve
from voiced.lab.voice import ToneVoice, Voice

QUICK = CartesiaTiming(first_audio_ms=5, speed=0.01, expire_s=0.2)
HEADERS = [("x-api-key", "lab-key"), ("cartesia-version", "2026-03-01")]
VOICE = "11111111-2222-4333-8444-555555555555"
FORMAT = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}


@frozen
class Lab:
    """`base` is the address without a path."""

    server: CartesiaServer
    base: str

    @property
    def url(self) -> str:
        return f"{self.base}/tts/websocket"


@asynccontextmanager
async def running(voice: Voice | None = None, **account: Any) -> AsyncIterator[Lab]:
    server = CartesiaServer(
        frozenset({"lab-key"}), voice or ToneVoice(), **{"timing": QUICK, **account}
    )
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, server.handle, "127.0.0.1", 0)
        yield Lab(server, f"ws://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()


def connect(lab: Lab, headers: list[tuple[str, str]] | None = None, query: str = "") -> Any:
    return websocket(lab.url + query, HEADERS if headers is None else headers)


async def ask(ws: Any, text: str, context: str = "a", **changes: Any) -> None:
    """Sends a piece of text, to be spoken at once."""
    request = {
        "model_id": "sonic-3",
        "transcript": text,
        "voice": {"mode": "id", "id": VOICE},
        "language": "en",
        "context_id": context,
        "output_format": FORMAT,
        "continue": False,
        "max_buffer_delay_ms": 0,
        "add_timestamps": True,
        **changes,
    }
    await ws.send_message(json.dumps({k: v for k, v in request.items() if v is not None}))


async def told(ws: Any, quiet_s: float = 0.15) -> list[dict[str, Any]]:
    """What comes until the end, or until nothing does."""
    messages = []
    try:
        while True:
            with trio.fail_after(quiet_s):
                messages.append(json.loads(await ws.get_message()))
    except (trio.TooSlowError, ConnectionClosed):
        return messages


async def answer(ws: Any) -> list[dict[str, Any]]:
    """What comes until a context is over."""
    messages = []
    with trio.fail_after(5):
        while True:
            messages.append(json.loads(await ws.get_message()))
            if messages[-1]["type"] in {"done", "error"}:
                return messages


def kinds(messages: list[dict[str, Any]], context: str | None = None) -> list[str]:
    """The types of the messages, chunks in a row as one."""
    types: list[str] = []
    for message in messages:
        if context in {None, message.get("context_id")} and types[-1:] != [message["type"]]:
            types.append(message["type"])
    return types
