"""Tools that a model has used, told to a model again: what all APIs want of that.

The one that is told may speak another API than the one that asked, and servers are careless with
their ids: some give none, Ollama and others give the same one again. So each request gets ids that
differ and are of the form that its API takes; those that already are stay as they came, since some
models (Kimi K2) write their own into the prompt.

Source: the refusals of OpenAI ("string too long. Expected a string with maximum length 40") and of
Anthropic ("String should match pattern", "`tool_use` ids must be unique"); the servers of Ollama,
vLLM and llama.cpp, which parse the arguments that they are told.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Final, TypeAlias

from attrs import evolve, frozen

from voiced.errors import WireError
from voiced.wire.fields import as_object, json_value

_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 64


@frozen
class Use:
    """A tool that was asked for, with its arguments as JSON text, and what came of it."""

    id: str
    name: str
    arguments: str
    result: str


@frozen
class Called:
    """An answer that asked for tools, at least one; `text` is what it said beside."""

    uses: tuple[Use, ...]
    text: str = ""


Told: TypeAlias = tuple[str, str] | Called
"""One item of a conversation: a role (`system`, `user`, `assistant`) and a text, or tools used."""


def sound(told: Iterable[Told], ids: re.Pattern[str]) -> Iterator[Told]:
    """The same conversation, with uses that an API can take.

    Their ids all differ, and match `ids` as a whole; names that a model made up hold only what
    names may; arguments that are no JSON object become an empty one.
    """
    items = list(told)
    spare = _spare_ids([use.id for item in items if isinstance(item, Called) for use in item.uses])
    given: set[str] = set()
    for item in items:
        if not isinstance(item, Called):
            yield item
            continue
        uses = []
        for use in item.uses:
            fits = ids.fullmatch(use.id) and use.id not in given
            uses.append(_sound(use, use.id if fits else next(spare)))
            given.add(use.id)
        yield evolve(item, uses=tuple(uses))


def plain_name(name: str) -> str:
    """The name, in the letters that APIs take in names and no longer than they take it."""
    return _NO_NAME.sub("_", name)[:_LONGEST_NAME]


def _sound(use: Use, use_id: str) -> Use:
    return Use(use_id, plain_name(use.name), _object_text(use.arguments), use.result)


def _spare_ids(taken: Sequence[str]) -> Iterator[str]:
    """Ids that no server has given; nine letters and digits are what the strictest one takes."""
    return (made for number in count(1) if (made := f"call{number:05}") not in taken)


def _object_text(arguments: str) -> str:
    try:
        json.dumps(as_object(json_value(arguments)), allow_nan=False)
    except (WireError, ValueError):
        return "{}"
    return arguments
