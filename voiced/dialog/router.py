"""What a caller wants, where no model is needed to understand it.

An operator gives example phrases of each intent. An utterance is compared with all of them, and
routed only where the match is clear: a wrong route answers what was not asked, while a missed one
costs the time that a model takes. So beside likeness four things count:

- the caller said nothing else ("I'd like to book a table, by the way when are you open");
- nothing is missing that the intent's examples share ("I have a question", about a bill or not);
- utterance and example negate alike ("I do not want to cancel");
- no other intent is nearly as good.

Likeness is the cosine of character n-grams (`router_ngrams`), or of an engine's embeddings, which
know synonyms too (`router_vectors`).
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from voiced.dialog.router_words import fold, negations

Row: TypeAlias = NDArray[np.float32]

WORDS: Final = 64
"""So many words of an utterance are looked at; a longer one is never clear."""

_OTHER_SENSE: Final = np.float32(0.5)
_ONE_WORD: Final = np.float32(0.5)
_NEAR: Final = 0.15


@frozen
class Examples:
    """An intent, and what callers say who have it."""

    intent: str
    phrases: tuple[str, ...]


@frozen
class Scored:
    """How well an utterance fits an intent, 0 to 1, and the example that is nearest."""

    intent: str
    score: float
    phrase: str


@frozen
class Clear:
    """A match is clear with at least this score, and at least `margin` before the next intent's.

    With the defaults n-grams route wrongly less than one utterance in a hundred that they route:
    see docs/performance.md.
    """

    threshold: float = 0.72
    margin: float = 0.1


@frozen
class Decision:
    """What an utterance is routed to; None: it is for the model. `near_miss`: another example or a
    lower threshold might have routed it."""

    intent: str | None
    best: Scored | None = None
    runner_up: Scored | None = None
    near_miss: bool = False


def decide(scores: Sequence[Scored], clear: Clear) -> Decision:
    """Judges scores, the best of which comes first."""
    if not scores:
        return Decision(None)
    best, runner_up = scores[0], scores[1] if len(scores) > 1 else None
    lead = best.score - (runner_up.score if runner_up else 0.0)
    if best.score >= clear.threshold and lead >= clear.margin:
        return Decision(best.intent, best, runner_up)
    near = best.score >= clear.threshold - _NEAR
    return Decision(None, best, runner_up, near_miss=near)


@frozen
class Phrase:
    """An example: as it was written, and as `fold` leaves it. `owner` is its intent's number."""

    intent: str
    text: str
    words: tuple[str, ...]
    owner: int


class Phrasebook:
    """The examples of all intents, which are in the order given.

    A phrase without a letter or a digit is left out, and so is an intent without any other;
    `intents` says how many there are.
    """

    def __init__(self, examples: Iterable[Examples]) -> None:
        self.phrases: list[Phrase] = []
        self.intents = 0
        for each in examples:
            folded = [(text, words[:WORDS]) for text in each.phrases if (words := fold(text))]
            self.phrases += [Phrase(each.intent, *one, self.intents) for one in folded]
            self.intents += bool(folded)
        self.owners: NDArray[np.intp] = np.array([each.owner for each in self.phrases], np.intp)
        self._first = np.flatnonzero(np.diff(self.owners, prepend=-1))  # of each intent
        self._negations = np.array([negations(each.words) for each in self.phrases])
        self._exact: dict[tuple[str, ...], set[int]] = {}
        for phrase in self.phrases:
            self._exact.setdefault(phrase.words, set()).add(phrase.owner)

    def ranked(self, words: tuple[str, ...], fits: Row) -> list[Scored]:
        """Each intent by its best phrase, the best intent first, from how well each phrase fits.

        A phrase that negates otherwise than the words do counts half. A single word is an intent
        only where an example is that word: too much rhymes with it.
        """
        if not self.phrases:
            return []
        fits = fits * np.where(self._negations == negations(words), np.float32(1), _OTHER_SENSE)
        if len(words) < 2:
            fits = fits * _ONE_WORD
        exact = self._exact.get(words, set())
        scored = []
        for owner, own in enumerate(np.split(fits, self._first[1:])):
            nearest = self.phrases[self._first[owner] + own.argmax()]
            score = 1.0 if owner in exact else min(max(float(own.max()), 0.0), 1.0)
            scored.append(Scored(nearest.intent, score, nearest.text))
        return sorted(scored, key=lambda each: -each.score)
