"""Groups words into messages for a voice that looks ahead, as moshi-server's does.

That voice speaks a word only while two more stand behind it or the text has ended
(moshi-server tts.py, the gate in `step`): of k words sent it says k - 2, then freezes. Two
rules follow:

- The first message waits for three words: fewer start nothing, and the server takes one
  message per step, so three at once start it soonest.
- When the model stalls, the freeze falls two words short of what was sent. So of a new
  sentence only two words go out, which let the one before it be said to its end; the rest
  follows when the sentence has a head start. A slow model then pauses between sentences
  and not in mid-phrase; with a fast one the words are there long before they are needed.

The first words have no such rule: there the caller is waiting, and the voice's first sound comes
only with its nineteenth step, which may be its tenth word (moshi-server tts.py).
"""

LOOKAHEAD_WORDS = 2
"""Words that must stand behind the one to be said (moshi `second_stream_ahead`)."""

HEAD_START_WORDS = 6
"""A sentence is begun when so many of its words are there, or all of them."""

PRIMING_WORDS = 12
"""Words that go out as they come, whatever sentence they begin."""

_FIRST_WORDS = LOOKAHEAD_WORDS + 1


class WordGroups:
    """The words of one reply on their way to the voice."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._least = _FIRST_WORDS  # words that the next message must have
        self._sent = _FIRST_WORDS  # of the sentence under way; the first counts as begun
        self._total = 0

    def put(self, word: str) -> None:
        """Takes one word, without white space."""
        self._waiting.append(word)

    def take(self) -> str | None:
        """The next message, words joined by spaces; None while it is better to wait."""
        if len(self._waiting) < self._least:
            return None
        count, start = 0, 0
        for index, word in enumerate(self._waiting, start=1):
            if _ends_sentence(word):
                count, start, self._sent = index, index, 0
        arrived = self._sent + len(self._waiting) - start
        is_primed = self._total >= PRIMING_WORDS
        if not is_primed or self._sent > LOOKAHEAD_WORDS or arrived >= HEAD_START_WORDS:
            ready = arrived
        else:
            ready = min(arrived, LOOKAHEAD_WORDS)
        count += ready - self._sent
        self._sent = ready
        return self._send(count)

    def end(self) -> str | None:
        """The text has ended: all words that are left, if any; the end must be told behind."""
        return self._send(len(self._waiting))

    def _send(self, count: int) -> str | None:
        words, self._waiting = self._waiting[:count], self._waiting[count:]
        if not words:
            return None
        self._least = 1
        self._total += len(words)
        return " ".join(words)


def _ends_sentence(word: str) -> bool:
    return word.rstrip("\"')").endswith((".", "!", "?"))
