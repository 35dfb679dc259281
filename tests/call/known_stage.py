"""A switchboard whose agents are told about their callers: in virtual time, without a thread."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import trio
from attrs import define, evolve, field
from call_desk import Desk
from precall_stage import Crm, Drip, told
from stories import CALL_SID, SID, FakeLlm, FakeSocket, FakeTts, Line

from voiced.call.chores import Chores
from voiced.call.editions import Edition, Editions
from voiced.call.enquiries import Enquiries
from voiced.call.extractions import Extractions
from voiced.call.memory import Memory
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.persona import Cast
from voiced.call.phrases import PhraseBook
from voiced.call.switchboard import Switchboard
from voiced.config import Agent, PreCall, Settings
from voiced.engines.build import EngineSet
from voiced.engines.roles import Engines
from voiced.lab.carrier import Carrier, Playback
from voiced.records.memories import Remembered
from voiced.records.recorder import Recorder
from voiced.records.store import StoreError

CALLER, CALLED = "+33612345678", "+33123456789"
DAYS = 30


@define
class FakeMemories:
    """The table, in a dictionary; and what was asked of it."""

    kept: dict[tuple[str, str], Remembered] = field(factory=dict)
    since: list[float] = field(factory=list)

    def put(self, caller: str, agent: str, summary: str, at: float) -> None:
        self.kept[caller, agent] = Remembered(summary, at)

    def last(self, caller: str, agent: str, since: float) -> Remembered | None:
        self.since.append(since)
        return self.kept.get((caller, agent))


@define
class FakeRecords:
    """A recorder without a thread, which takes its time or fails."""

    memories: FakeMemories = field(factory=FakeMemories)
    takes_s: float = 0.001
    fails: StoreError | None = None

    async def read(self, query: Callable[[Any], Any]) -> Any:
        await trio.sleep(self.takes_s)
        if self.fails:
            raise self.fails
        return query(self)

    async def use(self, work: Callable[[Any], Any]) -> Any:
        return await self.read(work)


def agent(**changes: object) -> Agent:
    chosen: dict[str, Any] = {
        "language": "en",
        "prompt": "You are a test. {customer} calls.",
        "greeting": "Hello {customer}",
        "variables": {"customer": "stranger"},
        "idle_prompt_s": 0,
        "eager_reply": False,
        **changes,
    }
    return Agent(**chosen)


@define
class Reception:
    """All of it. The engines are those of `line`."""

    agents: dict[str, Agent]
    records: FakeRecords
    crm: Crm
    line: Line
    desk: Desk
    editions: Editions
    enquiries: Enquiries
    memory: Memory
    chores: Chores
    board: Switchboard
    nursery: trio.Nursery

    def rings(self, sid: str = CALL_SID, caller: str = CALLER, **more: Any) -> Entry:
        parties = Parties(sid, "default", caller, CALLED, **more)
        return self.board.admit(parties, Stage.AWAITED, 60.0)

    async def connects(self, entry: Entry) -> trio.Event:
        """The carrier opens the media socket; returns the event of its end."""
        self.line.socket = socket()
        over = trio.Event()

        async def conduct() -> None:
            with pumping:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.line.pump)
                    await self.board.take(entry, self.line.socket, SID)
                    nursery.cancel_scope.cancel()
            over.set()

        pumping = trio.CancelScope()
        self.nursery.start_soon(conduct)
        await trio.lowlevel.checkpoint()
        return over

    async def talks(self, entry: Entry, *sentences: str) -> None:
        """A whole call on one stream: the caller says these, and hangs up."""
        over = await self.connects(entry)
        await self.line.answer()
        for sentence in sentences:
            await self.line.says(sentence)
            await self.line.answer()
        self.line.hangs_up()
        await over.wait()

    @property
    def prompts(self) -> list[str]:
        """The beginning of what the model was told, each time."""
        return [messages[0].text for messages in self.line.llm.asked]  # type: ignore[union-attr]


def socket() -> FakeSocket:
    to_us, inbox = trio.open_memory_channel[str | bytes](5000)
    return FakeSocket(Carrier(SID, Playback(trio.current_time())), inbox, to_us)


def edition(agents: dict[str, Agent], line: Line) -> Edition:
    book = PhraseBook(Path("/nonexistent"))
    engines = Engines(line.stt, line.llm, line.tts)
    casts = {name: Cast(each, engines, (line.tts,), book, 0.0) for name, each in agents.items()}
    return Edition(Settings(agents=agents), EngineSet({}, {}, {}), casts)


@asynccontextmanager
async def reception(
    of: Agent,
    crm: Crm | None = None,
    records: FakeRecords | None = None,
    *answers: Any,
    pre_call: PreCall | None = None,
) -> AsyncIterator[Reception]:
    """Opens it, with its chores at work."""
    agents = {"default": evolve(of, pre_call=pre_call), "sales": agent(prompt="You sell.")}
    crm, records = crm or Crm(told()), records or FakeRecords()
    line = Line(llm=FakeLlm(list(answers)), tts=FakeTts())
    editions, desk = Editions(edition(agents, line)), Desk()
    memory = Memory(cast(Recorder, records), editions.agent, DAYS, desk.errands.busy)
    async with crm.client() as http, trio.open_nursery() as nursery:
        enquiries = Enquiries(editions.agent, memory.recall, http)
        board = Switchboard(desk.register, editions.persona, desk.errands, None, enquiries.begin)
        chores = Chores(desk.errands, enquiries, memory, Extractions(), desk.register)
        there = Reception(
            agents, records, crm, line, desk, editions, enquiries, memory, chores, board, nursery
        )
        begin = nursery.start_soon
        begin(chores.run)
        await trio.testing.wait_all_tasks_blocked()
        yield there
        nursery.cancel_scope.cancel()


def slow(after_s: float, **variables: object) -> Crm:
    return Crm(told(**variables), after_s)


def empty() -> Crm:
    return Crm(httpx.Response(204, stream=Drip(0)))
