"""What a metric is declared with: its kind, the values of its labels, its buckets.

A label's value is never a caller's: it is one of those listed here, or a name that stands in the
configuration. Of a label whose words come from many places `spare` more are let in; all others
are `other`.
"""

from enum import Enum, auto
from typing import Final

from attrs import frozen


class Kind(Enum):
    """How a metric behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class By(Enum):
    """How a value comes about."""

    COUNTING = auto()
    LOOKING = auto()  # at what somebody else counts or knows, when Prometheus asks


@frozen
class Label:
    """One label. `values` are there from the start, at zero; None: they are names that stand in
    the configuration."""

    name: str
    values: tuple[str, ...] | None = None
    spare: int = 0


@frozen
class Declared:
    """One metric. `buckets` are a histogram's, in seconds; `by`: how its value comes about."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    by: By = By.COUNTING


ROLES: Final = ("stt", "llm", "tts")
FAULTS: Final = ("timeout", "refused", "broken", "capacity")
NO_ROOM: Final = ("max-calls", "stt-slots", "tts-slots", *(f"{role}-unreachable" for role in ROLES))
REFUSALS: Final = (
    *NO_ROOM, "draining", "duplicate", "malformed-stream", "destination", "not-configured",
)  # fmt: skip
FAILURES: Final = ("internal", "crash", *(f"{role}-{fault}" for role in ROLES for fault in FAULTS))
ENDS: Final = (
    "hangup", "agent", "operator", "transferred", "transfer-lost", "voicemail", "machine", "busy",
    "no-answer", "failed", "canceled", "never-connected", "socket-lost", "stalled", "idle",
    "max-call", "shutdown", "cancelled", *FAILURES, *NO_ROOM,
)  # fmt: skip
STAGES: Final = ("queued", "ringing", "awaited", "live", "lost", "parting", "transferring")
ENDINGS: Final = ("heard", "cut", "abandoned", "withdrawn", "empty", "failed", "hung-up")
TOOL_ENDS: Final = (
    "ok", "refused", "cancelled", "timeout", "unreachable", "broken", "private-address", "redirect",
    "denied", "http-error", "unreadable", "too-long", "unfit",
)  # fmt: skip
EXTRACTED: Final = ("complete", "partial", "failed", "empty")
PARTS: Final = ("turn_ended", "asked", "first_token", "first_audio", "first_frame")
STATES: Final = ("open", "unreachable", "unknown")

ANSWER_S: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
PART_S: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
LATE_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SILENCE_S: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0)
CALL_S: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
