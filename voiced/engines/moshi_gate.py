"""What moshi-server's TTS owes us at each moment of an utterance: pure bookkeeping, no I/O.

The server does not speak a word until two more stand behind it or the end is told; with fewer it
freezes, which is no fault of its own. It reports a word when it takes up the next one, so of the
words it has not reported one is being spoken and two may have to wait: with more than three, or
with the end told, it is able to go on and owes us a sign of life.

Source: moshi-server 0.6.4, tts.py (the gate in `step`), rust/moshi-server/src/py_module.rs.
"""

import math
from enum import Enum
from typing import Final

from attrs import define

FROZEN_WORDS: Final = 3
"""With so many unreported words or fewer, and no end, the server may be waiting for us."""


class _Text(Enum):
    NONE = 1
    OPEN = 2
    ENDED = 3


@define
class Gate:
    """Counts the words of one utterance. Words are the server's: it splits also at a colon."""

    first_s: float
    next_s: float
    _text: _Text = _Text.NONE
    _unreported: int = 0
    _signs: int = 0
    _frames: int = 0

    @property
    def has_words(self) -> bool:
        return self._text is not _Text.NONE

    @property
    def is_done(self) -> bool:
        """The end was told and audio came: a close is the regular end."""
        return self._text is _Text.ENDED and self._frames > 0

    def say(self, message: str) -> None:
        """These words are sent."""
        self._text = _Text.OPEN
        self._unreported += len(message.replace(":", " ").split())

    def end(self) -> None:
        """The end is sent."""
        self._text = _Text.ENDED

    def word(self) -> None:
        """The server has reported a word."""
        self._unreported -= 1
        self._signs += 1

    def audio(self) -> None:
        """The server has sent a frame of audio."""
        self._frames += 1
        self._signs += 1

    def patience_s(self) -> float:
        """How long the server may be silent from now on, in seconds."""
        if self._text is not _Text.ENDED and self._unreported <= FROZEN_WORDS:
            return math.inf
        return self.next_s if self._signs else self.first_s
