"""What the stand-in for Anthropic's Messages takes, and what it refuses as the real one does. Pure.

Source: Anthropic's "Create a Message" reference, its version notes for 2026-10-21, its guide to
structured outputs, and its pages on what changed with each model.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from voiced.lab.anthropic_messages import blocks_of, check_messages
from voiced.lab.llm_model import MODEL, Refused
from voiced.lab.llm_schema import nodes
from voiced.lab.llm_talk import Schema, Talk, from_blocks

NEWEST = "2026-10-21"
MODELS = frozenset(
    {MODEL, "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2",
     "claude-mythos-5-2", "claude-sonnet-5", "claude-opus-5", "claude-opus-4-8",
     "claude-sonnet-4-6", "claude-haiku-4-5-20251001"}
)  # fmt: skip

_ALWAYS_THINKS = re.compile(r"claude-(?:opus-5-5|fable-5|mythos-5)")
_TAKES_NO_SAMPLING = re.compile(r"claude-(?:\w+-5|opus-4-[78])")
_UNSUPPORTED = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
     "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties", "oneOf", "not"}
)  # fmt: skip


@frozen
class AnthropicAsked:
    """A request for a message, checked. `tools` are their schemas by name; `may_call`: those that
    may be asked for; `form` is the schema of the JSON that is wanted."""

    model: str
    max_tokens: int
    messages: tuple[dict[str, Any], ...]
    system: str
    stream: bool
    tools: Mapping[str, Schema]
    may_call: frozenset[str]
    form: Schema | None = None

    @property
    def talk(self) -> Talk:
        """The conversation."""
        items = from_blocks(self.messages)
        return Talk(items, self.system, self.tools, self.may_call, self.form)


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
    _check_choice(data)
    _check_format(data)
    check_messages(data)
    forbidden = _child(data, "tool_choice").get("type") == "none"
    offered = _tools(data.get("tools") or ())
    return AnthropicAsked(
        data["model"],
        data["max_tokens"],
        tuple(data["messages"]),
        _text(data.get("system") or ""),
        bool(data.get("stream")),
        offered,
        frozenset() if forbidden else frozenset(offered),
        _child(_child(data, "output_config"), "format").get("schema"),
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


def _check_choice(data: Mapping[str, Any]) -> None:
    kind = _child(data, "tool_choice").get("type", "auto")
    if kind not in {"auto", "any", "tool", "none"}:
        raise Refused("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if "tool_choice" in data and not data.get("tools"):
        raise Refused("tool_choice may only be specified while providing tools.")


def _check_format(data: Mapping[str, Any]) -> None:
    form = _child(_child(data, "output_config"), "format")
    if form and form.get("type") != "json_schema":
        raise Refused("output_config.format.type: Input should be 'json_schema'")
    for _, node in nodes(form.get("schema")):
        kind = str(node.get("type"))
        strange = sorted(node.keys() & _UNSUPPORTED)
        if strange:
            told = f"For '{kind}' type, property '{strange[0]}' is not supported"
            raise Refused(f"output_config.format.schema: {told}")
        if node.get("minItems", 0) > 1:
            told = "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
            raise Refused(f"output_config.format.schema: {told}")
        if kind == "object" and node.get("additionalProperties") is not False:
            told = "For 'object' type, 'additionalProperties' must be explicitly set to false"
            raise Refused(f"output_config.format.schema: {told}")


def _child(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name) or {}
    if not isinstance(value, dict):
        raise Refused(f"{name}: Input should be an object")
    return value


def _tools(tools: Sequence[Any]) -> dict[str, Schema]:
    for number, tool in enumerate(tools):
        if not isinstance(tool, dict) or not {"name", "input_schema"} <= tool.keys():
            raise Refused(f"tools.{number}: name and input_schema are required")
    return {str(tool["name"]): tool["input_schema"] for tool in tools}


def _text(system: object) -> str:
    """The system prompt, a string or blocks."""
    return " ".join(str(block.get("text", "")) for block in blocks_of(system))
