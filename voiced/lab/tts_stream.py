"""One utterance of the stand-in TTS: words in, model steps out. Pure; a step is 80 ms of speech.

It keeps the real server's time (moshi-server tts.py and py_module.rs): the gate of three words,
the freeze when they run out, the 18 steps before the first audio, words announced one late.
"""

import re
from collections import deque
from collections.abc import Sequence
from enum import Enum, auto

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from voiced.lab.voice import CLAUSE_ENDS, FRAME_SAMPLES, Frames

STEPS_PER_S = 12.5
LOOKAHEAD_WORDS = 2
FIRST_WORD_OFFSET = 2
DELAY_STEPS = 18
"""16 steps of text-to-audio delay and 2 acoustic: PCM begins with the 19th step."""
TAIL_FRAMES = 4
PHRASE_WORDS = 24

_BREAK = re.compile(r'<break\s+time="(-?\d+(?:\.\d+)?)s?"\s*/?>')
_SILENCE: Frames = np.zeros((1, FRAME_SAMPLES), np.float32)


@frozen
class Pause:
    """`<break time="0.5s"/>`, in frames."""

    seconds: float
    frames: int

    @property
    def tag(self) -> str:
        return f'<break time="{self.seconds:.2f}s">'


@frozen
class Said:
    """A Text message: a word and when it sounds."""

    text: str
    start_s: float
    stop_s: float


class State(Enum):
    """Where an utterance is."""

    OPEN = auto()  # more text may come
    CLOSING = auto()  # Eos has come; words are left
    DRAINING = auto()  # the last word is consumed
    DONE = auto()


def split_text(text: str) -> list[str | Pause]:
    """Text as the server cleans and splits it (moshi-server tts_preprocess.rs)."""
    entries: list[str | Pause] = []
    for index, part in enumerate(_BREAK.split(text)):
        if index % 2:
            seconds = min(float(part), 10.0)
            if seconds > 0:
                entries.append(Pause(seconds, max(1, int(seconds * STEPS_PER_S))))
            continue
        clean = part.replace("’", "'").replace(":", " ")
        entries += re.sub("[–()]", "", clean).split()
    return entries


@define
class TtsStream:
    """`put` and `close` bring text, `wanted`/`give` fetch its sound, `step` runs the model."""

    state: State = State.OPEN
    offset: int = 0
    """Steps done."""
    _text: deque[str | Pause] = field(factory=deque)
    _spoken: deque[tuple[str, Frames]] = field(factory=deque)
    _audio: deque[NDArray[np.float32]] = field(
        factory=lambda: deque([*_SILENCE] * (FIRST_WORD_OFFSET + 1))
    )
    _saying: tuple[str, float] | None = None
    _next_word: int = FIRST_WORD_OFFSET
    """The offset at which the model asks for a word or, once DRAINING, ends."""

    @property
    def frames(self) -> int:
        """Audio frames sent."""
        return max(0, self.offset - DELAY_STEPS)

    def put(self, text: str) -> None:
        """More text, any length; a word must not be cut."""
        self._text += split_text(text)

    def close(self) -> None:
        """Eos."""
        if self.state is State.OPEN:
            nothing_said = not self._pending() and self._saying is None
            self.state = State.DONE if nothing_said else State.CLOSING

    def wanted(self) -> tuple[str, ...]:
        """The phrase whose sound is needed now: what is there, up to a clause's end."""
        if self._spoken or not self._gate_is_open():
            return ()
        if self._text and isinstance(pause := self._text[0], Pause):
            self._text.popleft()
            self._spoken.append((pause.tag, np.repeat(_SILENCE, pause.frames, axis=0)))
            return ()
        phrase: list[str] = []
        for word in self._text:
            if isinstance(word, Pause) or len(phrase) == PHRASE_WORDS:
                break
            phrase.append(word)
            if word.endswith(CLAUSE_ENDS):
                break
        return tuple(phrase)

    def give(self, words: Sequence[str], sound: Sequence[Frames]) -> None:
        """Takes the sound of the phrase that was wanted, word by word."""
        for word, frames in zip(words, sound, strict=True):
            self._text.popleft()
            self._spoken.append((word, frames))

    def step(self) -> list[Said | NDArray[np.float32]]:
        """One step of the model: what it sends. Nothing while it is starved."""
        if self.state is State.DONE or not self._gate_is_open():
            return []
        out: list[Said | NDArray[np.float32]] = []
        if self.state is not State.DRAINING and self.offset == self._next_word:
            if self._text and not self._spoken:
                return []
            out += self._consume()
        if self.offset >= DELAY_STEPS:
            out.append(self._audio.popleft())
        self.offset += 1
        if self.state is State.DRAINING and self.offset == self._next_word:
            out += self._finish_word(self.offset)
            self.state = State.DONE
        return out

    def _pending(self) -> int:
        return len(self._text) + len(self._spoken)

    def _gate_is_open(self) -> bool:
        if self.state is not State.OPEN or self._pending() > LOOKAHEAD_WORDS:
            return True
        first = self._spoken[0][0] if self._spoken else self._text[0] if self._text else ""
        return isinstance(first, Pause) or first.startswith("<break ")

    def _consume(self) -> list[Said | NDArray[np.float32]]:
        said = []
        if self._spoken:
            said = self._finish_word(self.offset + 1)
            word, frames = self._spoken.popleft()
            self._saying = (word, (self.offset + 1) / STEPS_PER_S)
            self._audio += [*frames]
            self._next_word = self.offset + len(frames)
        else:
            self.state = State.DRAINING
            self._audio += [*_SILENCE] * (TAIL_FRAMES - 1)
            self._next_word = self.offset + DELAY_STEPS + TAIL_FRAMES
        return said

    def _finish_word(self, step: int) -> list[Said | NDArray[np.float32]]:
        """A word is announced when the next one begins, the last one at the very end."""
        if self._saying is None:
            return []
        (text, start_s), self._saying = self._saying, None
        return [Said(text, start_s, step / STEPS_PER_S)]
