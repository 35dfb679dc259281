"""The conversation of one call: every decision, and no I/O.

`receive(event, now)` takes what happened and returns what to do; `deadline()` says when to come
back with `TimePassed` if nothing happens. The conductor of `voiced.call` is the shell around it.
Replayed with the same events at the same times, a call goes the same way.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define

from voiced.dialog import events as ev
from voiced.dialog.eagerness import Eagerness
from voiced.dialog.history import History
from voiced.dialog.manners import (
    Action,
    Ask,
    BringIn,
    Discard,
    Flush,
    HangUp,
    Manners,
    Past,
    Pause,
    Prepare,
    Release,
    Resume,
    Say,
    Stop,
)
from voiced.dialog.minutes import Minutes
from voiced.dialog.parting import Parting, Phrase
from voiced.dialog.recognition import Happening, Recognition
from voiced.dialog.turn import Ending, Turn
from voiced.dialog.turns import Act, Phase, Signal, step
from voiced.dialog.wish import NOT_DONE, TOO_OFTEN, UNHEARD, Switch, Wish

EMPTY_S: Final = 1.0
"""Silence after a reply without a word, before we prompt: the caller waits for us, not we."""

HANGUP: Final = "hangup"
"""The reason of a `LegEnded` that is the caller's own doing."""

MAX_IDLE_PROMPTS: Final = 2
"""Prompts to a silent caller before we say goodbye."""

MAX_DEEDS: Final = 4
"""What the agent announces and does in a row, before it waits for the caller to speak."""


@define
class _Idleness:
    """How often a silent caller has been prompted, and when it is time again."""

    prompts: int = 0
    at: float | None = None

    def watch(self, wait_s: float, now: float, *, soon: bool = False) -> None:
        """From now on; 0: not at all. `soon`: the caller waits for an answer that has turned out
        to be empty."""
        self.at = now + (min(EMPTY_S, wait_s) if soon else wait_s) if wait_s > 0 else None


