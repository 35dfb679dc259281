"""Barge-in: does the caller want the floor?

While the agent speaks, a caller makes noises of assent ("mm-hm", "oui", "d'accord") that must
not end the reply, coughs, and has a television in the background. And sometimes means it. What
counts as meaning it:

- `min_words` words that are no backchannel, or
- one such word, and the line loud for `SUSTAINED_WORD_S` on end.

A line that is loud for `NOISE_S` without a word leaves it in doubt: a shout, an STT that is late,
or a dog. So the reply is paused, and now a single word is enough to end it. If none has come
`CALM_S` after the noise is over, or the noise does not end for `DOUBT_S`, nobody had spoken: the
reply goes on, and the next noise must last twice as long, so that a television soon pauses
nothing any more.

Only noise made over the reply counts: a line that is loud already when the reply begins has its
time measured from there, or a noisy line would cut off every reply at its first frame.
"""

import math
import re
from typing import Final

SUSTAINED_WORD_S: Final = 1.0
NOISE_S: Final = 1.5
CALM_S: Final = 1.0
"""An STT takes this long to report what was said, at most."""
DOUBT_S: Final = 4.0

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
    """Judges the caller's noise during one reply after the other. Times in seconds."""

    def __init__(self, min_words: int) -> None:
        self._min_words = max(1, min_words)
        self._words = 0
        self._noise_s = NOISE_S
        self._began_at = -math.inf
        self._doubted_at: float | None = None
        self._loud_since: float | None = None
        self._quiet_since = -math.inf

    @property
    def is_worded(self) -> bool:
        """The noise had a word in it."""
        return self._words > 0

    def begin(self, now: float) -> None:
        """A reply became audible, or goes on; what was said before does not count against it."""
        self._words = 0
        self._began_at = now
        self._doubted_at = None

    def doubt(self, now: float) -> None:
        """The reply is paused."""
        self._noise_s *= 2
        self._doubted_at = now

    def word(self, text: str) -> bool:
        """Returns whether this word ends the reply."""
        if not is_backchannel(text):
            self._words += 1
        enough = self._min_words if self._doubted_at is None else 1
        return self._words >= enough

    def loud(self, now: float) -> None:
        """The line became loud."""
        self._loud_since = now

    def quiet(self, since: float) -> None:
        """The line has been quiet since then."""
        self._loud_since = None
        self._quiet_since = since

    def deadline(self) -> float | None:
        """When it is decided if nothing more happens: that the noise is worth a pause, or that it
        was not. None while the line is quiet under a reply that goes on."""
        if self._doubted_at is not None:
            loud, over = self._loud_since is not None, self._quiet_since + CALM_S
            return self._doubted_at + DOUBT_S if loud else max(self._doubted_at, over)
        if self._loud_since is None:
            return None
        enough_s = SUSTAINED_WORD_S if self._words else self._noise_s
        return max(self._loud_since, self._began_at) + enough_s
