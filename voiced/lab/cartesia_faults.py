"""What the stand-in Cartesia can be told to do wrong, as the real one does or may do."""

from enum import Enum, auto

from attrs import frozen


class Kind(Enum):
    """Faults; `CartesiaFault.after` counts the chunks of audio that a context has sent before."""

    NONE = auto()
    UNAUTHORISED = 401  # the upgrade is refused
    FORBIDDEN = 403  # the same, for the account's plan
    TOO_MANY = 429  # the same, for too many connections
    AT_CAPACITY = auto()  # an error: too many contexts at once
    AT_CAPACITY_NAMELESS = auto()  # the same error, but it does not say whose it is
    NO_CREDIT = auto()  # an error with status 402
    UNKNOWN_VOICE = auto()  # an error with status 400
    SERVER_ERROR = auto()  # an error with status 500
    HANG = auto()  # not a word from a context
    DROP = auto()  # TCP closed without a Close frame
    RESET = auto()  # the same with a TCP reset
    CLOSE = auto()  # a Close frame in mid-speech, as at a restart of the service
    MALFORMED = auto()  # a message that is not JSON
    STALE = auto()  # first some audio and the end of a context of which nobody knows
    SLOW = auto()  # three times slower than real time
    EARLY_DONE = auto()  # the context is done although more was to come


REFUSED_AT_THE_DOOR = {Kind.UNAUTHORISED, Kind.FORBIDDEN, Kind.TOO_MANY}
ERRORS = {
    Kind.AT_CAPACITY: (429, "concurrency_limited", "Too many concurrent requests"),
    Kind.AT_CAPACITY_NAMELESS: (429, "concurrency_limited", "Too many concurrent requests"),
    Kind.NO_CREDIT: (402, "quota_exceeded", "Out of credits"),
    Kind.UNKNOWN_VOICE: (400, "invalid_voice", "Invalid voice"),
    Kind.SERVER_ERROR: (500, "internal_server_error", "Internal server error"),
}
"""Status, code and title of the error."""


class OnCancel(Enum):
    """What a cancelled context still does: the documents disagree."""

    STOP = auto()  # nothing, not even a `done`
    FINISH = auto()  # it sends what it had begun, and `done`


@frozen
class CartesiaFault:
    """A fault, and after how many chunks of a context it strikes."""

    kind: Kind = Kind.NONE
    after: int = 0
