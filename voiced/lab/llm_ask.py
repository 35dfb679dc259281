"""What the stand-in for chat completions takes, and what it refuses as OpenAI does. Pure.

A name of OpenAI's own has the limits of that model; any other takes everything, as most servers do.

Source: OpenAI's "Chat" API reference, its reasoning guide, and the errors that its API answers.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from voiced.lab.llm_model import Refused
from voiced.lab.llm_rounds import check_form, check_rounds
from voiced.lab.llm_talk import Schema, Talk, from_chat, text_of

_PROMPTS = {"system", "developer"}
_REASONS = re.compile(r"o\d|gpt-(?:[6-9]|5)(?!.*-chat)")
_OLD = re.compile(r"gpt-[34]")
_TOOLS_WITHOUT_REASONING = re.compile(r"gpt-(?:5\.[4-9]|[6-9])")
_REASONS_UNASKED = re.compile(r"o\d|gpt-5(?!\.\d)|gpt-5\.[6-9]|gpt-[6-9]")
_TOO_LITTLE = (
    (re.compile(r"o\d"), {"none", "minimal"}),
    (re.compile(r"gpt-5(?!\.\d)"), {"none"}),
    (re.compile(r"gpt-(?:5\.|[6-9])"), {"minimal"}),
)


@frozen
class Asked:
    """A request for a completion, checked. `tools` are their schemas by name; `may_call`: those
    that may be asked for; `form` is the schema of the JSON that is wanted."""

    model: str
    messages: tuple[dict[str, Any], ...]
    stream: bool
    with_usage: bool
    max_tokens: int | None
    tools: Mapping[str, Schema] = field(factory=dict)
    may_call: frozenset[str] = frozenset()
    form: Schema | None = None

    @property
    def talk(self) -> Talk:
        """The conversation."""
        prompts = (text_of(each) for each in self.messages if each["role"] in _PROMPTS)
        items = from_chat(self.messages)
        return Talk(items, "\n".join(prompts), self.tools, self.may_call, self.form)


def parse_request(body: bytes) -> Asked:
    """A request's body.

    Raises:
        Refused: OpenAI would answer 400.
    """
    try:
        data = json.loads(body)
        asked = _asked(data)
        check_rounds(asked.messages)
        check_form(asked.model, data)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("The body is malformed.") from None
    _check_effort(asked.model, data)
    if _REASONS.match(asked.model):
        _check_reasoning(asked.model, data)
    return asked


def _asked(data: Mapping[str, Any]) -> Asked:
    messages = tuple(dict(message) for message in data["messages"])
    if not messages or not all("role" in message for message in messages):
        raise ValueError("no messages")
    limit = data.get("max_completion_tokens") or data.get("max_tokens")
    usage = bool((data.get("stream_options") or {}).get("include_usage"))
    offered = (tool["function"] for tool in data.get("tools") or ())
    tools = {str(each["name"]): each.get("parameters") or {} for each in offered}
    may_call = frozenset() if data.get("tool_choice") == "none" else frozenset(tools)
    form = (data.get("response_format") or {}).get("json_schema")
    wanted = form["schema"] if form else None
    said = str(data["model"]), messages, bool(data.get("stream")), usage, limit
    return Asked(*said, tools, may_call, wanted)


def _check_effort(model: str, data: Mapping[str, Any]) -> None:
    effort = data.get("reasoning_effort")
    if effort and _OLD.match(model):
        raise Refused("Unrecognized request argument supplied: reasoning_effort")
    if any(effort in refused for pattern, refused in _TOO_LITTLE if pattern.match(model)):
        raise _unsupported("value", "reasoning_effort", f"does not support '{effort}'")


def _check_reasoning(model: str, data: Mapping[str, Any]) -> None:
    if "max_tokens" in data:
        raise _unsupported("parameter", "max_tokens", "is not supported")
    unasked = "medium" if _REASONS_UNASKED.match(model) else "none"
    reasons = data.get("reasoning_effort", unasked) != "none"
    if reasons and data.get("temperature", 1) != 1:
        raise _unsupported("value", "temperature", "does not support other values than 1")
    if reasons and data.get("tools") and _TOOLS_WITHOUT_REASONING.match(model):
        told = f"Function tools with reasoning_effort are not supported for {model} in "
        raise Refused(f"{told}/v1/chat/completions.", param="reasoning_effort")


def _unsupported(what: str, param: str, why: str) -> Refused:
    message = f"Unsupported {what}: '{param}' {why} with this model."
    return Refused(message, f"unsupported_{what}", param)
