"""What a telephone keeps of a call: its events, how it ended, and both lines."""

from enum import Enum

from attrs import define, field, frozen

from voiced.audio.frame import FRAME_SAMPLES, SILENT_FRAME
from voiced.lab.phone_ear import Ear, Utterance


class Kind(Enum):
    """What a telephone can tell about a call."""

    CONNECTED = "connected"
    ANNOUNCED = "announced"
    SKIPPED = "skipped"
    AGENT_SPEAKS = "agent speaks"
    CALLER_SPEAKS = "caller speaks"
    BARGE_IN = "barge-in"
    PRESSED = "pressed"
    CLEARED = "cleared"
    WARNING = "warning"
    RINGING = "ringing"
    ANSWERED = "answered"
    VERDICT = "answering machine detection"
    DROPPED = "the stream's connection is cut"
    PLAYED = "plays"
    DIALLED = "dials"
    HUMAN_HEARS = "human hears"
    BRIDGED = "bridged"
    TRANSFER_ENDED = "transfer ended"
    REDIRECTED = "another document through the API"
    API_REQUEST = "API request"
    ENDED = "ended"


@frozen
class PhoneEvent:
    """Something that happened `at_s` seconds after the stream began (before it: 0)."""

    at_s: float
    kind: Kind
    text: str = ""


class Ended(Enum):
    """How a call ended."""

    HUNG_UP = "the caller hung up"
    SERVER_CLOSED = "the agent closed the stream"
    LOST = "the connection broke"
    TOO_LONG = "longer than max_call_s"
    REFUSED = "not connected"
    TWIML = "the TwiML connects no stream"
    DROPPED = "the stream was cut"
    COMPLETED = "ended through the API"
    REDIRECTED = "another document through the API"
    TIME_LIMIT = "its TimeLimit was over"
    TRANSFERRED = "the transfer was its end"
    NOT_ANSWERED = "not answered"


@define
class Recording:
    """Both lines of a call, sample by sample, and when each spoke."""

    caller: bytearray = field(factory=bytearray, init=False)
    agent: bytearray = field(factory=bytearray, init=False)
    caller_ear: Ear = field(factory=Ear, init=False)
    agent_ear: Ear = field(factory=Ear, init=False)
    utterances: list[Utterance] = field(factory=list, init=False)

    def say(self, frame: bytes) -> None:
        """The caller's next 20 ms."""
        self.caller += frame
        self.caller_ear.listen(frame)

    def hear(self, frame: bytes) -> None:
        """The agent's next 20 ms, as heard."""
        self.agent += frame
        self.agent_ear.listen(frame)

    @property
    def frames(self) -> int:
        """How many whole frames both lines hold."""
        return min(len(self.caller), len(self.agent)) // FRAME_SAMPLES

    def fill(self, frames: int) -> None:
        """Makes both lines at least so many frames long: between two streams nobody is heard."""
        while len(self.caller) < frames * FRAME_SAMPLES:
            self.say(SILENT_FRAME)
        while len(self.agent) < frames * FRAME_SAMPLES:
            self.hear(SILENT_FRAME)
