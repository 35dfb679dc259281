import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voiced.audio.frame import FRAME_S
from voiced.audio.playout import AGAIN_FRAMES, LEAD_FRAMES, Mark, Playout, PlayoutState

START = 1_000.0

Item = bytes | Mark


def frame(number: int) -> bytes:
    return number.to_bytes(4, "big") * 40


def frames_of(items: list[Item]) -> list[bytes]:
    return [item for item in items if isinstance(item, bytes)]


class Words:
    """What was put between two marks, against what was sent when the second mark was."""

    def __init__(self) -> None:
        self.put: list[bytes] = []  # since the last mark, or the end of a reply
        self.by_mark: dict[Mark, list[bytes]] = {}
        self.reply_ends: set[bytes] = set()  # last frames, no mark behind them
        self.unmarked: list[bytes] = []  # sent since the last mark, or the end of a reply
        self.since_resume: list[bytes] = []
        self.given_up = 0  # of the word that is being sent: too much of it to be said again
        self.last_mark = 0

    def append(self, item: Item) -> None:
        if isinstance(item, bytes):
            self.put.append(item)
        else:
            self.by_mark[item] = self.put
            self.put = []

    def end(self, *, all_sent: bool) -> None:
        self.reply_ends.update(self.put[-1:])
        self.put = []
        if all_sent:
            self.forget()

    def send(self, item: Item) -> None:
        if isinstance(item, bytes):
            self.unmarked.append(item)
            self.since_resume.append(item)
            if item in self.reply_ends:
                self.forget()
            return
        assert int(item.name) > self.last_mark, "a mark twice, or in another order"
        self.last_mark = int(item.name)
        word = self.by_mark[item][self.given_up :]
        assert not word or self.since_resume[-len(word) :] == word, "a word was not said whole"
        self.forget()

    def resume(self) -> list[bytes]:
        again = self.unmarked[-AGAIN_FRAMES:]
        self.given_up += len(self.unmarked) - len(again)
        self.unmarked = []
        self.since_resume = []
        return again

    def clear(self) -> None:
        self.put = []
        self.forget()

    def forget(self) -> None:
        self.unmarked = []
        self.given_up = 0


class FarEnd(RuleBasedStateMachine):
    """Any order of calls, against a far end that plays in real time whatever it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.playout = Playout()
        self.now = START
        self.number = 0
        self.expected: list[Item] = []
        self.words = Words()
        self.dry_at = START
        self.silent_s = 0.0
        self.reply_frames = 0
        self.longest_gap_s = 0.0
        self.sent = 0
        self.paused = False
        self.pauses = 0

    @property
    def ahead_s(self) -> float:
        return max(0.0, self.dry_at - self.now)

    def wait_until(self, when: float) -> None:
        if not self.paused:
            self.silent_s += max(0.0, when - max(self.now, self.dry_at))
        self.now = when

    def append(self, item: Item) -> None:
        self.expected.append(item)
        self.words.append(item)

    @rule(frames=st.integers(1, 12) | st.just(100))
    def put(self, frames: int) -> None:
        for _ in range(frames):
            self.number += 1
            self.append(frame(self.number))
            self.playout.put(frame(self.number))

    @rule()
    def mark(self) -> None:
        self.number += 1
        self.append(Mark(str(self.number)))
        self.playout.mark(str(self.number))

    @rule(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6))
    def speak(self, lengths: list[int]) -> None:
        for length in lengths:
            self.put(length)
            self.mark()

    @rule()
    def end(self) -> None:
        self.playout.end()
        self.words.end(all_sent=not self.expected)
        if not self.expected:
            self.reply_frames = 0

    @rule()
    def clear(self) -> None:
        unplayed = self.playout.clear()
        assert list(unplayed.frames) == frames_of(self.expected)
        assert list(unplayed.marks) == [i.name for i in self.expected if isinstance(i, Mark)]
        self.expected.clear()
        self.words.clear()
        self.dry_at = self.now
        self.silent_s = 0.0
        self.reply_frames = 0
        self.paused = False

    @rule()
    def pause(self) -> None:
        self.playout.pause(self.now)
        self.pauses += not self.paused
        self.paused = True

    @rule(ms=st.integers(0, 150) | st.floats(0, 3_000))
    def resume_after(self, ms: float) -> None:
        assume(abs(self.dry_at - self.now - ms / 1_000) > 1e-6)  # or who is to say what it is
        self.wait_until(self.now + ms / 1_000)
        self.playout.resume(self.now)
        if self.paused:
            self.paused = False
            self.expected[:0] = self.words.resume()
            if not self.ahead_s and frames_of(self.expected):
                self.longest_gap_s = max(self.longest_gap_s, self.hole_s)
                self.reply_frames = 0

    @rule(ms=st.integers(0, 150) | st.floats(150, 3_000))
    def doubt(self, ms: float) -> None:
        self.pause()
        self.resume_after(ms)
        self.tick()

    @property
    def hole_s(self) -> float:
        return self.silent_s if self.reply_frames else 0.0

    @rule(ms=st.integers(0, 250) | st.floats(0, 100))
    def tick_after(self, ms: float) -> None:
        self.wait_until(self.now + ms / 1_000)
        self.tick()

    @precondition(lambda self: self.playout.next_tick() is not None)
    @rule(late_ms=st.just(0.0) | st.floats(0, 3))
    def tick_on_time(self, late_ms: float) -> None:
        when = self.playout.next_tick()
        assert when is not None
        before = self.playout.statistics().underruns
        self.wait_until(max(self.now, when) + late_ms / 1_000)
        assert self.tick() or self.playout.statistics().underruns == before + 1

    @rule(ticks=st.integers(10, 100))
    def play(self, ticks: int) -> None:
        for _ in range(ticks):
            if self.playout.next_tick() is not None:
                self.tick_on_time(0.0)

    def tick(self) -> list[Item]:
        due = self.playout.tick(self.now)
        assert due == self.expected[: len(due)]
        assert not (due and self.paused)
        del self.expected[: len(due)]
        for item in due:
            self.words.send(item)
        self.play_out(len(frames_of(due)))
        if not self.paused:
            self.settled()
        return due

    def play_out(self, frames: int) -> None:
        """The far end has been sent so many frames."""
        if frames:
            self.longest_gap_s = max(self.longest_gap_s, self.hole_s)
            self.silent_s = 0.0
            self.dry_at = max(self.dry_at, self.now) + frames * FRAME_S
        self.sent += frames
        in_reply = self.playout.state is not PlayoutState.IDLE
        self.reply_frames = self.reply_frames + frames if in_reply else 0
        assert self.ahead_s <= LEAD_FRAMES * FRAME_S + 1e-6

    def settled(self) -> None:
        """What holds right after a tick."""
        if self.expected:
            assert isinstance(self.expected[0], bytes), "a mark was held back"
            assert self.ahead_s >= (LEAD_FRAMES - 1) * FRAME_S - 1e-6, "a frame was held back"
        following = self.playout.next_tick()
        assert following is None or following > self.now

    @invariant()
    def the_counters_agree(self) -> None:
        statistics = self.playout.statistics()
        waiting = len(frames_of(self.expected))
        assert statistics.frames == self.sent
        assert statistics.pauses == self.pauses
        assert statistics.longest_gap_ms == pytest.approx(1_000 * self.longest_gap_s, abs=1e-3)
        assert self.playout.buffered_s == pytest.approx(waiting * FRAME_S)
        assert statistics.peak_frames >= waiting
        if self.expected or self.paused:
            assert (self.playout.next_tick() is None) == self.paused


TestFarEnd = FarEnd.TestCase
TestFarEnd.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
