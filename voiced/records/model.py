"""What is kept of a call: one small class for each kind of record.

Times `at` are Unix seconds; `at_s` are seconds since the call's start.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

from attrs import field, frozen


class Direction(Enum):
    """Who rang whom."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


@frozen
class Said:
    """One utterance: `role` is `caller` or `agent`, `ending` `complete` or `interrupted`."""

    role: str
    text: str
    at_s: float
    ending: str


@frozen
class CallOpened:
    """The first that is known of a call."""

    sid: str
    direction: Direction
    agent: str
    caller: str
    called: str
    at: float
    variables: Mapping[str, str] = field(factory=dict)
    status: str = "ringing"


@frozen
class CallStatus:
    """It has gone on: `queued`, `ringing`, `live`, `transferring` or `lost`."""

    sid: str
    status: str
    at: float


@frozen
class TurnEnded:
    """One turn, and what was said since the one before."""

    sid: str
    number: int
    at: float
    at_s: float | None
    ending: str
    stages_ms: Mapping[str, int]
    said: tuple[Said, ...]


@frozen
class Happened:
    """Anything else that an operator asks about later."""

    sid: str
    at: float
    kind: str
    detail: Mapping[str, object]


@frozen
class EngineFailed:
    """An engine failed in this call."""

    sid: str
    at: float
    role: str
    engine: str
    reason: str
    message: str


@frozen
class CallClosed:
    """It is over. `said` are last words that no turn has; `recording` is a file's name.

    `awaits_s`: so long at most a webhook waits for an `Extracted` that is on its way.
    """

    sid: str
    at: float
    reason: str
    duration_s: float
    summary: Mapping[str, object]
    said: tuple[Said, ...] = ()
    recording: str = ""
    awaits_s: float = 0.0


@frozen
class Extracted:
    """What was learnt from it, so far or in the end: by field its `value`, and in `words` where
    that is from (None: not proven). `status` is `complete`, `partial`, `failed` or `empty`;
    `missing` are required fields; `faults` quote nothing of what was said."""

    sid: str
    at: float
    status: str
    fields: Mapping[str, Mapping[str, object]]
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


Record: TypeAlias = (
    CallOpened | CallStatus | TurnEnded | Happened | EngineFailed | CallClosed | Extracted
)


@frozen
class OpenCall:
    """A call that the records do not know to be over."""

    sid: str
    direction: Direction
    agent: str
    caller: str
    called: str
    status: str
    opened_at: float
    variables: Mapping[str, str]
    said: tuple[Said, ...]
    turns: int


@frozen
class Delivery:
    """A webhook to be sent: `body` as it goes out; `event_id` is the same on each attempt."""

    id: int
    webhook: str
    event_id: str
    event: str
    body: bytes
    attempts: int
    created_at: float
