"""An OpenAI-compatible chat completions server that knows one restaurant.

It answers by rules, at the pace of a real model: a latency before the first token, then tokens
at a rate. When the client closes in mid-answer it stops, as inference servers do.
"""

import json
from collections import deque
from enum import Enum, auto
from itertools import count
from pathlib import Path
from typing import Any

import trio
from attrs import define, field, frozen

from voiced.lab.faults import LlmFault
from voiced.lab.llm_reply import CREATED, Asked, Reply, answer, as_json, parse_request, sse
from voiced.lab.server import Exchange

MODEL = "voiced-lab"
REQUESTS_KEPT = 256
CUT_AFTER_TOKENS = 4
LONG_ANSWER = " ".join(["And so it goes on."] * 400)  # 2,000 words

REFUSALS: dict[LlmFault, tuple[str, str, str | None]] = {
    LlmFault.UNAUTHORISED: ("Incorrect API key provided.", "invalid_request_error",
                            "invalid_api_key"),
    LlmFault.NOT_FOUND: ("The model does not exist.", "invalid_request_error", "model_not_found"),
    LlmFault.RATE_LIMITED: ("Rate limit reached.", "requests", "rate_limit_exceeded"),
    LlmFault.SERVER_ERROR: ("The server had an error.", "server_error", None),
}  # fmt: skip
"""Message, type and code of the error object, as OpenAI words them."""


class Outcome(Enum):
    """How an answer ended."""

    RUNNING = auto()
    COMPLETE = auto()
    CANCELLED = auto()  # the client closed before the end, or a fault struck


@define
class LlmRequest:
    """What the model was told, what it would say, and how far it came."""

    messages: tuple[dict[str, Any], ...]
    answer: str
    tokens_sent: int = 0
    outcome: Outcome = Outcome.RUNNING


@frozen
class LlmTiming:
    """The pace of the model."""

    first_token_ms: float = 200.0
    tokens_per_s: float = 60.0

    def due_s(self, token: int) -> float:
        """When a token comes, in seconds after the request; tokens count from 0."""
        return self.first_token_ms / 1000 + token / self.tokens_per_s


@define
class LlmServer:
    """`POST /v1/chat/completions` and `GET /v1/models`: see `handle`."""

    keys: frozenset[str] = frozenset()
    """Bearer tokens that are let in; with none, everybody is, as with Ollama."""
    timing: LlmTiming = field(factory=LlmTiming)
    fault: LlmFault = LlmFault.NONE
    log: Path | None = None
    """A file of JSON lines, one for each request that has ended."""
    requests: deque[LlmRequest] = field(factory=lambda: deque(maxlen=REQUESTS_KEPT))
    _numbers: "count[int]" = field(factory=lambda: count(1))

    async def handle(self, exchange: Exchange) -> None:
        """Answers one HTTP request."""
        request = exchange.request
        route = (request.method, request.path)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.keys and bearer not in self.keys:
            await refuse(exchange, LlmFault.UNAUTHORISED)
        elif route == ("GET", "/v1/models"):
            model = {"id": MODEL, "object": "model", "created": CREATED, "owned_by": "voiced"}
            await exchange.respond(200, as_json({"object": "list", "data": [model]}))
        elif route != ("POST", "/v1/chat/completions"):
            await refuse(exchange, LlmFault.NOT_FOUND)
        elif self.fault in REFUSALS:
            await refuse(exchange, self.fault)
        elif (asked := parse_request(request.body)) is None:
            await respond_error(exchange, 400, "The body is malformed.", "invalid_request_error")
        else:
            await self._complete(exchange, asked)

    async def _complete(self, exchange: Exchange, asked: Asked) -> None:
        start_s = trio.current_time()
        reply = Reply.to(next(self._numbers), asked, self._answer(asked))
        entry = LlmRequest(asked.messages, "".join(reply.tokens))
        self.requests.append(entry)
        if asked.stream:
            await self._stream(exchange, reply, entry, start_s)
        else:
            await trio.sleep_until(start_s + self.timing.due_s(len(reply.tokens)))
            await exchange.respond(200, as_json(reply.whole()))
            entry.outcome = Outcome.COMPLETE
        await write_log(self.log, entry)

    def _answer(self, asked: Asked) -> str:
        if self.fault is LlmFault.EMPTY:
            return ""
        if self.fault is LlmFault.LONG:
            return LONG_ANSWER
        return answer(asked.messages)

    async def _stream(
        self, exchange: Exchange, reply: Reply, entry: LlmRequest, start_s: float
    ) -> None:
        await exchange.begin("text/event-stream")
        entry.outcome = Outcome.CANCELLED  # until it proves otherwise
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_gone, exchange, nursery.cancel_scope)
                await self._send_tokens(exchange, reply, entry, start_s)
                entry.outcome = Outcome.COMPLETE
                nursery.cancel_scope.cancel(reason="answered")
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            entry.outcome = Outcome.CANCELLED  # the client is gone, or the connection was cut
        if entry.outcome is Outcome.CANCELLED:
            exchange.drop()
            return
        # Only now, with nobody else reading: the client may send its next request at once.
        if self.fault is not LlmFault.TRUNCATED:
            done = reply.finish_event() + reply.usage_event() + b"data: [DONE]\n\n"
            await exchange.write(done)
        await exchange.finish()

    async def _send_tokens(
        self, exchange: Exchange, reply: Reply, entry: LlmRequest, start_s: float
    ) -> None:
        for number, token in enumerate(reply.tokens):
            if self.fault is LlmFault.HANG:
                await trio.sleep_forever()
            await trio.sleep_until(start_s + self.timing.due_s(number))
            if number == 0:
                await exchange.write(reply.role_event())
            if number == CUT_AFTER_TOKENS:
                await self._strike(exchange)
            await exchange.write(reply.token_event(token))
            entry.tokens_sent = number + 1
        if not reply.tokens:
            await trio.sleep_until(start_s + self.timing.due_s(0))
            await exchange.write(reply.role_event())

    async def _strike(self, exchange: Exchange) -> None:
        if self.fault is LlmFault.CUT:
            exchange.drop()
        elif self.fault is LlmFault.MALFORMED:
            await exchange.write(b'data: {"id":"chatcmpl-1","choices":[{"delta"\n\n')
        elif self.fault is LlmFault.STREAM_ERROR:
            error = error_object("The server had an error.", "server_error", None)
            await exchange.write(sse(error))


async def write_log(path: Path | None, entry: LlmRequest) -> None:
    """Adds a request, its answer and how it ended to a file, where there is one: a JSON line."""
    if path is None:
        return
    line = {
        "messages": entry.messages,
        "answer": entry.answer,
        "tokens_sent": entry.tokens_sent,
        "outcome": entry.outcome.name.lower(),
    }
    async with await trio.open_file(path, "a", encoding="utf-8") as file:
        await file.write(json.dumps(line, ensure_ascii=False) + "\n")


async def cancel_when_gone(exchange: Exchange, scope: trio.CancelScope) -> None:
    """Ends an answer that nobody waits for."""
    await exchange.wait_gone()
    scope.cancel(reason="the client is gone")


async def refuse(exchange: Exchange, fault: LlmFault) -> None:
    """Answers with the error of that status."""
    message, kind, code = REFUSALS[fault]
    await respond_error(exchange, fault.value, message, kind, code)


async def respond_error(
    exchange: Exchange, status: int, message: str, kind: str, code: str | None = None
) -> None:
    headers = (("retry-after", "1"),) if status == LlmFault.RATE_LIMITED.value else ()
    body = as_json(error_object(message, kind, code))
    await exchange.respond(status, body, headers=headers)


def error_object(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
