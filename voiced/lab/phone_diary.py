"""What a call keeps of what happens to it, on the clock of its first stream."""

from collections.abc import Callable

import trio
from attrs import define, field

from voiced.errors import WireError
from voiced.lab.carrier import CarrierWarning
from voiced.lab.phone_record import Kind, PhoneEvent


@define(eq=False)
class Diary:
    """Keeps each event and passes it on to `report`."""

    report: Callable[[PhoneEvent], None]
    origin: float | None = None
    """When the first stream began, on Trio's clock."""
    events: list[PhoneEvent] = field(factory=list, init=False)
    warnings: list[CarrierWarning] = field(factory=list, init=False)

    @property
    def now_s(self) -> float:
        """Since the first stream began; 0 before that."""
        return 0.0 if self.origin is None else trio.current_time() - self.origin

    @property
    def last_s(self) -> float:
        """The time of the latest event."""
        return max((event.at_s for event in self.events), default=0.0)

    def note(self, kind: Kind, text: str = "") -> None:
        """Something happens now."""
        self.tell(PhoneEvent(self.now_s, kind, text))

    def tell(self, event: PhoneEvent) -> None:
        """Something happened at the event's own time."""
        self.events.append(event)
        self.report(event)

    def warn(self, error: WireError | CarrierWarning) -> None:
        """Keeps what Twilio's debugger would show; the error is "code: reason"."""
        if isinstance(error, WireError):
            code, _, reason = str(error).partition(": ")
            error = CarrierWarning(int(code), reason)
        self.warnings.append(error)
        self.note(Kind.WARNING, f"{error.code} {error.reason}")
