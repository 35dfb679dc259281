"""What was said in a call, as the model is told it.

The caller's ear is the truth: the agent has said what the caller heard, no more. A reply that
was cut off ends with a dash at its last word heard, the way a dialogue is written, which models
know without being told: the operator's prompt goes to the model as it stands, with no note
of ours. A reply of which nothing was heard was not said.
"""

from collections.abc import Sequence
from enum import Enum, auto

from attrs import frozen

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


class History:
    """One call's conversation. `prompt` is the system prompt; empty: none is sent."""

    def __init__(self, prompt: str, past: Sequence[Entry] = ()) -> None:
        """`past`: what was said in this call before, on another media stream."""
        self._prompt = prompt
        self._entries = list(past)

    def caller(self, text: str, at_s: float) -> None:
        """The caller said this, `at_s` seconds into the call; nothing is kept of nothing."""
        self._add(Entry(Role.CALLER, text.strip(), Ending.COMPLETE, at_s))

    def agent(self, text: str, ending: Ending, at_s: float) -> None:
        """The caller heard this of a reply that began `at_s` seconds into the call."""
        self._add(Entry(Role.AGENT, text.strip(), ending, at_s))

    def messages(self) -> tuple[Message, ...]:
        """What the model is sent: the prompt, then the two parties by turns.

        What one party says in several entries is one message: a caller who goes on after an
        unheard reply has not spoken twice, and some models refuse two messages of one role.
        """
        messages = [Message(Role.SYSTEM, self._prompt)] if self._prompt.strip() else []
        for entry in self._entries:
            text = entry.text + (INTERRUPTED if entry.ending is Ending.INTERRUPTED else "")
            if messages and messages[-1].role is entry.role:
                text = f"{messages.pop().text} {text}"
            messages.append(Message(entry.role, text))
        return tuple(messages)

    def asked(self, text: str) -> tuple[Message, ...]:
        """As `messages`, if the caller had said this too."""
        said = Entry(Role.CALLER, text, Ending.COMPLETE, 0.0)
        return History(self._prompt, [*self._entries, said]).messages()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything said and heard, in order, each utterance by itself."""
        return tuple(self._entries)

    def _add(self, entry: Entry) -> None:
        if entry.text:
            self._entries.append(entry)
