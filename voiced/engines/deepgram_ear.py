"""What Deepgram's messages mean to a call: words once each, and the end of an utterance. Pure.

An utterance is over when Deepgram says so, by silence (`speech_final`), by the gap between words
where noise hides the silence (`UtteranceEnd`), or by what was said (Flux's `EndOfTurn`). The
verdict stands until the caller speaks again. Flux can also say that a turn is likely over
(`EagerEndOfTurn`), and take that back.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol

from attrs import define, field, frozen

from voiced.dialog.events import WordHeard
from voiced.engines.deepgram_told import Told
from voiced.wire import deepgram, deepgram_flux
from voiced.wire.deepgram import Word
from voiced.wire.deepgram_flux import TurnEvent

LATE_S: Final = 0.1
"""The times of a word differ by less from one message to the next."""


@frozen
class Heard:
    """What a message brought. `is_flushed`: all said before a flush has been told. `is_likely`:
    the turn is likely over, with these words; `is_resumed`: it was not, and these came since.
    `warning` and `failure` are codes of the server's; it closes behind a failure."""

    words: Sequence[WordHeard] = ()
    is_verdict: bool = False
    is_flushed: bool = False
    is_hello: bool = False
    is_likely: bool = False
    is_resumed: bool = False
    warning: str = ""
    failure: str = ""


NOTHING: Final = Heard()


class Ear(Protocol):
    """Reads one protocol's messages."""

    @property
    def is_over(self) -> bool:
        """The verdict on the last utterance stands, and nothing is held back."""
        ...

    def receive(self, data: bytes) -> Heard:
        """Takes the next message.

        Raises:
            WireError: it is malformed.
        """

    def rest(self) -> Sequence[WordHeard]:
        """The words guessed and not told yet: no better ones will come in time."""


class _Utterance(Enum):
    OPEN = 1
    LIKELY_OVER = 2
    OVER = 3


@define
class NovaEar:
    """`/v1/listen`."""

    _told: Told = field(factory=Told)
    _utterance: _Utterance = _Utterance.OPEN
    _window_s: float = 0.0
    _last_word_s: float = 0.0

    @property
    def is_over(self) -> bool:
        return self._utterance is _Utterance.OVER

    def receive(self, data: bytes) -> Heard:
        match deepgram.parse_listen(data):
            case deepgram.Results() as results:
                return self._results(results)
            case deepgram.UtteranceEnd(last_word_s=last_word_s):
                return self._utterance_end(last_word_s)
            case deepgram.SpeechStarted():
                self._utterance = _Utterance.OPEN
            case deepgram.Complaint(code=code):
                return Heard(warning=code)
        return NOTHING

    def rest(self) -> Sequence[WordHeard]:
        return self._tell(self._told.rest())

    def _results(self, results: deepgram.Results) -> Heard:
        self._window_s = results.start_s
        if results.is_final or results.speech_final:
            new = self._told.settle(results.words)
        else:
            new = self._told.guess(results.words, results.stop_s)
        if results.speech_final:
            self._utterance = _Utterance.OVER
        elif new or self._told.is_waiting:
            self._utterance = _Utterance.OPEN
        if results.is_final:
            self._told.advance(results.stop_s)
        return Heard(self._tell(new), results.speech_final, results.from_finalize)

    def _utterance_end(self, last_word_s: float) -> Heard:
        """Comes also where `speech_final` has ended the utterance, and then says nothing new; and
        may come late, when the next has begun."""
        if self.is_over or self._is_past(last_word_s):
            return NOTHING
        self._utterance = _Utterance.OVER
        return Heard(self.rest(), is_verdict=True)

    def _is_past(self, last_word_s: float) -> bool:
        if last_word_s < 0:
            return self._told.is_waiting
        latest_s = max(self._last_word_s, self._told.last_start_s)
        return latest_s > last_word_s + LATE_S

    def _tell(self, words: Sequence[Word]) -> Sequence[WordHeard]:
        for word in words:
            self._last_word_s = max(self._last_word_s, word.start_s or 0.0)
        return _heard(words, self._window_s)


@define
class FluxEar:
    """`/v2/listen`."""

    _told: Told = field(factory=Told)
    _utterance: _Utterance = _Utterance.OPEN
    _turn: int = 0
    _stop_s: float = 0.0

    @property
    def is_over(self) -> bool:
        return self._utterance is _Utterance.OVER

    def receive(self, data: bytes) -> Heard:
        match deepgram_flux.parse_flux(data):
            case deepgram_flux.Connected():
                return Heard(is_hello=True)
            case deepgram_flux.Turn() as turn:
                return self._take(turn)
            case deepgram_flux.Warned(code=code):
                return Heard(warning=code)
            case deepgram_flux.Failed(code=code):
                return Heard(failure=code)
        return NOTHING

    def rest(self) -> Sequence[WordHeard]:
        return _heard(self._told.rest(), self._stop_s)

    def _take(self, turn: deepgram_flux.Turn) -> Heard:
        if turn.index < self._turn:
            return NOTHING  # it is over, and its words have been told
        if turn.index > self._turn:
            self._turn, self._told = turn.index, Told()
        self._stop_s = turn.stop_s
        match turn.event:
            case TurnEvent.END_OF_TURN:
                return self._end(turn)
            case TurnEvent.EAGER_END_OF_TURN if turn.words:
                self._utterance = _Utterance.LIKELY_OVER
                return Heard(_heard(self._told.settle(turn.words), turn.stop_s), is_likely=True)
        words = _heard(self._told.guess(turn.words), turn.stop_s)
        was_likely = self._utterance is _Utterance.LIKELY_OVER
        if turn.event is TurnEvent.TURN_RESUMED and was_likely:
            self._utterance = _Utterance.OPEN
            return Heard(words, is_resumed=True)
        if turn.words and not was_likely:
            self._utterance = _Utterance.OPEN
        return Heard(words)

    def _end(self, turn: deepgram_flux.Turn) -> Heard:
        words = _heard(self._told.settle(turn.words), turn.stop_s)
        self._told, self._utterance = Told(), _Utterance.OVER
        return Heard(words, is_verdict=True, is_flushed=True)


def _heard(words: Sequence[Word], otherwise_s: float) -> Sequence[WordHeard]:
    """Words for the call; those without a time get this one."""
    return [
        WordHeard(word.text, otherwise_s if word.start_s is None else word.start_s, word.language)
        for word in words
    ]
