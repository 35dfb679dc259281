"""Speech as tones, for the stories of the line: who said what can be read off a recorded line.

Each word of the agent has a frequency of its own, and so has each sentence of the caller's.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import trio
from attrs import define
from numpy.typing import NDArray

from voiced.audio import g711
from voiced.audio.frame import FRAME_SAMPLES, SAMPLE_RATE
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_script import Person
from voiced.lab.script import After, Cue, HangUp, Say, Turn
from voiced.lab.sphinx import END_SILENCE_S, EarWord
from voiced.lab.voice import FRAME_SAMPLES as VOICE_SAMPLES
from voiced.lab.voice import RATE

HELLO, WAIT, PLEASE = "hello", "please wait", "yes please"
SENTENCES = (HELLO, WAIT, PLEASE)
STAYS = After(Cue.SILENCE, 15.0)
GREETED, TOLD = After(Cue.INTO_REPLY, 0.7), After(Cue.INTO_REPLY, 1.4)
"""When a greeting, and a longer reply, have surely been heard to their end."""

_vocabulary: list[str] = []
"""The words of every agent; the place of one is its frequency."""

WORD_HZ, WORD_STEP_HZ = 300.0, 25.0
WORD_SAMPLES = VOICE_SAMPLES // 2
SAID_HZ, SAID_STEP_HZ = 520.0, 70.0
SAID_S = 0.4
LOUD = 200.0


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def tone(hertz: float, samples: int, rate: int) -> NDArray[np.float32]:
    sound: NDArray[np.float64] = 0.3 * np.sin(2 * np.pi * hertz / rate * np.arange(samples))
    return sound.astype(np.float32)


def pitch(pcm: NDArray[Any], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)), rate))
    return float(np.argmax(spectrum))


@define
class ToneVoice:
    """Says each word in 80 ms: its tone, and a pause."""

    async def phrase(self, of: Sequence[str], name: str) -> list[NDArray[np.float32]]:
        await trio.lowlevel.checkpoint()
        return [self._word(word) for word in of]

    def _word(self, word: str) -> NDArray[np.float32]:
        sound = np.zeros((1, VOICE_SAMPLES), np.float32)
        if spelled := "".join(words(word)):
            if spelled not in _vocabulary:
                _vocabulary.append(spelled)
            hertz = WORD_HZ + WORD_STEP_HZ * _vocabulary.index(spelled)
            assert hertz < 3_300, "the telephone has no room for another word"
            sound[0, :WORD_SAMPLES] = tone(hertz, WORD_SAMPLES, RATE)
        return sound


@define
class ToneEar:
    """Hears one sentence in each burst of sound."""

    frames: int = 0
    burst: int = 0

    async def hear(self, frame: NDArray[np.float32], silence_s: float) -> Sequence[EarWord]:
        await trio.lowlevel.checkpoint()
        self.frames += 1
        self.burst = 0 if silence_s >= END_SILENCE_S else self.burst + 1
        if self.burst != 3:
            return ()
        said = round((pitch(frame, RATE) - SAID_HZ) / SAID_STEP_HZ, 1)
        if said not in range(len(SENTENCES)):
            return ()
        at_s = self.frames * VOICE_SAMPLES / RATE
        return [EarWord(word, at_s - 0.08, at_s) for word in SENTENCES[int(said)].split()]

    def restart(self) -> None:
        self.frames = self.burst = 0


async def new_ear() -> ToneEar:
    await trio.lowlevel.checkpoint()
    return ToneEar()


def bursts(pcm: NDArray[Any]) -> list[tuple[float, float]]:
    """The runs of sound in telephone audio: when each began, and its pitch."""
    frames = len(pcm) // FRAME_SAMPLES
    shaped = pcm[: frames * FRAME_SAMPLES].reshape(frames, FRAME_SAMPLES).astype(np.float64)
    loud = np.sqrt(np.mean(shaped**2, axis=1)) > LOUD
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int)))
    return [
        (start * FRAME_SAMPLES / SAMPLE_RATE, pitch(shaped[start:stop].ravel(), SAMPLE_RATE))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def spoken(pcm: NDArray[Any], since_s: float = 0.0) -> str:
    """The agent's words on a line, from a time on."""
    places = [(hertz - WORD_HZ) / WORD_STEP_HZ for at, hertz in bursts(pcm) if at >= since_s]
    return " ".join(_vocabulary[round(place)] for place in places)


def heard(result: CallResult, since_s: float = 0.0) -> str:
    """What the person at the telephone heard of the agent."""
    return spoken(g711.decode(result.agent), since_s)


def said(text: str) -> str:
    """A text as `heard` gives it."""
    return " ".join(words(text))


def sentences(pcm: NDArray[Any]) -> list[str]:
    """The caller's sentences on a line."""
    return [SENTENCES[round((hertz - SAID_HZ) / SAID_STEP_HZ)] for _, hertz in bursts(pcm)]


def person(*turns: Turn) -> Person:
    """Somebody who does this and then stays on the line."""
    rest = () if turns and isinstance(turns[-1].action, HangUp) else (Turn(HangUp(), STAYS),)
    script = (*turns, *rest)
    return Person(script, [_speech(turn) for turn in script])


def _speech(turn: Turn) -> bytes:
    if not isinstance(turn.action, Say):
        return b""
    hertz = SAID_HZ + SAID_STEP_HZ * SENTENCES.index(turn.action.text)
    return g711.encode_float(tone(hertz, int(SAID_S * SAMPLE_RATE), SAMPLE_RATE))
