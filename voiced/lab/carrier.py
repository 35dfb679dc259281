"""What Twilio does with the audio we send it: the caller's ear, as arithmetic.

A stream's audio is one line of samples, 8,000 to the second, that starts when the stream does.
Whatever arrives is laid behind what is queued, or at the present moment where the queue has run
dry; so every byte has its place, a mark is a place too, and "was it heard?" is a comparison.
Nothing here waits or knows the time: `now` is an argument, in seconds, and never goes back.

    queue:   ....[heard heard heard|not yet heard]        end
                                   ^ head = now            ^ a mark sent now stands here

Source of the rules: Twilio's Media Streams documentation, "WebSocket messages to Twilio".
"""

import binascii
import json
import math
from base64 import b64decode
from collections import deque
from collections.abc import Mapping

from attrs import define, field, frozen

from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE

MAX_HEARD_SAMPLES = 3_600 * SAMPLE_RATE
"""An hour is kept; of a longer call, the last hour."""

GAP_LIMIT_SAMPLES = SAMPLE_RATE
"""Audio that comes back within a second of running dry was late; after that, it is a new reply."""

MAX_WARNINGS = 100
MAX_GAPS = 100
"""So many are told one by one."""


@frozen
class Clip:
    """Mu-law that plays from sample `position` of the stream."""

    position: int
    mulaw: bytes

    @property
    def stop(self) -> int:
        return self.position + len(self.mulaw)


@define
class PlaybackStatistics:
    """What the far end can tell about how it was fed."""

    media: int = 0
    clears: int = 0
    bytes_cleared: int = 0
    gaps: int = 0
    longest_gap_s: float = 0.0
    max_ahead_s: float = 0.0
    gap_ends_s: list[float] = field(factory=list)
    """When the first of the gaps ended, since the stream began."""


@define
class Playback:
    """The playback buffer of a stream that started at `origin`."""

    origin: float
    statistics: PlaybackStatistics = field(factory=PlaybackStatistics, init=False)
    _clips: deque[Clip] = field(factory=deque, init=False)
    _samples: int = field(default=0, init=False)
    _marks: deque[tuple[int, str]] = field(factory=deque, init=False)
    _end: int = field(default=0, init=False)
    _reply_end: int | None = field(default=None, init=False)

    def head(self, now: float) -> int:
        """The sample that plays at `now`."""
        # The tolerance (an eighth of a microsecond) undoes the rounding of origin + n / 8000.
        return max(0, math.floor((now - self.origin) * SAMPLE_RATE + 1e-3))

    def media(self, mulaw: bytes, now: float) -> None:
        """Lays audio behind what is queued."""
        head = self.head(now)
        if self._reply_end is not None and 0 < head - self._reply_end <= GAP_LIMIT_SAMPLES:
            self.statistics.gaps += 1
            if self.statistics.gaps <= MAX_GAPS:
                self.statistics.gap_ends_s.append(head / SAMPLE_RATE)
            gap_s = (head - self._reply_end) / SAMPLE_RATE
            self.statistics.longest_gap_s = max(self.statistics.longest_gap_s, gap_s)
        self.statistics.media += 1
        self._append(Clip(max(self._end, head), mulaw))
        self._reply_end = self._end
        ahead_s = (self._end - head) / SAMPLE_RATE
        self.statistics.max_ahead_s = max(self.statistics.max_ahead_s, ahead_s)

    def mark(self, name: str, now: float) -> list[str]:
        """Puts a mark behind what is queued; returns the marks that are due, this one if dry."""
        self._marks.append((self._end, name))
        return self.advance(now)

    def advance(self, now: float) -> list[str]:
        """The marks that the head has passed since it was last asked."""
        head = self.head(now)
        due = []
        while self._marks and self._marks[0][0] <= head:
            due.append(self._marks.popleft()[1])
        return due

    def next_due(self) -> float | None:
        """When the next mark is due."""
        return self.origin + self._marks[0][0] / SAMPLE_RATE if self._marks else None

    def clear(self, now: float) -> list[str]:
        """Drops what has not been heard; returns every mark that was pending, in order."""
        head = self.head(now)
        self.statistics.clears += 1
        while self._clips and self._clips[-1].stop > head:
            clip = self._clips.pop()
            kept = clip.mulaw[: max(0, head - clip.position)]
            self.statistics.bytes_cleared += len(clip.mulaw) - len(kept)
            self._samples -= len(clip.mulaw) - len(kept)
            if kept:
                self._clips.append(Clip(clip.position, kept))
                break
        self._end = min(self._end, head)
        self._reply_end = None
        names = [name for _, name in self._marks]
        self._marks.clear()
        return names

    def heard(self, now: float) -> list[Clip]:
        """What has been heard, each piece at its place; between the pieces there was silence."""
        head = self.head(now)
        return [
            Clip(clip.position, clip.mulaw[: head - clip.position])
            for clip in self._clips
            if clip.position < head
        ]

    def window(self, start: int, stop: int) -> bytes:
        """The audio between two samples, silence where there was none. Final once it is past."""
        audio = bytearray([MULAW_SILENCE]) * (stop - start)
        for clip in reversed(self._clips):
            if clip.stop <= start:
                break
            first, last = max(start, clip.position), min(stop, clip.stop)
            if first < last:
                piece = clip.mulaw[first - clip.position : last - clip.position]
                audio[first - start : last - start] = piece
        return bytes(audio)

    def _append(self, clip: Clip) -> None:
        self._clips.append(clip)
        self._end = clip.stop
        self._samples += len(clip.mulaw)
        while self._samples > MAX_HEARD_SAMPLES:
            self._samples -= len(self._clips.popleft().mulaw)