class Conversation:
    """One call's conversation. Not thread-safe; times are seconds on one monotonic clock."""

    def __init__(self, manners: Manners, past: Past | None = None) -> None:
        """`past`: what was said in this call before, on another media stream."""
        self.phase = Phase.LISTENING
        self.parting: Parting | None = None
        self.eagerness = Eagerness()
        self._past = past or Past()
        self._minutes = Minutes(manners.prompt, self._past.items, self._past.turns)
        self._manners = manners
        self._recognition = Recognition(manners, self._minutes)
        self._idleness = _Idleness()

    @property
    def turns(self) -> Sequence[Turn]:
        """The turns on this media stream."""
        return self._minutes.turns

    @property
    def history(self) -> History:
        """What was said and heard in the whole call."""
        return self._minutes.history

    @property
    def started_at(self) -> float:
        """When the call began."""
        return self._minutes.started_at

    @property
    def ended_by(self) -> str:
        """Why the call ends, or ended; empty while it goes on."""
        return self.parting.reason if self.parting else ""

    def past(self) -> Past:
        """What another conversation has to know to go on with this one."""
        return Past(self.history.items, self._minutes.next_number, self.started_at)

    def start(self, now: float) -> tuple[Action, ...]:
        """The line is open."""
        began = self._past.started_at
        self._minutes.started_at = now if began is None else began
        if self._manners.opening is not None:
            return self._happen(Happening(Signal.ANSWERED), now)
        self._idleness.watch(self._manners.idle_prompt_s, now)
        return ()

    def receive(self, event: ev.Event, now: float) -> tuple[Action, ...]:
        """Something happened; returns what to do about it, in order."""
        if isinstance(event, ev.NOTED):  # also when all is over
            self._minutes.note(event)
            return ()
        if self.phase is Phase.OVER:
            return ()
        idle_at = self._idleness.at
        if isinstance(event, ev.TimePassed) and idle_at is not None and now >= idle_at:
            return self._happen(Happening(Signal.IDLE), now)
        happening = self._recognition.receive(event, self.phase, now)
        return self._happen(happening, now) if happening else ()

    def deadline(self) -> float | None:
        """When `TimePassed` is owed; None if nothing is awaited."""
        moments = (self._idleness.at, self._recognition.deadline(self.phase))
        return min((moment for moment in moments if moment is not None), default=None)

    def _happen(self, happening: Happening, now: float) -> tuple[Action, ...]:
        happening = self._final(happening, now)
        signal = happening.signal
        paused = self.phase is Phase.DOUBTING
        self.phase, act = step(self.phase, signal)
        if happening.parting and act is not Act.NOTHING:
            self.part(happening.parting)
        wait_s = self._manners.idle_prompt_s if self.phase is Phase.LISTENING else 0
        self._idleness.watch(wait_s, now, soon=signal is Signal.EMPTY)
        if act in (Act.SETTLE, Act.PROCEED, Act.HANG_UP):
            heard = signal in (Signal.HEARD, Signal.PARTED, Signal.ANNOUNCED)
            self._minutes.end(Ending.HEARD if heard else Ending.EMPTY, now)
        dropped = act not in _KEEPS_DRAFT and self.eagerness.drop()
        actions: tuple[Action, ...] = (Discard(),) if dropped else ()
        actions += self._carry_out(act, now, happening.text)
        if paused and self.phase is not Phase.DOUBTING and not _set_free(actions):
            actions = (Resume(), *actions)  # or whatever comes next would be held too
        if self.phase is not Phase.LISTENING or act is Act.NOTHING:
            return actions
        said = self._recognition.left_over(self.turns[-1].heard.said, now)
        return actions + (self._happen(Happening(said), now) if said else ())

    def _final(self, happening: Happening, now: float) -> Happening:
        """Makes an end of it where there has been enough: the model's last reply, or silence."""
        signal = happening.signal
        if signal is Signal.IDLE and self._idleness.prompts == MAX_IDLE_PROMPTS:
            return Happening(Signal.CLOSE, Parting("idle"))
        turn = self._minutes.latest
        if turn is None or turn.wish is None or (self.phase, signal) not in _REPLY_OVER:
            return happening
        if signal is Signal.EMPTY and turn.wish.needs_words:
            return happening
        ending = Ending.HEARD if signal is Signal.HEARD else Ending.EMPTY
        if why := _against(turn.wish, self._minutes, self._recognition):
            self._minutes.give_up(turn, ending, why, now)
            return Happening(Signal.ANNOUNCED) if why == UNHEARD else happening
        self._minutes.end(ending, now)
        if isinstance(turn.wish.deed, Parting):
            return Happening(_LAST_REPLY[signal], turn.wish.deed)
        return Happening(Signal.ANNOUNCED)

    def part(self, parting: Parting) -> None:
        """The first reason to end a call is the one that counts; but who hangs up while a
        transfer is announced is put through to nobody."""
        gone = parting.reason == HANGUP and self.parting and self.parting.transfer
        self.parting = parting if gone else self.parting or parting

    def _carry_out(self, act: Act, now: float, text: str) -> tuple[Action, ...]:
        self._recognition.note(act, now)
        stopped = act in _ENDS_TURN and self._minutes.end(_ENDS_TURN[act], now)
        actions: tuple[Action, ...] = (Stop(),) if stopped else ()
        if act in _UNANSWERED:
            last = self._recognition.take(now)
            self._minutes.caller(last.text, last.began)
        match act:
            case Act.FLUSH:
                actions += (Flush(),)
            case Act.PREPARE:
                actions += self._prepare(now)
            case Act.REPLY:
                actions += self._reply(now)
            case Act.PAUSE:
                actions += (Pause(),)
            case Act.RESUME:
                actions += (Resume(),)
            case Act.PROCEED:
                actions += self._proceed()
            case Act.HANG_UP if self.parting:
                actions += (HangUp(self.parting),)
            case Act.GREET | Act.PROMPT | Act.SAY | Act.APOLOGISE | Act.SAY_GOODBYE:
                self._idleness.prompts += act is Act.PROMPT
                waits = self._minutes.unanswered(self._recognition.quiet_since)
                phrases = _phrases(act, self._manners.opening, self.parting)
                turn = self._minutes.begin(phrases=phrases, text=text)
                turn.times.speech_ended = waits if act is Act.APOLOGISE else None
                actions += (Say(turn),)
        return actions

    def _proceed(self) -> tuple[Action, ...]:
        """Does what was announced, where it was heard; the agent goes on speaking."""
        wish = self.turns[-1].wish
        if wish and isinstance(wish.deed, Switch):
            return (BringIn(wish.deed.agent),)
        calls = wish.calls if wish else ()
        return (Ask(self._minutes.begin(), self.history.messages(), calls),)

    def introduce(self, manners: Manners, turn: Turn | None = None) -> tuple[Action, ...]:
        """Another agent takes over, and has the floor: it knows all that was said. `turn`: where
        it answers, if the caller has just spoken."""
        self._manners = manners
        self.history.prompt = manners.prompt
        self._recognition.follow(manners)
        return (Ask(turn or self._minutes.begin(), self.history.messages()),)

    def _prepare(self, now: float) -> tuple[Action, ...]:
        """Begins the reply to what the caller has said so far, where that may be all."""
        text = self._recognition.so_far
        if not self._manners.endpointing.eager or self.eagerness.is_drafting or not text:
            return ()
        turn = Turn(self._minutes.next_number, text)
        self.eagerness.begin(turn, now)
        return (Prepare(turn, self.history.asked(text)),)

    def _reply(self, now: float) -> tuple[Action, ...]:
        self._idleness.prompts = 0
        listened = self._recognition.take(now)
        agent = self._manners.speaker(listened.language)
        draft = None if agent else self.eagerness.settle(listened.text)
        actions: tuple[Action, ...] = (Discard(),) if self.eagerness.drop() else ()
        turn = self._minutes.take(draft or Turn(self._minutes.next_number))
        turn.utterance = listened.text
        turn.times.speech_ended = listened.speech_ended
        turn.times.turn_ended = listened.turn_ended
        turn.times.asked = now
        self._minutes.caller(listened.text, listened.began)
        if agent:
            return (*actions, BringIn(agent, turn))
        return (*actions, Release(turn) if draft else Ask(turn, self.history.messages()))


