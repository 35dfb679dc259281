"""The stand-in TTS keeps the real server's time."""

import numpy as np
import pytest

from voiced.lab.tts_stream import Pause, Said, State, TtsStream, split_text
from voiced.lab.voice import FRAME_SAMPLES, Frames


def sound(frames: int) -> Frames:
    return np.full((frames, FRAME_SAMPLES), 0.5, np.float32)


def run(stream: TtsStream, lengths: list[int]) -> tuple[list[Said], int, int]:
    """Steps until the stream is done or starved: the words, audio frames and steps made."""
    words: list[Said] = []
    frames = 0
    while True:
        if wanted := stream.wanted():
            stream.give(wanted, [sound(lengths.pop(0)) for _word in wanted])
        offset = stream.offset
        for item in stream.step():
            if isinstance(item, Said):
                words.append(item)
            else:
                frames += 1
        if stream.offset == offset:
            return words, frames, offset


def eager(words: int) -> list[int]:
    """Lengths of one-token words with no padding: the first has the speaker's token too."""
    return [3, *[2] * (words - 1)]


@pytest.mark.parametrize(("words", "frames"), [(1, 9), (3, 13), (10, 27)])
def test_words_with_eos_make_as_many_frames_as_the_real_server(words: int, frames: int) -> None:
    stream = TtsStream()
    stream.put("la " * words)
    stream.close()
    said, made, steps = run(stream, eager(words))
    assert made == frames
    assert steps == frames + 18
    assert len(said) == words
    assert stream.state is State.DONE


@pytest.mark.parametrize(("words", "frames"), [(2, 0), (10, 0), (20, 20)])
def test_without_eos_the_stream_freezes_two_words_and_eighteen_frames_short(
    words: int, frames: int
) -> None:
    stream = TtsStream()
    stream.put("la " * words)
    said, made, _steps = run(stream, eager(words))
    assert made == frames
    assert len(said) == max(0, words - 3)  # words - 2 are consumed, the last not yet announced
    assert stream.state is State.OPEN


def test_a_frozen_stream_goes_on_when_words_come() -> None:
    stream = TtsStream()
    stream.put("one two")
    assert run(stream, [])[2] == 0
    stream.put("three")
    said, _frames, steps = run(stream, eager(3))
    assert (said, steps) == ([], 3)
    stream.close()
    said, frames, _steps = run(stream, eager(3))
    assert [word.text for word in said] == ["one", "two", "three"]
    assert frames == 13


def test_times_are_on_the_audio_axis_and_the_last_one_counts_the_drain() -> None:
    stream = TtsStream()
    stream.put("one two three")
    stream.close()
    said, frames, _steps = run(stream, [3, 4, 5])
    assert [word.start_s for word in said] == pytest.approx([0.24, 0.48, 0.80])
    assert [word.stop_s for word in said[:2]] == pytest.approx([0.48, 0.80])
    assert said[2].stop_s == pytest.approx(frames * 0.08 + 1.44)


def test_the_sound_stands_where_the_words_say() -> None:
    stream = TtsStream()
    stream.put("one two three")
    stream.close()
    stream.give(stream.wanted(), [sound(2), sound(3), sound(2)])
    out = []
    while stream.state is not State.DONE:
        out += [item for item in stream.step() if not isinstance(item, Said)]
    assert [bool(frame.any()) for frame in out] == [False] * 3 + [True] * 7 + [False] * 3


def test_eos_without_a_word_ends_at_once() -> None:
    stream = TtsStream()
    stream.close()
    assert stream.state is State.DONE


def test_a_pause_opens_the_gate_and_is_announced_by_its_tag() -> None:
    stream = TtsStream()
    stream.put('<break time="0.5s"/>')
    said, _frames, steps = run(stream, [])
    assert steps == 3
    stream.put("hello")
    stream.close()
    said, frames, _steps = run(stream, [2])
    assert said[0].text == '<break time="0.50s">'
    assert said[0].stop_s - said[0].start_s == pytest.approx(0.48)
    assert frames == 3 + 6 + 2 + 3


def test_text_is_cleaned_as_the_server_does() -> None:
    assert split_text("It’s 8:30 (or –so)") == ["It's", "8", "30", "or", "so"]
    assert split_text('a <break time="99"/> b<break time="0s"/>') == ["a", Pause(10.0, 125), "b"]


def test_a_phrase_ends_with_its_clause() -> None:
    stream = TtsStream()
    stream.put("yes, we are open")
    assert stream.wanted() == ("yes,",)