@frozen
class CarrierWarning:
    """What Twilio's debugger would show: its error code, and why in a few words."""

    code: int
    reason: str


_FIELDS: dict[str, tuple[str, str] | None] = {
    "media": ("media", "payload"),
    "mark": ("mark", "name"),
    "clear": None,
}


@define
class Carrier:
    """Reads what a server sends on a media stream as strictly as Twilio does, and plays it."""

    stream_sid: str
    playback: Playback
    warnings: list[CarrierWarning] = field(factory=list, init=False)

    def receive(self, message: str | bytes, now: float) -> list[str]:
        """Takes one WebSocket message; returns the names of the marks to echo at once.

        A message that Twilio would refuse is one warning more and has no other effect.
        """
        if isinstance(message, bytes):
            if all(warning.code != 31950 for warning in self.warnings):  # once per stream
                self._warn("binary message", code=31950)
            return []
        try:
            fields = json.loads(message)
        except ValueError:
            return self._warn("not JSON")
        event = str(fields.get("event")) if isinstance(fields, dict) else ""
        if event not in _FIELDS:
            return self._warn("unknown event")
        if (fault := self._fault(event, fields)) is not None:
            return self._warn(fault)
        return self._carry_out(fields, now)

    def _fault(self, event: str, fields: Mapping[str, object]) -> str | None:
        body = _FIELDS[event]
        if set(fields) != {"event", "streamSid"} | ({body[0]} if body else set()):
            return f"{event}: missing or extra field"
        if fields["streamSid"] != self.stream_sid:
            return f"{event}: wrong streamSid"
        if body is None:
            return None
        inner = fields[body[0]]
        if not isinstance(inner, dict) or set(inner) != {body[1]}:
            return f"{event}: missing or extra field"
        return None if isinstance(inner[body[1]], str) else f"{event}: {body[1]} is no string"

    def _carry_out(self, fields: Mapping[str, dict[str, str]], now: float) -> list[str]:
        match fields:
            case {"media": {"payload": payload}}:
                try:
                    mulaw = b64decode(payload, validate=True)
                except (binascii.Error, ValueError):
                    return self._warn("media: invalid base64")
                self.playback.media(mulaw, now)
                return []
            case {"mark": {"name": name}}:
                return self.playback.mark(name, now)
            case _:
                return self.playback.clear(now)

    def _warn(self, reason: str, code: int = 31951) -> list[str]:
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(CarrierWarning(code, reason))
        return []
