"""What a reply is to be followed by, and no sooner than the caller has heard all of it.

A model decides in an instant, and the caller hears of it seconds later, or never. So what cannot
be undone is first announced, then heard, then done: a wish is carried out by the conversation
when the last mark of the reply is back, and goes down with a reply that is stopped.
"""

from typing import Final, TypeAlias

from attrs import frozen

from voiced.dialog.parting import Parting
from voiced.dialog.tools import Round, ToolCall, Used

NOT_DONE: Final = '{"error": "not done: your announcement was interrupted, or objected to"}'
"""What the model is told of a wish that came to nothing."""

DONE: Final = '{"status": "done"}'
"""And of an ending, or a change of agents, that came true."""

UNHEARD: Final = (
    '{"error": "not done: nobody knows whether the caller has heard your announcement; repeat it"}'
)
"""And of one whose announcement went out, but no mark vouches for it."""

TOO_OFTEN: Final = '{"error": "not done: let the caller speak first"}'
"""And of one of too many in a row."""

ONE_AT_A_TIME: Final = (
    '{"error": "not done: something else comes first; ask again if still wanted"}'
)
"""And of what it asked for beside the one thing that can follow."""


@frozen
class Switch:
    """Another agent takes the call over; `agent` is its name in the configuration."""

    agent: str


@frozen
class Commit:
    """The tools that were asked for are used, and the model is told what came of them."""


Deed: TypeAlias = Parting | Switch | Commit


@frozen
class Wish:
    """A deed, and the calls of the model that ask for it; none where it was not the model.

    `others` are calls in the same answer that ask for something else of this kind.
    """

    deed: Deed
    calls: tuple[ToolCall, ...] = ()
    others: tuple[ToolCall, ...] = ()

    @property
    def needs_words(self) -> bool:
        """Whether it must be announced: it cannot be undone, and the call goes on."""
        return isinstance(self.deed, Commit)

    @property
    def gives_way(self) -> bool:
        """Whether one word of the caller's stops it. "No" is too short for a barge-in, but long
        enough for what cannot be undone; over a goodbye everybody says a word."""
        return isinstance(self.deed, Commit) or bool(
            isinstance(self.deed, Parting) and self.deed.transfer
        )

    def done(self) -> Round | None:
        """What is told of it when it comes true; tools tell of themselves."""
        told = () if self.needs_words else tuple(Used(call, DONE) for call in self.calls)
        return _round(*told, *(Used(call, ONE_AT_A_TIME) for call in self.others))

    def undone(self, why: str = NOT_DONE) -> Round | None:
        """What is told of it when it does not."""
        return _round(*(Used(call, why) for call in self.calls + self.others))


def _round(*used: Used) -> Round | None:
    return Round(used) if used else None
