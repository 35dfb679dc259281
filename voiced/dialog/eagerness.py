"""A reply begun before it is certain that the caller has finished.

The model and the voice set to work on a draft when the turn is likely over. If it is, and the
caller's words are still those that the model was asked about, the draft becomes the reply and the
caller has waited less; if not, it is thrown away and nobody has heard of it.
"""

from attrs import define

from voiced.dialog.letters import letters
from voiced.dialog.turn import Turn


@define
class Eagerness:
    """One call's drafts: at most one at a time, and how many came of use."""

    hits: int = 0
    misses: int = 0
    _draft: Turn | None = None

    @property
    def is_drafting(self) -> bool:
        """Whether a draft is under way."""
        return self._draft is not None

    def begin(self, turn: Turn, now: float) -> None:
        """Its reply is begun."""
        turn.times.drafted = now
        self._draft = turn

    def settle(self, utterance: str) -> Turn | None:
        """The turn is over, and this is what the caller said: the draft if it answers that."""
        draft = self._draft
        if draft is None or letters(draft.utterance) != letters(utterance):
            return None
        self._draft = None
        self.hits += 1
        return draft

    def drop(self) -> bool:
        """Whether there was a draft to throw away."""
        dropped = self._draft is not None
        self._draft = None
        self.misses += dropped
        return dropped
