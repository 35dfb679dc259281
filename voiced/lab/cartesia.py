"""A stand-in for Cartesia's TTS WebSocket: contexts that share a connection, and their limits.

`GET /` tells that it lives, `/tts/websocket` is the rest. What it speaks is mu-law at 8 kHz.
"""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import trio
from attrs import define, field

from voiced.lab.cartesia_context import SAMPLE_RATE, CartesiaTiming, Request, SpokenContext
from voiced.lab.cartesia_faults import (
    ERRORS,
    REFUSED_AT_THE_DOOR,
    CartesiaFault,
    Kind,
    OnCancel,
)
from voiced.lab.cartesia_link import Link, link
from voiced.lab.server import Exchange, Signal
from voiced.lab.voice import Voice

PATH: Final = "/tts/websocket"
CONTEXTS_KEPT: Final = 100
CONNECTIONS_PER_CONTEXT: Final = 10
REQUIRED: Final = {"model_id": str, "transcript": str, "voice": dict, "context_id": str}
MANNER: Final = {"speed": (0.6, 1.5), "volume": (0.5, 2.0)}
"""The limits of these in a request's `generation_config`."""

SPOKEN: Final = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": SAMPLE_RATE}
"""The one output format that this stand-in has."""


@define(eq=False)
class CartesiaServer:
    """One account: its keys, its limit of contexts at once, and what became of it."""

    keys: frozenset[str]
    voice: Voice
    timing: CartesiaTiming = field(factory=CartesiaTiming)
    concurrency: int = 5
    fault: CartesiaFault = field(factory=CartesiaFault)
    on_cancel: OnCancel = OnCancel.STOP
    contexts: deque[SpokenContext] = field(factory=lambda: deque(maxlen=CONTEXTS_KEPT))
    """The last of them, with their transcripts."""
    cancelled: deque[str] = field(factory=lambda: deque(maxlen=CONTEXTS_KEPT))
    connections: int = 0
    generating: int = 0

    async def handle(self, exchange: Exchange) -> None:
        """Answers one HTTP request, or serves one WebSocket to its end."""
        request = exchange.request
        version = request.query.get("cartesia_version", request.headers.get("cartesia-version", ""))
        if request.path == "/":
            await exchange.respond(200, json.dumps({"ok": True, "version": "lab"}).encode())
        elif request.path != PATH:
            await exchange.respond(404)
        elif self._key(request.headers, request.query) not in self.keys:
            await exchange.respond(401)
        elif not exchange.wants_websocket() or not version:
            await exchange.respond(400)
        elif self.fault.kind in REFUSED_AT_THE_DOOR:
            await exchange.respond(self.fault.kind.value)
        elif self.connections >= CONNECTIONS_PER_CONTEXT * self.concurrency:
            await exchange.respond(429)
        else:
            await self._serve(link(await exchange.accept(), version))

    def _key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        stated = query.get("api_key") or query.get("access_token")
        return headers.get("x-api-key") or bearer or stated or ""

    async def _serve(self, connection: Link) -> None:
        self.connections += 1
        try:
            async with trio.open_nursery() as nursery:
                await _Connection(self, connection, nursery).run()
                nursery.cancel_scope.cancel()
        finally:
            self.connections -= 1
        connection.drop()


@define(eq=False)
class _Connection:
    """Routes what comes to its context."""

    _server: CartesiaServer
    _link: Link
    _nursery: trio.Nursery
    _open: dict[str, SpokenContext] = field(factory=dict)

    async def run(self) -> None:
        """Until the client goes, or says nothing for too long."""
        while True:
            frame: bytes | str | Signal = Signal.CLOSED
            with trio.move_on_after(self._server.timing.idle_s) as idle:
                frame = await self._link.receive()
            if idle.cancelled_caught and self._nursery.child_tasks:
                continue
            if frame is Signal.CLOSED:
                await self._link.go_away()
                return
            if not isinstance(frame, Signal):
                await self._take(frame)

    async def _take(self, frame: bytes | str) -> None:
        request = _decoded(frame)
        if request.get("cancel") is True and isinstance(request.get("context_id"), str):
            await self._cancel(request["context_id"])
            return
        if fault := _faulty(request):
            context = request.get("context_id")
            named = context if isinstance(context, str) else None
            await self._link.fail(named, 400, "invalid_request", fault)
            return
        await self._ask(request)

    async def _ask(self, request: Request) -> None:
        server, name = self._server, request["context_id"]
        context = self._open.get(name)
        if context is None:
            if server.generating >= server.concurrency:
                await self._link.fail(name, *ERRORS[Kind.AT_CAPACITY])
                return
            context = SpokenContext(request, server.voice, server.timing, server.fault)
            self._open[name] = context
            server.contexts.append(context)
            server.generating += 1
            self._nursery.start_soon(self._speak, context)
        if changed := context.put(request):
            context.scope.cancel()
            await self._link.fail(name, 400, "invalid_request", f"{changed} differs")
        elif not request.get("continue", False):
            del self._open[name]

    async def _speak(self, context: SpokenContext) -> None:
        try:
            await context.run(self._link)
        finally:
            self._server.generating -= 1
            if self._open.get(context.id) is context:
                del self._open[context.id]

    async def _cancel(self, name: str) -> None:
        self._server.cancelled.append(name)
        context = self._open.pop(name, None)
        if context is None:
            await self._link.fail(name, 400, "invalid_request", "No such context")
        elif self._server.on_cancel is OnCancel.STOP:
            context.scope.cancel()
        else:
            context.no_more()


def _decoded(frame: bytes | str) -> dict[str, Any]:
    """An empty one where it is no JSON object."""
    try:
        request = json.loads(frame)
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _faulty(request: Request) -> str:
    """What a request lacks."""
    for name, kind in REQUIRED.items():
        if not isinstance(request.get(name), kind):
            return f"{name} is required"
    if request.get("output_format") != SPOKEN:
        return "this output_format is not spoken here"
    return _unmannerly(request.get("generation_config"))


def _unmannerly(manner: object) -> str:
    """What is wrong with how it is to speak; the stand-in speaks as ever."""
    if manner is None:
        return ""
    if not isinstance(manner, dict):
        return "generation_config is no object"
    for name, (least, most) in MANNER.items():
        value = manner.get(name, 1.0)
        if not isinstance(value, int | float) or not least <= value <= most:
            return f"generation_config.{name} is out of range"
    return "" if isinstance(manner.get("emotion", ""), str) else "generation_config.emotion: what?"
