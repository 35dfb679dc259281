"""Which conversations the stand-in for Anthropic's Messages takes, tools and all. Pure.

Source: Anthropic's "Create a Message" reference, its guide to tool use, and the errors that its API
answers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from voiced.lab.llm_model import Refused

Blocks = Sequence[Mapping[str, Any]]

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_OLD = re.compile(r"claude-(?:haiku|sonnet)-4-5")
"""May be asked to go on from the assistant's words."""


def check_messages(data: Mapping[str, Any]) -> None:
    """The `messages` of a request, and that it offers the tools that stand in them.

    Raises:
        Refused: Anthropic would answer 400.
    """
    messages = data["messages"]
    if not messages:
        raise Refused("messages: at least one message is required")
    turns = [(_role(number, each), blocks_of(each.get("content"))) for number, each in
             enumerate(messages)]  # fmt: skip
    for number, (_, blocks) in enumerate(turns):
        _check_blocks(number, blocks)
    _check_rounds([blocks for _, blocks in turns])
    if turns[0][0] != "user":
        raise Refused('messages: first message must use the "user" role')
    if turns[-1][0] != "user" and not _OLD.match(data["model"]):
        raise Refused("This model does not support assistant message prefill.")
    kinds = {block["type"] for _, blocks in turns for block in blocks}
    if kinds & {"tool_use", "tool_result"} and not data.get("tools"):
        told = "`tool_use` or `tool_result` blocks must define tools."
        raise Refused(f"Requests which include {told}")


def blocks_of(content: object) -> list[dict[str, Any]]:
    """What a message holds, a string or blocks.

    Raises:
        Refused: it holds neither.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(
        isinstance(block, dict) and "type" in block for block in content
    ):
        raise Refused("messages: content should be a string or a list of blocks")
    return content


def _role(number: int, message: object) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if role == "system":
        raise Refused("role 'system' is not supported on this model")
    if role not in {"user", "assistant"}:
        raise Refused(f"messages.{number}.role: Input should be 'user' or 'assistant'")
    return str(role)


def _check_blocks(number: int, blocks: Blocks) -> None:
    if not blocks:
        raise Refused(f"messages.{number}: content must be non-empty")
    kinds = [block["type"] for block in blocks]
    for index, block in enumerate(blocks):
        where = f"messages.{number}.content.{index}"
        if block["type"] == "tool_result" and "text" in kinds[:index]:
            raise Refused(f"messages.{number}: `tool_result` blocks must come before any text")
        if block["type"] == "text" and not str(block.get("text", "")).strip():
            raise Refused("messages: text content blocks must be non-empty")
        if block["type"] == "tool_use":
            _check_use(f"{where}.tool_use", block)


def _check_use(where: str, block: Mapping[str, Any]) -> None:
    if not _ID.fullmatch(str(block.get("id"))):
        raise Refused(f"{where}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block.get("input"), dict):
        raise Refused(f"{where}.input: Input should be a valid dictionary")


def _check_rounds(turns: Sequence[Blocks]) -> None:
    """The results of the tools that an answer asks for are all in the next message, and no other
    message holds any."""
    seen: set[str] = set()
    owed: list[str] = []
    for number, blocks in enumerate([*turns, []]):
        results = [str(b.get("tool_use_id")) for b in blocks if b["type"] == "tool_result"]
        if strange := next((each for each in results if each not in owed), None):
            raise Refused(
                f"messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` "
                f"blocks: {strange}. Each `tool_result` block must have a corresponding `tool_use` "
                "block in the previous message."
            )
        if missing := [each for each in owed if each not in results]:
            raise Refused(
                f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message."
            )
        owed = [str(block["id"]) for block in blocks if block["type"] == "tool_use"]
        if seen.intersection(owed) or len(set(owed)) < len(owed):
            raise Refused(f"messages.{number}.content.0: `tool_use` ids must be unique")
        seen.update(owed)
