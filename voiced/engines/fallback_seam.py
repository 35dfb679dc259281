"""Where a spare model's text joins on to what another has said: pure.

Told to go on, models often say the last words once more, or all of it. How long the repetition is
shows only when it ends, so the beginning is held back for as long as it may be part of one; that
costs a word or two where there is none.

The break may fall into a word. Nothing tells `ni` of `nine` from a whole word, and most breaks
fall between two; so a last word counts as begun, and is completed, only where what the spare
repeats makes that plain.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final

_TOKEN: Final = re.compile(r"\s*\S+")

_JOINS: Final = ",.;:!?\u2026)'\u2019"
"""What stands behind a word without a space."""

PLAIN_LETTERS: Final = 4
"""A last word this long that begins the next one was cut off; a shorter one may be `to`."""


class _State(Enum):
    JOINING = 1
    JOINED = 2


class Seam:
    """Takes the spare's text; gives what of it is new, so that both read as one text."""

    def __init__(self, said: str) -> None:
        """`said`: what was sent before; it may end anywhere."""
        self._said = [token for token in said.split() if _plain(token)]
        self._is_ended = not said or said[-1].isspace()
        self._held = ""
        self._state = _State.JOINING

    def feed(self, text: str) -> str:
        """Takes a piece of any size; returns what can be sent of the text so far, maybe nothing."""
        if self._state is _State.JOINED:
            return text
        self._held += text
        tokens = _TOKEN.findall(self._held)
        whole = tokens if self._held[-1:].isspace() else tokens[:-1]
        return self._join([token.strip() for token in whole], is_last=False)

    def flush(self) -> str:
        """The text has ended: what was held back and is new."""
        if self._state is _State.JOINED:
            return ""
        return self._join(self._held.split(), is_last=True)

    def _join(self, tokens: Sequence[str], *, is_last: bool) -> str:
        dashes = next((n for n, token in enumerate(tokens) if _plain(token)), len(tokens))
        words = [token for token in tokens if _plain(token)]
        longest = 0
        for start in range(len(self._said)):
            repeated = self._said[start:]
            if not self._is_repeated(repeated, words):
                continue
            if len(repeated) > len(words) and not is_last:
                return ""  # it may still be one
            if len(repeated) <= len(words):
                longest = max(longest, len(repeated))
        if not words and not is_last:
            return ""
        self._state = _State.JOINED
        return self._cut(longest, dashes if longest else 0)

    def _is_repeated(self, repeated: Sequence[str], words: Sequence[str]) -> bool:
        """Whether the words are those repeated, as far as both go."""
        for index, (ours, theirs) in enumerate(zip(repeated, words, strict=False)):
            if _plain(ours) == _plain(theirs):
                continue
            is_cut = index == len(repeated) - 1 and not self._is_ended and _begins(theirs, ours)
            if not is_cut or (index == 0 and len(_plain(ours)) < PLAIN_LETTERS):
                return False
        return True

    def _cut(self, repeated: int, dashes: int) -> str:
        """What was held back, without so many of its words; a word that had begun goes on."""
        text, self._held = self._held, ""
        if not repeated:
            joins = not text or text[0].isspace() or text[0] in _JOINS
            return text if joins or self._is_ended else f" {text}"
        for _ in range(dashes):
            text = _TOKEN.sub("", text, count=1)
        last = ""
        while repeated:
            token = _TOKEN.match(text)
            assert token  # so many words were counted
            last, text = token[0].strip(), text[token.end() :]
            repeated -= 1 if _plain(last) else 0
        if self._is_ended:
            return text.lstrip()
        tail = self._said[-1]
        return last[len(tail) :] + text if _begins(last, tail) else text


def _begins(word: str, tail: str) -> bool:
    return word.casefold().startswith(tail.casefold())


def _plain(token: str) -> str:
    return "".join(filter(str.isalnum, token.casefold()))
