"""A model behind an HTTP API that streams: one client, whichever dialect the server speaks.

What differs is the dialect's: the addresses, the headers, the form of a request, how an answer is
read, and the words for what goes wrong. The connection, the deadlines and the second attempt are
the same for all, and stand here.
"""

from collections.abc import Callable, Mapping, Sequence

import httpx
import trio
from attrs import field, frozen

from voiced.dialog.history import Message
from voiced.dialog.tools import Tool
from voiced.engines.llm_failures import LlmFailures
from voiced.engines.llm_http import Answer, LlmHttp, NoAnswer
from voiced.engines.roles import Completion, ToolCall
from voiced.errors import EngineBroken, EngineTimeout, WireError
from voiced.ops.held import holding
from voiced.wire.answer import CUT, DECLINED, Answered, AnswerStream
from voiced.wire.api_error import error_of

Text = trio.MemorySendChannel[str]


@frozen
class LlmTiming:
    """Deadlines and pauses in seconds.

    `first_s`: from the request to the first text, another attempt included. `next_s`: between two
    pieces of text. `pause_s`: before the other attempt, unless the server asks for another pause;
    for one longer than `longest_pause_s` a spare engine is the better answer. `tail_s`: for the
    end of the body behind the last event. `warm_s`: for `warm`.
    """

    first_s: float = 8.0
    next_s: float = 5.0
    pause_s: float = 0.1
    longest_pause_s: float = 0.5
    tail_s: float = 0.05
    warm_s: float = 3.0


@frozen
class Dialect:
    """How one model of one server is spoken to.

    `answers` and `models` are paths behind the failures' `base_url`: where an answer is asked for,
    and the cheapest request that there is. `body` writes a request, `stream` reads one answer.
    """

    answers: str
    models: str
    headers: Mapping[str, str] = field(repr=False)
    body: Callable[[Sequence[Message], Sequence[Tool]], bytes]
    stream: Callable[[], AnswerStream]
    failures: LlmFailures


class HttpLlm:
    """One model of one server."""

    def __init__(
        self, dialect: Dialect, http: httpx.AsyncClient, timing: LlmTiming | None = None
    ) -> None:
        self.last_used = -float("inf")
        """When it was last asked for anything, on Trio's clock."""
        self._dialect = dialect
        self._failures = dialect.failures
        self._http = LlmHttp(http, dialect.failures)
        self._timing = timing or LlmTiming()

    @property
    def name(self) -> str:
        return self._failures.engine

    async def complete(
        self, messages: Sequence[Message], text: Text, tools: Sequence[Tool] = ()
    ) -> Completion:
        """Sends the answer's text as it comes; an answer may be empty.

        Tries twice where the first attempt fails before it brings anything.

        Raises:
            EngineRefused: wrong key, unknown model, no credit, a request that it does not take,
                no word within `max_tokens`.
            RequestRefused: a conversation that is too long, an answer that it declines to give.
            EngineAtCapacity: too many requests, overloaded, or still loading its model.
            EngineTimeout: no connection, or no first or no next text in time.
            EngineBroken: not reachable, cut in mid-stream, malformed.
        """
        due = trio.current_time() + self._timing.first_s
        body = self._dialect.body(messages, tools)
        try:
            return await self._attempt(body, text, due)
        except NoAnswer as failed:
            pause_s = self._pause_s(failed)
        await trio.sleep(pause_s)
        try:
            return await self._attempt(body, text, due)
        except NoAnswer as failed:
            raise failed.error from failed

    async def warm(self) -> None:
        """Sees to it that a connection is open, by the cheapest request there is.

        Raises:
            EngineError: the server is not reachable, or does not accept the key.
        """
        self.last_used = trio.current_time()
        due = self.last_used + self._timing.warm_s
        request = self._request("GET", self._dialect.models)
        try:
            async with self._http.exchange(request, due) as answer:
                if answer.response.status_code in {401, 403}:
                    raise await self._refusal(answer, due)
                await answer.finish(self._timing.warm_s)
        except NoAnswer as failed:
            raise failed.error from failed

    def _pause_s(self, failed: NoAnswer) -> float:
        """The pause before another attempt, where one makes sense."""
        pause_s = self._timing.pause_s if failed.pause_s is None else failed.pause_s
        hopeless = not failed.error.retryable or isinstance(failed.error, EngineTimeout)
        if hopeless or pause_s > self._timing.longest_pause_s:
            raise failed.error from failed
        return pause_s

    def _request(self, method: str, path: str, body: bytes | None = None) -> httpx.Request:
        kind = {} if body is None else {"Content-Type": "application/json"}
        headers = {**self._dialect.headers, **kind}
        url = f"{self._failures.base_url}{path}"
        return self._http.client.build_request(method, url, content=body, headers=headers)

    async def _attempt(self, body: bytes, text: Text, due: float) -> Completion:
        request = self._request("POST", self._dialect.answers, body)
        self.last_used = trio.current_time()
        with holding("llm stream"):
            async with self._http.exchange(request, due) as answer:
                if answer.response.status_code != httpx.codes.OK:
                    raise await self._refusal(answer, due)
                return await self._listen(answer, text, due)

    async def _refusal(self, answer: Answer, due: float) -> NoAnswer:
        response, body = answer.response, await answer.read(due)
        api = error_of(response.status_code, body, response.headers)
        return NoAnswer(self._failures.refused(response.status_code, api), api.retry_after_s)

    async def _listen(self, answer: Answer, text: Text, due: float) -> Completion:
        """Passes the text on. Time spent on that is not the server's and does not count."""
        stream, sent = self._dialect.stream(), 0
        try:
            while not stream.is_over and (data := await answer.next(due)) is not None:
                for event in stream.feed(data):
                    if not isinstance(event, str):
                        raise self._failures.failed(event)
                    await text.send(event)
                    sent += 1
                    due = trio.current_time() + self._timing.next_s
            result = stream.close()
        except WireError as error:
            kind = answer.response.headers.get("Content-Type", "").partition(";")[0]
            told = f"what {self._failures.base_url} answered is no stream of an answer ({kind})"
            raise self._failures.error(EngineBroken, f"{told}: {error}") from error
        await answer.finish(self._timing.tail_s)
        return self._completion(result, sent)

    def _completion(self, result: Answered, sent: int) -> Completion:
        if result.finish_reason == DECLINED:
            raise self._failures.declined()
        if result.finish_reason == CUT and not sent and not result.tool_calls:
            raise self._failures.wordless()
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in result.tool_calls)
        return Completion(
            result.finish_reason, calls, result.prompt_tokens, result.completion_tokens
        )
