"""What was said in a call, as the model is told it.

The caller's ear is the truth: the agent has said what the caller heard, no more. A reply that
was cut off ends with a dash at its last word heard, the way a dialogue is written, which models
know without being told: the operator's prompt goes to the model as it stands, with no note
of ours. A reply of which nothing was heard was not said.
"""

import math
from collections.abc import Sequence
from enum import Enum, auto
from typing import TypeAlias

from attrs import evolve, frozen

from voiced.dialog.tools import Round

INTERRUPTED = "—"
"""Stands behind the last word heard of a reply that was cut off."""


class Role(Enum):
    """Who says a message."""

    SYSTEM = "system"
    CALLER = "user"
    AGENT = "assistant"


@frozen
class Message:
    """One message to the model."""

    role: Role
    text: str


Told: TypeAlias = Message | Round
"""One item of what a model is told."""


class Ending(Enum):
    """How an utterance came to its end."""

    COMPLETE = auto()
    INTERRUPTED = auto()


@frozen
class Entry:
    """One utterance for the record: `text` as heard; `at_s` is when it began, in the call."""

    role: Role
    text: str
    ending: Ending
    at_s: float


Item: TypeAlias = Entry | Round
"""What a history is made of."""


@frozen
class Excess:
    """What does not fit the model any more: the first `items` of a history, as `messages`."""

    items: int
    messages: tuple[Told, ...]


@frozen
class Digest:
    """The first `items` of a history, put into fewer words; `lead` introduces them to the model."""

    items: int
    text: str
    lead: str = "Earlier in this call:"


class History:
    """One call's conversation. `prompt` is the system prompt; empty: none is sent.

    `budget` is how many tokens the model may be sent. What is beyond it is left out, the oldest
    first, as soon as there is a `Digest` of it, and at half as much again also without.
    """

    def __init__(self, prompt: str, past: Sequence[Item] = (), budget: float = math.inf) -> None:
        """`past`: what was said in this call before, on another media stream."""
        self.prompt = prompt
        self.budget = budget
        self.digest: Digest | None = None
        self._items = list(past)

    def caller(self, text: str, at_s: float) -> None:
        """The caller said this, `at_s` seconds into the call; nothing is kept of nothing."""
        self._add(Entry(Role.CALLER, text.strip(), Ending.COMPLETE, at_s))

    def agent(self, text: str, ending: Ending, at_s: float) -> None:
        """The caller heard this of a reply that began `at_s` seconds into the call."""
        self._add(Entry(Role.AGENT, text.strip(), ending, at_s))

    def used(self, round: Round) -> None:
        """The model has asked for tools. What it is told of each may be `revised`."""
        self._items.append(round)

    def revised(self, call_id: str, result: str) -> None:
        """What has come of a tool after all."""
        for index, item in enumerate(self._items):
            if isinstance(item, Round):
                self._items[index] = _revised(item, call_id, result)

    def messages(self) -> tuple[Told, ...]:
        """What the model is sent: the prompt, then the two parties by turns, and its tools.

        What belongs together is one message: see `append`.
        """
        first = max(self._fitting(1.5 * self.budget), self.digest.items if self.digest else 0)
        return self._told(self._items[first:])

    def excess(self) -> Excess | None:
        """What should be put into fewer words; None: all of it fits. What is left then takes half
        of the budget, so that it need not be done again soon."""
        begin = self.digest.items if self.digest else 0
        if self._fitting(self.budget) <= begin:
            return None
        items = self._fitting(self.budget / 2)
        return Excess(items, self._told(self._items[begin:items]))

    def _fitting(self, tokens: float) -> int:
        """The first item with which the rest fits; the last two stay, however long they are."""
        left = tokens - _tokens(self.prompt)
        for index in range(len(self._items) - 1, -1, -1):
            left -= _tokens(_text(self._items[index]))
            if left < 0:
                return min(index + 1, max(0, len(self._items) - 2))
        return 0

    def _told(self, items: Sequence[Item]) -> tuple[Told, ...]:
        digest = f"{self.digest.lead} {self.digest.text}" if self.digest else ""
        prompt = "\n\n".join(part for part in (self.prompt, digest) if part.strip())
        told: list[Told] = [Message(Role.SYSTEM, prompt)] if prompt else []
        for item in items:
            if isinstance(item, Round):
                append(told, item)
            else:
                dash = INTERRUPTED if item.ending is Ending.INTERRUPTED else ""
                append(told, Message(item.role, item.text + dash))
        return tuple(told)

    def asked(self, text: str) -> tuple[Told, ...]:
        """As `messages`, if the caller had said this too."""
        said = Message(Role.CALLER, text)
        told = list(self.messages())
        append(told, said)
        return tuple(told)

    @property
    def size(self) -> int:
        """How many items there are."""
        return len(self._items)

    @property
    def items(self) -> tuple[Item, ...]:
        """All of it, in order."""
        return tuple(self._items)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything said and heard, in order, each utterance by itself."""
        return tuple(item for item in self._items if isinstance(item, Entry))

    def _add(self, entry: Entry) -> None:
        if entry.text:
            self._items.append(entry)


def _tokens(text: str) -> float:
    """About as many as a model counts: four bytes of most languages each, and those around it."""
    return len(text.encode("utf-8", "ignore")) / 4 + 4


def _text(item: Item) -> str:
    if isinstance(item, Entry):
        return item.text
    return item.text + "".join(used.call.arguments + used.result for used in item.used)


def append(told: list[Told], item: Told, between: str = " ") -> None:
    """Adds what came next to what a model is told.

    What one party says in several entries is one message: a caller who goes on after an unheard
    reply has not spoken twice, and some models refuse two messages of one role. What the agent
    said right before it used a tool was said beside that.
    """
    before = told[-1] if told else None
    if isinstance(before, Message):
        if isinstance(item, Message) and before.role is item.role:
            told[-1] = Message(item.role, f"{before.text}{between}{item.text}")
            return
        if isinstance(item, Round) and before.role is Role.AGENT:
            told[-1] = evolve(item, text=f"{before.text} {item.text}".strip())
            return
    told.append(item)


def _revised(round: Round, call_id: str, result: str) -> Round:
    used = (evolve(u, result=result) if u.call.id == call_id else u for u in round.used)
    return evolve(round, used=tuple(used))
