"""Endpointing: has the caller finished?

Three judges, the first to decide wins:

1. The STT engine's own pause score, where it has one. moshi-server's third head predicts whether
   another word comes within two seconds; it stays near zero in speech and nears one when the
   caller is done, so it waits through a pause for thought and does not wait after a clear end.
2. The line's energy: quiet for `silence_ms`. The only judge with `end_of_turn = "silence"`, and
   the fallback of an engine without scores.
3. The words: none for `WORDLESS_S`, on a line so noisy that it never gets quiet.

A judge speaks only of an utterance: without a word there is nothing to end.
"""

from typing import Final

from attrs import frozen

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

LATE_WORD_S: Final = 0.6
"""A word reported when the line has long been quiet shows that more may be on their way, or that
the caller speaks too softly for the level: wait this long for the next."""


@frozen
class EndpointingRule:
    """`silence_s`: how much quiet ends an utterance; `uses_score`: the engine's score may too."""

    silence_s: float = FALLBACK_SILENCE_S
    uses_score: bool = True


class Endpointing:
    """Judges one call's utterances. Times are seconds on the caller of this class's clock."""

    def __init__(self, rule: EndpointingRule) -> None:
        self._rule = rule
        self._last_word_at: float | None = None
        self._quiet_since: float | None = None

    def word(self, now: float) -> None:
        """The caller said a word."""
        self._last_word_at = now

    def loud(self) -> None:
        """The line became loud."""
        self._quiet_since = None

    def quiet(self, since: float) -> None:
        """The line has been quiet since then."""
        self._quiet_since = since

    def reset(self) -> None:
        """The utterance is over; the next word begins another."""
        self._last_word_at = None

    def scored(self, step: PauseScored) -> bool:
        """Returns whether this step of the STT ends the utterance."""
        return (
            self._rule.uses_score
            and self._last_word_at is not None
            and step.score is not None
            and step.stream_s > UNSETTLED_S
            and step.score > PAUSE_THRESHOLD
        )

    def deadline(self) -> float | None:
        """When the utterance ends if nothing more happens; None without an utterance."""
        if self._last_word_at is None:
            return None
        wordless = self._last_word_at + max(WORDLESS_S, self._rule.silence_s + NEXT_WORD_S)
        if self._quiet_since is None:
            return wordless
        quiet = max(self._quiet_since + self._rule.silence_s, self._last_word_at + LATE_WORD_S)
        return min(quiet, wordless)
