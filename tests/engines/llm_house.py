"""An LLM of either dialect and a server in memory for it, over httpx's own connections."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest
import trio
from attrs import define, evolve, field, frozen
from engine_peers import HttpBackend, Line, Peer, http_transport

from voiced import config
from voiced.config import Secret
from voiced.dialog.history import Message, Role
from voiced.dialog.tools import Tool
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.http import http_client
from voiced.engines.llm import HttpLlm
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Completion
from voiced.errors import EngineError

KEY = "sk-ant-very-secret"
MESSAGES = [Message(Role.SYSTEM, "Be brief."), Message(Role.CALLER, "Are you open?")]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"

Exchange = Callable[[Line], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


# --- what OpenAI's servers say ----------------------------------------------------------------


def sse(data: object) -> bytes:
    line = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return chunk(f"data: {line}\n\n".encode())


def choice(finish_reason: str | None = None, **delta: object) -> bytes:
    return sse({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def openai_end(reason: str = "stop") -> bytes:
    usage = {"prompt_tokens": 12, "completion_tokens": 2}
    return choice(reason) + sse({"choices": [], "usage": usage}) + sse("[DONE]") + LAST


def openai_error(code: str, message: str = "Are you open? sk-ant-very-secret") -> dict:
    return {"error": {"message": message, "type": "some_error", "code": code}}


# --- what Anthropic says ----------------------------------------------------------------------


def event(kind: str, **fields: object) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return chunk(f"event: {kind}\ndata: {data}\n\n".encode())


def start(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def delta(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def text(piece: str, index: int = 0) -> bytes:
    return delta(index, "text_delta", text=piece)


def anthropic_end(stop_reason: str = "end_turn") -> bytes:
    ended = event("message_delta", delta={"stop_reason": stop_reason}, usage={"output_tokens": 2})
    return ended + event("message_stop") + LAST


def anthropic_error(code: str, message: str = "Are you open? sk-ant-very-secret") -> dict:
    told = {"type": code, "message": message}
    return {"type": "error", "error": told, "request_id": "req_01"}


PING = event("ping")
START = event("message_start", message={"usage": {"input_tokens": 12, "output_tokens": 1}})
TEXT = start(0, "text", text="")
THOUGHT = start(0, "thinking") + delta(0, "thinking_delta", thinking="Hm, are they open?")

# --- either -----------------------------------------------------------------------------------


@frozen
class Tongue:
    """A dialect as its server speaks it."""

    make: Callable[..., HttpLlm]
    settings: Any
    address: str
    asks: bytes
    lists: bytes
    begin: bytes
    text: Callable[[str], bytes]
    end: Callable[..., bytes]
    error: Callable[..., dict]
    mid_error: Callable[[str], bytes]
    idle: Sequence[bytes]
    """What a server may send for ever without a word."""
    busy: str
    broken: str
    filtered: str
    """Its code for too many requests, for a fault of its own, its word for a declined answer."""

    @property
    def whole(self) -> list[bytes]:
        return [HEAD, self.begin + self.text("Yes, "), self.text("we are."), self.end()]


OPENAI = Tongue(
    OpenAiLlm,
    config.OpenAiLlm(base_url="http://llm:80/v1/", api_key=Secret(KEY), max_tokens=90),
    "http://llm:80/v1",
    b"POST /v1/chat/completions HTTP/1.1\r\n",
    b"GET /v1/models HTTP/1.1\r\n",
    choice(role="assistant", content=""),
    lambda piece: choice(content=piece),
    openai_end,
    openai_error,
    lambda code: sse(openai_error(code)),
    (choice(content=""), chunk(b": PROCESSING\n\n"), choice(reasoning="Hm")),
    "rate_limit_exceeded",
    "server_error",
    "content_filter",
)
ANTHROPIC = Tongue(
    AnthropicLlm,
    config.AnthropicLlm(base_url="http://llm:80/", api_key=Secret(KEY), max_tokens=90),
    "http://llm:80",
    b"POST /v1/messages HTTP/1.1\r\n",
    b"GET /v1/models?limit=1 HTTP/1.1\r\n",
    START + TEXT + PING,
    text,
    anthropic_end,
    anthropic_error,
    lambda code: event("error", **anthropic_error(code)),
    (PING, chunk(b": PROCESSING\n\n"), THOUGHT),
    "overloaded_error",
    "api_error",
    "refusal",
)


@define(eq=False)
class House:
    """An LLM and the server it talks to."""

    llm: HttpLlm
    peer: Peer
    backend: HttpBackend
    requests: list[bytes]

    async def complete(
        self, messages: Sequence[Message] = MESSAGES, tools: Sequence[Tool] = ()
    ) -> tuple[str, Completion]:
        write, read = trio.open_memory_channel[str](100)
        with write, read:
            completion = await self.llm.complete(messages, write, tools)
            write.close()
            return "".join([piece async for piece in read]), completion

    async def failure(self) -> EngineError:
        with pytest.raises(EngineError) as caught:
            await self.complete()
        told = str(caught.value)
        assert KEY not in told
        assert "open" not in told  # the caller's words
        return caught.value

    def body(self, number: int = 0) -> dict:
        return json.loads(self.requests[number].partition(b"\r\n\r\n")[2])


@define(eq=False)
class Street:
    """Builds houses of one tongue."""

    tongue: Tongue
    nursery: trio.Nursery
    clients: list[httpx.AsyncClient] = field(factory=list)

    def __call__(self, *exchanges: Exchange, **changes: object) -> House:
        """Each request gets the next of these answers, the last one again and again."""
        requests: list[bytes] = []

        async def handle(line: Line) -> None:
            while request := await line.read_request():
                requests.append(request)
                await exchanges[min(len(requests), len(exchanges)) - 1](line)

        peer = Peer(self.nursery, handle)
        backend = HttpBackend(peer)
        client = http_client(http_transport(backend))
        self.clients.append(client)
        settings = evolve(self.tongue.settings, **changes)
        return House(self.tongue.make("mind", settings, client), peer, backend, requests)

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()
        self.nursery.cancel_scope.cancel()


def answering(*parts: bytes | float, then: Exchange | None = None) -> Exchange:
    """Sends bytes, and waits where a number of seconds stands."""

    async def answer(line: Line) -> None:
        for part in parts:
            if isinstance(part, bytes):
                await line.stream.send_all(part)
            else:
                await trio.sleep(part)
        if then:
            await then(line)

    return answer


def failing(status: int, body: object = "", headers: str = "") -> Exchange:
    raw = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} No\r\n{headers}Content-Length: {len(raw)}\r\n\r\n"
    return answering(head.encode() + raw)
