"""What a stand-in model is told, in no API's own form. Pure.

Both dialects have roles, texts, tools and what came of them; here they are one row of items, so
that one set of rules answers either.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

from attrs import field, frozen

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Schema: TypeAlias = Mapping[str, Any]


class Party(Enum):
    """Who said something."""

    CALLER = "user"
    AGENT = "assistant"


@frozen
class Line:
    """What one of the two said; never without a word."""

    who: Party
    text: str


@frozen
class Result:
    """A tool that the agent has used: with what, and what it was told, JSON where it was JSON."""

    tool: str
    arguments: Mapping[str, Any]
    told: Any


@frozen
class ToolUse:
    """A tool that the model asks for behind its text, where the request offers it."""

    name: str
    input: Mapping[str, Any] = field(factory=dict)


@frozen
class Answer:
    """What the model says, and the tools that it asks for."""

    text: str
    uses: tuple[ToolUse, ...] = ()


Item: TypeAlias = Line | Result


@frozen
class Talk:
    """A conversation, and what the answer may be like.

    `tools` are the schemas of the tools, by name; `may_use`: those that may be asked for. `form` is
    the schema of the JSON that is wanted; None: words.
    """

    items: tuple[Item, ...]
    system: str = ""
    tools: Mapping[str, Schema] = field(factory=dict)
    may_use: frozenset[str] = frozenset()
    form: Schema | None = None

    @property
    def lines(self) -> list[Line]:
        """What was said, without the tools."""
        return [item for item in self.items if isinstance(item, Line)]

    @property
    def question(self) -> str:
        """The caller's last words, small and without punctuation; empty before the first."""
        said = [line.text for line in self.lines if line.who is Party.CALLER]
        return plain(said[-1]) if said else ""

    @property
    def last_said(self) -> str:
        """The agent's last words as they stand."""
        said = [line.text for line in self.lines if line.who is Party.AGENT]
        return said[-1] if said else ""

    @property
    def fresh(self) -> list[Result]:
        """What has come of tools since anybody spoke: that is what an answer is wanted to."""
        at = max((n for n, item in enumerate(self.items) if isinstance(item, Line)), default=-1)
        return [item for item in self.items[at + 1 :] if isinstance(item, Result)]


def from_chat(messages: Messages) -> tuple[Item, ...]:
    """The items of chat completions' messages."""
    asked: dict[str, tuple[str, str]] = {}
    items: list[Item] = []
    for message in messages:
        items += _lines(message)
        for call in message.get("tool_calls") or ():
            function = call["function"]
            asked[str(call["id"])] = (function["name"], function["arguments"])
        if message["role"] == "tool":
            name, arguments = asked[str(message["tool_call_id"])]
            items.append(Result(name, _object(arguments), _told(message.get("content"))))
    return tuple(items)


def from_blocks(messages: Messages) -> tuple[Item, ...]:
    """The items of Anthropic's messages."""
    asked: dict[str, tuple[str, Mapping[str, Any]]] = {}
    items: list[Item] = []
    for message in messages:
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            if block["type"] == "tool_use":
                asked[str(block["id"])] = (block["name"], block["input"])
            elif block["type"] == "tool_result":
                name, given = asked[str(block["tool_use_id"])]
                items.append(Result(name, given, _told(block.get("content"))))
        items += _lines(message)
    return tuple(items)


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text as it stands; content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part["text"]) for part in content if "text" in part)


def plain(text: str) -> str:
    """The words alone, in small letters."""
    return " ".join(re.findall(r"[\w'-]+", text.lower()))


def _lines(message: Mapping[str, Any]) -> Iterator[Line]:
    text = text_of(message)
    if message["role"] in {party.value for party in Party} and plain(text):
        yield Line(Party(message["role"]), text)


def _told(content: Any) -> Any:
    text = text_of({"content": content})
    try:
        return json.loads(text)
    except ValueError:
        return text


def _object(arguments: str) -> Mapping[str, Any]:
    try:
        value = json.loads(arguments)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
