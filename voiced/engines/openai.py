"""Thinks through any server of OpenAI's chat completions: OpenAI, Groq, Ollama, vLLM, llama.cpp.

Source: OpenAI's "Chat" API reference, and the retry rules of its own SDKs.
"""

from collections.abc import Sequence
from typing import Final

import httpx
from attrs import evolve

from voiced.config import engines as config
from voiced.dialog.history import Told
from voiced.dialog.tools import Tool
from voiced.engines.http_failures import TOO_LONG, Complaint
from voiced.engines.llm import Dialect, HttpLlm, on_wire, room_for, wanted
from voiced.engines.llm import LlmTiming as LlmTiming
from voiced.engines.roles import Form
from voiced.errors import RequestRefused
from voiced.wire.openai import ChatOptions, ChatStream, chat_messages, chat_request

_REFUSES: Final = r"(?:Unsupported (?:value|parameter)|Unrecognized request argument supplied): '?"

COMPLAINTS: Final = (
    Complaint(
        r"(?:context_length_exceeded|exceed_context_size_error)$"
        r"|This model's maximum context length is\b",
        TOO_LONG,
        RequestRefused,
    ),
    Complaint(
        r"(?:content_filter|content_policy_violation|invalid_prompt)$",
        "its filter objects to what was said",
        RequestRefused,
    ),
    Complaint(r"tool_use_failed$", "the model wrote a malformed call", RequestRefused),
    Complaint(r"json_validate_failed$", "the model wrote malformed JSON", RequestRefused),
    Complaint(
        r"Function tools with reasoning_effort are not supported\b",
        'set reasoning_effort = "none", or give its agents no tools',
    ),
    Complaint(
        _REFUSES + r"reasoning_effort\b", "this model takes another reasoning_effort or none"
    ),
    Complaint(_REFUSES + r"temperature\b", "this model reasons: set temperature = 1"),
    Complaint(
        _REFUSES + r"max_(?:completion_)?tokens\b",
        "call the model by OpenAI's own name, which tells how it is asked",
    ),
)
"""What the servers complain of, and what to do."""


class OpenAiLlm(HttpLlm):
    """One model of one server."""

    def __init__(
        self,
        name: str,
        settings: config.OpenAiLlm,
        http: httpx.AsyncClient,
        timing: LlmTiming | None = None,
    ) -> None:
        effort, key = settings.least_reasoning, settings.api_key
        options = ChatOptions(
            settings.model,
            max_tokens=settings.max_tokens,
            temperature=settings.sent_temperature,
            reasoning_effort=effort and effort.value,
            max_tokens_field=settings.max_tokens_field,
        )

        def body(messages: Sequence[Told], tools: Sequence[Tool], form: Form | None) -> bytes:
            told, offered = chat_messages(on_wire(messages)), [function(tool) for tool in tools]
            most = evolve(options, max_tokens=room_for(form, options.max_tokens))
            return chat_request(most, told, offered, may_call=form is None, schema=wanted(form))

        headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        missing = f"with Ollama, `ollama pull {settings.model}`; else check model and base_url"
        dialect = Dialect(
            "/chat/completions", "/models", headers, body, ChatStream, missing, COMPLAINTS
        )
        super().__init__(name, settings, dialect, http, timing)


def function(tool: Tool) -> dict[str, object]:
    """A tool in the API's own form."""
    described = {"name": tool.name, "description": tool.description}
    return {"type": "function", "function": described | {"parameters": dict(tool.parameters)}}
