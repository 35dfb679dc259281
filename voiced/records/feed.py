"""What happens in the calls, as it happens: the last events, for those who watch."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import trio
from attrs import frozen

from voiced.records.envelope import stamp
from voiced.records.model import (
    CallClosed,
    CallOpened,
    CallStatus,
    EngineFailed,
    Extracted,
    Happened,
    Record,
    TurnEnded,
)

KEPT: Final = 1_000
"""Whoever comes later than that finds the rest in the records."""


@frozen
class Event:
    """Something that happened in a call. `id` counts from 1 and up since the daemon's start."""

    id: int
    at: float
    sid: str
    kind: str
    detail: Mapping[str, object]

    def public(self) -> dict[str, object]:
        """As the API shows it."""
        at, detail = stamp(self.at), dict(self.detail)
        return {"id": self.id, "at": at, "call": self.sid, "kind": self.kind, "detail": detail}


class Feed:
    """Passes records on to `keep` and shows them to whoever waits. Its memory is bounded."""

    def __init__(self, keep: Callable[[Record], None]) -> None:
        self._keep = keep
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._last = 0
        self._news = trio.Event()

    @property
    def last(self) -> int:
        """The id of the latest event; 0: there has been none."""
        return self._last

    def put(self, record: Record) -> None:
        """Takes a record; never blocks."""
        self._keep(record)
        kind, detail = _shown(record)
        self._last += 1
        self._events.append(Event(self._last, record.at, record.sid, kind, detail))
        self._news.set()
        self._news = trio.Event()

    def after(self, last: int, sid: str = "") -> list[Event]:
        """The events since `last`, of one call or of all."""
        return [e for e in self._events if e.id > last and sid in ("", e.sid)]

    async def wait_after(self, last: int, sid: str = "") -> list[Event]:
        """The same, as soon as there is one."""
        while not (events := self.after(last, sid)):
            await self._news.wait()
        return events


def _shown(record: Record) -> tuple[str, Mapping[str, object]]:
    match record:
        case CallOpened():
            return "opened", {"direction": record.direction.value, "agent": record.agent}
        case CallStatus():
            return "status", {"status": record.status}
        case TurnEnded():
            said = {
                role: " ".join(each.text for each in record.said if each.role == role)
                for role in ("caller", "agent")
            }
            stages = {"stages_ms": dict(record.stages_ms)}
            return "turn", {"number": record.number, "ending": record.ending, **said, **stages}
        case Happened():
            return record.kind, record.detail
        case EngineFailed():
            return "engine-failed", {
                "role": record.role, "engine": record.engine, "reason": record.reason
            }  # fmt: skip
        case Extracted():
            return "extraction", {"status": record.status, "missing": list(record.missing)}
        case CallClosed():
            return "closed", {
                "status": "ended", "reason": record.reason, "duration_s": record.duration_s
            }  # fmt: skip
