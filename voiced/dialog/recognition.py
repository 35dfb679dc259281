"""From what happened to what it means: events in, signals for the turn table out.

Which of two meanings an event has often depends on who has the floor, so the phase is an
argument; what to do about it is none of this file's business.
"""

from typing import Final, TypeAlias

from attrs import frozen

from voiced.audio.frame import FRAME_S
from voiced.audio.playout import AGAIN_FRAMES
from voiced.dialog import events as ev
from voiced.dialog.digits import Digits
from voiced.dialog.heard import Reached
from voiced.dialog.listening import Listened, Listening
from voiced.dialog.manners import Manners
from voiced.dialog.minutes import Minutes
from voiced.dialog.parting import Parting
from voiced.dialog.turn import Ending, Turn
from voiced.dialog.turns import Act, Phase, Signal

MARK_GRACE_S: Final = 3.0
"""A final mark later than this after its audio was due is taken for lost."""

REPEATED_S: Final = AGAIN_FRAMES * FRAME_S
"""A reply that goes on after a pause says so much again, at most."""

Sensed: TypeAlias = (
    ev.SttEvent
    | ev.SpeechStarted
    | ev.SpeechStopped
    | ev.MarkReached
    | ev.DigitPressed
    | ev.TimePassed
)
Told: TypeAlias = (
    ev.CloseRequested | ev.EarFailed | ev.SayRequested | ev.InterruptRequested | ev.MachineDetected
)

Recognised: TypeAlias = ev.ReplyEvent | Sensed | ev.LegEnded | Told


@frozen
class Happening:
    """A signal; with `CLOSE` and its like, how the call is to end; with `SAY`, what to say."""

    signal: Signal
    parting: Parting | None = None
    text: str = ""


