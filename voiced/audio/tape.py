"""A call on tape: what the caller said, left, and what the caller heard, right.

The tape knows one clock, the media stream's own: sample n stands n / 8000 s after the stream
began. The caller's packets say when they were spoken (`timestamp`, in whole milliseconds), so that
no late task, slow network or corrected wall clock moves anything, however long the call. The
caller's *present* is the end of the caller's audio so far. What we send is heard from there on, or
when everything sent before has been played.

Timestamps are rounded, and those of a broken peer are worth nothing. So a packet

- within 10 ms of the present continues there: rounding makes no clicks;
- up to 10 s ahead is laid where it says, behind silence: the packets between are lost;
- up to 200 ms behind is laid where it says, over what is there: it came late, or twice;
- further off continues at the present: its clock is not to be believed. More than 10 s ahead can
  not be true, for by then the call has ended for want of audio.

Silence that timestamps make never exceeds what was heard by more than 10 s, whatever they say.
"""

from typing import Final

from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE
from voiced.audio.stereo import interleave

TOLERANCE_SAMPLES: Final = SAMPLE_RATE // 100
"""10 ms: packets nearer to each other than this are one piece of audio."""

LATE_SAMPLES: Final = SAMPLE_RATE // 5
"""200 ms: what lies further behind the present cannot change any more."""

HOLE_SAMPLES: Final = 10 * SAMPLE_RATE
"""10 s: the longest silence that a timestamp can make."""

AHEAD_SAMPLES: Final = 30 * SAMPLE_RATE
"""30 s: the most that is kept of what was sent and not yet heard."""

_SAMPLES_PER_MS: Final = SAMPLE_RATE // 1000
_SILENCE: Final = bytes([MULAW_SILENCE])


class Tape:
    """Both lines of a call, from where the last `take` ended. Audio is mu-law, of any length.

    It holds what was not taken: two bytes a sample, and 30 s of the agent's at the most.
    """

    def __init__(self) -> None:
        self._caller = bytearray()
        self._agent = bytearray()
        self._samples = 0
        self._credit = HOLE_SAMPLES  # the silence that timestamps may still make

    def caller(self, timestamp_ms: int | None, mulaw: bytes) -> None:
        """Lays a packet of the caller's where its timestamp says; None continues.

        Source: Twilio's `media.timestamp`, milliseconds from the stream's start to the packet's
        first sample.
        """
        line = self._caller
        at = len(line)
        if timestamp_ms is not None:
            at = self._place(timestamp_ms * _SAMPLES_PER_MS - self._samples)
        hole = at - len(line)
        if hole > 0:
            line += _SILENCE * hole
            self._credit -= hole
        line[at : at + len(mulaw)] = mulaw
        self._credit += len(mulaw)

    def agent(self, mulaw: bytes) -> None:
        """Lays what is sent to the carrier now behind all that was sent, or at the present.

        More than 30 s ahead of the present is dropped.
        """
        line, present = self._agent, len(self._caller)
        if len(line) < present:
            line += _SILENCE * (present - len(line))
        line += mulaw[: present + AHEAD_SAMPLES - len(line)]

    def clear(self) -> None:
        """The carrier drops what it has not played: cuts the agent's line at the present."""
        del self._agent[len(self._caller) :]

    def take(self) -> bytes:
        """What cannot change any more: all but the last 200 ms before the present.

        Interleaved, caller first, 16 bits little-endian: four bytes a sample. In whatever rhythm it
        is called, it gives the same samples.
        """
        return self._cut(self.pending)

    def finish(self) -> bytes:
        """The rest, up to the caller's end: what was to be heard after it was not heard."""
        return self._cut(len(self._caller))

    @property
    def samples(self) -> int:
        """Samples of each line taken so far."""
        return self._samples

    @property
    def pending(self) -> int:
        """Samples of each line that `take` would give now."""
        return max(0, len(self._caller) - LATE_SAMPLES)

    def _place(self, position: int) -> int:
        """Where a packet goes that says it belongs at `position`; both from the last take's end."""
        present = len(self._caller)
        ahead = position - present
        if abs(ahead) <= TOLERANCE_SAMPLES or ahead > min(HOLE_SAMPLES, self._credit):
            return present
        return position if position >= self.pending else present

    def _cut(self, samples: int) -> bytes:
        caller, agent = bytes(self._caller[:samples]), bytes(self._agent[:samples])
        del self._caller[:samples], self._agent[:samples]
        self._samples += samples
        return interleave(caller, agent.ljust(samples, _SILENCE))
