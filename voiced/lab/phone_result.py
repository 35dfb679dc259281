"""What is left of a call: how it ended, what was measured, and both lines."""

from collections.abc import Sequence

from attrs import field, frozen

from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE
from voiced.lab.carrier import CarrierWarning, PlaybackStatistics
from voiced.lab.phone_ear import Measured, Run
from voiced.lab.phone_record import Ended, PhoneEvent


@frozen
class Transfer:
    """One `<Dial>`: whom it rang, and what came of it."""

    number: str
    call_sid: str
    status: str
    """DialCallStatus: completed, busy, no-answer, failed or canceled."""
    heard: tuple[str, ...] = ()
    """What the human was told before the bridge."""
    duration_s: float = 0.0
    """From the human's answer to the end."""
    bridged_s: float | None = None
    """How long both parties were connected; None if they never were."""


@frozen
class CallResult:
    """A call as its caller lived it. `caller` and `agent` are mu-law, sample beside sample.

    A call that an exchange placed has a status of Twilio's, and perhaps transfers; its caller is
    the person who was called.
    """

    call_sid: str
    ended: Ended
    events: tuple[PhoneEvent, ...]
    turns: tuple[Measured, ...] = ()
    caller: bytes = field(default=b"", repr=False)
    agent: bytes = field(default=b"", repr=False)
    agent_runs: tuple[Run, ...] = field(default=(), repr=False)
    warnings: tuple[CarrierWarning, ...] = ()
    playback: PlaybackStatistics = field(factory=PlaybackStatistics)
    missed: tuple[int, ...] = ()
    """Turns of the script whose cue never came."""
    direction: str = "inbound"
    status: str = ""
    transfers: tuple[Transfer, ...] = ()
    streams: int = 0

    @property
    def duration_s(self) -> float:
        """From the first media stream's start to the last one's end."""
        return len(self.agent) / SAMPLE_RATE


def as_long_as(line: bytes, other: bytes) -> bytes:
    """The line, with silence behind it where the other is longer."""
    return line.ljust(len(other), bytes([MULAW_SILENCE]))


def total(parts: Sequence[PlaybackStatistics]) -> PlaybackStatistics:
    """The statistics of several streams as one."""
    if len(parts) == 1:
        return parts[0]
    return PlaybackStatistics(
        media=sum(part.media for part in parts),
        clears=sum(part.clears for part in parts),
        bytes_cleared=sum(part.bytes_cleared for part in parts),
        gaps=sum(part.gaps for part in parts),
        longest_gap_s=max((part.longest_gap_s for part in parts), default=0.0),
        max_ahead_s=max((part.max_ahead_s for part in parts), default=0.0),
        gap_ends_s=[at_s for part in parts for at_s in part.gap_ends_s],
    )
