"""Thinks through any server of OpenAI's chat completions: OpenAI, Groq, Ollama, vLLM, llama.cpp.

Source: OpenAI's "Chat" API reference, and the retry rules of its own SDKs.
"""

from collections.abc import Sequence

import httpx
import trio
from attrs import frozen

from voiced.config import engines as config
from voiced.dialog.history import Message
from voiced.dialog.tools import Tool
from voiced.engines.llm_failures import LlmFailures
from voiced.engines.llm_http import Answer, LlmHttp, NoAnswer
from voiced.engines.roles import Completion, ToolCall
from voiced.errors import EngineBroken, EngineTimeout, WireError
from voiced.ops.held import holding
from voiced.wire.openai import (
    ChatEvent,
    ChatOptions,
    ChatStream,
    TextDelta,
    chat_request,
    error_of,
)

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


class OpenAiLlm:
    """One model of one server."""

    def __init__(
        self,
        name: str,
        settings: config.OpenAiLlm,
        http: httpx.AsyncClient,
        timing: LlmTiming | None = None,
    ) -> None:
        self.name = name
        self.last_used = -float("inf")
        """When it was last asked for anything, on Trio's clock."""
        self._base_url = settings.base_url.rstrip("/")
        self._options = ChatOptions(
            settings.model, max_tokens=settings.max_tokens, temperature=settings.temperature
        )
        key = settings.api_key
        self._headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        self._failures = LlmFailures(name, self._base_url, settings.model)
        self._http = LlmHttp(http, self._failures)
        self._timing = timing or LlmTiming()

    async def complete(
        self, messages: Sequence[Message], text: Text, tools: Sequence[Tool] = ()
    ) -> Completion:
        """Sends the answer's text as it comes; an answer may be empty.

        Tries twice where the first attempt fails before it brings anything.

        Raises:
            EngineRefused: wrong key, unknown model, no credit, a request that it does not take.
            EngineAtCapacity: too many requests, or still loading its model.
            EngineTimeout: no connection, or no first or no next text in time.
            EngineBroken: not reachable, cut in mid-stream, malformed.
        """
        due = trio.current_time() + self._timing.first_s
        body = self._body(messages, tools)
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
        request = self._http.client.build_request(
            "GET", f"{self._base_url}/models", headers=self._headers
        )
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

    def _body(self, messages: Sequence[Message], tools: Sequence[Tool]) -> bytes:
        told = [{"role": each.role.value, "content": each.text} for each in messages]
        return chat_request(self._options, told, [function(tool) for tool in tools])

    async def _attempt(self, body: bytes, text: Text, due: float) -> Completion:
        request = self._http.client.build_request(
            "POST",
            f"{self._base_url}/chat/completions",
            content=body,
            headers={**self._headers, "Content-Type": "application/json"},
        )
        self.last_used = trio.current_time()
        with holding("llm stream"):
            return await self._exchange(request, text, due)

    async def _exchange(self, request: httpx.Request, text: Text, due: float) -> Completion:
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
        stream = ChatStream()
        try:
            while not stream.is_over and (data := await answer.next(due)) is not None:
                for event in stream.feed(data):
                    await text.send(self._piece(event))
                    due = trio.current_time() + self._timing.next_s
            result = stream.close()
        except WireError as error:
            kind = answer.response.headers.get("Content-Type", "").partition(";")[0]
            told = f"what {self._base_url} answered is no stream of a chat ({kind}): {error}"
            raise self._failures.error(EngineBroken, told) from error
        await answer.finish(self._timing.tail_s)
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in result.tool_calls)
        return Completion(
            result.finish_reason, calls, result.prompt_tokens, result.completion_tokens
        )

    def _piece(self, event: ChatEvent) -> str:
        if isinstance(event, TextDelta):
            return event.text
        raise self._failures.failed(event)


def function(tool: Tool) -> dict[str, object]:
    """A tool in the API's own form."""
    described = {"name": tool.name, "description": tool.description}
    return {"type": "function", "function": described | {"parameters": dict(tool.parameters)}}
