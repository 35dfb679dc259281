"""Thinks through Anthropic's Messages.

Source: Anthropic's "Create a Message" and "Errors" references, and the retry rules of its SDKs.
"""

from collections.abc import Sequence
from typing import Final

import httpx
from attrs import evolve

from voiced.config import engines as config
from voiced.dialog.history import Told
from voiced.dialog.tools import Tool
from voiced.engines.http_failures import NO_CREDIT, TOO_LONG, Complaint
from voiced.engines.llm import Dialect, HttpLlm, LlmTiming, on_wire, room_for, wanted
from voiced.engines.roles import Form
from voiced.errors import RequestRefused
from voiced.wire.anthropic import VERSION, MessagesOptions, messages_request
from voiced.wire.anthropic_stream import MessageStream

COMPLAINTS: Final = (
    Complaint(r"(?i)your credit balance\b", NO_CREDIT),
    Complaint(
        r"(?i)(?:prompt is too long\b|input length and `max_tokens` exceed)",
        TOO_LONG,
        RequestRefused,
    ),
    Complaint(
        r"(?i)output blocked by content filtering\b",
        "its filter objects to what was said",
        RequestRefused,
    ),
    Complaint(r"\W?max_tokens\b", "mend max_tokens"),
    Complaint(r"\W?(?:temperature|top_[pk])\b", "remove temperature, the model takes none"),
    Complaint(r"\W?thinking\b", "the model takes another thinking: see Anthropic's page on it"),
    Complaint(r"\W?(?:output_config|effort)\b", "the model takes another effort or none"),
)
"""What a request is refused for, and what to do."""


class AnthropicLlm(HttpLlm):
    """One model of one server."""

    def __init__(
        self,
        name: str,
        settings: config.AnthropicLlm,
        http: httpx.AsyncClient,
        timing: LlmTiming | None = None,
    ) -> None:
        thinking, effort = settings.least_thought
        options = MessagesOptions(
            settings.model,
            settings.max_tokens,
            settings.temperature,
            thinking and thinking.value,
            effort and effort.value,
        )

        def body(messages: Sequence[Told], tools: Sequence[Tool], form: Form | None) -> bytes:
            said, offered = on_wire(messages), [declared(tool) for tool in tools]
            most = evolve(options, max_tokens=room_for(form, options.max_tokens))
            return messages_request(most, said, offered, may_call=form is None, schema=wanted(form))

        key = {"x-api-key": settings.api_key.reveal()} if settings.api_key else {}
        headers = {"anthropic-version": VERSION, **key}
        missing = "check model, and base_url, which stands without /v1"
        paths = "/v1/messages", "/v1/models?limit=1"
        dialect = Dialect(*paths, headers, body, MessageStream, missing, COMPLAINTS)
        super().__init__(name, settings, dialect, http, timing)


def declared(tool: Tool) -> dict[str, object]:
    """A tool in the API's own form."""
    described = {"name": tool.name, "description": tool.description}
    return described | {"input_schema": dict(tool.parameters)}
