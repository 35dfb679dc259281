"""How far a voice has come with its words, so that another can say the rest: pure bookkeeping.

A word is said when the audio up to its end has come. Its time is passed on no sooner: a word that
breaks off is said again by the spare, and must not be reported twice.

As in `dialog.heard`, a word ends at its `stop_s` or after a plausible spoken length, whichever
comes first, since some voices report the start of the next word as the end of this one, pause and
all. The start of the next word ends it in any case.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from voiced.audio.frame import SAMPLE_RATE
from voiced.dialog.events import SpeechEvent, SpokenWord
from voiced.dialog.heard import Heard

_WORD_S, _LETTER_S, _DIGIT_S = 0.15, 0.07, 0.35  # a slow speaker: 0.15 s and each letter
_LETTERS_PER_S: Final = 13.0  # customary speech, for voices that give no times
_ROUNDING: Final = 8  # a millisecond: times are in seconds, and resampling rounds too
_FARTHEST_S: Final = 60.0  # a word this far ahead of the audio has no believable time
_END_OF_TIME: Final = 3600 * SAMPLE_RATE


@define
class _Timed:
    """A word, and when it ends on the voice's own clock."""

    end_s: float
    word: SpokenWord


@define
class Utterance:
    """One voice's share of a reply. `words` are those it has been given; times and lengths are
    the reply's: `began_samples` of it were said by others."""

    words: list[str] = field(factory=list)
    began_samples: int = 0
    samples: int = 0
    _waiting: deque[_Timed] = field(factory=deque, init=False)
    _spoken: list[str] = field(factory=list, init=False)
    _last_s: float = field(default=0.0, init=False)
    _letters: int = field(init=False)

    @_letters.default
    def _of_the_first_words(self) -> int:
        return sum(map(len, self.words))

    @property
    def has_audio(self) -> bool:
        return self.samples > 0

    @property
    def unsaid_letters(self) -> float:
        """About how much the voice has been given and has not said."""
        if self._spoken or self._waiting:
            return self._letters - sum(map(len, self._spoken))
        return self._letters - _LETTERS_PER_S * self.samples / SAMPLE_RATE

    def give(self, word: str) -> None:
        """The voice gets this word."""
        self.words.append(word)
        self._letters += len(word)

    def receive(self, event: SpeechEvent) -> Sequence[SpeechEvent]:
        """The voice's next event: what to pass on."""
        if isinstance(event, SpokenWord):
            self._wait(event)
            return self._said()
        self.samples += len(event.mulaw)
        return (*self._said(), event)

    def finish(self) -> Sequence[SpeechEvent]:
        """The voice has said everything: what to pass on that has waited for audio."""
        rest, self._waiting = self._waiting, deque()
        return [each.word for each in rest]

    def remainder(self) -> "Utterance":
        """For the voice that goes on: the words that this one has not said, from here."""
        return Utterance(self.words[self._count() :], self._end)

    @property
    def _end(self) -> int:
        return self.began_samples + self.samples

    def _wait(self, word: SpokenWord) -> None:
        """Times that cannot be are put right, as the call's own ledger does."""
        start_s = word.start_s
        if not self._last_s <= start_s <= self.samples / SAMPLE_RATE + _FARTHEST_S:
            start_s = self._last_s
        elif self._waiting:
            self._waiting[-1].end_s = min(self._waiting[-1].end_s, start_s)
        self._last_s = start_s
        end_s = start_s + _longest_s(word.text)
        if word.stop_s is not None and start_s <= word.stop_s < end_s:
            end_s = word.stop_s
        began_s = self.began_samples / SAMPLE_RATE
        self._waiting.append(
            _Timed(end_s, SpokenWord(word.text, began_s + start_s, began_s + end_s))
        )

    def _said(self) -> Sequence[SpokenWord]:
        said: list[SpokenWord] = []
        while self._waiting and self._waiting[0].end_s * SAMPLE_RATE <= self.samples + _ROUNDING:
            said.append(self._waiting.popleft().word)
            self._spoken.append(said[-1].text)
        return said

    def _count(self) -> int:
        """How many of the words are said, as the call itself would count them."""
        if self._waiting and not self._spoken:
            return 0
        ledger = Heard(0)
        for word in self.words:
            ledger.expect(word)
        for text in self._spoken:
            ledger.word(SpokenWord(text, 0.0, None))
        for mark in ledger.put(_END_OF_TIME if self._spoken else self.samples):
            ledger.reached(mark)
        return len(ledger.text.split())


def _longest_s(word: str) -> float:
    return _WORD_S + sum(_DIGIT_S if c.isdigit() else _LETTER_S for c in word if c.isalnum())