class Recognition:
    """The senses of one conversation: what the caller says and presses, what the house tells."""

    def __init__(self, manners: Manners, minutes: Minutes) -> None:
        self._listening = Listening(manners.endpointing, manners.words_to_interrupt)
        self._digits = Digits(manners.digits)
        self._manners = manners
        self._minutes = minutes
        self._paused_at = 0.0

    def receive(self, event: Recognised, phase: Phase, now: float) -> Happening | None:
        """What the event means while `phase` holds; None: nothing."""
        if isinstance(event, ev.ReplyEvent):
            turn = self._minutes.pending(event.turn)
            # None: of a reply that has been stopped meanwhile
            return self._replied(event, turn, now) if turn else None
        if not isinstance(event, ev.SttEvent | ev.LegEvent | ev.TimePassed):
            return self._told(event)
        if isinstance(event, ev.LegEnded):
            return Happening(Signal.GONE, Parting(event.reason))
        signal = self._sensed(event, phase, now)
        return Happening(signal) if signal else None

    def follow(self, manners: Manners) -> None:
        """Another agent listens from now on; what the caller has said so far is not lost."""
        self._manners = manners
        self._listening.follow(manners.endpointing, manners.words_to_interrupt)
        self._digits.follow(manners.digits)

    def deadline(self, phase: Phase) -> float | None:
        """When `TimePassed` is owed."""
        turn = self._minutes.latest
        moments = [self._digits.deadline()]
        if turn and phase is not Phase.DOUBTING:  # where nothing is played, no mark is overdue
            moments.append(turn.heard_by)
        if not self._digits.pending:  # a number that is being entered holds the utterance open
            moments.append(self._listening.deadline(phase))
        return min((moment for moment in moments if moment is not None), default=None)

    def note(self, act: Act, now: float) -> None:
        """What is done about it now changes what happens next."""
        turn = self._minutes.latest
        match act:
            case Act.FLUSH:
                self._listening.flush(now)
            case Act.PAUSE:
                self._listening.reply_paused(now)
                self._paused_at = now
            case Act.RESUME:
                self._listening.reply_audible(now)
                if turn and turn.heard_by is not None:
                    turn.heard_by += now - self._paused_at + REPEATED_S

    @property
    def so_far(self) -> str:
        """What the caller has said of an utterance that may be over; empty while keys are being
        entered."""
        return "" if self._digits.pending else self._listening.so_far

    @property
    def quiet_since(self) -> float | None:
        """When the caller's line went quiet; None: it has not."""
        return self._listening.speech_ended

    @property
    def has_objection(self) -> bool:
        """The caller has said or pressed something, and it is no mere assent."""
        return not self._listening.is_assent or bool(self._digits.pending)

    def take(self, now: float) -> Listened:
        """Hands over the utterance, keys and all, empty if there is none."""
        self._listening.keyed(self._digits.take(), now)
        return self._listening.take(now)

    def left_over(self, reply: str, now: float) -> Signal | None:
        """A reply is over and the floor free: was what the caller did meanwhile meant for us?"""
        said = self._listening.left_over(reply, now)
        return said or (Signal.KEY if self._digits.pending else None)

    # --- the line -------------------------------------------------------------------------------

    def _sensed(self, event: Sensed, phase: Phase, now: float) -> Signal | None:
        match event:
            case ev.MarkReached(name=name):
                turn = self._minutes.latest
                reached = turn.heard.reached(name) if turn else Reached.NOTHING
                return Signal.HEARD if reached is Reached.END else None
            case ev.DigitPressed(digit=digit):
                return self._pressed(digit, phase, now)
            case ev.TimePassed():
                return self._expired(phase, now)
            case _:
                signal = self._listening.receive(event, phase, now)
                return None if self._waits(signal, phase) else signal

    def _waits(self, signal: Signal | None, phase: Phase) -> bool:
        """A pause while a number is being entered ends nothing; nor does a word withdraw what
        the house says word for word. It is kept, and answered behind that."""
        if signal is Signal.PAUSE:
            return bool(self._digits.pending)
        turn = self._minutes.latest
        text = turn.text if turn and phase is Phase.THINKING else ""
        return signal is Signal.WORD and bool(text)

    def _pressed(self, digit: str, phase: Phase, now: float) -> Signal | None:
        entered = self._digits.press(digit, now)
        if entered is not None:
            self._listening.keyed(entered, now)
        elif not self._digits.pending:
            return None  # no key of a telephone
        if phase is Phase.SPEAKING and not self._manners.interruptible:
            return None
        # An input may be overdue by the first key of the next: then that one is waited for too.
        whole = entered is not None and not self._digits.pending
        waiting = phase in (Phase.LISTENING, Phase.HEARING)
        return Signal.ENTERED if waiting and whole else Signal.KEY

    def _expired(self, phase: Phase, now: float) -> Signal | None:
        turn = self._minutes.latest
        overdue = turn and turn.heard_by is not None and now >= turn.heard_by
        if turn and overdue and phase is not Phase.DOUBTING:
            began = turn.times.first_frame is not None
            return Signal.HEARD if began else Signal.EMPTY  # or the line takes nothing
        if (entered := self._digits.expire(now)) is not None:
            self._listening.keyed(entered, now)
            return Signal.ENTERED
        return None if self._digits.pending else self._listening.expire(phase, now)

    # --- the reply, and the house around the call -------------------------------------------------

    def _replied(self, event: ev.ReplyEvent, turn: Turn, now: float) -> Happening | None:
        match event:
            case ev.ReplyAudible():
                turn.times.first_frame = now
                self._listening.reply_audible(now)
                return Happening(Signal.AUDIBLE)
            case ev.FillerSaid(length_s=length_s):
                turn.times.filler, turn.times.filler_ended = now, now + length_s
            case ev.KeysWanted(rule=rule):
                self._digits.expect(rule)
            case ev.ReplyFinished(remaining_s=remaining_s):
                turn.heard_by = now + remaining_s + MARK_GRACE_S
            case ev.ReplyEmpty():
                return Happening(Signal.EMPTY)
            case ev.ReplyFailed(error=error):
                self._minutes.end(Ending.FAILED, now)
                return Happening(
                    Signal.FAILED, self._manners.failed(f"{error.role}-{error.reason}")
                )
        return None

    def _told(self, event: Told) -> Happening | None:
        match event:
            case ev.CloseRequested(parting=parting):
                return Happening(Signal.CLOSE, parting)
            case ev.EarFailed(error=error):
                return Happening(Signal.DEAF, self._manners.failed(f"stt-{error.reason}"))
            case ev.SayRequested(text=text):
                return Happening(Signal.SAY, text=text)
            case ev.InterruptRequested():
                return Happening(Signal.HUSH)
            case _:
                last = self._manners.answered(event.answered_by)
                return Happening(Signal.CLOSE, last) if last else None
