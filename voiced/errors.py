"""Every error that voiced raises on purpose.

    VoicedError
    +-- ConfigError            the configuration is wrong; every problem listed; exit 78
    +-- StartupError           the daemon cannot start (port taken, no such directory); exit 1
    +-- CallRefused            a call that we will not take, with the reason
    +-- WireError              a peer sent what its protocol does not allow
    +-- CarrierError           the carrier's REST API refused or failed
    |   +-- CallGone           the call that it was asked about has ended
    +-- EngineError            an STT, LLM or TTS engine failed
        +-- EngineTimeout      it owed progress by a deadline
        +-- EngineRefused      it said no: wrong key, unknown model, bad request
        |   +-- RequestRefused it said no to this one: too long, or not to be talked of
        +-- EngineBroken       it dropped the connection, or spoke nonsense
        +-- EngineAtCapacity   it has no free slot

Three more belong to one place each: `records.schema.StoreError`, `web.problem.Fault` (a request to
the API that is refused) and `ops.publicnet.PrivateAddress`.

`WireError` never leaves `voiced.call.leg` or `voiced.engines`: they count it, or turn it into
an `EngineBroken`. Anything else that escapes is a programming error: it ends one call, never
the daemon.
"""

from collections.abc import Sequence
from typing import ClassVar


class VoicedError(Exception):
    """Base of all of them; never raised itself."""


class ConfigError(VoicedError):
    """The configuration is wrong. `problems` holds one sentence for each thing to mend."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class StartupError(VoicedError):
    """The daemon cannot start; the message says what to do."""


class CallRefused(VoicedError):
    """A call is not taken. `reason` is a short stable word for logs and metrics."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class WireError(VoicedError):
    """A message from outside is malformed. The message names the fault, never the content."""


class CarrierError(VoicedError):
    """The carrier's REST API refused a request or did not answer.

    `code` is the carrier's own number for the fault (Twilio's 21211 ...), 0 where it gave none;
    `retryable` is true where the same request may succeed later; `status` is the HTTP status of
    its refusal, None where it has refused nothing.
    """

    def __init__(
        self, message: str, *, code: int = 0, retryable: bool = False, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
        self.status = status


class CallGone(CarrierError):
    """The carrier has no such call any more: it has ended."""


class EngineError(VoicedError):
    """An engine failed. `retryable` is true where the same request may succeed later."""

    reason: ClassVar[str] = "error"

    def __init__(self, engine: str, role: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(f"{role} {engine}: {message}")
        self.engine = engine
        self.role = role
        self.retryable = retryable


class EngineTimeout(EngineError):
    """It owed progress by a deadline."""

    reason = "timeout"


class EngineRefused(EngineError):
    """It said no. `key` is the one of its settings that it does not accept, where it said so."""

    reason = "refused"
    key = ""


class RequestRefused(EngineRefused):
    """It said no to what this one request holds; it may well say yes to any other."""


class EngineBroken(EngineError):
    """It dropped the connection in the middle, or sent what its protocol does not allow."""

    reason = "broken"


class EngineAtCapacity(EngineError):
    """It has no free slot."""

    reason = "capacity"
