"""Likeness by an engine's embeddings, with the n-grams as a check on what else was said.

Models differ in what their cosines mean: strangers have 0.1 with one and 0.75 with another. So a
score is how much of the way from the strangers' mean to sameness an utterance has gone, and a
threshold serves more than one model.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voiced.dialog.router import WORDS, Phrasebook, Row, Scored
from voiced.dialog.router_ngrams import NgramSpace
from voiced.dialog.router_words import fold, is_light

BACKGROUND: Final = (
    "My name is Martin.",
    "Yes, that is right.",
    "The weather is nice today.",
    "Can you say that again?",
    "Je m'appelle Martin.",
    "Oui, c'est bien ça.",
    "Il fait beau aujourd'hui.",
    "Vous pouvez répéter ?",
)
"""What belongs to no intent: strangers also for an agent with a single one."""

_MORE_SAID: Final = np.float32(0.5)
_MORE_WORDS: Final = 2
_LEAST_WAY: Final = 0.01
"""A model whose strangers are nearer than this tells nothing apart."""


class VectorSpace:
    """The examples of an `NgramSpace`, by their embeddings too."""

    def __init__(self, ngrams: NgramSpace, vectors: Row) -> None:
        """`vectors` has a row of length 1 for each of `texts_of(ngrams)`, in their order.

        Raises:
            ValueError: another number of rows.
        """
        book = ngrams.book
        count = len(book.phrases)
        if len(vectors) != count + len(BACKGROUND):
            raise ValueError(f"{len(vectors)} vectors for {count + len(BACKGROUND)} texts")
        self._ngrams = ngrams
        self._phrases = vectors[:count]
        self._stranger = _strangers_mean(book, self._phrases, vectors[count:])
        heavy = [sum(not is_light(word) for word in each.words) for each in book.phrases]
        self._heavy = np.array(heavy)

    @property
    def dimensions(self) -> int:
        """Of the model's vectors."""
        return int(self._phrases.shape[1])

    def scores(self, text: str, vector: Row) -> list[Scored]:
        """How well each intent fits, the best first; `vector` is the text's own, of length 1."""
        words = fold(text)
        way = 1 - self._stranger
        fits = (self._phrases @ vector - self._stranger) / np.float32(max(way, _LEAST_WAY))
        fits = np.where(self._says_more(words), fits * _MORE_SAID, fits)
        return self._ngrams.book.ranked(words, fits)

    def _says_more(self, words: tuple[str, ...]) -> NDArray[np.bool_]:
        """Of each phrase, whether the words are more, and two of them none that its intent's
        examples know: a second request, most likely. Embeddings hardly mind it."""
        book = self._ngrams.book
        if len(words) > WORDS or not words:
            return np.ones(len(book.phrases), np.bool_)
        strangers = self._ngrams.strangers(words)[book.owners]
        heavy = sum(not is_light(word) for word in words)
        longer = heavy >= self._heavy + _MORE_WORDS
        return np.asarray(longer & (strangers >= _MORE_WORDS), np.bool_)


def texts_of(ngrams: NgramSpace) -> list[str]:
    """What is to be embedded for a `VectorSpace`: the phrases, then BACKGROUND."""
    return [*(phrase.text for phrase in ngrams.book.phrases), *BACKGROUND]


def _strangers_mean(book: Phrasebook, phrases: Row, background: Row) -> float:
    """The mean cosine of a phrase with what is not of its intent."""
    foreign = book.owners[:, None] != book.owners[None, :]
    cosines = np.concatenate([(phrases @ phrases.T)[foreign], (phrases @ background.T).ravel()])
    return float(cosines.mean())
