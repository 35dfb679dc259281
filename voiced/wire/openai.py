"""OpenAI's chat completions, streamed, as all compatible servers speak them.

Source: OpenAI's "Chat" API reference; the servers of Groq, Ollama, vLLM and llama.cpp. Reasoning
(`delta.reasoning`, `delta.reasoning_content`, `<think>` in the text) never comes out.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

from attrs import frozen

from voiced.errors import WireError
from voiced.wire.answer import CALLS, STOP, Answered, AnswerEvent
from voiced.wire.api_error import error_in_stream
from voiced.wire.fields import (
    JsonObject,
    as_object,
    json_value,
    optional_array,
    optional_child,
    optional_text,
    optional_whole,
)
from voiced.wire.json_schema import OPENAI, NamedSchema, promised
from voiced.wire.rounds import Called, Told, plain_name, sound
from voiced.wire.sse import SseEvent, SseParser
from voiced.wire.think import ThinkFilter
from voiced.wire.tool_calls import ToolCalls

# --- request ----------------------------------------------------------------------------------

_IDS: Final = re.compile(r"[!-~]{1,40}")


@frozen
class ChatOptions:
    """How to ask. None leaves a field out, since models differ in what they refuse.

    `max_tokens_field`: OpenAI's newer models refuse `max_tokens`, and Ollama silently ignores
    `max_completion_tokens`.
    """

    model: str
    max_tokens: int = 200
    temperature: float | None = None
    reasoning_effort: str | None = None
    include_usage: bool = True
    max_tokens_field: str = "max_tokens"


def chat_request(
    options: ChatOptions,
    messages: Sequence[Mapping[str, object]],
    tools: Sequence[Mapping[str, object]] = (),
    *,
    may_call: bool = True,
    schema: NamedSchema | None = None,
) -> bytes:
    """The JSON body of a streaming `POST /chat/completions`.

    `messages` and `tools` are in the API's own form, roles and all. `may_call`: whether the answer
    may ask for the tools; `schema` is what its text has to fit.
    """
    request: dict[str, object] = {
        "model": options.model,
        "messages": list(messages),
        "stream": True,
        options.max_tokens_field: options.max_tokens,
    }
    if options.include_usage:
        request["stream_options"] = {"include_usage": True}
    if options.temperature is not None:
        request["temperature"] = options.temperature
    if options.reasoning_effort is not None:
        request["reasoning_effort"] = options.reasoning_effort
    if tools:
        request["tools"] = list(tools)
    if tools and not may_call:
        request["tool_choice"] = "none"
    if schema:
        request["response_format"] = {"type": "json_schema", "json_schema": _json_schema(schema)}
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "ignore")


def chat_messages(told: Iterable[Told]) -> list[JsonObject]:
    """A conversation in the API's own form.

    An answer that asked for tools is followed by one message for each of them, which the API
    insists on.
    """
    messages: list[JsonObject] = []
    for item in sound(told, _IDS):
        if isinstance(item, Called):
            messages += _round(item)
        else:
            role, text = item
            messages.append({"role": role, "content": text})
    return messages


def _round(called: Called) -> list[JsonObject]:
    calls = [
        {"id": use.id, "type": "function",
         "function": {"name": use.name, "arguments": use.arguments}}
        for use in called.uses
    ]  # fmt: skip
    asked = {"role": "assistant", "content": called.text if called.text.strip() else None}
    results = [
        {"role": "tool", "tool_call_id": use.id, "content": use.result} for use in called.uses
    ]
    return [asked | {"tool_calls": calls}, *results]


def _json_schema(schema: NamedSchema) -> JsonObject:
    """Strict, or where that cannot be, as it is: then the model is shown it and not held to it."""
    strict = promised(schema.schema, OPENAI)
    shown = dict(schema.schema) if strict is None else strict
    return {"name": plain_name(schema.name), "schema": shown, "strict": strict is not None}


# --- answer -----------------------------------------------------------------------------------


class _Phase(Enum):
    ANSWERING = 1
    FINISHED = 2  # a finish_reason came: the usage may follow
    DONE = 3  # [DONE]: nothing follows
    FAILED = 4


class ChatStream:
    """Reads the body of one streamed answer, split anywhere."""

    def __init__(self) -> None:
        self._sse = SseParser()
        self._think = ThinkFilter()
        self._tools = ToolCalls()
        self._usage: JsonObject = {}
        self._finish_reason = ""
        self._phase = _Phase.ANSWERING

    @property
    def is_over(self) -> bool:
        """Nothing more is to come: no need to wait for the end of the body."""
        return self._phase in {_Phase.DONE, _Phase.FAILED}

    def feed(self, data: bytes) -> list[AnswerEvent]:
        """Takes the next bytes; returns the text they complete, and the error where one came.

        Raises:
            WireError: an event that is no JSON object, is too long, or has a wrong type in it.
        """
        events: list[AnswerEvent] = []
        for event in self._sse.feed(data):
            if not self.is_over:
                events += self._take(event)
        return events

    def close(self) -> Answered:
        """The body has ended, or `is_over`.

        Raises:
            WireError: the answer is not whole.
        """
        if self._phase in {_Phase.ANSWERING, _Phase.FAILED}:
            raise WireError("answer cut short")
        calls = self._tools.result()
        reason = self._finish_reason or STOP
        return Answered(
            CALLS if calls and reason == STOP else reason,
            calls,
            optional_whole(self._usage, "prompt_tokens"),
            optional_whole(self._usage, "completion_tokens"),
        )

    def _take(self, event: SseEvent) -> list[AnswerEvent]:
        if event.data.strip() == "[DONE]":
            self._phase = _Phase.DONE
            return _spoken(self._think.flush())
        chunk = as_object(json_value(event.data))
        if event.event == "error" or chunk.get("error"):
            self._phase = _Phase.FAILED
            return [error_in_stream(chunk)]
        groq = optional_child(optional_child(chunk, "x_groq"), "usage")
        self._usage = optional_child(chunk, "usage") or groq or self._usage
        text = "".join(self._choice(as_object(item)) for item in optional_array(chunk, "choices"))
        return _spoken(text)

    def _choice(self, choice: JsonObject) -> str:
        delta = optional_child(choice, "delta")
        for fragment in optional_array(delta, "tool_calls"):
            self._tools.add(as_object(fragment))
        said = optional_text(delta, "content") or optional_text(delta, "refusal") or ""
        text = self._think.feed(said)
        reason = optional_text(choice, "finish_reason")
        if reason:
            self._finish_reason = reason
            self._phase = _Phase.FINISHED
            text += self._think.flush()
        return text


def _spoken(text: str) -> list[AnswerEvent]:
    return [text] if text else []
