"""pocketsphinx as an ear: a streaming recogniser of one grammar's sentences. No trio in here.

Open dictation of telephone speech is beyond it; with a grammar it hears synthetic speech word
for word, at 2 % of real time.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from voiced.errors import StartupError
from voiced.lab.resample import Downsampler
from voiced.lab.voice import FRAME_SAMPLES, RATE

try:
    import pocketsphinx
except ImportError:  # the extra `lab` is not installed: `load_sphinx` says so
    pocketsphinx = None

EAR_RATE = 16_000
END_SILENCE_S = 0.24
"""So much silence ends an utterance; less than the delay of the words, so none comes late."""
PREROLL_FRAMES = 4
DITHER = 2e-3
"""Digital silence has no spectrum to normalise by: a little noise makes short words audible."""
STABLE_HYPOTHESES = 3
DECIDE_S = 0.56
"""No word is told sooner after its end, but for the end of the utterance: the real model owes it
after 0.48 s, and each further frame makes the guess better."""
TELEPHONE_CEPSTRUM = "54.8,1.4,-12.2,15.9,-5.7,-8.2,1.7,-15.8,-4.7,-2.5,-4.3,4.3,-8.7"
"""The mean of synthetic speech on a telephone line: without it the first words of a call are
lost, and each utterance would depend on the ones before."""

Frame = NDArray[np.float32]


@frozen
class EarWord:
    """A word, and when it sounded on the stream's clock."""

    text: str
    start_s: float
    stop_s: float


class Attention(Enum):
    """Whether an utterance is going on."""

    IDLE = auto()
    LISTENING = auto()


@define
class SphinxEar:
    """Hears the sentences of one grammar."""

    _decoder: Any
    _attention: Attention = Attention.IDLE
    _frames: int = 0
    _preroll: deque[bytes] = field(factory=lambda: deque(maxlen=PREROLL_FRAMES))
    _downsampler: Downsampler = field(factory=lambda: Downsampler(RATE, EAR_RATE))
    _noise: np.random.Generator = field(factory=lambda: np.random.default_rng(0))
    _start_s: float = 0.0
    _hypotheses: deque[list[EarWord]] = field(factory=lambda: deque(maxlen=STABLE_HYPOTHESES))
    _told: int = 0

    def hear(self, frame: Frame, silence_s: float) -> Sequence[EarWord]:
        self._frames += 1
        speech = self._convert(frame)
        self._preroll.append(speech)
        if self._attention is Attention.IDLE:
            if silence_s < FRAME_SAMPLES / RATE:
                self._start()
            return ()
        self._decoder.process_raw(speech, False, False)  # noqa: FBT003 - its own positions
        if silence_s >= END_SILENCE_S:
            return self._finish()
        return self._stable_words()

    def restart(self) -> None:
        if self._attention is Attention.LISTENING:
            self._finish()
        self._frames = 0
        self._preroll.clear()

    def _convert(self, frame: Frame) -> bytes:
        clean = self._downsampler.convert(frame)
        speech = clean + DITHER * self._noise.standard_normal(len(clean))
        return (np.clip(speech, -1, 1) * 32767).astype("<i2").tobytes()

    def _start(self) -> None:
        self._attention = Attention.LISTENING
        self._start_s = (self._frames - len(self._preroll)) * FRAME_SAMPLES / RATE
        self._told = 0
        self._hypotheses.clear()
        self._decoder.set_cmn(TELEPHONE_CEPSTRUM)
        self._decoder.start_utt()
        self._decoder.process_raw(b"".join(self._preroll), False, False)  # noqa: FBT003

    def _stable_words(self) -> Sequence[EarWord]:
        """Words that several hypotheses in a row agree on; the last of each may still grow."""
        self._hypotheses.append(self._words())
        if len(self._hypotheses) < STABLE_HYPOTHESES:
            return ()
        latest = self._hypotheses[-1]
        agreed = self._told
        decided_s = self._frames * FRAME_SAMPLES / RATE - DECIDE_S
        while (
            agreed < len(latest) - 1
            and latest[agreed].stop_s <= decided_s
            and all(
                len(words) > agreed and words[agreed].text == latest[agreed].text
                for words in self._hypotheses
            )
        ):
            agreed += 1
        return self._tell(latest[:agreed])

    def _finish(self) -> Sequence[EarWord]:
        self._decoder.end_utt()
        self._attention = Attention.IDLE
        self._preroll.clear()
        return self._tell(self._words())

    def _tell(self, words: list[EarWord]) -> Sequence[EarWord]:
        news = words[self._told :]
        self._told = max(self._told, len(words))
        return news

    def _words(self) -> list[EarWord]:
        words = []
        for segment in self._decoder.seg() or ():
            if not segment.word.startswith(("<", "[", "(")):
                start, stop = segment.start_frame / 100, (segment.end_frame + 1) / 100
                text = segment.word.split("(")[0]  # `the(2)` is a second pronunciation
                words.append(EarWord(text, self._start_s + start, self._start_s + stop))
        return words


def load_sphinx(grammar: str) -> SphinxEar:
    """An ear for the sentences of a JSGF grammar; takes a fifth of a second.

    Raises:
        StartupError: pocketsphinx is not installed.
    """
    if pocketsphinx is None:
        raise StartupError(
            "the lab's ear needs pocketsphinx, which is not installed: pip install 'voiced[lab]'; "
            "the Debian package does not have it, but a checkout does after make setup"
        )
    # Without the word lattice's best path, the last hypothesis is as good as the ones before.
    decoder = pocketsphinx.Decoder(
        samprate=EAR_RATE, loglevel="FATAL", lm=None, bestpath=False, cmn="live", lw=10, wip=0.2
    )
    decoder.add_jsgf_string("lab", grammar)
    decoder.activate_search("lab")
    return SphinxEar(decoder)
