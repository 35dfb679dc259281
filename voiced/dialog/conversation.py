"""The conversation of one call: every decision, and no I/O.

`receive(event, now)` takes what happened and returns what to do; `deadline()` says when to come
back with `TimePassed` if nothing happens. The conductor of `voiced.call` is the shell around it.
Replayed with the same events at the same times, a call goes the same way.
"""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from voiced.dialog import events as ev
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.heard import Reached
from voiced.dialog.history import Ending as Told
from voiced.dialog.history import History, Message
from voiced.dialog.listening import Listening
from voiced.dialog.turn import Ending, Phrase, Turn
from voiced.dialog.turns import Act, Phase, Signal, step

MARK_GRACE_S: Final = 3.0
"""A final mark later than this after its audio was due is taken for lost."""

EMPTY_S: Final = 1.0
"""Silence after a reply without a word, before we prompt: the caller waits for us, not we."""

MAX_IDLE_PROMPTS: Final = 2
"""Prompts to a silent caller before we say goodbye."""


@frozen
class Manners:
    """How this agent behaves in a conversation; seconds, or 0 for never."""

    prompt: str
    speaks_first: bool = True
    interruptible: bool = True
    min_interruption_words: int = 2
    endpointing: EndpointingRule = field(factory=EndpointingRule)
    idle_prompt_s: float = 10.0


@frozen
class Flush:
    """Ask the STT for its last words."""


@frozen
class Ask:
    """Start the turn's reply: ask the model and speak its answer."""

    turn: Turn
    messages: tuple[Message, ...]


@frozen
class Say:
    """Start the turn's reply: say its phrases by heart."""

    turn: Turn


@frozen
class Stop:
    """Cancel the reply, join it, clear the playout, in this order."""


@frozen
class HangUp:
    """End the call from our side."""

    reason: str


Action = Flush | Ask | Say | Stop | HangUp


