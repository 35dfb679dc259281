"""The outgoing audio and its clock: frames and marks in, what is due out.

The far end plays what it is sent at once and in real time. We model it as a time line of frames
from an origin: position n is played at `origin + n * 20 ms`, and `position` frames of it have
been sent. At time `now` the far end is in slot `k`, the largest with `origin + k * 20 ms <= now`.
One rule decides everything:

    a frame may be sent while position < k + 5

so that what was sent but not yet played is 100 ms at the most. A reply therefore starts with
five frames at once and goes on with one every 20 ms; ticks or data that come late are made up
for, as long as the far end still has something to play.

It has nothing left from `origin + position * 20 ms` on. The next frame after that begins a new
time line, whose origin is the time of its tick. If that happens in the middle of a reply, the
caller heard a hole, and it is counted as a gap. A reply that follows another while the far end
still plays the first continues its time line: two leads never add up.

Positions are whole numbers, so nothing drifts, however long the reply.

A `pause` keeps back what was not sent. What was sent plays out, and then the reply breaks off,
most likely in mid-word. Words end at marks: what was sent before the last mark is heard whole, and
the frames sent behind it belong to a word that is not. `resume` queues those again in front. A
mark is never sent twice: its echo tells what it stands for once and for all. The pause is cut out
of the time line. The caller made noise and knows why we were silent, so it is no gap; a hole
before it and a hole behind it still are, and make one.
"""

import math
from collections import deque
from enum import Enum, auto

from attrs import define, evolve, frozen

from voiced.audio.frame import FRAME_S, FRAME_SAMPLES
from voiced.audio.timeline import TimeLine

LEAD_FRAMES = 5
"""How far ahead of real time we send: 100 ms."""

AGAIN_FRAMES = 75
"""How much is said again after a pause, at the most: 1.5 s.

Hardly a word is that long. Where more was sent since the last mark, the voice is silent between
words or late with its times; the latest of it is said again, for it leads up to what comes next.
"""


@frozen
class Mark:
    """A named point in the outgoing audio, behind all frames that were put before it."""

    name: str


@frozen
class Unplayed:
    """What a `clear` took out: frames and marks that were yet to be sent, in their order."""

    frames: tuple[bytes, ...]
    marks: tuple[str, ...]


class PlayoutState(Enum):
    """Where the reply is."""

    IDLE = auto()  # no reply, or all of it was sent
    PLAYING = auto()  # more of it is to come
    ENDING = auto()  # complete, but not all sent


@define
class PlayoutStatistics:
    """Counters of a whole call.

    Attributes:
        frames: frames sent; what was said again after a pause counts again.
        underruns: ticks with nothing to send in mid-reply. Harmless as long as the lead lasts.
        gaps: holes that the caller heard in mid-reply, the lead being used up.
        longest_gap_ms: the longest of them.
        clears: how often the playout was cleared.
        peak_frames: the most frames that ever waited.
        pauses: how often the playout was paused.
    """

    frames: int = 0
    underruns: int = 0
    gaps: int = 0
    longest_gap_ms: float = 0.0
    clears: int = 0
    peak_frames: int = 0
    pauses: int = 0

    def gap(self, length_s: float) -> None:
        self.gaps += 1
        self.longest_gap_ms = max(self.longest_gap_ms, 1000 * length_s)


_END = Mark("")  # where a reply ends behind which no mark stands; never sent


