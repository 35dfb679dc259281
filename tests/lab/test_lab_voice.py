"""The lab's voice and ear: what eSpeak says over a telephone line, pocketsphinx hears."""

import shutil
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from voiced.lab.ear import SilenceMeter, sphinx_ears
from voiced.lab.espeak import WordEvent
from voiced.lab.resample import Downsampler, resample
from voiced.lab.restaurant import GRAMMAR
from voiced.lab.script import DEMO_CALL, Say
from voiced.lab.sphinx import EarWord
from voiced.lab.voice import (
    FRAME_SAMPLES,
    EspeakVoice,
    ToneVoice,
    frame_cuts,
    persona,
    speak_text,
    word_starts,
)

needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is missing")

DEMO_PHRASES = (
    *(turn.action.text for turn in DEMO_CALL if isinstance(turn.action, Say)),
    "what time do you open on saturday",
    "what is on the menu",
    "thank you goodbye",
)
PHRASES = (
    *DEMO_PHRASES,
    "i would like to book a table for four people at eight",
    "wait do you have vegetarian dishes",
    "do you have a table for two on friday at noon",
    "on friday at one",
    "for four people",
    "can you tell me about the menu",
    "where are you",
    "yes please",
    "no i meant tomorrow",
    "ten people tomorrow at one",
    "sorry could you repeat that",
    "please wait",
    "okay",
    "what is the phone number",
    "two people on friday at noon",
)


def telephone(pcm: np.ndarray) -> np.ndarray:
    """Eight bits of mu-law's curve, and half a second of line on either side."""
    curve = np.round(127 * np.log1p(255 * np.abs(pcm)) / np.log(256)) / 127
    line = np.sign(pcm) * np.expm1(curve * np.log(256)) / 255
    return np.pad(line, 4000).astype(np.float32)


@needs_espeak
@pytest.mark.parametrize(
    ("voice", "phrases"), [("en-us", PHRASES), ("en-us+f3", DEMO_PHRASES), ("en-gb", DEMO_PHRASES)]
)
async def test_phrases_over_a_telephone_line_come_out_word_for_word(
    voice: str, phrases: Sequence[str]
) -> None:
    pytest.importorskip("pocketsphinx")
    ear, meter = await sphinx_ears(GRAMMAR)(), SilenceMeter()
    for phrase in phrases:
        line = resample(telephone(await speak_text(phrase, voice)), 8_000, 24_000)
        frames = line[: len(line) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        heard: list[EarWord] = []
        for frame in frames:
            heard += await ear.hear(frame, meter.measure(frame))
        assert " ".join(word.text for word in heard) == phrase
        assert all(a.start_s < b.start_s for a, b in pairwise(heard))


@needs_espeak
async def test_a_phrase_is_cut_where_its_words_begin() -> None:
    words = ["We", "are", "open", "from", "noon."]
    sound = await EspeakVoice().phrase(words, "en-us")
    assert len(sound) == len(words)
    assert all(frames.shape[1] == FRAME_SAMPLES and len(frames) for frames in sound)
    whole = np.concatenate(sound).ravel()
    assert 0.4 < np.abs(whole).max() < 0.6
    assert 1.0 < len(whole) / 24_000 < 2.5


@needs_espeak
async def test_speech_has_the_rate_that_was_asked_for() -> None:
    slow, fast = (
        await speak_text("hello", "en-us", 8_000),
        await speak_text("hello", "en-us", 24_000),
    )
    assert len(fast) / len(slow) == pytest.approx(3, rel=0.05)


@needs_espeak
async def test_nothing_to_say_is_no_sound() -> None:
    assert len(await speak_text(" ", "en-us")) == 0


async def test_a_tone_stands_for_each_word() -> None:
    short, long = await ToneVoice().phrase(["a", "restaurant"], "")
    assert 1 < len(short) < len(long)


def test_a_voice_keeps_its_persona_and_an_unknown_one_gets_the_default() -> None:
    french = persona("cml-tts/fr/2465_1943_000152-0002.wav")
    assert french.name.startswith("fr")
    assert french == persona("cml-tts/fr/2465_1943_000152-0002.wav")
    assert persona("expresso/a.wav") != persona("expresso/b.wav")
    assert persona("en-us+f3").name == "en-us+f3"
    assert persona("no such voice") == persona("") == persona("another")


def test_words_that_the_voice_does_not_report_share_the_span_around_them() -> None:
    # "8:30" is reported as three words, the dash as none.
    events = [WordEvent(0, 0), WordEvent(3, 100), WordEvent(5, 150), WordEvent(10, 450)]
    assert word_starts(["at", "8:30", "-", "or"], events, 500) == [0.0, 100.0, 350.0, 450.0]
    assert word_starts(["a", "b"], [], 300) == [0.0, 150.0]


def test_every_word_owns_a_frame() -> None:
    assert frame_cuts([0, 10, 20, 5_000], 6_000) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("source", "target"), [(22_050, 24_000), (22_050, 8_000), (8_000, 24_000)])
def test_resampling_keeps_a_tone(source: int, target: int) -> None:
    tone = np.sin(2 * np.pi * 1_000 / source * np.arange(source)).astype(np.float32)
    expected = np.sin(2 * np.pi * 1_000 / target * np.arange(target))
    middle = slice(target // 4, target // 2)
    assert np.abs(resample(tone, source, target)[middle] - expected[middle]).max() < 2e-3


def test_a_stream_is_resampled_the_same_whatever_its_pieces() -> None:
    noise = np.random.default_rng(0).standard_normal(9_600).astype(np.float32)
    whole = Downsampler(24_000, 16_000).convert(noise)
    stream = Downsampler(24_000, 16_000)
    pieces = [stream.convert(piece) for piece in np.split(noise, 5)]
    assert np.allclose(np.concatenate(pieces), whole, atol=1e-6)
