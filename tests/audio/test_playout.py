import math

import attrs
import pytest

from voiced.audio.frame import FRAME_S
from voiced.audio.playout import (
    LEAD_FRAMES,
    Mark,
    Playout,
    PlayoutState,
    PlayoutStatistics,
    Unplayed,
)

START = 1_000.0


def frame(number: int) -> bytes:
    return number.to_bytes(4, "big") * 40


def playout_with(frames: int) -> Playout:
    playout = Playout()
    for number in range(frames):
        playout.put(frame(number))
    return playout


def run(playout: Playout, now: float, ticks: int = 10_000) -> list[tuple[float, int]]:
    """Ticks as a pacer does, until idle; the times after `START` in ms and what was sent."""
    sent = []
    for _ in range(ticks):
        when = playout.next_tick()
        if when is None:
            break
        now = max(now, when)
        sent.append((round(1_000 * (now - START), 3), len(playout.tick(now))))
    return sent


def test_a_reply_starts_with_100_ms_and_goes_on_with_a_frame_every_20_ms() -> None:
    playout = playout_with(8)
    playout.end()
    assert run(playout, START) == [(0, 5), (20, 1), (40, 1), (60, 1)]
    assert playout.state is PlayoutState.IDLE
    assert playout.statistics() == PlayoutStatistics(8, 0, 0, 0.0, 0, 8)


def test_a_short_reply_is_sent_at_once() -> None:
    playout = playout_with(2)
    playout.end()
    assert run(playout, START) == [(0, 2)]


def test_the_lead_is_filled_as_the_first_frames_come() -> None:
    playout = playout_with(2)
    assert len(playout.tick(START)) == 2
    for number in range(2, 9):
        playout.put(frame(number))
    assert len(playout.tick(START + 0.005)) == 3
    assert playout.next_tick() == START + 0.02


def test_nothing_is_due_between_two_ticks() -> None:
    playout = playout_with(8)
    playout.tick(START)
    assert playout.tick(START + 0.019) == []
    assert playout.statistics().underruns == 0


def test_a_late_tick_makes_up_for_the_time_lost() -> None:
    playout = playout_with(20)
    playout.tick(START)
    assert len(playout.tick(START + 0.075)) == 3
    assert playout.next_tick() == START + 4 * FRAME_S
    assert playout.statistics().gaps == 0


def test_the_grid_is_that_of_the_start_for_an_hour() -> None:
    playout = playout_with(5)
    playout.tick(START)
    four = [frame(number) for number in range(4)]
    for slot in range(1, 180_000, 4):
        for item in four:
            playout.put(item)
        assert playout.next_tick() == START + slot * FRAME_S
        assert playout.tick(START + (slot + 3) * FRAME_S) == four
    assert playout.statistics().gaps == 0


@pytest.mark.parametrize("start", [0.0, 0.1, 1 / 3, 1e6 + 0.7, 1e9 + 0.3])
def test_a_tick_at_the_time_it_named_always_has_its_frame(start: float) -> None:
    playout = playout_with(2_000)
    playout.tick(start)
    for _ in range(1_990):
        when = playout.next_tick()
        assert when is not None
        assert len(playout.tick(when)) == 1


def test_marks_are_sent_right_behind_their_frame() -> None:
    playout = Playout()
    playout.mark("first")
    for number in range(6):
        playout.put(frame(number))
        playout.mark(f"m{number}")
    playout.end()
    lead = [item for number in range(5) for item in (frame(number), Mark(f"m{number}"))]
    assert playout.tick(START) == [Mark("first"), *lead]
    assert playout.tick(START + 0.02) == [frame(5), Mark("m5")]


def test_a_mark_behind_frames_already_sent_is_due_at_once() -> None:
    playout = playout_with(5)
    playout.tick(START)
    playout.mark("end")
    assert playout.next_tick() == -math.inf
    assert playout.tick(START + 0.001) == [Mark("end")]


