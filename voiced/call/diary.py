"""The life of a call as its record tells it: opened, on its way, closed."""

import logging
import time
from collections.abc import Callable, Mapping

from voiced.call.chronicle import Journal
from voiced.call.parties import Entry, Stage
from voiced.records.model import CallClosed, CallOpened, CallStatus, Direction, Happened

log = logging.getLogger(__name__)


Closing = Callable[[Entry], float]
"""Is told of each call that ends, right before its record; returns for how many seconds a webhook
should wait for a record that is still to come, see `CallClosed.awaits_s`."""


def nothing_follows(_entry: Entry) -> float:
    """No record comes behind that of the end."""
    return 0.0


class Diary:
    """Writes into the journal what becomes of the calls of a register."""

    def __init__(self, journal: Journal, closing: Closing = nothing_follows) -> None:
        self.journal = journal
        self._closing = closing

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
        fields = {"call": entry.sid, "direction": parties.direction.value, "agent": parties.agent}
        log.info("call admitted", extra={"fields": fields})

    def status(self, entry: Entry, status: str) -> None:
        """The call has gone on to this."""
        self.journal.put(CallStatus(entry.sid, status, time.time()))

    def lost(self, entry: Entry, reason: str) -> None:
        """Its media stream broke, and the carrier is asked to bring it back."""
        self.status(entry, "lost")
        self.happened(entry, "stream-drop", {"reason": reason})
        fields = {"call": entry.sid, "reason": reason}
        log.warning("the media stream broke; the call is fetched back", extra={"fields": fields})

    def happened(self, entry: Entry, kind: str, detail: Mapping[str, object]) -> None:
        """Something that an operator asks about later."""
        self.journal.put(Happened(entry.sid, time.time(), kind, detail))

    def closed(self, entry: Entry, reason: str) -> None:
        """The call is over. What its stream has not told of that is told here."""
        if entry.stage is not Stage.LIVE:
            fields = {"call": entry.sid, "reason": reason}
            log.info("call closed", extra={"fields": fields})
        now = time.time()
        length_s, awaits_s = round(now - (entry.since or now), 3), self._closing(entry)
        told = (entry.summary, entry.unsaid, entry.recording, awaits_s)
        self.journal.put(CallClosed(entry.sid, now, reason, length_s, *told))
