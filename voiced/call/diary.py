"""The life of a call as its record tells it: opened, on its way, closed."""

import time
from collections.abc import Mapping

from voiced.call.chronicle import Journal
from voiced.call.parties import Entry
from voiced.records.model import CallClosed, CallOpened, CallStatus, Direction, Happened


class Diary:
    """Writes into the journal what becomes of the calls of a register."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def opened(self, entry: Entry) -> None:
        """The call has a SID: it is one."""
        parties = entry.parties
        inbound = parties.direction is Direction.INBOUND
        self.journal.put(
            CallOpened(
                entry.sid,
                parties.direction,
                parties.agent,
                parties.caller,
                parties.called,
                entry.opened_at,
                parties.variables,
                "ringing" if inbound else "queued",
            )
        )

    def status(self, entry: Entry, status: str) -> None:
        """The call has gone on to this."""
        self.journal.put(CallStatus(entry.sid, status, time.time()))

    def happened(self, entry: Entry, kind: str, detail: Mapping[str, object]) -> None:
        """Something that an operator asks about later."""
        self.journal.put(Happened(entry.sid, time.time(), kind, detail))

    def closed(self, entry: Entry, reason: str) -> None:
        """The call is over."""
        now = time.time()
        length_s = round(now - (entry.since or now), 3)
        self.journal.put(
            CallClosed(
                entry.sid, now, reason, length_s, entry.summary, entry.unsaid, entry.recording
            )
        )
