"""Endpointing: has the caller finished?

Three judges, the first to decide wins:

1. The STT engine's own pause score, where it has one. moshi-server's third head predicts whether
   another word comes within two seconds; it stays near zero in speech and nears one when the
   caller is done, so it waits through a pause for thought and does not wait after a clear end.
2. The line's energy: quiet for `silence_ms`. The only judge with `end_of_turn = "silence"`, and
   the fallback of an engine without scores.
3. The words: none for `WORDLESS_S`, on a line so noisy that it never gets quiet.

A judge speaks only of an utterance: without a word there is nothing to end. And where the caller
dictates (`dictation`), the pause after the fourth digit says nothing: the score is not asked then,
and the quiet must be longer.

Before any of them has decided, a shorter quiet makes it likely that the caller has finished: time
to begin a reply that may yet be thrown away.
"""

import math
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from voiced.config import Agent, EndOfTurn
from voiced.dialog.dictation import is_dictating
from voiced.dialog.events import PauseScored

PAUSE_THRESHOLD: Final = 0.6
"""Score above which the caller is taken to have finished; Unmute uses the same."""

UNSETTLED_S: Final = 12 * 0.080
"""The first twelve steps of a stream carry no meaning (as Unmute found)."""

FALLBACK_SILENCE_S: Final = 1.5
"""Quiet line that ends an utterance although the engine's score stays low, or does not come."""

WORDLESS_S: Final = 4.0

NEXT_WORD_S: Final = 2.0
"""A caller who goes on after a pause has a word reported within this time. So long the words must
wait beyond `silence_s`, or they would end a pause for thought in the middle of its next word."""

LIKELY_S: Final = 0.7
"""Quiet line after which the utterance is likely over: longer than most pauses between words."""

LATE_WORD_S: Final = 0.6
"""A word reported when the line has long been quiet shows that more may be on their way, or that
the caller speaks too softly for the level: wait this long for the next."""


@frozen
class EndpointingRule:
    """`silence_s`: how much quiet ends an utterance; `uses_score`: the engine's score may too.

    `dictation_s`: how much quiet does while something is being dictated in this `language`.
    `eager`: it is told too when an utterance is likely over.
    """

    silence_s: float = FALLBACK_SILENCE_S
    uses_score: bool = True
    dictation_s: float = 2.5
    language: str = "en"
    eager: bool = False

    @classmethod
    def of(cls, agent: Agent) -> "EndpointingRule":
        """When this agent takes its caller to have finished."""
        by_silence = agent.end_of_turn is EndOfTurn.SILENCE
        return cls(
            agent.silence_ms / 1000 if by_silence else FALLBACK_SILENCE_S,
            not by_silence,
            agent.dictation_ms / 1000,
            agent.language,
            agent.eager_reply,
        )


class Endpointing:
    """Judges one call's utterances. Times are seconds on the caller of this class's clock."""

    def __init__(self, rule: EndpointingRule) -> None:
        self._rule = rule
        self._last_word_at: float | None = None
        self._quiet_since: float | None = None
        self._hold_s = 0.0  # while the caller dictates
        self._words = 0
        self._words_offered = 0

    def word(self, now: float, utterance: Sequence[str] = ()) -> None:
        """The caller said a word, the last of this utterance."""
        self._last_word_at = now
        self._words += 1
        dictating = is_dictating(utterance, self._rule.language)
        self._hold_s = self._rule.dictation_s if dictating else 0.0

    def loud(self) -> None:
        """The line became loud."""
        self._quiet_since = None

    def quiet(self, since: float) -> None:
        """The line has been quiet since then."""
        self._quiet_since = since

    def reset(self) -> None:
        """The utterance is over; the next word begins another."""
        self._last_word_at = None
        self._words = self._words_offered = 0

    def scored(self, step: PauseScored) -> bool:
        """Returns whether this step of the STT ends the utterance."""
        return (
            self._rule.uses_score
            and not self._hold_s
            and self._last_word_at is not None
            and step.score is not None
            and step.stream_s > UNSETTLED_S
            and step.score > PAUSE_THRESHOLD
        )

    def deadline(self) -> float | None:
        """When the utterance ends if nothing more happens; None without an utterance."""
        if self._last_word_at is None:
            return None
        silence_s = max(self._rule.silence_s, self._hold_s)
        wordless = self._last_word_at + max(WORDLESS_S, silence_s + NEXT_WORD_S)
        return min(self._after_quiet(silence_s), wordless)

    @property
    def _may_be_over(self) -> bool:
        """Nor is it told twice of the same words."""
        return self._rule.eager and not self._hold_s and self._words > self._words_offered

    def offer(self) -> bool:
        """There is a sign that the utterance is over: whether it is worth acting upon."""
        offered = self._may_be_over
        self._words_offered = self._words
        return offered

    def likely(self) -> float | None:
        """When there will be such a sign if nothing more happens; None: it will be certain first,
        or is not to be told."""
        likely, deadline = self._after_quiet(LIKELY_S), self.deadline()
        told = self._may_be_over and deadline is not None and likely < deadline
        return likely if told else None

    def _after_quiet(self, quiet_s: float) -> float:
        if self._quiet_since is None or self._last_word_at is None:
            return math.inf
        return max(self._quiet_since + quiet_s, self._last_word_at + LATE_WORD_S)
