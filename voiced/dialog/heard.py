"""The heard ledger: which words of one reply have reached the caller's ear.

Theory of operation. Three sources are put together:

- the words sent to the voice, in order (`expect`): what can be heard at all, letter for letter;
- the times at which the voice says them, on the reply's own audio (`word`). They may be missing,
  late or absurd, and the voice may report the words in another spelling or cut (`9:30` as `9`
  and `30`), so they are matched by their letters and digits and never taken as the text;
- marks. Behind the frame in which a word ends a mark is queued (`put`), and the carrier echoes
  it (`reached`). Marks are played in order, so one echo vouches for all words before it.

What an echo proves: all audio before the mark was played to the caller - as long as nothing
was cleared. The carrier also echoes every pending mark after a `clear` (Twilio Media Streams,
`clear`), and such an echo looks like any other. So from `cut` on echoes prove nothing. One that
was on its way at that moment is lost with them: the ledger then lacks what the caller heard
during the last network trip. It errs to that side on purpose: to be told a thing twice is
better than to be held to a thing that one never heard.

When a word ends: moshi-server says when a word starts, and as its `stop_s` gives the start of
the next word, or for the last one the end of the stream, 1.44 s late. A pause is no part of a
word, so it ends at `stop_s` or after a plausible spoken length, whichever comes first.

Where the voice gives no times at all, a mark is queued every half second, and the words are
those that had room in the audio heard: by their share of the letters when the whole length is
known, by a customary speaking rate before.

The final mark (`finish`) stands behind the last frame. Its echo proves the whole reply, with or
without times.
"""

from bisect import bisect_right
from collections import deque
from enum import Enum, auto
from itertools import islice

from attrs import frozen

from voiced.audio.frame import FRAME_SAMPLES, SAMPLE_RATE
from voiced.dialog.events import SpokenWord
from voiced.dialog.letters import letters

UNTIMED_MARK_SAMPLES = SAMPLE_RATE // 2
"""The distance of marks while the voice has given no word's time."""

_WORD_S, _LETTER_S, _DIGIT_S = 0.15, 0.07, 0.35  # a slow speaker: 0.15 s and each letter
_LETTERS_PER_S = 13.0  # customary speech, to go by where nothing is known
_FARTHEST_S = 5.0  # a word this far behind the one before has no believable time
_NEAR_WORDS = 4  # how far a word spelled otherwise may put the matching out


class Reached(Enum):
    """What an echoed mark says of a reply."""

    WORD = auto()
    """It has been heard up to here."""
    END = auto()
    """It has been heard to its end."""
    NOTHING = auto()
    """Not this reply's mark, or one that proves nothing: known already, or cleared."""


class _State(Enum):
    OPEN = auto()
    FINISHED = auto()
    WHOLE = auto()
    CUT = auto()


@frozen(order=True)
class _Point:
    """The first `words` words end within the first `samples` of the audio."""

    words: int = 0
    samples: int = 0


@frozen
class _Span:
    start_s: float = 0.0
    stop_s: float = 0.0


