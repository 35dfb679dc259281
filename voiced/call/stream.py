"""What a call is given: the stream that it is on, and the books that it is written down in."""

import trio
from attrs import define, field, frozen

from voiced.call.chronicle import Journal, Nowhere
from voiced.call.leg import MediaSocket
from voiced.call.recording import Recording
from voiced.dialog.manners import Past


@frozen
class Stream:
    """The carrier's media stream: an open socket, and whose call it is."""

    socket: MediaSocket
    call_sid: str
    stream_sid: str


@frozen
class Books:
    """Where a call is written down: its turns and events, and its sound."""

    journal: Journal = field(factory=Nowhere)
    recording: Recording | None = None


@define
class Span:
    """When the call began, on whichever stream, and when it ended; seconds on Trio's clock."""

    started_at: float
    ended_at: float

    @classmethod
    def since(cls, past: Past | None) -> "Span":
        """From the call's beginning until now."""
        now = trio.current_time()
        return cls(now if past is None or past.started_at is None else past.started_at, now)
