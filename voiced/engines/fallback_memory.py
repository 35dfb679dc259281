"""What one ear leaves to the next: the last audio, and the words heard in it. Pure bookkeeping.

All times are on one clock, the caller's audio from its first byte on. An engine's own clock begins
where its first byte stands on that one.

The next engine hears again from the last word that was reported, or from `replay_s` before the last
sign of life where that is later. From the beginning of that word, and not from its end: engines do
not tell where a word ends, and one that is cut in half is heard as another. So it comes again, and
is dropped: it is the same word at about the same time, or any word at just that time, for engines
spell differently. One word reported can take only one word heard again with it.
"""

from collections import deque
from enum import Enum
from typing import Final

from attrs import define, evolve, field

from voiced.audio.frame import SAMPLE_RATE
from voiced.dialog.endpointing import UNSETTLED_S
from voiced.dialog.events import PauseScored, SttEvent, WordHeard

SAME_WORD_S: Final = 0.25
"""Two engines put the beginning of a word at most so far apart."""

SAME_PLACE_S: Final = 0.12
"""Two words cannot begin so close to each other."""

_WORDS: Final = 32  # nobody says more while an ear is lost


class _State(Enum):
    ALONE = 1
    DEAF = 2
    HEARING = 3


@define
class EarMemory:
    """One call's. Audio of which no engine has given a sign is kept up to `early_s` at first, and
    up to `unheard_s` later, where somebody has been listening and the next must catch up."""

    replay_s: float
    unheard_s: float
    early_s: float
    dropped_bytes: int = 0
    _state: _State = field(default=_State.ALONE, init=False)
    _audio: bytearray = field(factory=bytearray, init=False)
    _end: int = field(default=0, init=False)  # bytes put so far
    _began_s: float = field(default=0.0, init=False)  # of the present engine's clock
    _scored_s: float = field(default=0.0, init=False)
    _words: deque[WordHeard] = field(factory=lambda: deque(maxlen=_WORDS), init=False)
    _again: list[WordHeard] = field(factory=list, init=False)
    _again_until_s: float = field(default=0.0, init=False)

    def put(self, mulaw: bytes) -> None:
        """The caller's audio."""
        self._audio += mulaw
        self._end += len(mulaw)
        heard = self._state is _State.HEARING
        dropped = self._trim(self.replay_s + self.unheard_s if heard else self.early_s)
        if self._state is _State.ALONE:
            self.dropped_bytes += dropped

    def begin(self) -> bytes:
        """Another engine listens from now on: the audio that it is to hear first."""
        start = self._end - len(self._audio)
        if self._words:
            start = max(start, min(round(self._words[-1].start_s * SAMPLE_RATE), self._end))
        self._began_s = start / SAMPLE_RATE
        self._again = list(self._words)
        self._again_until_s = self._end / SAMPLE_RATE
        replay = bytes(self._audio[len(self._audio) - (self._end - start) :])
        if self._state is _State.ALONE:
            self._state = _State.DEAF
        return replay

    def hear(self, event: SttEvent) -> SttEvent | None:
        """The present engine's event on the call's clock; None where it tells nothing new."""
        self._state = _State.HEARING
        self._trim(self.replay_s)
        match event:
            case WordHeard():
                return self._word(evolve(event, start_s=self._began_s + event.start_s))
            case PauseScored():
                return self._score(event)
        return event

    def _trim(self, bound_s: float) -> int:
        surplus = max(0, len(self._audio) - int(bound_s * SAMPLE_RATE))
        del self._audio[:surplus]
        return surplus

    def _word(self, word: WordHeard) -> WordHeard | None:
        known = self._known(word)
        if known is not None:
            self._again.remove(known)
            return None
        self._words.append(word)
        return word

    def _known(self, word: WordHeard) -> WordHeard | None:
        if word.start_s >= self._again_until_s:
            return None
        near = [known for known in self._again if _is_same(known, word)]
        return min(near, key=lambda known: abs(known.start_s - word.start_s), default=None)

    def _score(self, step: PauseScored) -> PauseScored | None:
        """A pause that was judged before is not judged again, and the first steps of a stream are
        no judgement at all."""
        stream_s = self._began_s + step.stream_s
        if stream_s <= self._scored_s:
            return None
        self._scored_s = stream_s
        is_settled = step.stream_s > UNSETTLED_S
        return PauseScored(step.score if is_settled else None, stream_s)


def _is_same(known: WordHeard, word: WordHeard) -> bool:
    apart_s = abs(known.start_s - word.start_s)
    alike = _plain(known.text) == _plain(word.text)
    return apart_s <= (SAME_WORD_S if alike else SAME_PLACE_S)


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
