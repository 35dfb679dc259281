"""What the stand-in for Anthropic's Messages takes, and what it refuses as the real one does. Pure.

Source: Anthropic's "Create a Message" reference, its version notes for 2026-10-21, and its pages
on what changed with each model.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from voiced.lab.llm_model import MODEL, Refused

NEWEST = "2026-10-21"
MODELS = frozenset(
    {MODEL, "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2",
     "claude-mythos-5-2", "claude-sonnet-5", "claude-opus-5", "claude-opus-4-8",
     "claude-sonnet-4-6", "claude-haiku-4-5-20251001"}
)  # fmt: skip

_ALWAYS_THINKS = re.compile(r"claude-(?:opus-5-5|fable-5|mythos-5)")
_TAKES_NO_SAMPLING = re.compile(r"claude-(?:\w+-5|opus-4-[78])")
_OLD = re.compile(r"claude-(?:haiku|sonnet)-4-5")
"""May be asked to go on from the assistant's words."""


@frozen
class AnthropicAsked:
    """A request for a message, checked. `tools` are the names of those that it offers."""

    model: str
    max_tokens: int
    messages: tuple[dict[str, Any], ...]
    system: str
    stream: bool
    tools: frozenset[str]


def parse_ask(body: bytes, version: str) -> AnthropicAsked:
    """A request's body, under an `anthropic-version`.

    Raises:
        Refused: Anthropic would answer 400.
    """
    try:
        data = json.loads(body)
    except ValueError:
        raise Refused("The request body is not valid JSON") from None
    if not isinstance(data, dict):
        raise Refused("The request body is not an object")
    for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
        if name not in data:
            raise Refused(f"{name}: Field required")
        if not isinstance(data[name], kind):
            raise Refused(f"{name}: Input should be a valid {kind.__name__}")
    if data["max_tokens"] < 1:
        raise Refused("max_tokens: Input should be greater than or equal to 1")
    _check_sampling(data, version)
    _check_thinking(data)
    _check_messages(data)
    return AnthropicAsked(
        data["model"],
        data["max_tokens"],
        tuple(data["messages"]),
        _text(data.get("system") or ""),
        bool(data.get("stream")),
        frozenset(_tool_names(data.get("tools") or ())),
    )


def _check_sampling(data: Mapping[str, Any], version: str) -> None:
    for name in ("temperature", "top_p", "top_k"):
        if name in data and version == NEWEST:
            raise Refused(f"{name}: Extra inputs are not permitted")
        if name in data and _TAKES_NO_SAMPLING.match(data["model"]):
            raise Refused(f"`{name}` is not supported on this model.")


def _check_thinking(data: Mapping[str, Any]) -> None:
    model, kind = data["model"], _child(data, "thinking").get("type")
    effort = _child(data, "output_config").get("effort")
    no_sonnet = kind == "disabled" and model == "claude-sonnet-5-5"
    no_others = kind == "between_tools" and model != "claude-sonnet-5-5"
    budget = kind == "enabled" and _TAKES_NO_SAMPLING.match(model)
    always = kind in {"disabled", "between_tools"} and _ALWAYS_THINKS.match(model)
    if no_sonnet or no_others or budget or always:
        raise Refused(f'"thinking.type.{kind}" is not supported for this model.')
    if kind in {"disabled", "between_tools"} and effort in {"xhigh", "max"}:
        raise Refused(f'output_config.effort: "{effort}" needs thinking')


def _check_messages(data: Mapping[str, Any]) -> None:
    messages = data["messages"]
    if not messages:
        raise Refused("messages: at least one message is required")
    owed: set[str] = set()
    for number, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "system":
            raise Refused("role 'system' is not supported on this model")
        if role not in {"user", "assistant"}:
            raise Refused(f"messages.{number}.role: Input should be 'user' or 'assistant'")
        blocks = _blocks(message.get("content"))
        _check_blocks(number, blocks)
        results = {str(b.get("tool_use_id")) for b in blocks if b["type"] == "tool_result"}
        if results != owed:
            raise Refused(f"messages.{number}: `tool_use` ids without `tool_result` blocks")
        owed = {str(block.get("id")) for block in blocks if block["type"] == "tool_use"}
    if messages[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    if messages[-1]["role"] != "user" and not _OLD.match(data["model"]):
        raise Refused("This model does not support assistant message prefill.")


def _check_blocks(number: int, blocks: Sequence[Mapping[str, Any]]) -> None:
    if not blocks:
        raise Refused(f"messages.{number}: content must be non-empty")
    spoken = False
    for block in blocks:
        if block["type"] == "tool_result" and spoken:
            raise Refused(f"messages.{number}: `tool_result` blocks must come before any text")
        if block["type"] == "text":
            spoken = True
            if not str(block.get("text", "")).strip():
                raise Refused("messages: text content blocks must be non-empty")


def _blocks(content: object) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(
        isinstance(block, dict) and "type" in block for block in content
    ):
        raise Refused("messages: content should be a string or a list of blocks")
    return content


def _child(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name) or {}
    if not isinstance(value, dict):
        raise Refused(f"{name}: Input should be an object")
    return value


def _tool_names(tools: Sequence[Any]) -> list[str]:
    for number, tool in enumerate(tools):
        if not isinstance(tool, dict) or not {"name", "input_schema"} <= tool.keys():
            raise Refused(f"tools.{number}: name and input_schema are required")
    return [str(tool["name"]) for tool in tools]


def _text(system: object) -> str:
    """The system prompt, a string or blocks."""
    return " ".join(str(block.get("text", "")) for block in _blocks(system))
