"""The minutes of a call: its turns, and of each what was said and heard."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final

from voiced.dialog.events import ReplyCommits, ToolEvent, ToolsAsked
from voiced.dialog.history import Ending as Told
from voiced.dialog.history import History, Item
from voiced.dialog.parting import Phrase
from voiced.dialog.tools import Round
from voiced.dialog.turn import Ending, Turn
from voiced.dialog.wish import Wish

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

    def give_up(self, turn: Turn, ending: Ending, why: str, now: float) -> None:
        """The latest turn's reply is over, and what it was to be followed by is not done."""
        undone = turn.wish.undone(why) if turn.wish else None
        turn.wish = None
        self.end(ending, now)
        self._tell(undone)

    def note(self, event: ToolEvent | ReplyCommits) -> None:
        """What the model asks for, and what it is told of that; also where the reply has been
        stopped."""
        match event:
            case ToolsAsked(round=round):
                self.history.used(round)
            case ReplyCommits(turn=number, wish=wish):
                self._wanted(number, wish)
            case _:
                self.history.revised(event.call_id, event.result)

    def _wanted(self, number: int, wish: Wish) -> None:
        if turn := self.pending(number):
            turn.wish = wish
            return
        if number >= self.next_number:
            return  # nobody's
        rounds = [item for item in self.history.items if isinstance(item, Round)]
        told = {used.call for round in rounds for used in round.used}
        late = tuple(call for call in wish.calls + wish.others if call not in told)
        self._tell(Wish(wish.deed, late).undone())

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
        if turn.wish:
            silent = ending is Ending.EMPTY and not turn.wish.needs_words
            is_done = silent or ending is Ending.HEARD
            self._tell(turn.wish.done() if is_done else turn.wish.undone())
        return ending not in (Ending.HEARD, Ending.EMPTY, Ending.FAILED)

    def _tell(self, round: Round | None) -> None:
        """Has the model told that."""
        if round:
            self.history.used(round)
