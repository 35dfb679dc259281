"""The calls that are not over, from the first ring to the end of a transfer.

    inbound   ------------> AWAITED ---> LIVE ---> (over)
    outbound  QUEUED -> RINGING --^       | |
                            AWAITED <-- LOST | its stream broke: once, the call is fetched back
                            AWAITED <-- TRANSFERRING <-- PARTING    nobody took it: it comes back

Each stage has an end (`Entry.until`): what the carrier owes us and does not send must not keep
room that another call could have. Nothing here waits.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, Protocol

import trio
from attrs import evolve

from voiced.call.call import Call
from voiced.call.chronicle import Journal
from voiced.call.diary import Closing, Diary, nothing_follows
from voiced.call.parties import Entry, Lease, Parties, Stage
from voiced.call.record import CallRecord
from voiced.dialog.parting import Phrase
from voiced.errors import CallRefused

AWAITED_S: Final = 60.0
"""The carrier opens the media socket at once; a token is worth nothing after this."""

LOST_S: Final = 3.0
"""The carrier asks at once what to do about a broken stream, if it knows that it is."""

PARTING_S: Final = 15.0
"""It asks at once what is next, and gives up on us after 15 s."""

ASKED_S: Final = 2.0
"""A carrier that has not asked about a call that we hung up by then does not know of it any more;
to one that asks and gets no answer, the person on the line hears an apology of the carrier's."""

TRANSFER_S: Final = 4 * 3600.0
"""A transferred call is the carrier's; this is the longest that it lets one last."""

MAX_RETURNS: Final = 1
"""A call whose stream breaks twice has a line that is not worth a third try."""

HANGUP: Final = "hangup"
"""The reason of a call that the carrier ended: it asks nothing more about it."""

LOST: Final = frozenset({"socket-lost", "stalled"})
REMEMBERED: Final = 10_000

OCCUPYING: Final = frozenset(set(Stage) - {Stage.TRANSFERRING, Stage.PARTING})
"""The stages in which a call takes up one of `max_calls`."""


class Rooms(Protocol):
    """Knows whether the engines can serve another call."""

    def lease(self, agent: str) -> Lease:
        """Room for a call of this agent.

        Raises:
            CallRefused: there is none, or an engine is away.
        """


