import math

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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
    assert attrs.astuple(playout.statistics()) == (10, 0, 0, 0.0, 2, 7)


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


class FarEnd(RuleBasedStateMachine):
    """Any order of calls, against a far end that plays in real time whatever it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.playout = Playout()
        self.now = START
        self.number = 0
        self.expected: list[bytes | Mark] = []
        self.ahead_s = 0.0
        self.silent_s = 0.0
        self.reply_frames = 0
        self.longest_gap_s = 0.0
        self.sent = 0

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.silent_s += max(0.0, seconds - self.ahead_s)
        self.ahead_s = max(0.0, self.ahead_s - seconds)

    @rule(frames=st.integers(1, 12))
    def put(self, frames: int) -> None:
        for _ in range(frames):
            self.number += 1
            self.expected.append(frame(self.number))
            self.playout.put(frame(self.number))

    @rule()
    def mark(self) -> None:
        self.number += 1
        self.expected.append(Mark(str(self.number)))
        self.playout.mark(str(self.number))

    @rule()
    def end(self) -> None:
        self.playout.end()
        if not self.expected:
            self.reply_frames = 0

    @rule()
    def clear(self) -> None:
        unplayed = self.playout.clear()
        assert list(unplayed.frames) == [item for item in self.expected if isinstance(item, bytes)]
        assert list(unplayed.marks) == [i.name for i in self.expected if isinstance(i, Mark)]
        self.expected.clear()
        self.ahead_s = self.silent_s = 0.0
        self.reply_frames = 0

    @rule(ms=st.integers(0, 250) | st.floats(0, 100))
    def tick_after(self, ms: float) -> None:
        self.wait(ms / 1_000)
        self.tick()

    @precondition(lambda self: self.playout.next_tick() is not None)
    @rule(late_ms=st.just(0.0) | st.floats(0, 3))
    def tick_on_time(self, late_ms: float) -> None:
        when = self.playout.next_tick()
        assert when is not None
        before = self.playout.statistics().underruns
        self.wait(max(self.now, when) - self.now)
        self.now = max(self.now, when)  # exactly, without a rounding of our own
        self.wait(late_ms / 1_000)
        assert self.tick() or self.playout.statistics().underruns == before + 1

    def tick(self) -> list[bytes | Mark]:
        due = self.playout.tick(self.now)
        assert due == self.expected[: len(due)]
        del self.expected[: len(due)]
        frames = sum(isinstance(item, bytes) for item in due)
        if frames and self.reply_frames:
            self.longest_gap_s = max(self.longest_gap_s, self.silent_s)
        if frames:
            self.silent_s = 0.0
        self.sent += frames
        self.ahead_s += frames * FRAME_S
        in_reply = self.playout.state is not PlayoutState.IDLE
        self.reply_frames = self.reply_frames + frames if in_reply else 0
        self.settled()
        return due

    def settled(self) -> None:
        """What holds right after a tick."""
        assert self.ahead_s <= LEAD_FRAMES * FRAME_S + 1e-6
        if self.expected:
            assert isinstance(self.expected[0], bytes), "a mark was held back"
            assert self.ahead_s >= (LEAD_FRAMES - 1) * FRAME_S - 1e-6, "a frame was held back"
        following = self.playout.next_tick()
        assert following is None or following > self.now

    @invariant()
    def the_counters_agree(self) -> None:
        statistics = self.playout.statistics()
        waiting = sum(isinstance(item, bytes) for item in self.expected)
        assert statistics.frames == self.sent
        assert statistics.longest_gap_ms == pytest.approx(1_000 * self.longest_gap_s, abs=1e-3)
        assert self.playout.buffered_s == pytest.approx(waiting * FRAME_S)
        assert statistics.peak_frames >= waiting
        if self.expected:
            assert self.playout.next_tick() is not None


TestFarEnd = FarEnd.TestCase
TestFarEnd.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
