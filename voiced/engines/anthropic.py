"""Thinks through Anthropic's Messages.

Source: Anthropic's "Create a Message" and "Errors" references, and the retry rules of its SDKs.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import trio

from voiced.config import engines as config
from voiced.dialog.history import Message
from voiced.dialog.tools import Tool
from voiced.engines.anthropic_failures import AnthropicFailures
from voiced.engines.llm_failures import LlmFailures
from voiced.engines.llm_http import Answer, LlmHttp, NoAnswer
from voiced.engines.openai import LlmTiming
from voiced.engines.roles import Completion, ToolCall
from voiced.errors import EngineBroken, EngineTimeout, WireError
from voiced.ops.held import holding
from voiced.wire.anthropic import VERSION, MessagesOptions, messages_request
from voiced.wire.anthropic_stream import (
    CUT,
    ApiError,
    MessageEvent,
    MessageResult,
    MessageStream,
    error_of,
)

Text = trio.MemorySendChannel[str]

_FINISH: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    **dict.fromkeys(CUT, "length"),
}
"""Stop reasons in the words that the other engines use; any other stands as it is."""


class AnthropicLlm:
    """One model of one server."""

    def __init__(
        self,
        name: str,
        settings: config.AnthropicLlm,
        http: httpx.AsyncClient,
        timing: LlmTiming | None = None,
    ) -> None:
        self.name = name
        self.last_used = -float("inf")
        """When it was last asked for anything, on Trio's clock."""
        self._base_url = settings.base_url.rstrip("/")
        self._options = MessagesOptions(
            settings.model, max_tokens=settings.max_tokens, temperature=settings.temperature
        )
        key = {"x-api-key": settings.api_key.reveal()} if settings.api_key else {}
        self._headers = {"anthropic-version": VERSION, **key}
        connection = LlmFailures(name, self._base_url, settings.model)
        self._failures = AnthropicFailures(connection, settings.max_tokens)
        self._http = LlmHttp(http, connection)
        self._timing = timing or LlmTiming()

    async def complete(
        self, messages: Sequence[Message], text: Text, tools: Sequence[Tool] = ()
    ) -> Completion:
        """Sends the answer's text as it comes; an answer may be empty.

        Tries twice where the first attempt fails before it brings anything.

        Raises:
            EngineRefused: wrong key, unknown model, no credit, a request that it does not take,
                an answer that the model declines to give, or none within `max_tokens`.
            EngineAtCapacity: too many requests, or the model is overloaded.
            EngineTimeout: no connection, or no first or no next text in time.
            EngineBroken: not reachable, cut in mid-stream, malformed.
        """
        due = trio.current_time() + self._timing.first_s
        said = [(each.role.value, each.text) for each in messages]
        body = messages_request(self._options, said, [declared(tool) for tool in tools])
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
        url = f"{self._base_url}/v1/models?limit=1"
        request = self._http.client.build_request("GET", url, headers=self._headers)
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

    async def _attempt(self, body: bytes, text: Text, due: float) -> Completion:
        request = self._http.client.build_request(
            "POST",
            f"{self._base_url}/v1/messages",
            content=body,
            headers={**self._headers, "Content-Type": "application/json"},
        )
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
        stream = MessageStream()
        try:
            while not stream.is_over and (data := await answer.next(due)) is not None:
                for event in stream.feed(data):
                    await text.send(self._piece(event))
                    due = trio.current_time() + self._timing.next_s
            result = stream.close()
        except WireError as error:
            kind = answer.response.headers.get("Content-Type", "").partition(";")[0]
            told = f"what {self._base_url} answered is no stream of a message ({kind}): {error}"
            raise self._failures.connection.error(EngineBroken, told) from error
        await answer.finish(self._timing.tail_s)
        return self._completion(result)

    def _piece(self, event: MessageEvent) -> str:
        if isinstance(event, ApiError):
            raise self._failures.failed(event)
        return event

    def _completion(self, result: MessageResult) -> Completion:
        if result.stop_reason == "refusal":
            raise self._failures.declined()
        if result.stop_reason in CUT and not result.characters and not result.tool_calls:
            raise self._failures.wordless()
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in result.tool_calls)
        reason = _FINISH.get(result.stop_reason, result.stop_reason)
        return Completion(reason, calls, result.prompt_tokens, result.completion_tokens)


def declared(tool: Tool) -> dict[str, object]:
    """A tool in the API's own form."""
    described = {"name": tool.name, "description": tool.description}
    return described | {"input_schema": dict(tool.parameters)}
