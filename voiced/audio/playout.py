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
"""

import math
from collections import deque
from enum import Enum, auto

from attrs import asdict, define, frozen

from voiced.audio.frame import FRAME_S, FRAME_SAMPLES

LEAD_FRAMES = 5
"""How far ahead of real time we send: 100 ms."""


@frozen
class Mark:
    """A named point in the outgoing audio, behind all frames that were put before it."""

    name: str


@frozen
class Unplayed:
    """What a `clear` took out: frames and marks that were never sent, in their order."""

    frames: tuple[bytes, ...]
    marks: tuple[str, ...]


class PlayoutState(Enum):
    """Where the reply is."""

    IDLE = auto()  # no reply, or all of it was sent
    PLAYING = auto()  # more of it is to come
    ENDING = auto()  # complete, but not all sent


@frozen
class PlayoutStatistics:
    """Counters of a whole call.

    Attributes:
        frames: frames sent.
        underruns: ticks with nothing to send in mid-reply. Harmless as long as the lead lasts.
        gaps: holes that the caller heard in mid-reply, the lead being used up.
        longest_gap_ms: the longest of them.
        clears: how often the playout was cleared.
        peak_frames: the most frames that ever waited.
    """

    frames: int
    underruns: int
    gaps: int
    longest_gap_ms: float
    clears: int
    peak_frames: int


@define
class _Counts:
    frames: int = 0
    underruns: int = 0
    gaps: int = 0
    longest_gap_ms: float = 0.0
    clears: int = 0
    peak_frames: int = 0


class Playout:
    """The outgoing buffer of one leg. Times are seconds of any one clock that never goes back.

    It takes everything that is put. Who puts keeps the bound, by waiting while `buffered_s` is
    more than it wants to lose to a barge-in.
    """

    def __init__(self) -> None:
        self._state = PlayoutState.IDLE
        self._queue: deque[bytes | Mark] = deque()
        self._waiting = 0  # frames in the queue
        self._origin = -math.inf  # the far end has had nothing to play since ever
        self._position = 0
        self._slot = 0  # of the last tick
        self._reply_frames = 0  # sent of this reply
        self._counts = _Counts()

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
        self._counts.peak_frames = max(self._counts.peak_frames, self._waiting)

    def mark(self, name: str) -> None:
        """Appends a mark behind all frames put so far; begins a reply if there is none."""
        self._state = PlayoutState.PLAYING
        self._queue.append(Mark(name))

    def end(self) -> None:
        """The reply is complete: running dry is no underrun any more."""
        self._state = PlayoutState.ENDING
        self._rest()

    def tick(self, now: float) -> list[bytes | Mark]:
        """Everything that is due at `now`, in the order in which it was put."""
        if self._state is PlayoutState.IDLE:
            return []
        self._follow(now)
        slot = self._slot_at(now)
        waited = self._waiting
        due = self._take(slot + LEAD_FRAMES)
        sent = waited - self._waiting
        self._reply_frames += sent
        self._counts.frames += sent
        if not sent and slot > self._slot and self._mid_reply:
            self._counts.underruns += 1
        self._slot = slot
        self._rest()
        return due

    def next_tick(self) -> float | None:
        """When the next tick has something to do; None while there is nothing to send or owed.

        A time that has passed already, minus infinity among them, means at once.
        """
        if self._queue:
            if isinstance(self._queue[0], Mark):
                return -math.inf
            return self._time(self._position + 1 - LEAD_FRAMES)
        return self._time(self._slot + 1) if self._mid_reply else None

    def clear(self) -> Unplayed:
        """Ends the reply here: returns what was not sent. The far end is told to drop the rest."""
        unplayed = Unplayed(
            tuple(item for item in self._queue if not isinstance(item, Mark)),
            tuple(item.name for item in self._queue if isinstance(item, Mark)),
        )
        self._queue.clear()
        self._waiting = 0
        self._origin, self._position, self._slot = -math.inf, 0, 0
        self._state, self._reply_frames = PlayoutState.IDLE, 0
        self._counts.clears += 1
        return unplayed

    @property
    def state(self) -> PlayoutState:
        """Where the reply is."""
        return self._state

    @property
    def buffered_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._waiting * FRAME_S

    def statistics(self) -> PlayoutStatistics:
        """The counters so far."""
        return PlayoutStatistics(**asdict(self._counts))

    @property
    def _mid_reply(self) -> bool:
        return self._state is PlayoutState.PLAYING and self._reply_frames > 0

    def _time(self, position: int) -> float:
        return self._origin + position * FRAME_S

    def _slot_at(self, now: float) -> int:
        # The division alone may be a hair off, at the very times that `next_tick` names.
        nearest = round((now - self._origin) / FRAME_S)
        return nearest if self._time(nearest) <= now else nearest - 1

    def _follow(self, now: float) -> None:
        """Begins a new time line if the far end has nothing left to play, and is to get some."""
        dry_s = now - self._time(self._position)
        if dry_s < 0 or (self._reply_frames and not self._waiting):
            return
        if self._reply_frames and dry_s > 0:
            self._counts.gaps += 1
            self._counts.longest_gap_ms = max(self._counts.longest_gap_ms, 1000 * dry_s)
        self._origin, self._position, self._slot = now, 0, 0

    def _take(self, end: int) -> list[bytes | Mark]:
        """Takes frames up to the position `end`, and the marks between and right behind them."""
        taken: list[bytes | Mark] = []
        while self._queue and (self._position < end or isinstance(self._queue[0], Mark)):
            item = self._queue.popleft()
            taken.append(item)
            if not isinstance(item, Mark):
                self._position += 1
                self._waiting -= 1
        return taken

    def _rest(self) -> None:
        if self._state is PlayoutState.ENDING and not self._queue:
            self._state, self._reply_frames = PlayoutState.IDLE, 0