def test_a_tick_with_nothing_to_send_in_mid_reply_is_an_underrun() -> None:
    playout = playout_with(5)
    playout.tick(START)
    assert playout.next_tick() == START + FRAME_S
    assert playout.tick(START + 0.02) == []
    assert playout.tick(START + 0.03) == []
    assert playout.statistics().underruns == 1
    playout.put(frame(5))
    assert playout.next_tick() == START + FRAME_S
    assert len(playout.tick(START + 0.035)) == 1
    assert playout.statistics().gaps == 0


def test_waiting_for_the_first_frame_is_no_underrun() -> None:
    playout = Playout()
    playout.mark("begin")
    assert playout.tick(START) == [Mark("begin")]
    assert playout.next_tick() is None
    assert playout.tick(START + 1) == []
    assert playout.statistics().underruns == 0


def test_running_dry_at_the_end_is_no_underrun() -> None:
    playout = playout_with(5)
    playout.tick(START)
    playout.end()
    assert playout.next_tick() is None
    assert playout.tick(START + 1) == []
    assert playout.statistics().underruns == 0


def test_a_hole_beyond_the_lead_is_a_gap_and_begins_a_new_lead() -> None:
    playout = playout_with(5)
    sent = run(playout, START, ticks=8)
    assert sent[-1] == (140, 0)
    for number in range(5, 12):
        playout.put(frame(number))
    assert len(playout.tick(START + 0.147)) == 5
    assert playout.next_tick() == START + 0.147 + FRAME_S
    statistics = playout.statistics()
    assert statistics.underruns == 7
    assert statistics.gaps == 1
    assert statistics.longest_gap_ms == pytest.approx(47)


def test_a_mark_alone_does_not_end_a_hole() -> None:
    playout = playout_with(1)
    playout.tick(START)
    playout.mark("word")
    playout.tick(START + 0.1)
    playout.put(frame(1))
    playout.tick(START + 0.22)
    assert playout.statistics().gaps == 1
    assert playout.statistics().longest_gap_ms == pytest.approx(200)


def test_data_that_comes_just_as_the_lead_ends_leaves_no_gap() -> None:
    playout = playout_with(5)
    playout.tick(START)
    playout.put(frame(5))
    assert len(playout.tick(START + LEAD_FRAMES * FRAME_S)) == 1
    assert playout.statistics().gaps == 0


def test_a_reply_right_behind_another_does_not_get_a_second_lead() -> None:
    playout = playout_with(5)
    playout.end()
    playout.tick(START)
    for number in range(3):
        playout.put(frame(number))
    playout.end()
    assert run(playout, START + 0.03) == [(30, 1), (40, 1), (60, 1)]
    assert playout.statistics().gaps == 0


def test_a_reply_after_a_pause_starts_anew_without_a_gap() -> None:
    playout = playout_with(5)
    playout.end()
    playout.tick(START)
    for number in range(6):
        playout.put(frame(number))
    playout.end()
    assert run(playout, START + 3) == [(3_000, 5), (3_020, 1)]
    assert playout.statistics().gaps == 0


def test_clear_returns_what_was_not_sent_and_the_next_reply_gets_its_lead() -> None:
    playout = playout_with(6)
    playout.mark("a")
    playout.put(frame(6))
    playout.mark("b")
    playout.tick(START)
    assert playout.buffered_s == pytest.approx(0.04)
    assert playout.clear() == Unplayed((frame(5), frame(6)), ("a", "b"))
    assert playout.state is PlayoutState.IDLE
    assert playout.next_tick() is None
    assert playout.tick(START + 0.02) == []
    assert playout.clear() == Unplayed((), ())
    for number in range(6):
        playout.put(frame(number))
    assert len(playout.tick(START + 0.021)) == 5
    assert attrs.astuple(playout.statistics()) == (10, 0, 0, 0.0, 2, 7, 0)


def test_an_empty_reply_is_nothing() -> None:
    playout = Playout()
    playout.end()
    assert playout.state is PlayoutState.IDLE
    assert playout.next_tick() is None
    assert playout.tick(START) == []


@pytest.mark.parametrize("length", [0, 159, 161])
def test_only_whole_frames_are_taken(length: int) -> None:
    playout = Playout()
    with pytest.raises(ValueError, match="160 bytes"):
        playout.put(bytes(length))
    assert playout.state is PlayoutState.IDLE