class Conversation:
    """One call's conversation. Not thread-safe; times are seconds on one monotonic clock."""

    def __init__(self, manners: Manners) -> None:
        self.phase = Phase.LISTENING
        self.history = History(manners.prompt)
        self.turns: list[Turn] = []
        self.ended_by = ""
        self._manners = manners
        words = manners.min_interruption_words if manners.interruptible else None
        self._listening = Listening(manners.endpointing, words)
        self._idle_prompts = 0
        self._idle_at: float | None = None
        self._heard_by: float | None = None
        self.started_at = 0.0

    def start(self, now: float) -> tuple[Action, ...]:
        """The line is open."""
        self.started_at = now
        if self._manners.speaks_first:
            return self._signal(Signal.ANSWERED, now)
        self._watch_idleness(now, soon=False)
        return ()

    def receive(self, event: ev.Event, now: float) -> tuple[Action, ...]:
        """Something happened; returns what to do about it, in order."""
        signal = self._recognise(event, now)
        return self._signal(signal, now) if signal else ()

    def deadline(self) -> float | None:
        """When `TimePassed` is owed; None if nothing is awaited."""
        moments = (self._idle_at, self._heard_by, self._listening.deadline(self.phase))
        return min((moment for moment in moments if moment is not None), default=None)

    # --- events -> signals ----------------------------------------------------------------------

    def _recognise(self, event: ev.Event, now: float) -> Signal | None:
        match event:
            case ev.ReplyAudible() | ev.ReplyFinished() | ev.ReplyEmpty() | ev.ReplyFailed():
                return self._reply_event(event, now)
            case ev.MarkReached(name=name):
                reached = self.turns[-1].heard.reached(name) if self.turns else Reached.NOTHING
                return Signal.HEARD if reached is Reached.END else None
            case ev.LegEnded(reason=reason):
                self.ended_by = self.ended_by or reason
                return Signal.GONE
            case ev.CloseRequested(reason=reason):
                self.ended_by = self.ended_by or reason
                return Signal.CLOSE
            case ev.EarFailed(error=error):
                self.ended_by = self.ended_by or f"stt-{error.reason}"
                return Signal.DEAF
            case ev.TimePassed():
                return self._expired(now)
            case ev.DigitPressed():
                return None
            case _:
                return self._listening.receive(event, self.phase, now)

    def _reply_event(self, event: ev.ReplyEvent, now: float) -> Signal | None:
        turn = self.turns[-1] if self.turns else None
        if turn is None or turn.number != event.turn or turn.ending is not Ending.PENDING:
            return None  # of a reply that has been stopped meanwhile
        match event:
            case ev.ReplyAudible():
                turn.times.first_frame = now
                self._listening.reply_audible(now)
                return Signal.AUDIBLE
            case ev.ReplyFinished(remaining_s=remaining_s):
                self._heard_by = now + remaining_s + MARK_GRACE_S
                return None
            case ev.ReplyEmpty():
                return Signal.EMPTY
            case _:
                self.ended_by = self.ended_by or f"{event.error.role}-{event.error.reason}"
                self._end_turn(Ending.FAILED, now)
                return Signal.FAILED

    def _expired(self, now: float) -> Signal | None:
        if self._heard_by is not None and now >= self._heard_by:
            began = self.turns[-1].times.first_frame is not None
            return Signal.HEARD if began else Signal.EMPTY  # or the line takes nothing
        if self._idle_at is not None and now >= self._idle_at:
            return Signal.IDLE
        return self._listening.expire(self.phase, now)

    # --- signals -> actions ---------------------------------------------------------------------

    def _signal(self, signal: Signal, now: float) -> tuple[Action, ...]:
        if signal is Signal.IDLE and self._idle_prompts == MAX_IDLE_PROMPTS:
            self.ended_by = self.ended_by or "idle"
            signal = Signal.CLOSE
        self.phase, act = step(self.phase, signal)
        self._watch_idleness(now, soon=signal is Signal.EMPTY)
        if act in (Act.SETTLE, Act.HANG_UP):
            self._end_turn(Ending.HEARD if signal is Signal.HEARD else Ending.EMPTY, now)
        if act is not Act.SETTLE:
            return self._carry_out(act, now)
        said = self._listening.left_over(self.turns[-1].heard.said, now)
        return self._signal(said, now) if said else ()

    def _watch_idleness(self, now: float, *, soon: bool) -> None:
        """`soon`: the caller waits for an answer that has turned out to be empty."""
        wait_s = self._manners.idle_prompt_s
        waits = self.phase is Phase.LISTENING and wait_s > 0
        self._idle_at = now + (min(EMPTY_S, wait_s) if soon else wait_s) if waits else None

    def _carry_out(self, act: Act, now: float) -> tuple[Action, ...]:
        actions: tuple[Action, ...] = ()
        if act in _ENDS_TURN:
            actions += self._end_turn(_ENDS_TURN[act], now)
        if act in _LAST:
            last = self._listening.take(now)
            self.history.caller(last.text, last.began - self.started_at)
        if act is Act.PROMPT:
            self._idle_prompts += 1
        if act in _PHRASES:
            actions += (Say(self._new_turn(Turn(len(self.turns), phrases=_PHRASES[act]))),)
        if act is Act.FLUSH:
            self._listening.flush(now)
            actions += (Flush(),)
        if act is Act.REPLY:
            actions += (self._ask(now),)
        if act is Act.HANG_UP:
            actions += (HangUp(self.ended_by),)
        return actions

    def _new_turn(self, turn: Turn) -> Turn:
        self.turns.append(turn)
        self._heard_by = None
        return turn

    def _ask(self, now: float) -> Ask:
        self._idle_prompts = 0
        listened = self._listening.take(now)
        turn = self._new_turn(Turn(len(self.turns), utterance=listened.text))
        turn.times.speech_ended = listened.speech_ended
        turn.times.turn_ended = listened.turn_ended
        turn.times.asked = now
        self.history.caller(listened.text, listened.began - self.started_at)
        return Ask(turn, self.history.messages())

    def _end_turn(self, ending: Ending, now: float) -> tuple[Action, ...]:
        """Writes what was heard of the reply into the history; stops it if it is going on."""
        turn = self.turns[-1] if self.turns else None
        if turn is None or turn.ending is not Ending.PENDING:
            return ()
        turn.ending = ending
        turn.times.reply_ended = now
        self._heard_by = None
        began = now if turn.times.first_frame is None else turn.times.first_frame
        began_s = began - self.started_at
        if ending is Ending.HEARD:
            # Also where the final mark was lost: all of it went out, and was not interrupted.
            self.history.agent(turn.heard.said, Told.COMPLETE, began_s)
            return ()
        turn.heard.cut()
        self.history.agent(turn.heard.text, Told.INTERRUPTED, began_s)
        return () if ending in (Ending.EMPTY, Ending.FAILED) else (Stop(),)


_ENDS_TURN: Final[Mapping[Act, Ending]] = {
    Act.WITHDRAW: Ending.WITHDRAWN,
    Act.CUT: Ending.CUT,
    Act.APOLOGISE: Ending.ABANDONED,
    Act.SAY_GOODBYE: Ending.ABANDONED,
    Act.END: Ending.HUNG_UP,
}

_PHRASES: Final[Mapping[Act, tuple[Phrase, ...]]] = {
    Act.GREET: (Phrase.GREETING,),
    Act.PROMPT: (Phrase.IDLE_PROMPT,),
    Act.APOLOGISE: (Phrase.APOLOGY, Phrase.GOODBYE),
    Act.SAY_GOODBYE: (Phrase.GOODBYE,),
}

_LAST: Final = frozenset({Act.APOLOGISE, Act.SAY_GOODBYE, Act.HANG_UP, Act.END})
"""No answer follows: what the caller said and no reply took up goes into the history as it is."""
