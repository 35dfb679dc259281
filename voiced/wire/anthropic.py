"""Anthropic's Messages: how a conversation is asked to be continued.

The answer is read by `voiced.wire.anthropic_stream`.

Source: Anthropic's "Create a Message" reference, and its pages on what changed with each model.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from voiced.wire.fields import encodable

VERSION: Final = "2023-06-01"
"""The `anthropic-version` that the widest range of models and servers takes."""

SILENCE: Final = "…"
"""Says a caller who has said nothing, the way a dialogue is written."""

_LEAST_THOUGHT: Final[Sequence[tuple[str, Mapping[str, object]]]] = (
    (r"claude-haiku-5-5", {"thinking": {"type": "disabled"}}),
    (r"claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}),  # it refuses `disabled`
    (r"claude-opus-5-5|claude-(?:fable|mythos)-5", {"output_config": {"effort": "low"}}),
    (r"claude-(?:sonnet|opus)-5\b(?!-\d\b)", {"thinking": {"type": "disabled"}}),
)
"""The first pattern in a model's name says how it thinks least: a caller waits meanwhile.

These models think unless told not to, and some whatever they are told. The older ones do not, and
of others nothing is known: they are sent nothing.
"""


@frozen
class MessagesOptions:
    """How to ask. `max_tokens` bounds thoughts and answer together. A `temperature` of None is
    left out: the newer models refuse any."""

    model: str
    max_tokens: int = 200
    temperature: float | None = None


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
        **_least_thought(options.model),
    }
    if told.system:
        request["system"] = told.system
    if options.temperature is not None:
        request["temperature"] = options.temperature
    if tools:
        request["tools"] = list(tools)
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "ignore")


def _least_thought(model: str) -> Mapping[str, object]:
    for pattern, fields in _LEAST_THOUGHT:
        if re.search(pattern, model):
            return fields
    return {}
