"""The lab's voices: a phrase of words in, each word's own run of 80 ms frames out.

A phrase is spoken whole and then cut where the voice says that its words begin. Word by word it
would be choppy, each word with the melody of a sentence's end; sentence by sentence it would
have to wait for the sentence. So the stand-in TTS speaks what it has been given when it needs
it: three words at least (its gate), and up to the next punctuation.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np
import trio
from attrs import define, field
from numpy.typing import NDArray

from voiced.lab.espeak import Persona, WordEvent, espeak
from voiced.lab.resample import resample

RATE = 24_000
FRAME_SAMPLES = 1_920
"""One frame of moshi-server: 80 ms."""

LEVEL = 0.5
"""Peak of what is spoken: loud and clear on a telephone, far from clipping."""

DEFAULT_VOICE = "unmute-prod-website/default_voice.wav"
"""The published configurations' `default_voice`."""

CLAUSE_ENDS = tuple(".,;:!?…")
_PAUSES_S = {".": 0.32, "!": 0.32, "?": 0.32, "…": 0.32, ",": 0.16, ";": 0.16, ":": 0.16}
_QUIET = 0.004
_VARIANTS = ("", "+m3", "+f2", "+m1", "+f3", "+f4")
_FOLDERS = ("cml-tts/", "expresso/", "vctk/", "ears/", "unmute-prod-website/", "voice-", "lab/")

Frames = NDArray[np.float32]
"""Shape (n, 1920), 24 kHz, ±1."""


class Voice(Protocol):
    """Speaks one phrase: for each word its frames, at least one."""

    async def phrase(self, words: Sequence[str], name: str) -> list[Frames]: ...


@define
class EspeakVoice:
    """eSpeak NG, in a worker thread."""

    _threads: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))

    async def phrase(self, words: Sequence[str], name: str) -> list[Frames]:
        return await trio.to_thread.run_sync(
            _speak_phrase, tuple(words), persona(name), limiter=self._threads
        )


@define
class ToneVoice:
    """One tone per word: costs nothing, so that a benchmark measures the daemon."""

    async def phrase(self, words: Sequence[str], name: str) -> list[Frames]:
        await trio.lowlevel.checkpoint()
        return [_tone(min(2 + len(word) // 2, 7)) for word in words]


async def speak_text(text: str, voice: str, rate: int = 8_000) -> NDArray[np.float32]:
    """Speaks `text` whole: float32 samples of ±1 at `rate`, no silence around them."""
    pcm, _events, source_rate = await trio.to_thread.run_sync(_synthesise, text, persona(voice))
    return resample(pcm, source_rate, rate)


def persona(name: str) -> Persona:
    """The eSpeak voice that stands for a voice of the real server.

    A name of the public voice repository always gets the same persona, a name of eSpeak's own
    (`en-us+f3`, `fr`) that very voice, and any other the default, as the real server does
    (moshi-server tts.py).
    """
    if name.split("+")[0] in {"en-us", "en-gb", "en", "fr", "fr-fr"}:
        return Persona(name)
    if name == DEFAULT_VOICE or not name.startswith(_FOLDERS):
        return Persona("en-us")
    digest = hashlib.sha256(name.encode()).digest()
    language = "fr-fr" if "/fr/" in name or name.startswith("fr") else "en-us"
    variant = _VARIANTS[digest[0] % len(_VARIANTS)]
    return Persona(language + variant, pitch=45 + digest[1] % 11)


@lru_cache(maxsize=256)
def _speak_phrase(words: tuple[str, ...], who: Persona) -> list[Frames]:
    text = " ".join(words)
    # Without a mark the voice would fall as at the end of a sentence.
    spoken = text if text.endswith(CLAUSE_ENDS) else f"{text},"
    pcm, events, source_rate = _synthesise(spoken, who)
    pause_s = _PAUSES_S.get(text[-1:], 0.0)
    starts = [start * RATE / source_rate for start in word_starts(words, events, len(pcm))]
    cuts = frame_cuts(starts, len(pcm) * RATE / source_rate + pause_s * RATE)
    audio = np.zeros(cuts[-1] * FRAME_SAMPLES, np.float32)
    pcm = resample(pcm, source_rate, RATE)[: len(audio)]
    audio[: len(pcm)] = pcm
    frames = audio.reshape(-1, FRAME_SAMPLES)
    return [frames[start:stop] for start, stop in pairwise(cuts)]


def word_starts(words: Sequence[str], events: Sequence[WordEvent], samples: int) -> list[float]:
    """Where each word begins, in samples.

    One word may be several of the voice's (`8:30`), or none (a lone dash, `of the` spoken as
    one): such a word shares the span of the one before it by letters.
    """
    spans: list[tuple[float, int]] = []  # known starts, with the letters they cover
    begin = 0
    for word in words:
        end = begin + len(word)
        inside = [event.sample for event in events if begin <= event.character < end]
        spans.append((inside[0] if inside else math.nan, begin))
        begin = end + 1
    known = [(at, start) for start, at in spans if not math.isnan(start)]
    if not known:
        known = [(0, 0.0)]
    characters, starts = zip(*known, (max(begin, 1), float(samples)), strict=True)
    return [float(np.interp(at, characters, starts)) for _start, at in spans]


def frame_cuts(starts: Sequence[float], samples: float) -> list[int]:
    """The first frame of each word, and the end: every word owns at least one frame."""
    cuts = [0]
    for start in starts[1:]:
        cuts.append(max(round(start / FRAME_SAMPLES), cuts[-1] + 1))
    cuts.append(max(math.ceil(samples / FRAME_SAMPLES), cuts[-1] + 1))
    return cuts


def _synthesise(text: str, who: Persona) -> tuple[NDArray[np.float32], list[WordEvent], int]:
    """The voice without the silence around it, and where its words begin."""
    engine = espeak()
    pcm, events = engine.synthesise(text, who)
    loud = np.flatnonzero(np.abs(pcm) > _QUIET)
    if not loud.size:
        return pcm[:0], [], engine.sample_rate
    first, last = int(loud[0]), int(loud[-1]) + 1
    pcm = pcm[first:last] * np.float32(LEVEL / np.abs(pcm).max())
    shifted = [WordEvent(event.character, max(event.sample - first, 0)) for event in events]
    return pcm, shifted, engine.sample_rate


@lru_cache(maxsize=16)
def _tone(frames: int) -> Frames:
    """A word's worth of 440 Hz, soft at both ends, and a frame of silence behind it."""
    samples = (frames - 1) * FRAME_SAMPLES
    ramp = np.minimum(1.0, np.minimum(np.arange(samples), np.arange(samples)[::-1]) / 240)
    audio = np.zeros(frames * FRAME_SAMPLES, np.float32)
    audio[:samples] = 0.3 * ramp * np.sin(2 * np.pi * 440 / RATE * np.arange(samples))
    return audio.reshape(-1, FRAME_SAMPLES)
