"""Groups the words of a reply for a voice that speaks whatever it is sent at once. Pure.

What such a voice is sent in one piece it says in one breath, and a piece of one word sounds poor.
So words go out by the sentence, but nobody shall wait for a long one:

- The first piece ends at the first pause behind four words, or after eight: the caller waits.
- Each piece may be twice as long as the one before, since that one is being said meanwhile. So a
  model that is but twice as fast as speech never lets the line run dry.

Source: Cartesia's "Contexts" (`max_buffer_delay_ms` 0: send whole sentences).
"""

from typing import Final

FIRST_WORDS: Final = 8
LONGEST_WORDS: Final = 32

_CLOSING: Final = "\"')]"


class SentenceGroups:
    """The words of one reply on their way to the voice."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._most = FIRST_WORDS

    def put(self, word: str) -> None:
        """Takes one word, without white space."""
        self._waiting.append(word)

    def take(self) -> str | None:
        """The next piece, words joined by spaces; None while it is better to wait."""
        count = self._ready()
        if not count:
            return None
        self._most = min(2 * self._most, LONGEST_WORDS)
        return self._send(count)

    def end(self) -> str | None:
        """The text has ended: all words that are left, if any."""
        return self._send(len(self._waiting))

    def _ready(self) -> int:
        """How many words make a piece: up to the last sentence's end, or else as many as it takes
        for a pause, or else the most that one may have.
        """
        sentence = pause = 0
        for index, word in enumerate(self._waiting, start=1):
            bare = word.rstrip(_CLOSING)
            if bare.endswith((".", "!", "?", "…")):
                sentence = index
            elif bare.endswith((",", ";", ":")) and 2 * index >= self._most:
                pause = index
        if sentence or pause:
            return max(sentence, pause)
        return len(self._waiting) if len(self._waiting) >= self._most else 0

    def _send(self, count: int) -> str | None:
        words, self._waiting = self._waiting[:count], self._waiting[count:]
        return " ".join(words) if words else None
