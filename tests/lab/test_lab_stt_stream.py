"""The stand-in STT keeps the real server's time."""

import math

import numpy as np

from voiced.lab.ear import ScriptedEar, SilenceMeter
from voiced.lab.sphinx import EarWord
from voiced.lab.stt_stream import SttStream, pause_scores


def test_audio_of_any_length_becomes_frames_of_1920_samples() -> None:
    stream = SttStream(6, 0.28)
    stream.put(np.zeros(1000, np.float32))
    assert stream.next_frame() is None
    stream.put(np.ones(3000, np.float32))
    frame = stream.next_frame()
    assert frame is not None
    assert (len(frame), frame.sum(), stream.buffered) == (1920, 920, 2080)


def test_a_word_comes_six_steps_after_its_end_and_its_end_with_the_next_word() -> None:
    stream = SttStream(6, 0.28)
    told: list[tuple[int, str | float]] = []
    for step in range(1, 30):
        words = []
        if step == 4:
            words = [EarWord("one", 0.08, 0.24)]
        elif step == 12:
            words = [EarWord("two", 0.80, 0.96)]
        _step, *messages = stream.step(step, math.inf, words)
        told += [(step, m.get("text") or m["stop_time"]) for m in messages]
    assert told == [(9, "one"), (16, 0.24), (18, "two")]


def test_each_step_has_four_pause_scores_noisy_at_first() -> None:
    first = [pause_scores(step, math.inf, 0.28)[2] for step in range(1, 13)]
    assert min(first) < 0.3
    assert max(first) > 0.7
    assert pause_scores(13, 0.0, 0.28)[2] < 0.001
    assert pause_scores(13, 0.0, 0.28)[0] < 0.001
    assert pause_scores(13, 0.28, 0.28)[2] == 0.5
    assert pause_scores(13, 0.4, 0.28)[2] > 0.9


def test_silence_is_measured_in_blocks_of_20_ms() -> None:
    meter = SilenceMeter()
    assert meter.measure(np.zeros(1920, np.float32)) == math.inf
    half = np.zeros(1920, np.float32)
    half[:960] = 0.1
    assert meter.measure(half) == 0.04
    assert round(meter.measure(np.zeros(1920, np.float32)), 6) == 0.12


async def test_a_scripted_ear_tells_one_sentence_for_each_burst() -> None:
    ear, meter = ScriptedEar(["good morning", "thank you goodbye"]), SilenceMeter()
    loud, quiet = np.full(1920, 0.1, np.float32), np.zeros(1920, np.float32)
    heard: list[str] = []
    for frame in [loud] * 4 + [quiet] * 4 + [loud] * 12 + [quiet] * 4:
        heard += [word.text for word in await ear.hear(frame, meter.measure(frame))]
    assert heard == ["good", "morning", "thank", "you", "goodbye"]
