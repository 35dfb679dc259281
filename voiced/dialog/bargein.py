"""Barge-in: does the caller want the floor?

While the agent speaks, a caller makes noises of assent ("mm-hm", "oui", "d'accord") that must
not end the reply, coughs, and has a television in the background. And sometimes means it. What
counts as meaning it:

- `min_words` words that are no backchannel, or
- one such word, and the line loud for `SUSTAINED_WORD_S` on end, or
- no word at all, but the line loud for `SUSTAINED_S`: a shout, or an STT that cannot follow.

Only noise made over the reply counts: a line that is loud already when the reply begins has its
time measured from there, or a noisy line would cut off every reply at its first frame.
"""

import re
from typing import Final

SUSTAINED_WORD_S: Final = 1.0
SUSTAINED_S: Final = 2.5

_ENGLISH: Final = (
    "mm mmm hm hmm mhm mmhm mmhmm uh um uhhuh huh ah oh aha okay ok yeah yep yup right sure yes"
)
_FRENCH: Final = "mm mmm hm hum euh hein ah oh oui ouais ok okay d'accord daccord bon bien voilà"

BACKCHANNELS: Final = frozenset(_ENGLISH.split()) | frozenset(_FRENCH.split())
"""Words that say "I am listening", in English and French."""

_WORD: Final = re.compile(r"\w+(?:'\w+)*")


def is_backchannel(text: str) -> bool:
    """Whether what the STT reports is mere assent, however it joins ("mm-hm") or punctuates it.

    Punctuation alone is no more than that.
    """
    plain = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower()
    return BACKCHANNELS.issuperset(_WORD.findall(plain))


class BargeIn:
    """Judges the caller's noise during one reply. Times in seconds."""

    def __init__(self, min_words: int) -> None:
        self._min_words = max(1, min_words)
        self._words = 0
        self._began_at = float("-inf")
        self._loud_since: float | None = None

    def begin(self, now: float) -> None:
        """A reply became audible; what was said before it does not count against it."""
        self._words = 0
        self._began_at = now

    def word(self, text: str) -> bool:
        """Returns whether this word ends the reply."""
        if not is_backchannel(text):
            self._words += 1
        return self._words >= self._min_words

    def loud(self, now: float) -> None:
        """The line became loud."""
        self._loud_since = now

    def quiet(self) -> None:
        """The line became quiet."""
        self._loud_since = None

    def deadline(self) -> float | None:
        """When sustained speech ends the reply if it goes on; None while the line is quiet."""
        if self._loud_since is None:
            return None
        sustained_s = SUSTAINED_WORD_S if self._words else SUSTAINED_S
        return max(self._loud_since, self._began_at) + sustained_s
