"""A call as text: what each side said, as it was heard, and what each answer took.

00:04.1  caller  what time do you open on saturday
00:06.3  agent   On Saturday we are open from noon —
                 answered after 0.62 s: end of turn 310 ms, first token 480 ms
"""

import os
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TextIO

from attrs import define, field, frozen

INTERRUPTED = "—"
_INDENT = " " * 17


class Speaker(Enum):
    """Who says a line."""

    CALLER = "caller"
    AGENT = "agent"
    NOTE = ""


_COLOURS = {Speaker.CALLER: "\x1b[36m", Speaker.AGENT: "\x1b[33m", Speaker.NOTE: "\x1b[2m"}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


@frozen
class Said:
    """One line of the call.

    `words` are those that were heard; `interrupted` says that more were meant. `stages_ms` are
    the stations of an answer, each counted from the end of the caller's speech.
    """

    at_s: float
    who: Speaker
    words: str
    interrupted: bool = False
    answer_s: float | None = None
    stages_ms: Mapping[str, float] = field(factory=dict)


def clock(seconds: float) -> str:
    """mm:ss.s"""
    tenths = round(max(seconds, 0.0) * 10)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def lines(said: Said) -> list[str]:
    """The text of one line: itself, and its latencies below it."""
    words = f"{said.words} {INTERRUPTED}".strip() if said.interrupted else said.words
    text = [f"{clock(said.at_s)}  {said.who.value:<6}  {words}"]
    stages = ", ".join(f"{name} {ms:.0f} ms" for name, ms in said.stages_ms.items())
    if said.answer_s is not None:
        answered = f"answered after {said.answer_s:.2f} s"
        text.append(f"{_INDENT}{answered}: {stages}" if stages else f"{_INDENT}{answered}")
    elif stages:
        text.append(f"{_INDENT}{stages}")
    return text


def render(title: str, call: Sequence[Said]) -> str:
    """A whole transcript, for a file."""
    body = [line for said in sorted(call, key=lambda one: one.at_s) for line in lines(said)]
    return "\n".join([title, "=" * len(title), "", *body, ""])


@define
class LivePrinter:
    """Prints a call line by line, in colour on a terminal that wants it (no-color.org)."""

    out: TextIO

    def print(self, said: Said) -> None:
        """Prints one line and what belongs to it, at once."""
        first, *rest = lines(said)
        if self._in_colour():
            first = f"{_COLOURS[said.who]}{first}{_PLAIN}"
            rest = [f"{_DIM}{line}{_PLAIN}" for line in rest]
        self.out.write("\n".join([first, *rest]) + "\n")
        self.out.flush()

    def note(self, text: str) -> None:
        """Prints a line that is not of the call."""
        self.out.write(f"{_DIM}{text}{_PLAIN}\n" if self._in_colour() else f"{text}\n")
        self.out.flush()

    def _in_colour(self) -> bool:
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return wanted and self.out.isatty()
