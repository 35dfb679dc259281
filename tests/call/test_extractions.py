"""When calls are learnt from: as they end, two at a time, and on demand; one record for each."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from call_desk import SID, Desk, FakeCall, FakeRooms
from daemon_stage import agent
from stories import FakeLlm, FakeStt, FakeTts, Late
from trio.testing import wait_all_tasks_blocked

from voiced.call.editions import Edition, Editions
from voiced.call.extraction import EXTRACT_S, Questions
from voiced.call.extractions import (
    AT_ONCE,
    AWAITED_S,
    MAX_WAITING,
    PLACE_S,
    STOPPED,
    TOO_MANY,
    Crowded,
    Extractions,
    Incurious,
    Task,
    said_in,
)
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.persona import Cast
from voiced.call.phrases import PhraseBook
from voiced.call.register import Register
from voiced.config import Settings
from voiced.dialog.history import Ending, Message, Role
from voiced.dialog.history import Entry as Utterance
from voiced.dialog.manners import Past
from voiced.dialog.parting import Parting, Transfer
from voiced.dialog.tools import Round, ToolCall, Used
from voiced.engines.build import EngineSet
from voiced.engines.roles import Engines
from voiced.ops.busy import Busy
from voiced.records.model import CallClosed, Extracted

SCHEMA = {
    "type": "object",
    "required": ["wish"],
    "properties": {"wish": {"type": "string"}, "people": {"type": "integer"}},
}
ANSWER = '{"wish": {"value": "a table", "words": "a table"}, "people": {"value": null}}'
SAID = (
    Utterance(Role.AGENT, "Hello", Ending.COMPLETE, 0.0),
    Round((Used(ToolCall("1", "look", "{}"), "nothing"),)),
    Utterance(Role.CALLER, "a table for", Ending.INTERRUPTED, 1.0),
)


@define
class Talk(FakeCall):
    """A call in which something was said."""

    items: tuple[Utterance | Round, ...] = SAID

    def past(self) -> Past:
        return Past(self.items, self.turns, 1.0)


@define
class Curious:
    """Every agent wants to know the same."""

    llm: FakeLlm
    questions: Questions | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.questions = Questions(self.llm, SCHEMA, "en")

    def of_call(self, entry: Entry) -> Questions | None:
        return self.questions

    def of_agent(self, name: str) -> Questions | None:
        return self.questions


@define
class Bureau(Desk):
    """A desk that learns from its calls."""

    llm: FakeLlm = field(factory=FakeLlm)
    busy: Busy = field(factory=Busy)
    extractions: Extractions = field(init=False)

    def __attrs_post_init__(self) -> None:
        Desk.__attrs_post_init__(self)
        self.extractions = Extractions(Curious(self.llm), self.journal, self.busy)
        begin = self.extractions.begin
        self.register = Register(self.rooms, self.journal, 999, begin)

    def talking(self, sid: str = SID, items: Sequence[Utterance | Round] = SAID) -> Entry:
        entry = self.ringing(sid)
        self.register.connected(entry, Talk(items=tuple(items)))  # type: ignore[arg-type]
        return entry

    def talked(self, number: int) -> None:
        self.over(self.talking(f"CA{number}"), "hangup")

    @property
    def learnt(self) -> list[Extracted]:
        return [each for each in self.journal.records if isinstance(each, Extracted)]

    @property
    def awaited(self) -> list[float]:
        return [each.awaits_s for each in self.journal.records if isinstance(each, CallClosed)]


async def bureau(*answers: object) -> Bureau:
    await trio.lowlevel.checkpoint()
    return Bureau(FakeRooms(room=999), llm=FakeLlm(list(answers)))  # type: ignore[arg-type]


def task(desk: Bureau, sid: str = SID) -> Task:
    (questions, said) = Questions(desk.llm, SCHEMA, "en"), [Message(Role.CALLER, "a table")]
    return Task(sid, questions, said, 1_795_284_120.0)


async def test_a_call_that_ends_is_learnt_from(
    autojump_clock: object, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await bureau(ANSWER)
    nursery.start_soon(desk.extractions.run)
    with caplog.at_level(logging.INFO):
        desk.over(desk.talking(), "hangup")
        assert desk.awaited == [AWAITED_S]
        assert desk.learnt == []
        await desk.busy.wait_idle()
    (learnt,) = desk.learnt
    fields = {"wish": {"value": "a table", "words": "a table"}}
    assert (learnt.sid, learnt.status, learnt.fields) == (SID, "complete", fields)
    kinds = [type(each) for each in desk.journal.records]
    assert kinds.index(CallClosed) < kinds.index(Extracted)
    told = [each for each in caplog.records if each.getMessage() == "learnt from a call"]
    assert told[0].fields | {"extraction_ms": 0} == {  # type: ignore[attr-defined]
        "call": SID, "status": "complete", "extraction_ms": 0, "attempts": 1,
    }  # fmt: skip
    assert "table" not in caplog.text


@pytest.mark.parametrize("reason", ["stt-broken", "internal", "max-call", "cancelled"])
async def test_so_is_one_that_ended_badly(
    autojump_clock: object, nursery: trio.Nursery, reason: str
) -> None:
    desk = await bureau(ANSWER)
    nursery.start_soon(desk.extractions.run)
    desk.over(desk.talking(), reason)
    await desk.busy.wait_idle()
    assert [each.status for each in desk.learnt] == ["complete"]


async def test_one_whose_stream_broke_is_learnt_from_once(
    autojump_clock: object, nursery: trio.Nursery
) -> None:
    desk = await bureau(ANSWER)
    nursery.start_soon(desk.extractions.run)
    nursery.start_soon(desk.afterwards.run)
    entry = desk.talking()
    desk.over(entry, "socket-lost")
    assert (entry.stage, desk.learnt) == (Stage.LOST, [])
    desk.register.close(entry, "socket-lost")
    desk.register.close(entry, "socket-lost")
    await desk.busy.wait_idle()
    assert len(desk.learnt) == 1


async def test_a_transferred_one_when_the_transfer_is_over(
    autojump_clock: object, nursery: trio.Nursery
) -> None:
    desk = await bureau(ANSWER)
    nursery.start_soon(desk.extractions.run)
    entry = desk.talking()
    desk.over(entry, "transfer", Parting("transfer", (), Transfer("+33199999999")))
    await trio.sleep(100)
    assert desk.learnt == []
    desk.register.close(entry, "transferred")
    await desk.busy.wait_idle()
    assert [each.status for each in desk.learnt] == ["complete"]


@pytest.mark.parametrize("items", [(), SAID[:2]])
async def test_where_the_caller_said_nothing_the_record_is_there_at_once(
    autojump_clock: object, items: Sequence[Utterance | Round]
) -> None:
    desk = await bureau()
    desk.over(desk.talking(items=items), "idle")
    (learnt,) = desk.learnt
    assert (learnt.status, learnt.missing, desk.awaited) == ("empty", ("wish",), [0.0])
    kinds = [type(each) for each in desk.journal.records]
    assert kinds.index(Extracted) < kinds.index(CallClosed), "so that its webhook has it"


async def test_a_call_that_was_never_answered_is_empty_too(autojump_clock: object) -> None:
    desk = await bureau()
    desk.register.close(desk.ringing(), "no-answer")
    assert [each.status for each in desk.learnt] == ["empty"]


async def test_nothing_happens_where_nothing_is_wanted(autojump_clock: object) -> None:
    desk = await bureau()
    desk.extractions.curiosity = Incurious()
    desk.over(desk.talking(), "hangup")
    assert (desk.learnt, desk.awaited) == ([], [0.0])
    assert Extractions().curiosity.of_agent("default") is None


async def test_no_more_than_two_are_under_way_and_each_comes_to_its_turn(
    autojump_clock: object, nursery: trio.Nursery
) -> None:
    desk, most = await bureau(*[Late(3.0, ANSWER)] * 9), 0
    nursery.start_soon(desk.extractions.run)
    for number in range(9):
        desk.talked(number)
    while desk.llm.answers or desk.llm.open:
        most = max(most, desk.llm.open)
        await trio.sleep(0.5)
    await desk.busy.wait_idle()
    assert most == AT_ONCE
    assert sorted(each.sid for each in desk.learnt) == [f"CA{number}" for number in range(9)]


async def test_a_slow_model_holds_no_place_for_ever(
    autojump_clock: object, nursery: trio.Nursery
) -> None:
    desk, began = await bureau(*[Late(999.0, ANSWER)] * 4), trio.current_time()
    nursery.start_soon(desk.extractions.run)
    for number in range(4):
        desk.talked(number)
    await desk.busy.wait_idle()
    assert trio.current_time() - began == pytest.approx(2 * EXTRACT_S)
    assert [each.status for each in desk.learnt] == ["failed"] * 4


async def test_too_many_are_left_out_and_that_is_told(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await bureau()
    for number in range(MAX_WAITING + 1):
        desk.talked(number)
    (left_out,) = desk.learnt
    assert (left_out.sid, left_out.status, left_out.faults) == (
        f"CA{MAX_WAITING}",
        "failed",
        (TOO_MANY,),
    )
    assert desk.awaited == [AWAITED_S] * MAX_WAITING + [0.0]
    assert [each.getMessage() for each in caplog.records] == [
        "too many calls wait to be learnt from"
    ]


async def test_when_the_daemon_ends_what_is_left_has_failed(autojump_clock: object) -> None:
    desk = await bureau(*[Late(9.0, ANSWER)] * 3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.extractions.run)
        for number in range(3):
            desk.talked(number)
        await trio.sleep(1)
        assert desk.llm.open == AT_ONCE
        nursery.cancel_scope.cancel()
    assert [(each.status, each.faults) for each in desk.learnt] == [("failed", (STOPPED,))] * 3
    with trio.fail_after(0.1):
        await desk.busy.wait_idle()
    assert desk.llm.open == 0
    desk.talked(4)  # one that ends later still
    assert (desk.awaited[-1], len(desk.learnt)) == (0.0, 4)


async def test_a_worker_that_waits_for_its_place_ends_with_the_daemon(
    autojump_clock: object,
) -> None:
    desk = await bureau(*[Late(9.0, ANSWER)] * 4)
    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE):
            nursery.start_soon(desk.extractions.now, task(desk, f"CA9{number}"))
        await wait_all_tasks_blocked()
        nursery.start_soon(desk.extractions.run)
        desk.talked(1)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [(each.sid, each.faults) for each in desk.learnt] == [("CA1", (STOPPED,))]


# --- on demand ------------------------------------------------------------------------------------


async def test_a_call_is_learnt_from_on_demand(autojump_clock: object) -> None:
    desk = await bureau(ANSWER)
    record = await desk.extractions.now(task(desk))
    assert desk.learnt == [record]
    assert record.fields == {"wish": {"value": "a table", "words": "a table"}}
    told = desk.llm.asked[0][0]
    assert isinstance(told, Message)
    assert "2026-11-2" in told.text, "days are counted from the call's, not from today"


async def test_who_asks_does_not_wait_for_ever(autojump_clock: object) -> None:
    desk = await bureau(*[Late(12.0, ANSWER)] * 3)
    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE):
            nursery.start_soon(desk.extractions.now, task(desk, f"CA{number}"))
        await trio.sleep(1)
        began = trio.current_time()
        with pytest.raises(Crowded):
            await desk.extractions.now(task(desk))
        assert trio.current_time() - began == pytest.approx(PLACE_S)
        await trio.sleep(3)  # not long now
        record = await desk.extractions.now(task(desk))
        assert record.status == "complete"


def test_what_was_said_is_known_at_every_stage() -> None:
    parties = Parties(SID, "default", "+1", "+2")
    entry = Entry(parties, Stage.RINGING, 0.0, 0.0)
    assert said_in(entry) == []
    entry.call = Talk()  # type: ignore[assignment]
    said = [Message(Role.AGENT, "Hello"), Message(Role.CALLER, "a table for")]
    assert said_in(entry) == said
    entry.past, entry.call = Past(SAID, 1, 0.0), None
    assert said_in(entry) == said


# --- whose questions ------------------------------------------------------------------------------


def edition(wish: str = "string", *, asks: Sequence[str] = ("default",)) -> Edition:
    """Of two agents, `default` and `night`, those that are named want to know a wish."""
    schema = {"type": "object", "properties": {"wish": {"type": wish}}}
    agents = {
        name: evolve(agent(), extract=schema if name in asks else {}, history_tokens=700)
        for name in ("default", "night")
    }
    casts = {
        name: Cast(each, Engines(FakeStt(), FakeLlm(), FakeTts()), (), PhraseBook(Path("/x")), 0.0)
        for name, each in agents.items()
    }
    return Edition(Settings(agents=agents), EngineSet(), casts)


def call_of(editions: Editions, agent: str = "default") -> Entry:
    parties = Parties(SID, agent, "+33612345678", "+33123456789")
    return Entry(parties, Stage.LIVE, 0.0, 0.0, persona=editions.persona(parties))


def test_a_call_goes_by_the_edition_that_it_began_with() -> None:
    before = edition("string")
    editions = Editions(before)
    old = call_of(editions)
    editions.renew(edition("integer"), [old])
    editions.renew(edition("boolean"), [old])
    assert editions.earlier == (before,)
    asked = editions.of_call(old)
    assert asked is not None
    assert asked.schema["properties"] == {"wish": {"type": "string"}}
    assert asked.llm is before.casts["default"].engines.llm
    assert (asked.language, asked.tokens) == ("en", 700)
    new = editions.of_call(call_of(editions))
    assert new is not None
    assert new.schema["properties"] == {"wish": {"type": "boolean"}}
    editions.renew(edition("number"), [])
    assert editions.earlier == ()


def test_an_edition_that_has_calls_is_kept_when_it_is_not_the_latest_any_more() -> None:
    first, second = edition(), edition()
    editions = Editions(first)
    old = call_of(editions)
    editions.renew(second, [old])
    newer = call_of(editions)
    editions.renew(edition(), [old, newer])
    assert editions.earlier == (second, first)


@pytest.mark.parametrize(
    ("asks", "agent"), [(("night",), "night"), (("default",), "default"), ((), None)]
)
def test_of_several_agents_the_last_one_asks_else_the_first(
    asks: Sequence[str], agent: str | None
) -> None:
    editions = Editions(edition(asks=asks))
    entry = call_of(editions)
    entry.persona = editions.persona(evolve(entry.parties, agent="night"))
    asked = editions.of_call(entry)
    llm = asked.llm if asked else None
    assert llm is (editions.latest.casts[agent].engines.llm if agent else None)


def test_an_agent_that_is_gone_asks_nothing() -> None:
    editions = Editions(edition())
    assert editions.of_agent("gone") is None
    entry = Entry(Parties(SID, "gone", "", ""), Stage.LOST, 0.0, 0.0)
    assert editions.of_call(entry) is None
