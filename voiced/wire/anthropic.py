"""Anthropic's Messages: how a conversation is asked to be continued.

The answer is read by `voiced.wire.anthropic_stream`.

Source: Anthropic's "Create a Message" reference, and its pages on what changed with each model.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from voiced.wire.fields import encodable

VERSION: Final = "2023-06-01"
"""The `anthropic-version` that the widest range of models and servers takes."""

SILENCE: Final = "…"
"""Says a caller who has said nothing, the way a dialogue is written."""


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
    messages: Sequence[Mapping[str, str]]


def conversation(said: Iterable[tuple[str, str]]) -> Conversation:
    """Puts what was said, each a role (`system`, `user`, `assistant`) and a text, in order.

    The API wants the system prompt apart, no empty text, the first and the last word to be the
    user's. A call may begin with the agent's greeting, or go on after a silence: there the caller
    says `SILENCE`.
    """
    system: list[str] = []
    messages: list[dict[str, str]] = []
    for role, raw in said:
        text = encodable(raw).strip()
        if not text:
            continue
        if role == "system":
            system.append(text)
        elif messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f" {text}"
        else:
            messages.append({"role": role, "content": text})
    nothing = {"role": "user", "content": SILENCE}
    before = [] if messages and messages[0]["role"] == "user" else [nothing]
    after = [nothing] if messages and messages[-1]["role"] != "user" else []
    return Conversation("\n\n".join(system), [*before, *messages, *after])


def messages_request(
    options: MessagesOptions,
    said: Iterable[tuple[str, str]],
    tools: Sequence[Mapping[str, object]] = (),
) -> bytes:
    """The JSON body of a streaming `POST /v1/messages`.

    `said` is as for `conversation`; `tools` are in the API's own form.
    """
    told = conversation(said)
    request: dict[str, object] = {
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
    if options.effort is not None:
        request["output_config"] = {"effort": options.effort}
    if tools:
        request["tools"] = list(tools)
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "ignore")
