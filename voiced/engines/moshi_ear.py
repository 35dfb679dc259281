"""The caller's audio on its way through moshi-server's STT: pure bookkeeping, no I/O.

moshi-server works in steps of 80 ms and reports each (rust/moshi-server/src/batched_asr.rs), so
audio moves from waiting (here) over under way (sent, no `Step` yet) to heard. Our own count of
`Step`s is the clock: `step_idx` is the whole server's, and the wall clock knows nothing.

When the server is late, so much may be under way and no more; the rest waits here, and what has
waited too long is dropped, the oldest first: an ear that lags by many seconds is worse than one
that misses a word. At the start of a call the bound is wide, since nothing is heard before the
server is ready and what the caller says first matters most.

A word is reported some steps after it was said, because the model listens ahead. A flush sends
silence to stand for those steps: the server works through it faster than real time, and when our
clock has passed the last step of speech plus the delay, all words have come. The words of a step
follow its `Step`, hence passed, not reached, and one step of silence more than the delay.
"""

from enum import Enum
from math import ceil
from typing import Final

from attrs import define, field, frozen

from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE

STEP_MS: Final = 80
STEP_S: Final = STEP_MS / 1000
STEP_BYTES: Final = SAMPLE_RATE * STEP_MS // 1000
"""A step of the caller's audio as it is on the telephone: 640 bytes of mu-law."""

_SILENCE: Final = bytes([MULAW_SILENCE])


@frozen
class EarLimits:
    """How much audio may be where.

    `early_s`: waiting at the start of the call; longer than the server may take to be ready.
    `late_s`: waiting at any other time. `under_way_s`: sent and not yet heard.
    """

    early_s: float = 10.0
    late_s: float = 1.0
    under_way_s: float = 2.0


@frozen
class EarModel:
    """What is known of the model. The defaults are those of stt-1b-en_fr.

    `delay_s`: how long after a word it can be reported (`asr_delay_in_tokens`). `pause_head`:
    which of the pause scores of a `Step` counts, by default the one for the next 2 s; None for a
    model without such heads (stt-2.6b-en), which reports no steps: its clock is the audio sent.
    Source: rust/moshi-core/src/asr.rs.
    """

    delay_s: float = 0.48
    pause_head: int | None = 2

    @property
    def reports_steps(self) -> bool:
        return self.pause_head is not None

    @property
    def delay_steps(self) -> int:
        # Rounded first: 0.48 / 0.08 is a little more than 6 in binary.
        return ceil(round(self.delay_s / STEP_S, 6))


class _Flush(Enum):
    NONE = 1
    ASKED = 2
    SENT = 3


@define
class Ear:
    """Counts one call's audio, in bytes of mu-law while it waits and in steps from then on."""

    model: EarModel = field(factory=EarModel)
    limits: EarLimits = field(factory=EarLimits)
    dropped_bytes: int = 0
    sent_steps: int = 0
    heard_steps: int = 0
    _waiting: bytearray = field(factory=bytearray)
    _bound_s: float = field()
    _flush: _Flush = _Flush.NONE
    _flushed_at: int = 0

    @_bound_s.default
    def _wide_at_first(self) -> float:
        return self.limits.early_s

    @property
    def stream_s(self) -> float:
        """The clock: seconds of audio heard."""
        return self.heard_steps * STEP_S

    @property
    def is_owed(self) -> bool:
        """Audio was sent for which the server has reported no step."""
        return self.heard_steps < self.sent_steps

    @property
    def is_ready(self) -> bool:
        """Whether `take` has anything to give."""
        whole = len(self._waiting) >= STEP_BYTES and self._room() > 0
        return whole or self._flush is _Flush.ASKED

    def put(self, mulaw: bytes) -> None:
        """Takes the caller's audio; drops the oldest that waits where it is too much."""
        self._waiting += mulaw
        surplus = len(self._waiting) - int(self._bound_s * SAMPLE_RATE)
        if surplus > 0:
            del self._waiting[:surplus]
            self.dropped_bytes += surplus

    def flush(self) -> bool:
        """Wants all said so far; returns whether no flush was under way.

        One that was is put off: this one answers both.
        """
        was, self._flush = self._flush, _Flush.ASKED
        return was is _Flush.NONE

    def take(self) -> bytes:
        """What is to be sent now: whole steps, maybe none."""
        ready = min(len(self._waiting) // STEP_BYTES, self._room())
        taken = bytes(self._waiting[: ready * STEP_BYTES])
        del self._waiting[: len(taken)]
        if len(self._waiting) < STEP_BYTES:
            self._bound_s = self.limits.late_s
            taken += self._flushing(len(taken) // STEP_BYTES)
        self.sent_steps += len(taken) // STEP_BYTES
        if not self.model.reports_steps:
            self.heard_steps = self.sent_steps
        return taken

    def step(self) -> bool:
        """The server reports a step; returns whether it completes the flush."""
        self.heard_steps += 1
        done = self._flush is _Flush.SENT and self.heard_steps > self._flushed_at
        return done and self.give_up()

    def give_up(self) -> bool:
        """No flush is waited for any more; returns whether one was."""
        waited, self._flush = self._flush is not _Flush.NONE, _Flush.NONE
        return waited

    def _room(self) -> int:
        return max(0, int(self.limits.under_way_s / STEP_S) - self.sent_steps + self.heard_steps)

    def _flushing(self, steps_before: int) -> bytes:
        """The rest that waits, filled up with silence to a step, and the silence behind it."""
        if self._flush is not _Flush.ASKED:
            return b""
        rest = bytes(self._waiting)
        self._waiting.clear()
        speech_steps = ceil(len(rest) / STEP_BYTES)
        self._flush = _Flush.SENT
        self._flushed_at = self.sent_steps + steps_before + speech_steps + self.model.delay_steps
        silent_steps = self.model.delay_steps + 1
        return rest.ljust((speech_steps + silent_steps) * STEP_BYTES, _SILENCE)