class Register:
    """All of them, by call SID; a call that we place is known by a name of ours at first."""

    def __init__(
        self,
        rooms: Rooms,
        journal: Journal,
        max_calls: int,
        closing: Closing = nothing_follows,
    ) -> None:
        self.diary = Diary(journal, closing)
        self.max_calls = max_calls
        self._rooms = rooms
        self._entries: dict[str, Entry] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._unasked: dict[str, float] = {}
        self._quiet = trio.Event()
        self._quiet.set()
        self._change = trio.Event()

    @property
    def calls(self) -> Mapping[str, Entry]:
        """The calls that are not over."""
        return self._entries

    @property
    def unasked(self) -> Mapping[str, float]:
        """The calls that we have hung up, and until when the carrier may ask what is next."""
        return self._unasked

    @property
    def free(self) -> int:
        """How many more calls `max_calls` allows."""
        taken = sum(entry.stage in OCCUPYING for entry in self._entries.values())
        return max(0, self.max_calls - taken)

    async def wait_change(self) -> None:
        """Returns when a call has come, gone, or gone on to another stage."""
        await self._change.wait()

    async def wait_quiet(self) -> None:
        """Returns when every call that there is talks elsewhere, and nobody has to be told
        that his call is over."""
        await self._quiet.wait()

    def check(self, agent: str) -> None:
        """Whether a call of this agent could be admitted now.

        Raises:
            CallRefused: it could not.
        """
        if not self.free:
            raise CallRefused("max-calls")
        self._rooms.lease(agent).release()

    def admit(self, parties: Parties, stage: Stage, within_s: float) -> Entry:
        """Keeps room for a call that rings now.

        The carrier may ask twice about the same call; that is one call, and one place.

        Raises:
            CallRefused: `max-calls`, what the engines say, or `duplicate`: it is live, or over.
        """
        sid, now = parties.call_sid, trio.current_time()
        known = self._entries.get(sid)
        if known and known.stage in (Stage.AWAITED, Stage.QUEUED, Stage.RINGING):
            known.stage, known.until = stage, now + within_s
            return known
        if known or sid in self._ended:
            raise CallRefused("duplicate")
        if not self.free:
            raise CallRefused("max-calls")
        lease = self._rooms.lease(parties.agent)
        entry = Entry(parties, stage, now + within_s, time.time(), lease)
        self._entries[sid] = entry
        self._changed()
        if stage is not Stage.QUEUED:  # one that we place has no SID yet
            self.diary.opened(entry)
        return entry

    def name(self, ours: str, sid: str) -> Entry | None:
        """The carrier has named the call that we placed; None: it is over already."""
        entry = self._entries.pop(ours, None)
        if entry is None:
            return None
        entry.parties = evolve(entry.parties, call_sid=sid)
        self._entries[sid] = entry
        if entry.stage is Stage.QUEUED:
            entry.stage = Stage.RINGING
        self.diary.opened(entry)
        return entry

    def expect(self, entry: Entry, opening: Phrase | None) -> None:
        """Its next media socket may come; `opening` is what the agent says first then.

        Raises:
            CallRefused: as `admit`, where it had given its room away.
        """
        if entry.lease is None:
            if not self.free:
                raise CallRefused("max-calls")
            entry.lease = self._rooms.lease(entry.parties.agent)
        entry.opening = opening
        self.move(entry, Stage.AWAITED, AWAITED_S)

    def connected(self, entry: Entry, call: Call) -> None:
        """Its media socket is open, and this is its call."""
        entry.call, entry.left = call, trio.Event()
        entry.since = entry.since or time.time()
        entry.streams += 1
        self.move(entry, Stage.LIVE, float("inf"))
        self.diary.status(entry, "live")

    def left(self, entry: Entry, record: CallRecord) -> None:
        """Its media socket is closed: it is over, lost, or on its way to somebody else."""
        call, entry.call = entry.call, None
        assert call is not None
        entry.past, entry.parting = call.past(), call.parting
        entry.summary = record.summary()
        entry.turns += call.answered
        entry.unsaid += call.take_said()
        if record.reason in LOST and entry.returns < MAX_RETURNS:
            self.move(entry, Stage.LOST, LOST_S)
            self.diary.lost(entry, record.reason)
        elif call.parting and call.parting.transfer:
            entry.free()
            self.move(entry, Stage.PARTING, PARTING_S)
        else:
            if record.reason != HANGUP:  # it was us, and the carrier asks what is next
                self._unasked[entry.sid] = trio.current_time() + ASKED_S
            self.close(entry, record.reason)
        entry.left.set()

    def asked(self, sid: str) -> None:
        """The carrier has asked what is next, or is not waited for any more."""
        if self._unasked.pop(sid, None) is not None:
            self._changed()

    def close(self, entry: Entry, reason: str) -> None:
        """The call is over."""
        entry.free()
        if self._entries.pop(entry.sid, None) is None:
            return
        self._ended[entry.sid] = None
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        if entry.is_named:  # the carrier has never taken the order for any other
            self.diary.closed(entry, reason)
        self._changed()

    def move(self, entry: Entry, stage: Stage, within_s: float) -> None:
        """The call goes on to another stage, or comes to us in it, for so long at most."""
        self._entries[entry.sid] = entry
        entry.stage, entry.until = stage, trio.current_time() + within_s
        self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = trio.Event()
        if self._unasked or any(entry.stage in _BUSY for entry in self._entries.values()):
            if self._quiet.is_set():
                self._quiet = trio.Event()
        else:
            self._quiet.set()


_BUSY: Final = frozenset(set(Stage) - {Stage.TRANSFERRING})
