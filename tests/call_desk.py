"""A register with everything around it faked: rooms, journal, carrier, and calls without sound."""

from collections.abc import Callable

import trio
from attrs import define, field

from voiced.audio.playout import Playout
from voiced.call.afterwards import Afterwards
from voiced.call.errands import Errands
from voiced.call.leg import LegStatistics
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.record import CallRecord
from voiced.call.register import Register
from voiced.dialog.events import Event
from voiced.dialog.manners import Past
from voiced.dialog.parting import Parting
from voiced.engines.roles import SttStatistics
from voiced.errors import CallRefused, CarrierError
from voiced.records.model import CallClosed, CallStatus, Happened, Record, Said

SID = "CA" + "7" * 32
PUBLIC = "https://voice.example.com"
AFTER = f"{PUBLIC}/twilio/after"


@define
class FakeLease:
    rooms: "FakeRooms"
    held: int = 1

    def release(self) -> None:
        self.rooms.taken -= self.held
        self.held = 0


@define
class FakeRooms:
    """Room for so many calls; or a reason why there is none."""

    room: int = 9
    reason: str = ""
    taken: int = 0

    def lease(self, agent: str) -> FakeLease:
        if self.reason or self.taken >= self.room:
            raise CallRefused(self.reason or "stt-slots")
        self.taken += 1
        return FakeLease(self)


@define
class ListJournal:
    records: list[Record] = field(factory=list)

    def put(self, record: Record) -> None:
        self.records.append(record)

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def statuses(self) -> list[str]:
        return [each.status for each in self.records if isinstance(each, CallStatus)]

    @property
    def happened(self) -> list[str]:
        return [each.kind for each in self.records if isinstance(each, Happened)]

    @property
    def ends(self) -> list[str]:
        return [each.reason for each in self.records if isinstance(each, CallClosed)]


@define(slots=False)
class FakeCarrier:
    """Notes what it is asked; fails with `error` if there is one."""

    is_configured: bool = True
    asked: list[tuple[object, ...]] = field(factory=list)
    error: CarrierError | None = None
    found: Callable[[str], object] | None = None

    async def _do(self, *what: object) -> None:
        await trio.lowlevel.checkpoint()
        self.asked.append(what)
        if self.error:
            raise self.error

    async def limit(self, sid: str, seconds: int) -> None:
        await self._do("limit", sid, seconds)

    async def end(self, sid: str) -> None:
        await self._do("end", sid)

    async def cancel(self, sid: str) -> None:
        await self._do("cancel", sid)

    async def redirect(self, sid: str, url: str) -> None:
        await self._do("redirect", sid, url)

    async def fetch(self, sid: str) -> object:
        await self._do("fetch", sid)
        assert self.found
        return self.found(sid)

    async def create(self, new: object) -> object:
        await self._do("create", new)
        assert self.found
        return self.found("")


@define
class FakeCall:
    """What a register asks of a call."""

    parting: Parting | None = None
    said: tuple[Said, ...] = ()
    turns: int = 3
    answered: int = 1
    requests: list[Event] = field(factory=list)

    def past(self) -> Past:
        return Past((), self.turns, 1.0)

    def take_said(self) -> tuple[Said, ...]:
        return self.said

    def request(self, event: Event) -> None:
        self.requests.append(event)


def record(reason: str) -> CallRecord:
    return CallRecord(
        call_sid=SID,
        agent="default",
        started_at=0.0,
        ended_at=2.0,
        reason=reason,
        turns=(),
        leg=LegStatistics(),
        playout=Playout().statistics(),
        stt=SttStatistics(),
    )


@define
class Desk:
    """All of it. Must be made in a Trio run, so a test has `at_work` make it."""

    rooms: FakeRooms = field(factory=FakeRooms)
    journal: ListJournal = field(factory=ListJournal)
    carrier: FakeCarrier = field(factory=FakeCarrier)
    max_calls: int = 3
    register: Register = field(init=False)
    errands: Errands = field(init=False)
    afterwards: Afterwards = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.register = Register(self.rooms, self.journal, self.max_calls)
        self.errands = Errands(self.carrier, AFTER)  # type: ignore[arg-type]
        self.afterwards = Afterwards(self.register, self.errands)

    def ringing(self, sid: str = SID) -> Entry:
        """An inbound call that was answered; its media socket is to come."""
        return self.register.admit(
            Parties(sid, "default", "+33612345678", "+33123456789"), Stage.AWAITED, 60.0
        )

    def live(self, sid: str = SID) -> Entry:
        """One that is on its media socket."""
        entry = self.ringing(sid)
        self.register.connected(entry, FakeCall())  # type: ignore[arg-type]
        return entry

    def over(self, entry: Entry, reason: str, parting: Parting | None = None) -> None:
        """Its media socket is closed."""
        assert entry.call
        entry.call.parting = parting  # type: ignore[misc]
        self.register.left(entry, record(reason))


async def at_work(rooms: FakeRooms | None = None, max_calls: int = 3) -> Desk:
    """A desk, and a reason to be async for a test that else has none."""
    await trio.lowlevel.checkpoint()
    return Desk(rooms or FakeRooms(), max_calls=max_calls)
