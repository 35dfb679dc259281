"""Which words of a hypothesis have been reported: each once, none taken back. Pure.

A recogniser guesses, and guesses anew with more audio. Waiting until it is sure costs seconds, and
a caller who breaks in on the agent must be heard at once; but what the conversation has been told
cannot be untold. So a word of a guess is reported as soon as it has settled, and every word before
it has:

- two guesses in a row have it in the same place, or
- the recogniser is sure of it, and has heard `CONTEXT_S` more since its end: what follows a word is
  what changes it.

A settled word that the recogniser changes nevertheless stays as it was reported. Later guesses are
laid beside the words reported, by text and by time, to find where the new ones begin; in doubt a
word counts as reported, since one that comes twice does more harm than one that is wrong.
"""

import re
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from voiced.wire.deepgram import Word

SURE: Final = 0.9
CONTEXT_S: Final = 0.3
SAME_PLACE_S: Final = 0.5
"""How far the start of a word moves between two guesses, at most."""

_NOT_SPOKEN: Final = re.compile(r"[^\w']")


@define
class Told:
    """Follows the guesses of one window of audio, and from one window to the next."""

    _told: list[Word] = field(factory=list)
    _last: Sequence[Word] = ()

    @property
    def is_waiting(self) -> bool:
        """The last guess has words that are not reported yet."""
        return len(self._last) > self._begin(self._last)

    @property
    def last_start_s(self) -> float:
        """When the last word of the last guess begins; 0 where that is not known."""
        return max((word.start_s or 0.0 for word in self._last), default=0.0)

    def guess(self, words: Sequence[Word], heard_until_s: float | None = None) -> Sequence[Word]:
        """Takes the next guess; returns its settled words that are new.

        `heard_until_s`: the end of the audio behind it; None where one guess is not to be trusted.
        """
        begin = self._adopt(words)
        before = self._last[self._begin(self._last) :]
        end = begin
        for word in words[begin:]:
            place = end - begin
            agreed = place < len(before) and _plain(before[place]) == _plain(word)
            if not agreed and not _is_settled(word, heard_until_s):
                break
            end += 1
        self._last = words
        return self._report(words[begin:end])

    def settle(self, words: Sequence[Word]) -> Sequence[Word]:
        """Takes what will not change any more; returns all that is new of it."""
        begin = self._adopt(words)
        self._last = words
        return self._report(words[begin:])

    def rest(self) -> Sequence[Word]:
        """Takes the last guess for settled, and returns what is new of it."""
        return self.settle(self._last)

    def advance(self, stop_s: float) -> None:
        """The window has ended here: words reported of the audio behind it belong to the next."""
        self._told = [word for word in self._told if _middle_s(word) >= stop_s]
        self._last = ()

    def _report(self, new: Sequence[Word]) -> Sequence[Word]:
        self._told += new
        return new

    def _adopt(self, words: Sequence[Word]) -> int:
        """Where the new words begin. What came before is from now on as this guess has it, so
        that the next is the same up to there."""
        begin = self._begin(words)
        if begin >= len(self._told):
            self._told = list(words[:begin])
        return begin

    def _begin(self, words: Sequence[Word]) -> int:
        same = 0
        for ours, theirs in zip(self._told, words, strict=False):
            if _difference(ours, theirs):
                break
            same += 1
        return same + _best_prefix(self._told[same:], words[same:])


def _best_prefix(told: Sequence[Word], words: Sequence[Word]) -> int:
    """How many of `words` are best taken for those told: the least edit distance, and of equals
    the longest."""
    row = list(range(len(words) + 1))
    for ours in told:
        above, row = row, [row[0] + 1]
        for at, theirs in enumerate(words):
            changed = above[at] + _difference(ours, theirs)
            row.append(min(changed, above[at + 1] + 1, row[at] + 1))
    return max(range(len(row)), key=lambda at: (-row[at], at))


def _difference(ours: Word, theirs: Word) -> int:
    """0 for the same word, 1 for another in its place, 2 for one that is somewhere else."""
    if ours.start_s is None or theirs.start_s is None:
        apart_s = 0.0
    else:
        apart_s = abs(ours.start_s - theirs.start_s)
    return 2 if apart_s >= SAME_PLACE_S else int(_plain(ours) != _plain(theirs))


def _is_settled(word: Word, heard_until_s: float | None) -> bool:
    if heard_until_s is None or word.stop_s is None:
        return False
    return word.confidence >= SURE and word.stop_s + CONTEXT_S <= heard_until_s


def _middle_s(word: Word) -> float:
    if word.start_s is None or word.stop_s is None:
        return float("-inf")
    return (word.start_s + word.stop_s) / 2


def _plain(word: Word) -> str:
    return _NOT_SPOKEN.sub("", word.text.lower())
