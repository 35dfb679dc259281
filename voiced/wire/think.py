"""Removes `<think>...</think>` from a model's text: reasoning is never spoken."""

import re
from enum import Enum
from typing import Final

_OPEN, _CLOSE = "<think>", "</think>"
_TAG: Final = re.compile("</?think>")


class _Text(Enum):
    SPOKEN = 1
    THOUGHT = 2


class ThinkFilter:
    """Filters a text that comes in pieces; a tag may be split between them.

    Only the beginning of a possible tag is ever held back. What precedes a lone `</think>` has
    long been let through: servers whose templates open the thought need a reasoning parser.
    """

    def __init__(self) -> None:
        self._text = _Text.SPOKEN
        self._held = ""

    def feed(self, piece: str) -> str:
        """Takes the next piece; returns what may be spoken now."""
        spoken = []
        rest = self._held + piece
        while tag := _TAG.search(rest):
            spoken.append(self._pass(rest[: tag.start()]))
            self._text = _Text.THOUGHT if tag[0] == _OPEN else _Text.SPOKEN
            rest = rest[tag.end() :]
        cut = _possible_tag(rest)
        spoken.append(self._pass(rest[:cut]))
        self._held = rest[cut:]
        return "".join(spoken)

    def flush(self) -> str:
        """The text has ended: what was held back was no tag."""
        held, self._held = self._held, ""
        return self._pass(held)

    def _pass(self, text: str) -> str:
        return text if self._text is _Text.SPOKEN else ""


def _possible_tag(text: str) -> int:
    """Where a tag may have begun that the text does not finish; its length if none has."""
    start = text.rfind("<")
    tail = text[start:]
    begun = start >= 0 and (_OPEN.startswith(tail) or _CLOSE.startswith(tail))
    return start if begun else len(text)
