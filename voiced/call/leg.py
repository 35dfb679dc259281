"""The caller's media connection: one task reads, one task writes, and the writer is the pacer.

The reader only decodes and hands on, so that the carrier never finds us slow. The writer is the
one task that sends: it wakes when the playout owes a frame (absolute deadlines, every 20 ms) or
when there is something urgent, and sleeps when the line is silent. What a barge-in clears has
either been handed to the socket before or is never sent at all.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import trio
from attrs import define

from voiced.audio.level import Level, LevelChange
from voiced.audio.playout import Mark, Playout, Unplayed
from voiced.call import channels
from voiced.dialog import events as ev
from voiced.errors import WireError
from voiced.wire import twilio

SEND_S: Final = 5.0
"""A carrier that takes nothing for this long is gone."""

RECEIVE_S: Final = 10.0
"""So is one that sends nothing for this long: audio comes every 20 ms, in silence too."""


class MediaSocket(Protocol):
    """The WebSocket, already open."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when the connection is over, however it ended."""

    async def send(self, messages: Sequence[str]) -> None:
        """Sends text messages in one go; silently does nothing on a dead connection."""


class Tap(Protocol):
    """Listens in on both lines, as a recording does; none of it blocks or raises."""

    def caller(self, timestamp_ms: int | None, mulaw: bytes) -> None:
        """A packet of the caller's; the time is the stream's."""

    def agent(self, mulaw: bytes) -> None:
        """Audio that goes to the carrier now."""

    def clear(self) -> None:
        """The carrier drops what it has not played."""


@define
class LegStatistics:
    """Counters of one leg."""

    packets: int = 0
    wire_errors: int = 0
    last_wire_error: str = ""
    sequence_jumps: int = 0
    events_dropped: int = 0
    max_lateness_s: float = 0.0
    max_clear_s: float = 0.0
    _recent_lateness_s: float = 0.0
    _clear_decided: float | None = None

    def late(self, seconds: float) -> None:
        """A frame left so long after its time."""
        self.max_lateness_s = max(self.max_lateness_s, seconds)
        self._recent_lateness_s = max(self._recent_lateness_s, seconds)

    def take_lateness(self) -> float:
        """The worst since this was last asked, in seconds."""
        recent, self._recent_lateness_s = self._recent_lateness_s, 0.0
        return recent

    def clearing(self, decided: float) -> None:
        """A `clear` is to be sent, which was decided then."""
        self._clear_decided = decided

    def sent(self, now: float) -> None:
        """All that was to be sent has been."""
        if self._clear_decided is not None:
            self.max_clear_s = max(self.max_clear_s, now - self._clear_decided)
            self._clear_decided = None

    def wire_error(self, fault: str) -> None:
        """Counts a message that the protocol does not allow."""
        self.wire_errors += 1
        self.last_wire_error = fault


class Leg:
    """One party's media connection, from the carrier's `start` to its `stop`."""

    def __init__(
        self,
        socket: MediaSocket,
        stream_sid: str,
        events: trio.MemorySendChannel[ev.Event],
        hear: Callable[[bytes], None],
        tap: Tap | None = None,
    ) -> None:
        self.playout = Playout()
        self.statistics = LegStatistics()
        self._socket = socket
        self._outgoing = twilio.Outgoing(stream_sid)
        self._events = events
        self._hear = hear
        self._tap = tap
        self._urgent: list[str] = []
        self._wake = trio.Event()
        self._unsent_turn: int | None = None

    # --- what the conductor does ----------------------------------------------------------------

    def begin(self, turn: int) -> None:
        """The next frame put into the playout is the first of this turn's reply."""
        self._unsent_turn = turn

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def clear(self, decided: float) -> Unplayed:
        """Drops what was not sent, and has the carrier drop what it has not played. `decided`: when
        that was."""
        unplayed = self.playout.clear()
        if self._unsent_turn is None:
            self._urgent.append(self._outgoing.clear())
            self.statistics.clearing(decided)
            self._wake.set()
            if self._tap:
                self._tap.clear()
        self._unsent_turn = None
        return unplayed

    # --- reading --------------------------------------------------------------------------------

    async def read(self) -> None:
        """Reads until the stream is over, and reports that as an event."""
        level = Level()
        sequence = twilio.SequenceMonitor()
        reason = "socket-lost"
        with trio.CancelScope() as patience:
            while True:
                patience.deadline = trio.current_time() + RECEIVE_S
                data = await self._socket.receive()
                if data is None:
                    break
                message = self._parse(data)
                if isinstance(message, twilio.Stop):
                    reason = "hangup"
                    break
                if message is not None:
                    self._take(message, level)
                    sequence.note(getattr(message, "sequence", None))
                    self.statistics.sequence_jumps = sequence.jumps
        self._events.send_nowait(ev.LegEnded(reason))

    def _parse(self, data: str | bytes) -> twilio.TwilioMessage | None:
        """A message of this stream; None, and counted, for any other."""
        try:
            message = twilio.parse(data)
        except WireError as error:
            self.statistics.wire_error(str(error))
            return None
        if getattr(message, "stream_sid", None) not in (None, self._outgoing.stream_sid):
            self.statistics.wire_error("message of another stream")
            return None
        return message

    def _take(self, message: twilio.TwilioMessage, level: Level) -> None:
        match message:
            case twilio.Media(payload=payload, timestamp_ms=timestamp_ms):
                self.statistics.packets += 1
                self._hear(payload)
                if self._tap:
                    self._tap.caller(timestamp_ms, payload)
                self._level_changed(level.feed(payload), level)
            case twilio.MarkEcho(name=name):
                self._offer(ev.MarkReached(name))
            case twilio.Dtmf(digit=digit):
                self._offer(ev.DigitPressed(digit))
            case twilio.Start():
                self.statistics.wire_error("a second start")

    def _level_changed(self, change: LevelChange | None, level: Level) -> None:
        if change is LevelChange.SPEECH_STARTED:
            self._offer(ev.SpeechStarted())
        elif change is LevelChange.SPEECH_STOPPED:
            self._offer(ev.SpeechStopped(level.quiet_s))

    def _offer(self, event: ev.LegEvent) -> None:
        if not channels.offer(self._events, event):
            self.statistics.events_dropped += 1

    # --- writing --------------------------------------------------------------------------------

    async def write(self) -> None:
        """Sends what is due until cancelled, or until the carrier takes no more."""
        while True:
            await self._wait_due()
            messages = self._due(trio.current_time())
            if not messages:
                continue
            with trio.move_on_after(SEND_S) as sending:
                await self._socket.send(messages)
                self.statistics.sent(trio.current_time())
            if sending.cancelled_caught:
                self._events.send_nowait(ev.LegEnded("stalled"))
                return

    async def _wait_due(self) -> None:
        began, due = trio.current_time(), self.playout.next_tick()
        with trio.move_on_at(float("inf") if due is None else due):
            await self._wake.wait()
        self._wake = trio.Event()
        if due is not None and due > began:
            self.statistics.late(trio.current_time() - due)

    def _due(self, now: float) -> list[str]:
        messages, self._urgent = self._urgent, []
        items = self.playout.tick(now)
        for item in items:
            if isinstance(item, Mark):
                messages.append(self._outgoing.mark(item.name))
                continue
            messages.append(self._outgoing.media(item))
            if self._tap:
                self._tap.agent(item)
        if items and self._unsent_turn is not None:
            self._events.send_nowait(ev.ReplyAudible(self._unsent_turn))
            self._unsent_turn = None
        return messages
