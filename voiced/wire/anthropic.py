"""Anthropic's Messages: how a conversation is asked to be continued.

The answer is read by `voiced.wire.anthropic_stream`.

Source: Anthropic's "Create a Message" reference, and its pages on what changed with each model.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from voiced.wire.fields import JsonObject, encodable, json_value
from voiced.wire.json_schema import ANTHROPIC, NamedSchema, promised
from voiced.wire.rounds import Called, Told, plain_name, sound

VERSION: Final = "2023-06-01"
"""The `anthropic-version` that the widest range of models and servers takes."""

SILENCE: Final = "…"
"""Says a caller who has said nothing, the way a dialogue is written."""

_IDS: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@frozen
class MessagesOptions:
    """How to ask. `max_tokens` bounds thoughts and answer together. None leaves a field out, since
    models differ in what they refuse; `thinking` is the API's `thinking.type`.
    """

    model: str
    max_tokens: int = 200
    temperature: float | None = None
    thinking: str | None = None
    effort: str | None = None


@frozen
class Conversation:
    """What was said, in the API's form: see `conversation`."""

    system: str
    messages: Sequence[Mapping[str, object]]


def conversation(said: Iterable[Told]) -> Conversation:
    """Puts what was said in order.

    The API wants the system prompt apart, no empty text, the first and the last word to be the
    user's, and what came of tools at the beginning of the user's next message. A call may begin
    with the agent's greeting, or go on after a silence: there the caller says `SILENCE`.
    """
    system: list[str] = []
    turns: list[tuple[str, list[JsonObject]]] = []
    for role, block in _blocks(sound(said, _IDS)):
        if role == "system":
            system.append(block["text"])
        elif turns and turns[-1][0] == role:
            _add(turns[-1][1], block)
        else:
            turns.append((role, [block]))
    nothing = ("user", [_text(SILENCE)])
    before = [] if turns and turns[0][0] == "user" else [nothing]
    after = [nothing] if turns and turns[-1][0] != "user" else []
    messages = [_message(*turn) for turn in (*before, *turns, *after)]
    return Conversation("\n\n".join(system), messages)


def _blocks(said: Iterable[Told]) -> Iterator[tuple[str, JsonObject]]:
    """Who says what, piece by piece; nothing that is empty."""
    for item in said:
        used = item.uses if isinstance(item, Called) else ()
        role, raw = ("assistant", item.text) if isinstance(item, Called) else item
        if text := encodable(raw).strip():
            yield role, _text(text)
        for use in used:
            given = json_value(use.arguments)
            yield role, {"type": "tool_use", "id": use.id, "name": use.name, "input": given}
        for use in used:
            yield "user", {"type": "tool_result", "tool_use_id": use.id, "content": use.result}


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _add(blocks: list[JsonObject], block: JsonObject) -> None:
    """What one party says in several pieces is one text."""
    if block["type"] == blocks[-1]["type"] == "text":
        blocks[-1] = _text(f"{blocks[-1]['text']} {block['text']}")
    else:
        blocks.append(block)


def _message(role: str, blocks: Sequence[JsonObject]) -> JsonObject:
    only_text = len(blocks) == 1 and blocks[0]["type"] == "text"
    return {"role": role, "content": blocks[0]["text"] if only_text else blocks}


def messages_request(
    options: MessagesOptions,
    said: Iterable[Told],
    tools: Sequence[Mapping[str, object]] = (),
    *,
    may_call: bool = True,
    schema: NamedSchema | None = None,
) -> bytes:
    """The JSON body of a streaming `POST /v1/messages`.

    `tools` are in the API's own form. `may_call`: whether the answer may ask for them; `schema` is
    what its text has to fit, where that can be promised. The API wants a conversation's tools
    declared also where they are there no longer, as behind another agent.
    """
    said = tuple(said)
    told = conversation(said)
    declared = [*tools, *_gone(said, tools)]
    request: JsonObject = {
        "model": options.model,
        "max_tokens": options.max_tokens,
        "messages": told.messages,
        "stream": True,
    }
    if told.system:
        request["system"] = told.system
    if options.temperature is not None:
        request["temperature"] = options.temperature
    if options.thinking is not None:
        request["thinking"] = {"type": options.thinking}
    if config := _output_config(options, schema):
        request["output_config"] = config
    if declared:
        request["tools"] = declared
    if declared and not (may_call and tools):
        request["tool_choice"] = {"type": "none"}
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "ignore")


def _gone(said: Sequence[Told], tools: Sequence[Mapping[str, object]]) -> list[JsonObject]:
    """The tools that were used and are not offered any more."""
    used = (plain_name(use.name) for each in said if isinstance(each, Called) for use in each.uses)
    offered = {tool["name"] for tool in tools}
    gone = [name for name in dict.fromkeys(used) if name not in offered]
    anything = {"type": "object"}
    return [
        {"name": n, "description": "Not there any more.", "input_schema": anything} for n in gone
    ]


def _output_config(options: MessagesOptions, schema: NamedSchema | None) -> JsonObject:
    config: JsonObject = {} if options.effort is None else {"effort": options.effort}
    kept = promised(schema.schema, ANTHROPIC) if schema else None
    if kept is not None:
        config["format"] = {"type": "json_schema", "schema": kept}
    return config
