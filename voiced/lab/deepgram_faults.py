"""What the stand-in Deepgram can be told to do wrong."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import trio
from attrs import define, frozen

from voiced.lab.deepgram_link import Link

Message = dict[str, Any]


class Kind(Enum):
    """Faults; `DeepgramFault.after` counts the messages sent on a connection."""

    NONE = auto()
    UNAUTHORISED = 401
    NO_CREDIT = 402
    FORBIDDEN = 403
    AT_CAPACITY = 429
    OVERLOADED = 503
    SILENT = auto()  # `after` messages (the first is Flux's Connected), and then nothing
    DROP = auto()  # TCP closed without a closing frame
    RESET = auto()
    MALFORMED = auto()  # text that is not JSON
    NET_0000 = auto()  # closed: the server has no transcript in time
    DATA_0000 = auto()  # closed: the audio cannot be decoded
    GOODBYE = auto()  # closed in good order, in mid-call
    ERROR = auto()  # an Error message before each other one
    WARNING = auto()  # a Warning before each other one: Flux's way
    FATAL = auto()  # an Error message, and the end: Flux's way
    NO_SPEECH_FINAL = auto()  # noise: only UtteranceEnd ends an utterance
    NO_FINALIZE = auto()  # a Finalize or ForceEndTurn is not answered
    STRANGE = auto()  # messages of an unknown type, results without any flag


REFUSING: Final = frozenset(
    {Kind.UNAUTHORISED, Kind.NO_CREDIT, Kind.FORBIDDEN, Kind.AT_CAPACITY, Kind.OVERLOADED}
)


@frozen
class DeepgramFault:
    """A fault, and after how many messages it strikes."""

    kind: Kind = Kind.NONE
    after: int = 0


@define
class Mouth:
    """Sends a connection's messages, as far as the fault lets it."""

    link: Link
    _faulty: Callable[[], DeepgramFault]
    _sent: int = 0

    @property
    def fault(self) -> Kind:
        return self._faulty().kind

    async def tell(self, message: Message) -> None:
        """Sends one message, or does what the fault says."""
        kind = self.fault
        if self._sent >= self._faulty().after and await self._strike(kind):
            return
        self._sent += 1
        if kind is Kind.STRANGE:
            await self.link.tell(type="Forecast", weather="sunny")
            message = {key: value for key, value in message.items() if value is not False}
        await self.link.tell(**message)

    async def _strike(self, kind: Kind) -> bool:
        """Returns whether the message is not to be sent."""
        match kind:
            case Kind.SILENT:
                pass
            case Kind.DROP:
                self.link.drop()
                raise trio.ClosedResourceError  # the end of the connection, for `serve` too
            case Kind.RESET:
                self.link.reset()
                raise trio.ClosedResourceError
            case Kind.MALFORMED:
                await self.link.say("{not JSON")
            case Kind.NET_0000:
                await self.link.close_with(1011, "NET-0000")
            case Kind.DATA_0000:
                await self.link.close_with(1008, "DATA-0000")
            case Kind.GOODBYE:
                await self.link.close_with(1000)
            case Kind.FATAL:
                await self.link.tell(**ERROR)
                await self.link.close()
            case Kind.ERROR | Kind.WARNING:
                await self.link.tell(**(ERROR if kind is Kind.ERROR else WARNING))
                return False
            case _:
                return False
        return True


ERROR: Final = {
    "type": "Error",
    "sequence_id": 0,
    "code": "INTERNAL_SERVER_ERROR",
    "variant": "INTERNAL_SERVER_ERROR",
    "description": "The lab was told to.",
}
WARNING: Final = ERROR | {"type": "Warning", "code": "SLOW_AUDIO"}
