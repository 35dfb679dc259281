"""The listening half of a call: the ear's events in, signals for the turn table out."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from voiced.dialog.bargein import BargeIn, is_backchannel
from voiced.dialog.dictation import TAIL_WORDS
from voiced.dialog.endpointing import Endpointing, EndpointingRule
from voiced.dialog.events import (
    Flushed,
    PauseScored,
    SpeechStarted,
    SpeechStopped,
    SttEvent,
    TurnLikelyOver,
    TurnResumed,
    WordHeard,
)
from voiced.dialog.turns import Phase, Signal

FLUSH_S: Final = 1.0
"""An STT that has not answered a flush by then is not waited for: the words so far will do."""

ANSWER_S: Final = 1.5
"""A "yes" said this shortly before the end of a question is its answer, not a backchannel."""

WORDS_OF_LANGUAGE: Final = 3

KEYPAD: Final = "(keypad: {})"
"""How the model is told of keys that were pressed."""

EarEvent = SttEvent | SpeechStarted | SpeechStopped


@frozen
class Listened:
    """What the ear had: the words, when the first of them came, when the line went quiet (None:
    it has not), when endpointing decided; which language it was in, where that is plain."""

    text: str
    began: float
    speech_ended: float | None
    turn_ended: float | None
    language: str = ""


def spoken(languages: Sequence[str]) -> str:
    """The language of an utterance, given that of each word: two thirds of them and at least three
    have it, or nobody can tell. "Merci" is said in every language."""
    for language, count in Counter(languages).most_common(1):
        if language and count >= max(WORDS_OF_LANGUAGE, len(languages) * 2 / 3):
            return language
    return ""


class Listening:
    """Keeps the words that the caller said and no reply has taken up yet.

    Holds the two policies, `Endpointing` and `BargeIn`, and tells them what they need; which of
    them is asked depends on who has the floor. Memory is bounded by how fast people speak.
    """

    def __init__(self, rule: EndpointingRule, min_interruption_words: int | None) -> None:
        """`min_interruption_words` None: replies cannot be interrupted."""
        self._words: list[tuple[float, str]] = []  # when each was reported
        self._languages: list[str] = []
        self.speech_ended: float | None = None
        """When the line went quiet; None: it has not."""
        self._turn_ended: float | None = None
        self.follow(rule, min_interruption_words)

    def follow(self, rule: EndpointingRule, min_interruption_words: int | None) -> None:
        """Goes by these from now on; what has been heard is kept."""
        self._endpointing = Endpointing(rule)
        self._bargein = None if min_interruption_words is None else BargeIn(min_interruption_words)
        if self._words:
            tail = [word for _, word in self._words[-TAIL_WORDS:]]
            self._endpointing.word(self._words[-1][0], tail)
        if self.speech_ended is not None:
            self._quiet(self.speech_ended)

    def receive(self, event: EarEvent, phase: Phase, now: float) -> Signal | None:
        """Returns what an event means to whoever has the floor, or None."""
        match event:
            case WordHeard(text=text, language=language):
                self._languages.append(language)
                return self._word(text.strip(), phase, now)
            case PauseScored():
                ended = phase is Phase.HEARING and self._endpointing.scored(event)
                return Signal.PAUSE if ended else None
            case Flushed():
                return self._flushed if phase is Phase.FLUSHING else None  # or it comes late
            case SpeechStarted():
                self.speech_ended = None
                self._endpointing.loud()
                if self._bargein:
                    self._bargein.loud(now)
            case SpeechStopped(quiet_s=quiet_s):
                self._quiet(now - quiet_s)
            case TurnLikelyOver() if phase is Phase.HEARING:
                return Signal.LIKELY if self._endpointing.offer() else None
            case TurnResumed() if phase is Phase.HEARING:
                return Signal.RESUMED
        return None

    def _word(self, text: str, phase: Phase, now: float) -> Signal | None:
        if not text:
            return None
        self._words.append((now, text))
        self._endpointing.word(now, [word for _, word in self._words[-TAIL_WORDS:]])
        if phase not in (Phase.SPEAKING, Phase.DOUBTING):
            return Signal.WORD
        if self._bargein and self._bargein.word(text):
            return Signal.BARGE_IN
        return None

    def keyed(self, keys: str, now: float) -> None:
        """The caller entered this on the keypad: part of the utterance like any word."""
        if not keys:
            return
        self._words.append((now, KEYPAD.format(keys)))
        self.speech_ended = now  # nothing is awaited from the line
        self._endpointing.word(now)

    @property
    def so_far(self) -> str:
        """What the caller has said of the utterance."""
        return " ".join(word for _, word in self._words)

    @property
    def is_assent(self) -> bool:
        """That is no more than "mm-hm", or nothing."""
        return all(is_backchannel(word) for _, word in self._words)

    @property
    def _flushed(self) -> Signal:
        return Signal.FLUSHED if self._words else Signal.IDLE

    def _quiet(self, since: float) -> None:
        self.speech_ended = since
        self._endpointing.quiet(since)
        if self._bargein:
            self._bargein.quiet(since)

    def reply_audible(self, now: float) -> None:
        """The agent begins to speak, or goes on; from now on the caller's noise may be a
        barge-in."""
        if self._bargein:
            self._bargein.begin(now)

    def reply_paused(self, now: float) -> None:
        """The agent falls silent, to find out what the noise was."""
        if self._bargein:
            self._bargein.doubt(now)

    def flush(self, now: float) -> None:
        """The STT has been asked for its last words."""
        self._turn_ended = now

    def deadline(self, phase: Phase) -> float | None:
        """When `expire` is owed."""
        match phase:
            case Phase.HEARING:
                likely = self._endpointing.likely()
                return self._endpointing.deadline() if likely is None else likely
            case Phase.FLUSHING:
                return None if self._turn_ended is None else self._turn_ended + FLUSH_S
            case Phase.SPEAKING | Phase.DOUBTING if self._bargein:
                return self._bargein.deadline()
        return None

    def expire(self, phase: Phase, now: float) -> Signal | None:
        """The signal that falls due at `now` if nothing has been heard."""
        deadline = self.deadline(phase)
        if deadline is None or now < deadline:
            return None
        match phase:
            case Phase.HEARING:
                likely = self._endpointing.likely() is not None and self._endpointing.offer()
                return Signal.LIKELY if likely else Signal.PAUSE
            case Phase.FLUSHING:
                return self._flushed
            case Phase.DOUBTING:
                return Signal.CALM
            case _:
                worded = self._bargein and self._bargein.is_worded
                return Signal.BARGE_IN if worded else Signal.NOISE

    def take(self, now: float) -> Listened:
        """Hands over the utterance, empty if there is none; listening begins afresh."""
        began = self._words[0][0] if self._words else now
        language = spoken(self._languages)
        listened = Listened(self.so_far, began, self.speech_ended, self._turn_ended, language)
        self._words.clear()
        self._languages.clear()
        self._endpointing.reset()
        self._turn_ended = None
        return listened

    def left_over(self, reply: str, now: float) -> Signal | None:
        """A reply has been heard to its end: were the words said meanwhile meant for us?"""
        answer = reply.endswith("?") and any(now - at < ANSWER_S for at, _ in self._words)
        if self.is_assent and not answer:
            self.take(now)
            return None
        return Signal.WORD
