"""The picture of a call."""

import struct
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from voiced.lab.carrier import PlaybackStatistics
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_ear import Measured, Run, Utterance
from voiced.lab.phone_record import Ended, Kind, PhoneEvent
from voiced.lab.timeline import Answer, Span, Timeline, draw, timeline_of


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * 8_000), np.int16)


def size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


def test_a_picture_is_1600_pixels_wide_and_as_high_as_the_call_is_long(tmp_path: Path) -> None:
    short, long = tmp_path / "short.png", tmp_path / "long.png"
    draw(Timeline("a", silence(5), silence(5)), short)
    draw(Timeline("a", silence(40), silence(20)), long)
    assert size(short)[0] == size(long)[0] == 1_600
    assert size(long)[1] > 2 * size(short)[1]


def test_everything_in_a_call_is_drawn(tmp_path: Path) -> None:
    empty = Timeline("a", silence(10), silence(10))
    plain = tmp_path / "plain.png"
    draw(empty, plain)
    loud = silence(10) + np.int16(9_000)
    parts = [
        {"caller": loud},
        {"agent": loud},
        {"turns": [Span(1.0, 3.0, "turn 1")]},
        {"answers": [Answer(1.0, 1.6, [("end of turn", 1.3)])]},
        {"caller_words": [Span(1.0, 1.5, "hello")]},
        {"agent_words": [Span(1.0, 1.5, "hello")]},
        {"barge_ins": {2.0: "barge-in"}},
    ]
    for part in parts:
        picture = tmp_path / "part.png"
        draw(evolve(empty, **part), picture)
        assert picture.read_bytes() != plain.read_bytes(), part


def test_a_call_of_no_audio_is_a_picture_too(tmp_path: Path) -> None:
    draw(Timeline("a", silence(0), silence(0)), tmp_path / "none.png")
    assert size(tmp_path / "none.png")[0] == 1_600


def test_words_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    few = [Span(1.0, 1.1, "a" * 40), Span(1.0, 1.1, "b" * 40)]
    many = [*few, Span(1.05, 1.1, "c" * 40)]
    for name, words in (("few", few), ("many", many)):
        draw(Timeline("a", silence(9), silence(9), caller_words=words), tmp_path / f"{name}.png")
    assert (tmp_path / "few.png").read_bytes() == (tmp_path / "many.png").read_bytes()


def test_a_telephones_result_becomes_a_timeline() -> None:
    utterance = Utterance(1, "wait please", 3.0, 4.0)
    result = CallResult(
        call_sid="CA" + "0" * 32,
        ended=Ended.HUNG_UP,
        events=(PhoneEvent(3.0, Kind.BARGE_IN),),
        turns=(Measured(utterance, Run(3.0, 4.0), answer_s=0.5, yield_s=0.25),),
        caller=b"\xff" * 48_000,
        agent=b"\xff" * 48_000,
        playback=PlaybackStatistics(),
    )
    timeline = timeline_of(result)
    assert timeline.duration_s == 6.0
    assert timeline.turns == [Span(0.0, 3.0, "greeting"), Span(3.0, 6.0, "turn 1")]
    assert timeline.answers == [Answer(4.0, 4.5)]
    assert timeline.barge_ins == {3.0: "barge-in, silent after 250 ms"}
    assert [word.label for word in timeline.caller_words] == ["wait", "please"]
    assert timeline.caller_words[1].start_s == pytest.approx(3.0 + 5 / 12)
