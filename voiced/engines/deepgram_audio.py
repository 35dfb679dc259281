"""The caller's audio on its way to Deepgram: pure bookkeeping, no I/O.

Audio is sent as it comes, in messages of one size. What waits too long is dropped, the oldest
first; at the start of a call the bound is wide, since nothing is sent before the connection is
open and what the caller says first matters most.
"""

from typing import Final

from attrs import define, field

from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE

EARLY_S: Final = 10.0
"""So much may wait while the connection opens."""

LATE_S: Final = 1.0
"""So much may wait at any other time: an ear that lags by seconds is worse than one that misses
a word."""

PACE: Final = 1.25
"""A live stream must not come much faster than it is spoken."""

BURST_S: Final = 0.5
"""So much ahead of that pace may come at once: a hiccup of the network is not worth pacing."""

OWED_S: Final = 2.0
"""So much audio brings a message at the latest, be it about silence; less of it may bring none."""

_SILENCE: Final = bytes([MULAW_SILENCE])


@define
class Outgoing:
    """Audio that waits, in bytes of mu-law; `sent_bytes` is the clock of the stream."""

    message_bytes: int
    dropped_bytes: int = 0
    sent_bytes: int = 0
    _answered_bytes: int = 0
    _waiting: bytearray = field(factory=bytearray)
    _bound_s: float = EARLY_S
    _paid_until: float = field(default=float("-inf"))

    @property
    def stream_s(self) -> float:
        return self.sent_bytes / SAMPLE_RATE

    @property
    def is_ready(self) -> bool:
        """A whole message waits."""
        return len(self._waiting) >= self.message_bytes

    @property
    def is_owed(self) -> bool:
        """So much audio has been sent since the last message came that another is owed."""
        return self.sent_bytes - self._answered_bytes >= OWED_S * SAMPLE_RATE

    def answered(self) -> None:
        """A message came."""
        self._answered_bytes = self.sent_bytes

    def put(self, mulaw: bytes) -> None:
        """Takes audio, any length; drops the oldest where too much waits."""
        self._waiting += mulaw
        surplus = len(self._waiting) - int(self._bound_s * SAMPLE_RATE)
        if surplus > 0:
            del self._waiting[:surplus]
            self.dropped_bytes += surplus

    def put_silence(self) -> None:
        """Fills what waits up to a whole message."""
        missing = self.message_bytes - len(self._waiting)
        self._waiting += _SILENCE * max(0, missing)

    def due(self, now: float) -> float:
        """When the next message may be sent: now, but for one that would come too fast."""
        return max(now, self._paid_until - BURST_S)

    def take(self, now: float, *, rest: bool = False) -> bytes:
        """The next message, never more than whole; with `rest` a shorter one too. Maybe nothing:
        that must not be sent."""
        if not self.is_ready and not rest:
            return b""
        taken = bytes(self._waiting[: self.message_bytes])
        del self._waiting[: len(taken)]
        if not self.is_ready:
            self._bound_s = LATE_S
        self.sent_bytes += len(taken)
        self._paid_until = max(self._paid_until, now) + len(taken) / SAMPLE_RATE / PACE
        return taken
