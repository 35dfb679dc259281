"""What becomes of a call when the carrier asks, or tells: judgements on the register's entries."""

import logging
from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from voiced.call.errands import Errands
from voiced.call.parties import Entry, Stage
from voiced.call.register import TRANSFER_S, Register
from voiced.dialog import events as ev
from voiced.dialog.parting import Phrase, Transfer
from voiced.errors import CallRefused
from voiced.wire.twilio_callback import CallProgress, DialResult, MachineVerdict, StreamEvent

log = logging.getLogger(__name__)

FETCH_S = 12.0
"""What the carrier gets to come back to us with a call that we ask for."""

UNTOLD_S = 2.0
"""The carrier may tell that a stream broke before the broken connection does."""


@frozen
class Connect:
    """Open a media stream to us."""

    entry: Entry


@frozen
class Dial:
    """Ring somebody else."""

    entry: Entry
    transfer: Transfer


@frozen
class HangUp:
    """End the call. `apologetic`: we wanted to go on and have no room."""

    agent: str = ""
    apologetic: str = ""


Next = Connect | Dial | HangUp

Inherit = Callable[[str, str], Awaitable[None]]
"""Is told of a call that is not known here, and of the name by which the carrier came (""): puts
it into the register, if it is one of a daemon that is gone."""


async def _no_heir(_sid: str, _at: str) -> None:
    await trio.lowlevel.checkpoint()


class Afterwards:
    """Where each call goes next."""

    def __init__(self, register: Register, errands: Errands) -> None:
        self._register = register
        self._errands = errands
        self.inherit: Inherit = _no_heir

    async def meet(self, sid: str, at: str) -> None:
        """To be awaited before `dialled`, and before `progress` of an end: the transfer may have
        been another daemon's. `at`: the name in the address that the carrier asked."""
        await trio.lowlevel.checkpoint()
        if sid not in self._register.calls:
            await self.inherit(sid, at)

    async def next(self, sid: str, call_status: str) -> Next:
        """The stream of this call is over, and the carrier asks what to do."""
        entry = self._register.calls.get(sid)
        if entry and entry.stage is Stage.LIVE:
            await self._wait_left(entry)
        self._register.asked(sid)
        if entry is None or self._register.calls.get(sid) is not entry:
            return HangUp()
        if call_status == "completed":  # the caller has gone as well
            self._register.close(entry, entry.parting.reason if entry.parting else "hangup")
            return HangUp()
        transfer = entry.parting.transfer if entry.parting else None
        if entry.stage is Stage.PARTING and transfer:
            self._register.move(entry, Stage.TRANSFERRING, TRANSFER_S)
            self._register.diary.status(entry, "transferring")
        if entry.stage is Stage.TRANSFERRING and transfer:  # also asked again: an answer got lost
            return Dial(entry, transfer)
        if entry.stage is Stage.LOST:
            entry.returns += 1
            if entry.fetching:
                entry.fetching.cancel(reason="it has come back by itself")
            return self._fetch_back(entry, Phrase.RESUMED)
        if entry.stage is Stage.AWAITED and entry.fetching:
            entry.fetching = None  # our request to come back was carried out when it had come
            return Connect(entry)
        self._register.close(entry, "never-connected")
        return HangUp(entry.parties.agent, "media")

    async def _wait_left(self, entry: Entry) -> None:
        """The stream's end comes by two ways; where ours is late, the carrier's word counts."""
        with trio.move_on_after(UNTOLD_S):
            await entry.left.wait()
        if entry.call and entry.stage is Stage.LIVE:
            entry.call.request(ev.LegEnded("socket-lost"))
            with trio.move_on_after(UNTOLD_S):
                await entry.left.wait()

    def dialled(self, sid: str, result: DialResult) -> Next:
        """The transfer of this call is over: talked through, or nobody took it."""
        entry = self._register.calls.get(sid)
        if entry is None or entry.stage is not Stage.TRANSFERRING:
            return HangUp()
        detail = {"status": result.status, "duration_s": result.duration_s}
        self._register.diary.happened(entry, "transfer-ended", detail)
        if result.was_taken:
            self._register.close(entry, "transferred")
            return HangUp()
        return self._fetch_back(entry, Phrase.TRANSFER_FAILED)

    def _fetch_back(self, entry: Entry, opening: Phrase) -> Next:
        entry.parting = None
        try:
            self._register.expect(entry, opening)
        except CallRefused as refused:
            fields = {"call": entry.sid, "reason": refused.reason}
            log.warning("call refused", extra={"fields": fields})
            self._register.close(entry, refused.reason)
            return HangUp(entry.parties.agent, refused.reason)
        return Connect(entry)

    def progress(self, name: str, told: CallProgress) -> None:
        """The carrier tells how far a call is; `name` is ours where we gave it one."""
        entry = self._register.calls.get(told.call_sid) or self._register.calls.get(name)
        if entry is None:
            return
        if entry.stage is Stage.QUEUED:  # it is told before our request for it was answered
            self._register.name(name, told.call_sid)
        if not entry.progress.receive(told.status, told.sequence):
            return
        if entry.stage is Stage.RINGING and told.status == "ringing":
            self._register.diary.status(entry, "ringing")
        if entry.progress.is_over and entry.stage is not Stage.LIVE:
            detail = {"status": told.status, "sip_code": told.sip_code}
            self._register.diary.happened(entry, "carrier", detail)
            self._register.close(entry, self._reason(entry))

    def _reason(self, entry: Entry) -> str:
        if entry.stage is Stage.TRANSFERRING:
            return "transferred"
        if entry.stage in (Stage.PARTING, Stage.LOST):
            return "hangup"
        reason = entry.progress.reason
        return "never-connected" if reason == "completed" else reason

    def verdict(self, told: MachineVerdict) -> None:
        """The carrier has judged who answered."""
        entry = self._register.calls.get(told.call_sid)
        if entry is None:
            return
        entry.answered_by = told.answered_by
        if entry.call:
            entry.call.request(ev.MachineDetected(told.answered_by))

    def stream_failed(self, told: StreamEvent) -> None:
        """The carrier could not open a media stream, or broke it off."""
        if entry := self._register.calls.get(told.call_sid):
            self._register.diary.happened(entry, "stream-error", {"error": told.error})

    def sweep(self) -> float:
        """Closes the calls about which the carrier owes us something in vain.

        Returns when it is time again.
        """
        now = trio.current_time()
        for entry in tuple(self._register.calls.values()):
            if entry.until > now:
                continue
            if entry.stage is Stage.LOST and not entry.fetching and self._errands.is_possible:
                entry.until = now + FETCH_S
                entry.fetching = self._errands.fetch_back(entry.sid)
                continue
            if entry.stage in (Stage.LOST, Stage.AWAITED, Stage.PARTING):
                self._errands.end(entry.sid)
            self._register.close(entry, _GIVEN_UP.get(entry.stage, "never-connected"))
        for sid, until in tuple(self._register.unasked.items()):
            if until <= now:
                self._register.asked(sid)
        owed = [entry.until for entry in self._register.calls.values()]
        return min([*owed, *self._register.unasked.values()], default=float("inf"))

    async def run(self) -> None:
        """Sweeps whenever it is time, until cancelled."""
        while True:
            due = self.sweep()
            with trio.move_on_at(due):
                await self._register.wait_change()


_GIVEN_UP = {
    Stage.QUEUED: "failed",
    Stage.RINGING: "no-answer",
    Stage.LOST: "socket-lost",
    Stage.PARTING: "transfer-lost",
    Stage.TRANSFERRING: "transferred",
}
