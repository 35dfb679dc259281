"""The minutes of a call: its turns, and of each what was said and heard."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final

from voiced.dialog.events import ToolEvent, ToolsAsked
from voiced.dialog.history import Ending as Told
from voiced.dialog.history import History, Item
from voiced.dialog.parting import Phrase
from voiced.dialog.turn import Ending, Turn
from voiced.dialog.wish import TOO_OFTEN, Wish

_STILL_STOPPED: Final[Mapping[Ending, Ending]] = {Ending.CUT: Ending.WITHDRAWN}
"""What an ending is called where nothing of the reply had been audible."""


class Minutes:
    """Turns and history, kept in step. Times are seconds on one monotonic clock.

    `before` is how many turns the call had on an earlier media stream, `past` what was said there.
    """

    def __init__(self, prompt: str, past: Sequence[Item] = (), before: int = 0) -> None:
        self.turns: list[Turn] = []
        self.history = History(prompt, past)
        self.started_at = 0.0
        self._before = before

    @property
    def latest(self) -> Turn | None:
        """The turn that began last."""
        return self.turns[-1] if self.turns else None

    @property
    def next_number(self) -> int:
        """That of the turn to come."""
        return self._before + len(self.turns)

    @property
    def since_caller(self) -> int:
        """The agent's replies in a row, the first of them to what the caller said."""
        own = takewhile(lambda turn: not turn.utterance, reversed(self.turns))
        return 1 + sum(1 for _ in own)

    def give_up(self, turn: Turn) -> None:
        """What this turn was to be followed by is not done."""
        undone = turn.wish.undone(TOO_OFTEN) if turn.wish else None
        turn.wish = None
        if undone:
            self.history.used(undone)

    def note(self, event: ToolEvent) -> None:
        """What the model is told of its tools; also where the reply has been stopped."""
        if isinstance(event, ToolsAsked):
            self.history.used(event.round)
        else:
            self.history.revised(event.call_id, event.result)

    def pending(self, number: int) -> Turn | None:
        """The latest turn if it has this number and its reply has not ended."""
        turn = self.latest
        whose = turn is not None and turn.number == number and turn.ending is Ending.PENDING
        return turn if whose else None

    def begin(self, utterance: str = "", phrases: tuple[Phrase, ...] = (), text: str = "") -> Turn:
        """A turn begins."""
        return self.take(Turn(self.next_number, utterance, phrases, text))

    def take(self, turn: Turn) -> Turn:
        """This is the turn that begins."""
        self.turns.append(turn)
        return turn

    def unanswered(self, quiet_since: float | None) -> float | None:
        """That time, if the caller has had no answer of any kind since then."""
        answered = self.latest.times.reply_ended if self.latest else None
        is_later = quiet_since is not None and (answered is None or quiet_since > answered)
        return quiet_since if is_later else None

    def caller(self, text: str, began: float) -> None:
        """The caller said this; `began` on the clock."""
        self.history.caller(text, began - self.started_at)

    def end(self, ending: Ending, now: float) -> bool:
        """Writes what was heard of the latest reply into the history.

        Returns whether the reply is going on and has to be stopped.
        """
        turn = self.latest
        if turn is None or turn.ending is not Ending.PENDING:
            return False
        audible = turn.times.first_frame
        turn.ending = ending if audible is not None else _STILL_STOPPED.get(ending, ending)
        turn.times.reply_ended = now
        turn.heard_by = None
        began_s = (now if audible is None else audible) - self.started_at
        if ending is Ending.HEARD:
            # Also where the final mark was lost: all of it went out, and was not interrupted.
            self.history.agent(turn.heard.said, Told.COMPLETE, began_s)
        else:
            turn.heard.cut()
            self.history.agent(turn.heard.text, Told.INTERRUPTED, began_s)
        self._tell(turn.wish, ending)
        return ending not in (Ending.HEARD, Ending.EMPTY, Ending.FAILED)

    def _tell(self, wish: Wish | None, ending: Ending) -> None:
        """Has the model told what became of that."""
        if wish is None:
            return
        silent = ending is Ending.EMPTY and not wish.needs_words
        told = wish.done() if silent or ending is Ending.HEARD else wish.undone()
        if told:
            self.history.used(told)
