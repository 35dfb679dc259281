"""Likeness by character n-grams: no engine, no model, any language that writes words apart."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from voiced.dialog.router import WORDS, Examples, Phrasebook, Row, Scored
from voiced.dialog.router_words import fold, is_light

_GRAMS: Final = (2, 3, 4)
_LIGHT_WEIGHT: Final = 0.5
_STRANGE: Final = np.float32(0.4)
_MISSING: Final = np.float32(0.4)
"""What a word takes off that no example has (with one, no match is clear), and one that all
examples have and the caller did not say; where only some have it, as much less."""

_SHARED: Final = 0.3
"""A word in so many of an intent's examples belongs to it."""

_SAME_WORD: Final = 0.5
"""A word is a form of another that has so many of its n-grams."""

_UNKNOWN: Final = 0
"""The row of all n-grams that no example has: zeros."""

_Rows: TypeAlias = NDArray[np.intp]


@frozen(eq=False)
class _Heard:
    """An utterance: the rows of its n-grams, their weights, and which word each belongs to.

    `heavy` are the words that are not light, by number.
    """

    rows: _Rows
    weights: Row
    owners: _Rows
    heavy: _Rows


class NgramSpace:
    """The examples as TF-IDF vectors of the n-grams of their words.

    An n-gram weighs more the fewer intents have it; a light word weighs half of what others do.
    """

    def __init__(self, examples: Iterable[Examples]) -> None:
        self.book = Phrasebook(examples)
        phrases, intents = self.book.phrases, self.book.intents
        self._row: dict[str, int] = {}
        self._idf = self._inventory()
        height = len(self._idf)
        self._vectors = np.zeros((height, len(phrases)), np.float32)
        self._has = np.zeros((height, intents), np.float32)
        for column, phrase in enumerate(phrases):
            heard = self._hear(phrase.words)
            self._vectors[:, column] = np.bincount(heard.rows, heard.weights, height)
            self._has[heard.rows, phrase.owner] = 1
        if phrases:
            self._vectors /= np.linalg.norm(self._vectors, axis=0)
        self._keys, self._share = self._shared_words()

    def scores(self, text: str) -> list[Scored]:
        """How well each intent fits, the best first; empty without examples."""
        words = fold(text)
        if not words:
            return self.book.ranked(words, np.zeros(len(self.book.phrases), np.float32))
        heard = self._hear(words[:WORDS])
        strange = self._strangest(heard) if len(words) <= WORDS else np.ones_like(self._has[0])
        fits = self._likeness(heard)
        fits *= 1 - _STRANGE * strange[self.book.owners]
        fits *= 1 - _MISSING * self._missing(heard)
        return self.book.ranked(words, fits)

    def strangers(self, words: Sequence[str]) -> NDArray[np.intp]:
        """For each intent, how many of the words none of its examples knows in any form."""
        heard = self._hear(tuple(words[:WORDS]))
        return np.asarray((self._strangeness(heard) > 1 - _SAME_WORD).sum(axis=0), np.intp)

    def _inventory(self) -> Row:
        """Numbers the n-grams of all examples, and weighs them."""
        having: Counter[str] = Counter()
        for owner in range(self.book.intents):
            words = {w for each in self.book.phrases if each.owner == owner for w in each.words}
            having.update({gram for word in words for gram in _grams(word)})
        self._row = {gram: number for number, gram in enumerate(having, _UNKNOWN + 1)}
        counts = np.array([0, *having.values()])
        idf = np.log((1 + self.book.intents) / (1 + counts)) + 1
        return idf.astype(np.float32)

    def _hear(self, words: Sequence[str]) -> _Heard:
        """Each word is a vector of the length of its own weight: that of the whole word."""
        rows, weights, owners = [], [], []
        for number, word in enumerate(words):
            found = np.array([self._row.get(gram, _UNKNOWN) for gram in _grams(word)])
            idf = self._idf[found]
            weight = idf[-1] * (_LIGHT_WEIGHT if is_light(word) else 1)
            rows.append(found)
            weights.append(idf * (weight / math.sqrt(float(idf @ idf))))
            owners.append(np.full(len(found), number))
        heavy = np.array([n for n, word in enumerate(words) if not is_light(word)], np.intp)
        return _Heard(
            np.concatenate(rows),
            np.concatenate(weights, dtype=np.float32),
            np.concatenate(owners),
            heavy,
        )

    def _likeness(self, heard: _Heard) -> Row:
        """The cosine with each phrase."""
        whole = np.bincount(heard.rows, heard.weights, len(self._idf)).astype(np.float32)
        unknown = heard.weights[heard.rows == _UNKNOWN]
        whole[_UNKNOWN] = 0
        rows = np.unique(heard.rows)
        length = math.sqrt(float(whole @ whole) + float(unknown @ unknown))
        return np.asarray((whole[rows] @ self._vectors[rows]) / length, np.float32)

    def _strangeness(self, heard: _Heard) -> Row:
        """Of each heavy word, the part that no example of an intent has: words by intents."""
        sums = np.bincount(heard.owners, heard.weights)
        has = self._has[heard.rows] * heard.weights[:, None]
        starts = np.searchsorted(heard.owners, np.arange(len(sums)))
        known = np.add.reduceat(has, starts) / sums[:, None]
        return np.asarray(1 - known[heard.heavy], np.float32)

    def _strangest(self, heard: _Heard) -> Row:
        """For each intent, that of the word it knows least."""
        return np.asarray(self._strangeness(heard).max(axis=0, initial=0), np.float32)

    def _shared_words(self) -> tuple[Row, Row]:
        """The words that an intent's examples share: their n-grams, each column adding up to 1;
        and for each phrase that has one, in how many of the intent's examples it is."""
        keys: list[_Rows] = []
        shares: list[Row] = []
        for owner in range(self.book.intents):
            own = np.flatnonzero(self.book.owners == owner)
            heard = {int(at): set(self._hear(self.book.phrases[at].words).rows) for at in own}
            words = {word for at in own for word in self.book.phrases[at].words}
            for word in sorted(word for word in words if not is_light(word)):
                grams = np.array([self._row[gram] for gram in _grams(word)])
                having = [at for at, rows in heard.items() if _part(grams, rows) > _SAME_WORD]
                if len(having) >= _SHARED * len(own):
                    share = np.zeros(len(self.book.phrases), np.float32)
                    share[having] = len(having) / len(own)
                    keys.append(grams)
                    shares.append(share)
        columns = np.zeros((len(self._idf), len(keys)), np.float32)
        for column, grams in enumerate(keys):
            columns[:, column] = np.bincount(grams, minlength=len(columns)) / len(grams)
        return columns, np.array(shares, np.float32).reshape(len(keys), len(self.book.phrases))

    def _missing(self, heard: _Heard) -> Row:
        """For each phrase, how much the utterance lacks of what the intent's examples share."""
        absent = 1 - self._keys[np.unique(heard.rows)].sum(axis=0)
        return np.asarray((self._share * absent[:, None]).max(axis=0, initial=0), np.float32)


def _grams(word: str) -> list[str]:
    """The word's n-grams, its ends marked; the last one is the whole word."""
    marked = f"^{word}$"
    size = len(marked)
    grams = [marked[at : at + n] for n in _GRAMS for at in range(size - n + 1)]
    return grams if size in _GRAMS else [*grams, marked]


def _part(grams: _Rows, rows: set[int]) -> float:
    """How much of a word is among the rows."""
    return sum(int(gram) in rows for gram in grams) / len(grams)