class Playout:
    """The outgoing buffer of one leg. Times are seconds of any one clock that never goes back.

    It takes everything that is put. Who puts keeps the bound, by waiting while `buffered_s` is
    more than it wants to lose to a barge-in.
    """

    def __init__(self) -> None:
        self._state = PlayoutState.IDLE
        self._queue: deque[bytes | Mark] = deque()
        self._waiting = 0  # frames in the queue
        self._line = TimeLine()
        self._reply_frames = 0  # sent of this reply
        self._unmarked: deque[bytes] = deque(maxlen=AGAIN_FRAMES)  # sent since the last mark
        self._paused_at: float | None = None
        self._counts = PlayoutStatistics()

    def put(self, frame: bytes) -> None:
        """Appends a frame of 160 bytes; begins a reply if there is none.

        Raises:
            ValueError: it is not exactly one frame.
        """
        if len(frame) != FRAME_SAMPLES:
            raise ValueError(f"a frame has {FRAME_SAMPLES} bytes, not {len(frame)}")
        self._state = PlayoutState.PLAYING
        self._queue.append(frame)
        self._waiting += 1
        if self._waiting > self._counts.peak_frames:
            self._counts.peak_frames = self._waiting

    def mark(self, name: str) -> None:
        """Appends a mark behind all frames put so far; begins a reply if there is none."""
        self._state = PlayoutState.PLAYING
        self._queue.append(Mark(name))

    def end(self, broken_at: float | None = None) -> None:
        """The reply is complete: running dry is no underrun any more. `broken_at`: now, where more
        of it was waited for in vain."""
        if broken_at is not None and self._mid_reply and not self._waiting:
            self._counts.gap(max(0.0, broken_at - self._line.end))
        if not self._queue:
            self._state, self._reply_frames = PlayoutState.IDLE, 0
            self._unmarked.clear()
            return
        self._state = PlayoutState.ENDING
        if not isinstance(self._queue[-1], Mark):
            self._queue.append(_END)

    def tick(self, now: float) -> list[bytes | Mark]:
        """Everything that is due at `now`, in the order in which it was put."""
        if self._paused_at is not None or not (self._queue or self._mid_reply):
            return []
        if now >= self._line.end:
            self._follow(now)
        line, waited = self._line, self._waiting
        slot = line.slot_at(now)
        due = self._take(slot + LEAD_FRAMES)
        sent = waited - self._waiting
        self._reply_frames += sent
        self._counts.frames += sent
        if not sent and slot > line.slot and self._mid_reply:
            self._counts.underruns += 1
        line.slot = slot
        if not self._queue and self._state is PlayoutState.ENDING:
            self._state, self._reply_frames = PlayoutState.IDLE, 0
        return due

    def next_tick(self) -> float | None:
        """When the next tick has something to do; None while nothing is to be sent or owed.

        A time that has passed already, minus infinity among them, means at once.
        """
        if self._paused_at is not None:
            return None
        if self._queue:
            if isinstance(self._queue[0], Mark):
                return -math.inf
            return self._line.time(self._line.position + 1 - LEAD_FRAMES)
        return self._line.time(self._line.slot + 1) if self._mid_reply else None

    def pause(self, now: float) -> None:
        """Sends nothing until `resume` or `clear`; all that can be put may be put meanwhile."""
        if self._paused_at is None:
            self._paused_at = now
            self._counts.pauses += 1

    def resume(self, now: float) -> None:
        """Ends a pause: goes on from the beginning of the word that was not sent whole, if any."""
        if self._paused_at is None:
            return
        self._queue.extendleft(reversed(self._unmarked))
        self._waiting += len(self._unmarked)
        self._unmarked.clear()
        self._counts.peak_frames = max(self._counts.peak_frames, self._waiting)
        self._cut_out(self._paused_at, now)
        self._paused_at = None

    def clear(self) -> Unplayed:
        """Ends the reply and any pause: returns what was not sent. The far end drops the rest."""
        queue = [item for item in self._queue if item is not _END]
        unplayed = Unplayed(
            tuple(item for item in queue if not isinstance(item, Mark)),
            tuple(item.name for item in queue if isinstance(item, Mark)),
        )
        self._queue.clear()
        self._unmarked.clear()
        self._waiting = 0
        self._line.begin(-math.inf)
        self._state, self._reply_frames, self._paused_at = PlayoutState.IDLE, 0, None
        self._counts.clears += 1
        return unplayed

    @property
    def state(self) -> PlayoutState:
        """Where the reply is."""
        return self._state

    @property
    def dry_at(self) -> float:
        """When the far end has nothing left to play of what was sent."""
        return self._line.end

    @property
    def buffered_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._waiting * FRAME_S

    def statistics(self) -> PlayoutStatistics:
        """The counters so far."""
        return evolve(self._counts)

    @property
    def _mid_reply(self) -> bool:
        return self._reply_frames > 0 and self._state is PlayoutState.PLAYING

    def _follow(self, now: float) -> None:
        """The far end has nothing left to play: begins a new time line if it is to get some."""
        if self._reply_frames and not self._waiting:
            return
        dry_s = now - self._line.end
        if self._reply_frames and dry_s > 0:
            self._counts.gap(dry_s)
        self._line.begin(now)

    def _cut_out(self, paused_at: float, now: float) -> None:
        """Takes a pause out of the time line, but for what the far end played in it."""
        dry_from = self._line.end
        if now < dry_from:
            self._line.slot = self._line.slot_at(now)
        elif self._reply_frames:
            hole_s = max(0.0, paused_at - dry_from)
            if self._waiting:  # it goes on at once, as a reply begins: a late tick is no gap
                if hole_s:
                    self._counts.gap(hole_s)
                self._reply_frames = 0
            else:
                self._line.begin(now - hole_s)
                self._line.slot = self._line.slot_at(now)

    def _take(self, end: int) -> list[bytes | Mark]:
        """Takes frames up to the position `end`, and the marks between and right behind them."""
        taken: list[bytes | Mark] = []
        queue, line = self._queue, self._line
        while queue:
            item = queue[0]
            if isinstance(item, Mark):
                self._unmarked.clear()
            elif line.position < end:
                line.position += 1
                self._waiting -= 1
                self._unmarked.append(item)
            else:
                break
            queue.popleft()
            if item is not _END:
                taken.append(item)
        return taken