def _against(wish: Wish, minutes: Minutes, recognition: Recognition) -> str:
    """Why the wish of the latest turn is not done, although nobody has cut its announcement off;
    empty: it is."""
    if not isinstance(wish.deed, Parting) and minutes.since_caller > MAX_DEEDS:
        return TOO_OFTEN
    if wish.gives_way and recognition.has_objection:
        return NOT_DONE
    # A final mark that is lost does not keep a line open for ever; but it proves nothing.
    return UNHEARD if wish.needs_words and not minutes.turns[-1].heard.is_whole else ""


def _phrases(act: Act, opening: Phrase | None, parting: Parting | None) -> tuple[Phrase, ...]:
    """What is said by heart where this is done; where the call ends, what it ends with."""
    if act is Act.SAY:
        return ()
    said = {Act.GREET: (opening,) if opening else (), Act.PROMPT: (Phrase.IDLE_PROMPT,)}
    return said.get(act, parting.phrases if parting else ())


def _set_free(actions: tuple[Action, ...]) -> bool:
    """Whether the line is free to play again."""
    return any(isinstance(action, Stop | Resume) for action in actions)


_KEEPS_DRAFT: Final = frozenset({Act.NOTHING, Act.FLUSH, Act.PREPARE, Act.REPLY})
"""A reply that was begun too early is the right one still, or may be."""

_ENDS_TURN: Final[Mapping[Act, Ending]] = {
    Act.WITHDRAW: Ending.WITHDRAWN,
    Act.CUT: Ending.CUT,
    Act.SAY: Ending.CUT,
    Act.APOLOGISE: Ending.ABANDONED,
    Act.SAY_GOODBYE: Ending.ABANDONED,
    Act.END: Ending.HUNG_UP,
}

_UNANSWERED: Final = frozenset({Act.SAY, Act.APOLOGISE, Act.SAY_GOODBYE, Act.HANG_UP, Act.END})
"""No answer follows: what the caller said and no reply took up goes into the history as it is."""

_REPLY_OVER: Final = {
    (Phase.THINKING, Signal.EMPTY),
    (Phase.SPEAKING, Signal.HEARD),
    (Phase.DOUBTING, Signal.HEARD),
}
"""A reply has come to its own end."""

_LAST_REPLY: Final[Mapping[Signal, Signal]] = {
    Signal.HEARD: Signal.PARTED,
    Signal.EMPTY: Signal.CLOSE,
}
"""The end of a reply that the model meant to be its last; one without a word ends by heart."""
