"""What the stand-in models have in common, whichever API they speak.

They answer at the pace of a real one: a latency before the first token, then tokens at a rate.
When the client closes in mid-answer they stop, as inference servers do.
"""

import json
from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import trio
from attrs import define, field, frozen

from voiced.lab.server import Exchange

MODEL = "voiced-lab"
REQUESTS_KEPT = 256
CUT_AFTER_TOKENS = 4
LONG_ANSWER = " ".join(["And so it goes on."] * 400)  # 2,000 words


class Refused(Exception):
    """A request is answered with 400. The message is the server's; `code` and `param` are what
    OpenAI adds to it."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class Outcome(Enum):
    """How an answer ended."""

    RUNNING = auto()
    COMPLETE = auto()
    CANCELLED = auto()  # the client closed before the end, or a fault struck


class Upset(Enum):
    """What may go wrong with an answer on its way."""

    NONE = auto()
    HANG = auto()  # headers, then no token ever
    CUT = auto()  # TCP closed after a few tokens
    TRUNCATED = auto()  # the body ends in order, but without its last events


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


class Speech(Protocol):
    """An answer in the forms that its API gives it: events, or all at once."""

    @property
    def tokens(self) -> tuple[str, ...]: ...

    def head(self) -> bytes:
        """All that comes before the tokens."""
        ...

    def token(self, number: int) -> bytes: ...

    def tail(self) -> bytes:
        """All that comes behind the tokens, to the end."""
        ...

    def whole(self) -> dict[str, Any]:
        """The answer to a request that does not stream."""
        ...


class Ask(Protocol):
    """What is known of a request in either API."""

    @property
    def messages(self) -> tuple[dict[str, Any], ...]: ...

    @property
    def stream(self) -> bool: ...


@define
class StandIn:
    """A server of one model."""

    keys: frozenset[str] = frozenset()
    """Those that are let in; with none, everybody is, as with Ollama."""
    timing: LlmTiming = field(factory=LlmTiming)
    log: Path | None = None
    """A file of JSON lines, one for each request that has ended."""
    requests: deque[LlmRequest] = field(factory=lambda: deque(maxlen=REQUESTS_KEPT))
    numbers: "count[int]" = field(factory=lambda: count(1))

    async def perform(
        self, exchange: Exchange, asked: Ask, speech: Speech, upset: Upset, aside: bytes = b""
    ) -> None:
        """Gives an answer; `aside` is sent among its tokens."""
        start_s = trio.current_time()
        entry = LlmRequest(asked.messages, "".join(speech.tokens))
        self.requests.append(entry)
        if asked.stream:
            voice = _Voice(exchange, speech, entry, upset, aside)
            await voice.stream(self.timing, start_s)
        else:
            await trio.sleep_until(start_s + self.timing.due_s(len(speech.tokens)))
            await exchange.respond(200, as_json(speech.whole()))
            entry.outcome = Outcome.COMPLETE
        await self._write_log(entry)

    async def _write_log(self, entry: LlmRequest) -> None:
        if self.log is None:
            return
        line = {
            "messages": entry.messages,
            "answer": entry.answer,
            "tokens_sent": entry.tokens_sent,
            "outcome": entry.outcome.name.lower(),
        }
        async with await trio.open_file(self.log, "a", encoding="utf-8") as file:
            await file.write(json.dumps(line, ensure_ascii=False) + "\n")


@frozen
class _Voice:
    """One streamed answer on its way."""

    exchange: Exchange
    speech: Speech
    entry: LlmRequest
    upset: Upset
    aside: bytes

    async def stream(self, timing: LlmTiming, start_s: float) -> None:
        await self.exchange.begin("text/event-stream; charset=utf-8")
        self.entry.outcome = Outcome.CANCELLED  # until it proves otherwise
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_gone, nursery.cancel_scope)
                await self._send_tokens(timing, start_s)
                self.entry.outcome = Outcome.COMPLETE
                nursery.cancel_scope.cancel(reason="answered")
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            self.entry.outcome = Outcome.CANCELLED  # the client is gone, or TCP was closed
        if self.entry.outcome is Outcome.CANCELLED:
            self.exchange.drop()
            return
        # Only now, with nobody else reading: the client may send its next request at once.
        if self.upset is not Upset.TRUNCATED:
            await self.exchange.write(self.speech.tail())
        await self.exchange.finish()

    async def _send_tokens(self, timing: LlmTiming, start_s: float) -> None:
        if self.upset is Upset.HANG:
            await trio.sleep_forever()
        await trio.sleep_until(start_s + timing.due_s(0))
        await self.exchange.write(self.speech.head())
        for number in range(len(self.speech.tokens)):
            await trio.sleep_until(start_s + timing.due_s(number))
            if number == CUT_AFTER_TOKENS:
                await self._strike()
            await self.exchange.write(self.speech.token(number))
            self.entry.tokens_sent += 1

    async def _strike(self) -> None:
        if self.upset is Upset.CUT:
            self.exchange.drop()
        elif self.aside:
            await self.exchange.write(self.aside)

    async def _cancel_when_gone(self, scope: trio.CancelScope) -> None:
        """Ends an answer that nobody waits for."""
        await self.exchange.wait_gone()
        scope.cancel(reason="the client is gone")


def as_json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
