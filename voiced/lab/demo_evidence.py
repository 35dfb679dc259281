"""What the demo's call left behind, held against what should have come of it.

The telephone knows when the agent was heard, the restaurant's book when it was asked, and the
daemon's own record what it makes of the call. Times are seconds since the media stream began.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import field, frozen

from voiced.dialog.turn import Ending
from voiced.lab.demo_reply import Reply
from voiced.lab.llm_booking import BOOK
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_record import Kind
from voiced.lab.transcript import clock

GUESTS: Final = 4
TIME: Final = "20:00"
"""What the caller wants in the end, for the day after the call's."""
FIELDS: Final = ("guests", "day", "time", "booked")
"""What is to be learnt from the call."""
BOOKING: Final = "booking a table"
PUTTING: Final = "putting you through"
"""What the agent says before it books, and before it transfers."""
SAME_TICK_S: Final = 0.02
"""The telephone knows what was heard in steps of a frame."""


@frozen
class Verdict:
    """One thing that should be so: whether it is, and what is known of it."""

    holds: bool
    text: str

    def __str__(self) -> str:
        return self.text if self.holds else f"NOT AS IT SHOULD BE: {self.text}"


@frozen
class Evidence:
    """The call from all sides.

    `began` is when its media stream did, in Unix seconds. `book` is what the restaurant's book has,
    and `record` the call as `GET /v1/calls/<sid>` shows it.
    """

    result: CallResult
    replies: Sequence[Reply]
    began: float = 0.0
    book: Sequence[Mapping[str, Any]] = ()
    record: Mapping[str, Any] = field(factory=dict)

    def verdicts(self) -> list[Verdict]:
        """On the booking, on what came before it and before the transfer, and on the record."""
        return [self._booked(), self._read_back(), self._put_through(), self._learnt()]

    def moments(self) -> dict[float, str]:
        """What the picture marks, by the time."""
        booked = {self._at(each): f"{each['reference']} is booked" for each in self.book}
        rings = [event.at_s for event in self.result.events if event.kind is Kind.DIALLED]
        return booked | dict.fromkeys(rings, "rings a person")

    # --- the booking ---------------------------------------------------------------------------

    def _booked(self) -> Verdict:
        wish = {"guests": GUESTS, "day": self._tomorrow(), "time": TIME}
        right = [each for each in self.book if wish.items() <= each.items()]
        told = [
            f"{each['reference']}, {each['guests']} guests, {each['day']} at {each['time']}"
            for each in self.book
        ]
        holds = len(right) == len(self.book) == 1 and right[0]["requests"] == 1
        announced = sum(1 for reply in self.replies if BOOKING in reply.agent)
        text = f"announced {_times(announced)}, booked {_times(len(told))}: {'; '.join(told)}"
        return Verdict(holds, text.rstrip(": "))

    def _read_back(self) -> Verdict:
        """The request left when its announcement was heard, and its answer was heard too."""
        if not self.book:
            return Verdict(holds=False, text="nothing was booked, so nothing could be read back")
        booked = self.book[-1]
        at_s, reference = self._at(booked), str(booked["reference"])
        announced_s = self._heard_until(BOOKING, at_s)
        read = [r for r in self.replies if r.at_s >= at_s and f" {reference}." in r.agent]
        used = [e for e in self._events("tool") if e["detail"].get("tool") == BOOK]
        holds = announced_s is not None and announced_s <= at_s + SAME_TICK_S and len(used) == 1
        heard = f"announced until {clock(announced_s)}" if announced_s else "not announced"
        back = f"read back from {clock(read[0].at_s)}" if read else "never read back"
        return Verdict(
            holds and bool(read) and read[0].ending is Ending.HEARD,
            f"{heard}, booked at {clock(at_s)}, {back}",
        )

    # --- the transfer, and the record ------------------------------------------------------------

    def _put_through(self) -> Verdict:
        """The other telephone rang when that was heard."""
        dialled = [event.at_s for event in self.result.events if event.kind is Kind.DIALLED]
        completed = [each for each in self.result.transfers if each.status == "completed"]
        if not dialled or not completed or completed[-1].bridged_s is None:
            return Verdict(holds=False, text="the caller was put through to nobody")
        announced_s = self._heard_until(PUTTING, dialled[0])
        heard = f"announced until {clock(announced_s)}" if announced_s else "not announced"
        holds = announced_s is not None and announced_s <= dialled[0] + SAME_TICK_S
        text = f"{heard}, put through at {clock(dialled[0])}"
        return Verdict(holds, f"{text}: {completed[-1].bridged_s:.1f} s with a person")

    def _learnt(self) -> Verdict:
        """What was taken down of the call is whole, and is what was booked."""
        learnt = self.record.get("extraction") or {}
        fields = learnt.get("fields", {})
        values = {name: each["value"] for name, each in fields.items()}
        booked = self.book[-1] if self.book else {}
        wanted = {name: booked.get(name) for name in FIELDS[:3]} | {"booked": True}
        status = learnt.get("status", "nothing")
        return Verdict(
            status == "complete" and values == wanted,
            f"on record, {status}: {', '.join(_shown(fields))}".rstrip(": "),
        )

    # --- times ---------------------------------------------------------------------------------

    def _heard_until(self, words: str, before_s: float) -> float | None:
        """The end of the last sound of the latest reply before this time, if it was heard and
        had these words; what is heard beyond that time counts too."""
        begun = [reply for reply in self.replies if reply.agent and reply.at_s < before_s]
        if not begun or words not in begun[-1].agent or begun[-1].ending is not Ending.HEARD:
            return None
        later = [reply.at_s for reply in self.replies if reply.agent and reply.at_s >= before_s]
        end_s = min(later, default=float("inf"))
        runs = [r for r in self.result.agent_runs if begun[-1].at_s - 0.1 <= r.start_s < end_s]
        return runs[-1].stop_s if runs else None

    def _at(self, booking: Mapping[str, Any]) -> float:
        return float(booking["at"]) - self.began

    def _tomorrow(self) -> str:
        """As the caller means it: on this machine's calendar."""
        return (datetime.fromtimestamp(self.began) + timedelta(days=1)).date().isoformat()

    def _events(self, kind: str) -> list[Mapping[str, Any]]:
        events = self.record.get("timeline", {}).get("events", ())
        return [event for event in events if event["kind"] == kind]


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _shown(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in FIELDS:
        if name not in fields:
            continue
        each = fields[name]
        words = f" (“{each['words']}”)" if each["words"] else ""
        yield f"{name} {json.dumps(each['value'])}{words}"
