"""An Anthropic LLM and a server in memory for it, over httpx's own connections."""

import json
from collections.abc import Awaitable, Callable, Sequence

import httpx
import pytest
import trio
from attrs import define
from engine_peers import HttpBackend, Line, Peer, http_transport

from voiced.config.engines import AnthropicLlm as Settings
from voiced.config.secrets import Secret
from voiced.dialog.history import Message, Role
from voiced.dialog.tools import Tool
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.llm_http import http_client
from voiced.engines.roles import Completion
from voiced.errors import EngineError

KEY = "sk-ant-very-secret"
MODEL = "claude-haiku-5-5"
SETTINGS = Settings(base_url="http://claude:80/", api_key=Secret(KEY), max_tokens=90)
MESSAGES = [Message(Role.SYSTEM, "Be brief."), Message(Role.CALLER, "Are you open?")]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(kind: str, **fields: object) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return chunk(f"event: {kind}\ndata: {data}\n\n".encode())


def start(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def delta(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def text(piece: str, index: int = 0) -> bytes:
    return delta(index, "text_delta", text=piece)


def end(stop_reason: str = "end_turn", tokens: int = 2) -> bytes:
    ended = event("message_delta", delta={"stop_reason": stop_reason},
                  usage={"output_tokens": tokens})  # fmt: skip
    return ended + event("message_stop") + b"0\r\n\r\n"


PING = event("ping")
BEGIN = event("message_start", message={"usage": {"input_tokens": 12, "output_tokens": 1}})
TEXT = start(0, "text", text="")
THOUGHT = start(0, "thinking") + delta(0, "thinking_delta", thinking="Hm, are they open?")
WHOLE = [HEAD, BEGIN + TEXT + PING + text("Yes, "), PING + text("we are."), end()]

Exchange = Callable[[Line], Awaitable[None]]


@define(eq=False)
class House:
    """An LLM and the server it talks to."""

    llm: AnthropicLlm
    peer: Peer
    backend: HttpBackend
    requests: list[bytes]

    async def complete(self, tools: Sequence[Tool] = ()) -> tuple[str, Completion]:
        write, read = trio.open_memory_channel[str](100)
        with write, read:
            completion = await self.llm.complete(MESSAGES, write, tools)
            write.close()
            return "".join([piece async for piece in read]), completion

    async def failure(self) -> EngineError:
        with pytest.raises(EngineError) as caught:
            await self.complete()
        told = str(caught.value)
        assert KEY not in told
        assert "open" not in told.replace("does not open", "")  # the caller's words
        return caught.value

    def body(self, number: int = 0) -> dict:
        return json.loads(self.requests[number].partition(b"\r\n\r\n")[2])


def house_of(
    nursery: trio.Nursery, exchanges: Sequence[Exchange], settings: Settings = SETTINGS
) -> tuple[House, httpx.AsyncClient]:
    """Each request gets the next of these answers, the last one again and again."""
    requests: list[bytes] = []

    async def handle(line: Line) -> None:
        while request := await line.read_request():
            requests.append(request)
            await exchanges[min(len(requests), len(exchanges)) - 1](line)

    peer = Peer(nursery, handle)
    backend = HttpBackend(peer)
    client = http_client(http_transport(backend))
    return House(AnthropicLlm("claude", settings, client), peer, backend, requests), client


def answering(*parts: bytes | float, then=None) -> Exchange:
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


def error(kind: str, message: str = "Are you open? sk-ant-very-secret") -> dict:
    told = {"type": kind, "message": message}
    return {"type": "error", "error": told, "request_id": "req_01"}