class Heard:
    """One reply's ledger. `turn` makes the names of its marks unique in the call."""

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._wording = _Wording()
        self._last = _Span()  # of the last word that was given a time
        self._ends: deque[tuple[int, int]] = deque()  # (end in samples, words up to there)
        self._queued = _Point()  # where the last frame ends; words whose marks are queued
        self._marks: dict[str, _Point] = {}  # queued and not echoed, in order
        self._named = 0
        self._marked_samples = 0
        self._heard = _Point()
        self._state = _State.OPEN

    def expect(self, word: str) -> None:
        """This word has been sent to the voice."""
        self._wording.add(word)

    def word(self, spoken: SpokenWord) -> None:
        """The voice says this word at this time. Times that cannot be are put right."""
        start_s, earliest_s = spoken.start_s, self._last.start_s
        farthest_s = max(earliest_s, self._queued.samples / SAMPLE_RATE) + _FARTHEST_S
        if not earliest_s <= start_s <= farthest_s:  # also where it is not a number
            start_s = earliest_s
        stop_s = start_s + _spoken_s(spoken.text)
        if spoken.stop_s is not None and start_s < spoken.stop_s < stop_s:
            stop_s = spoken.stop_s
        self._last = _Span(start_s, max(stop_s, self._last.stop_s))
        self._ends.append(
            (round(self._last.stop_s * SAMPLE_RATE), self._wording.match(spoken.text))
        )

    def put(self, samples: int = FRAME_SAMPLES) -> list[str]:
        """The next frame of the reply is queued: the marks to queue behind it, none or one.

        Words that end in the same frame share a mark, and so do words whose times came after
        their audio.
        """
        if self._state is not _State.OPEN:
            return []
        words, samples = self._queued.words, self._queued.samples + samples
        while self._ends and self._ends[0][0] <= samples:
            words = max(words, self._ends.popleft()[1])
        is_due = words > self._queued.words or (
            self._is_untimed and samples - self._marked_samples >= UNTIMED_MARK_SAMPLES
        )
        self._queued = _Point(words, samples)
        return [self._mark()] if is_due else []

    def finish(self) -> str:
        """The last frame is queued: the name of the final mark, to queue behind it."""
        if self._state is not _State.OPEN:
            return self._name
        self._state = _State.FINISHED
        self._queued = _Point(len(self._wording.words), self._queued.samples)
        return self._mark()

    def _mark(self) -> str:
        self._named += 1
        self._marked_samples = self._queued.samples
        self._marks[self._name] = self._queued
        return self._name

    @property
    def _name(self) -> str:
        """Of the last mark."""
        return f"{self._turn}.{self._named}"

    def cut(self) -> None:
        """A `clear` has been sent: whatever is echoed from now on may have been dropped."""
        if self._state is not _State.WHOLE:
            self._state = _State.CUT
        self._marks.clear()

    def reached(self, name: str) -> Reached:
        """The carrier has echoed this mark."""
        point = self._marks.pop(name, None)
        if point is None:
            return Reached.NOTHING
        self._heard = max(self._heard, point)
        if self._state is _State.FINISHED and name == self._name:
            self._state = _State.WHOLE
            return Reached.END
        return Reached.WORD

    @property
    def text(self) -> str:
        """The words the caller has heard, joined by spaces."""
        words = self._heard.words
        if self._is_untimed and not self.is_whole:
            words = self._wording.within(self._share())
        return " ".join(islice(self._wording.words, words))

    @property
    def said(self) -> str:
        """All words that were sent to the voice."""
        return " ".join(self._wording.words)

    @property
    def heard_s(self) -> float:
        """How much of the reply's audio is known to have been heard, in seconds."""
        return self._heard.samples / SAMPLE_RATE

    @property
    def is_whole(self) -> bool:
        """The caller has heard the reply to its end."""
        return self._state is _State.WHOLE

    @property
    def _is_untimed(self) -> bool:
        return self._last.stop_s == 0.0

    def _share(self) -> float:
        """How many letters had room in the audio heard, where no word has a time."""
        if self._queued.words:  # finished: the length of all words together is known
            return self._wording.letters * self._heard.samples / max(1, self._queued.samples)
        return _LETTERS_PER_S * self.heard_s


class _Wording:
    """The words sent to the voice, and how far into their letters the times have come."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._letters = ""  # of all words; here and below, digits are letters
        self._ends: list[int] = []  # where each word ends in them
        self._timed = 0  # how many have been said, by the times reported

    @property
    def letters(self) -> int:
        return len(self._letters)

    def add(self, word: str) -> None:
        self.words.append(word)
        self._letters += letters(word)
        self._ends.append(len(self._letters))

    def match(self, spoken: str) -> int:
        """The voice says this next: how many words are said to their end by then.

        What is nowhere near (a number spelled out) moves nothing: the next known word does.
        """
        said = letters(spoken)
        if self._letters.startswith(said, self._timed):
            self._timed += len(said)
        else:
            here = self.within(self._timed)
            for index in range(here, min(here + _NEAR_WORDS, len(self.words))):
                start = self._ends[index - 1] if index else 0
                if self._letters[start : self._ends[index]] == said:
                    self._timed = self._ends[index]
                    break
        return self.within(self._timed)

    def within(self, letters: float) -> int:
        """How many whole words the first `letters` letters hold."""
        return bisect_right(self._ends, letters)


def _spoken_s(word: str) -> float:
    return _WORD_S + sum(_DIGIT_S if c.isdigit() else _LETTER_S for c in word if c.isalnum())
