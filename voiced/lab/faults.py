"""What a stand-in can be told to do wrong, as real engines do. `fault` of each may change at
any time; it takes effect with the next connection, request or step."""

from enum import Enum, auto

from attrs import frozen


class Kind(Enum):
    """Faults of a moshi-server module; `Fault.after` counts what it has sent on a connection."""

    NONE = auto()
    REFUSE = auto()  # 401, as with a wrong key
    AT_CAPACITY = auto()  # "no free channels", whoever asks
    NEVER_READY = auto()  # the upgrade succeeds, and then nothing
    ZOMBIE = auto()  # Ready, `after` audio frames or steps, then silence; slots are never freed
    DROP = auto()  # TCP closed without a Close frame after `after` of them
    RESET = auto()  # the same with a TCP reset
    RESET_ON_SEND = auto()  # a TCP reset at the client's first message
    SLOW = auto()  # three times slower than real time
    MALFORMED = auto()  # bytes that are no message after `after` of them


@frozen
class Fault:
    """A fault, and after how many audio frames (TTS) or steps (STT) it strikes."""

    kind: Kind = Kind.NONE
    after: int = 0


class LlmFault(Enum):
    """Faults of the chat completions server."""

    NONE = 200
    UNAUTHORISED = 401
    NOT_FOUND = 404
    RATE_LIMITED = 429
    SERVER_ERROR = 500
    HANG = auto()  # headers, then no token ever
    CUT = auto()  # TCP closed after a few tokens
    TRUNCATED = auto()  # the body ends in order, but without finish_reason and [DONE]
    MALFORMED = auto()  # a line that is not JSON in mid-stream
    STREAM_ERROR = auto()  # an error object after HTTP 200
    EMPTY = auto()  # an answer without a word
    LONG = auto()  # 2,000 words
