"""The calls that another run left behind.

Those of a crash: at start, each is fetched back, let be, or ended. The records know them; the
carrier knows which of them still live. And those that a daemon had put through before another took
its place: nothing is done about them until the carrier asks.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import trio

from voiced.call.afterwards import FETCH_S
from voiced.call.chronicle import unsaid
from voiced.call.errands import Errands
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.register import REMEMBERED, TRANSFER_S
from voiced.call.switchboard import Switchboard
from voiced.carrier.twilio import Carrier
from voiced.dialog.manners import Past
from voiced.errors import CallGone, CarrierError
from voiced.records.model import OpenCall

CRASH: Final = "crash"
"""Why a call ended whose daemon did; the other reasons are told by those who were there."""

log = logging.getLogger(__name__)


class Orphans:
    """Those of the run before this one."""

    def __init__(self, switchboard: Switchboard, carrier: Carrier, errands: Errands) -> None:
        self._switchboard = switchboard
        self._carrier = carrier
        self._errands = errands
        self._inherited: OrderedDict[str, None] = OrderedDict()

    def adopt(self, calls: Sequence[OpenCall]) -> list[Entry]:
        """Puts them into the register, before the carrier can ask about them."""
        return [self._adopt(call) for call in calls]

    def inherit(self, sid: str, calls: Sequence[OpenCall]) -> bool:
        """Puts this one of the open calls into the register, if it was put through.

        False where it was not, or is here already; so is one whose end is not on record yet.
        """
        for call in calls:
            if (call.sid, call.status) == (sid, "transferring") and self._is_new(sid):
                self._inherited[sid] = None
                if len(self._inherited) > REMEMBERED:
                    self._inherited.popitem(last=False)
                self._adopt(call)
                return True
        return False

    def _is_new(self, sid: str) -> bool:
        return sid not in self._switchboard.register.calls and sid not in self._inherited

    def _adopt(self, call: OpenCall) -> Entry:
        parties = Parties(
            call.sid, call.agent, call.caller, call.called, call.direction, call.variables
        )
        age_s = max(0.0, time.time() - call.opened_at)
        began = trio.current_time() - age_s
        transferring = call.status == "transferring"
        stage = Stage.TRANSFERRING if transferring else Stage.LOST
        entry = Entry(
            parties,
            stage,
            trio.current_time() + (max(0.0, TRANSFER_S - age_s) if transferring else FETCH_S),
            call.opened_at,
            past=Past(tuple(unsaid(each) for each in call.said), call.turns, began),
            since=call.opened_at,
            streams=1,
            # The lost are asked for in `settle`, and once is enough.
            fetching=None if transferring else trio.CancelScope(),
            turns=sum(each.role == "caller" for each in call.said),
        )
        self._switchboard.restore(entry)
        return entry

    async def settle(self, entries: Sequence[Entry]) -> None:
        """Asks the carrier about each, and has it come back, or be."""
        for entry in entries:
            await self._settle(entry)

    async def _settle(self, entry: Entry) -> None:
        register, sid = self._switchboard.register, entry.sid
        fields = {"call": sid}
        if not self._carrier.is_configured:
            return self._close(entry, "it cannot be asked for: there is no account")
        try:
            found = await self._carrier.fetch(sid)
        except CallGone:
            return self._close(entry, "the carrier knows it no more")
        except CarrierError as error:
            log.warning("a call of the run before cannot be asked for: %s", error)
            self._errands.end(sid)
            return register.close(entry, CRASH)
        if found.is_over:
            transferred = entry.stage is Stage.TRANSFERRING
            reason = "transferred" if transferred else CRASH
            return self._close(entry, "it has ended meanwhile", reason)
        if entry.stage is Stage.TRANSFERRING:
            log.info("a transferred call of the run before goes on", extra={"fields": fields})
        elif found.status == "in-progress" and entry.stage is Stage.LOST:
            log.warning("fetching back a call of the run before", extra={"fields": fields})
            entry.fetching = self._errands.fetch_back(sid)
        elif entry.stage is Stage.LOST:
            self._errands.end(sid)
            self._close(entry, "it had not been answered")
        return None

    def _close(self, entry: Entry, why: str, reason: str = CRASH) -> None:
        log.warning(
            "a call of the run before is closed: %s", why, extra={"fields": {"call": entry.sid}}
        )
        self._switchboard.register.close(entry, reason)
