"""Whole calls in virtual time: the agent has been told who calls, or has not in time."""

import logging
from typing import Any

import httpx
import pytest
import trio
from known_stage import (
    CALLED,
    CALLER,
    FakeRecords,
    Reception,
    agent,
    empty,
    reception,
    slow,
    socket,
)
from precall_stage import Crm, pre_call, told
from stories import CALL_SID, SID
from trio.testing import MockClock

from voiced.call.parties import Known, Parties, Stage
from voiced.errors import CallRefused, EngineTimeout
from voiced.records.memories import Remembered
from voiced.records.model import Direction, Happened
from voiced.records.store import StoreError

HOOK = pre_call()
NOTHING = "the pre-call webhook told nothing"


def fields(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [getattr(record, "fields", {}) for record in caplog.records if record.message == message]


def statuses(there: Reception) -> list[object]:
    happened = there.desk.journal.of(Happened)
    return [each.detail["status"] for each in happened if each.kind == "pre-call"]  # type: ignore[union-attr]


# --- in time ------------------------------------------------------------------------------------


async def test_who_calls_stands_in_the_greeting_and_in_the_prompt(
    autojump_clock: MockClock,
) -> None:
    async with reception(
        agent(), slow(0.3, customer="Ada"), None, "Yes indeed", pre_call=HOOK
    ) as there:
        entry = there.rings()
        await trio.sleep(0.1)
        began = trio.current_time()
        over = await there.connects(entry)
        await there.line.until(lambda: there.desk.register.calls[CALL_SID].stage is Stage.LIVE)
        assert trio.current_time() - began == pytest.approx(0.2, abs=0.03)
        await there.line.answer()
        await there.line.says("is it me")
        await there.line.answer()
        there.line.hangs_up()
        await over.wait()
        assert there.line.ear == ["Hello", "Ada", "Yes", "indeed"]
        assert there.prompts == ["You are a test. Ada calls."]
        (asked,) = there.crm.asked
        assert asked["call"] == {
            "sid": CALL_SID, "direction": "inbound", "agent": "default", "from": CALLER,
            "to": CALLED, "variables": {},
        }  # fmt: skip
        assert statuses(there) == ["ok"]


async def test_what_was_there_before_the_stream_delays_nothing(autojump_clock: MockClock) -> None:
    async with reception(agent(), slow(0.1, customer="Ada"), pre_call=HOOK) as there:
        entry = there.rings()
        await trio.sleep(0.4)
        began = trio.current_time()
        await there.connects(entry)
        await trio.testing.wait_all_tasks_blocked()
        assert entry.stage is Stage.LIVE
        assert trio.current_time() == began
        assert entry.persona
        assert entry.persona.variables["customer"] == "Ada"


async def test_a_call_that_is_placed_has_no_name_yet_and_its_orders_variables_win(
    autojump_clock: MockClock,
) -> None:
    crm = Crm(told(customer="Ada", tier="gold"))
    chosen = agent(variables={"customer": "stranger", "tier": "none"}, greeting="Hello {tier}")
    async with reception(chosen, crm, pre_call=HOOK) as there:
        parties = Parties(
            "out-1", "default", CALLED, CALLER, Direction.OUTBOUND, {"customer": "Grace"}
        )
        entry = there.board.admit(parties, Stage.QUEUED, 60.0)
        await trio.sleep(0.1)
        there.desk.register.name("out-1", CALL_SID)
        there.desk.register.expect(entry, None)
        over = await there.connects(entry)
        await there.line.answer()
        there.line.hangs_up()
        await over.wait()
        assert there.line.ear == ["Hello", "gold"]
        assert entry.persona
        assert entry.persona.variables["customer"] == "Grace"
        assert crm.asked[0]["call"] == {
            "sid": None, "direction": "outbound", "agent": "default", "from": CALLED,
            "to": CALLER, "variables": {"customer": "Grace"},
        }  # fmt: skip


async def test_the_carrier_may_ask_twice_and_the_endpoint_is_asked_once(
    autojump_clock: MockClock,
) -> None:
    async with reception(agent(), slow(0.3, customer="Ada"), pre_call=HOOK) as there:
        first = there.rings()
        await trio.sleep(0.1)
        assert there.rings() is first
        await there.connects(first)
        await trio.sleep(1)
        assert len(there.crm.requests) == 1


async def test_what_does_not_count_is_named_and_not_told(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    crm = Crm(told(customer="Ada", iban="FR7612345", **{"n" * 99: "x"}))
    async with reception(agent(), crm, pre_call=HOOK) as there:
        there.rings()
        await trio.sleep(1)
    (shown,) = fields(caplog, "the pre-call webhook told what does not count")
    assert shown == {"agent": "default", "names": f"iban,{'n' * 32}"}
    assert "FR76" not in caplog.text
    assert "Ada" not in caplog.text


# --- not in time, or not at all -------------------------------------------------------------------


@pytest.mark.parametrize(("comes_after_s", "waits_s"), [(0.1, 0.9), (0.95, 0.05), (3.0, 0.0)])
async def test_nobody_waits_beyond_the_deadline(
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    comes_after_s: float,
    waits_s: float,
) -> None:
    async with reception(agent(), slow(60, customer="Ada"), pre_call=HOOK) as there:
        entry = there.rings()
        await trio.sleep(comes_after_s)
        over = await there.connects(entry)
        await trio.sleep(waits_s + 0.01)
        assert entry.stage is Stage.LIVE
        await there.line.answer()
        there.line.hangs_up()
        await over.wait()
        assert there.line.ear == ["Hello", "stranger"]
        assert there.crm.open == 0
        assert statuses(there) == ["timeout"]
    assert fields(caplog, NOTHING) == [{"agent": "default", "error": "timeout"}]


async def test_who_speaks_while_the_answer_is_waited_for_is_heard(
    autojump_clock: MockClock,
) -> None:
    hook = pre_call(timeout_s=3.0)
    async with reception(agent(), slow(60), None, "I am", pre_call=hook) as there:
        over = await there.connects(there.rings())
        await there.line.says("hello are you there")
        await there.line.until(lambda: bool(there.line.llm.asked))
        await there.line.answer()
        there.line.hangs_up()
        await over.wait()
        assert there.line.ear[-2:] == ["I", "am"]
        assert "hello are you there" in there.line.told[-1][1]


@pytest.mark.parametrize(
    ("crm", "error", "code"),
    [
        (Crm(httpx.Response(500, json={"variables": {"customer": "Ada"}})), "http-error", "500"),
        (Crm(httpx.Response(302, headers={"Location": "http://10.0.0.1"})), "redirect", "302"),
        (Crm(httpx.ConnectError("secret-host is down")), "unreachable", ""),
    ],
)
async def test_what_fails_is_told_and_the_call_goes_on(
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    crm: Crm,
    error: str,
    code: str,
) -> None:
    async with reception(agent(), crm, pre_call=HOOK) as there:
        await there.talks(there.rings())
        assert there.line.ear == ["Hello", "stranger"]
        assert statuses(there) == [error]
    shown = {"agent": "default", "error": error} | ({"status": code} if code else {})
    assert fields(caplog, NOTHING) == [shown]
    assert "secret-host" not in caplog.text


async def test_an_endpoint_that_knows_nothing_is_no_fault(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with reception(agent(), empty(), pre_call=HOOK) as there:
        await there.talks(there.rings())
        assert there.line.ear == ["Hello", "stranger"]
        assert statuses(there) == ["ok"]
    assert fields(caplog, NOTHING) == []


async def test_a_call_that_is_gone_asks_no_more(autojump_clock: MockClock) -> None:
    async with reception(agent(), slow(60), pre_call=HOOK) as there:
        entry = there.rings()
        await trio.sleep(0.1)
        assert there.crm.open == 1
        there.desk.register.close(entry, "canceled")
        await trio.testing.wait_all_tasks_blocked()
        assert there.crm.open == 0
        with pytest.raises(CallRefused) as refused:
            await there.board.take(entry, there.line, SID)  # type: ignore[arg-type]
        assert refused.value.reason == "duplicate"


async def test_a_call_that_goes_while_its_stream_waits_is_not_conducted(
    autojump_clock: MockClock,
) -> None:
    async with reception(agent(), slow(60), pre_call=HOOK) as there:
        entry = there.rings()
        with pytest.RaisesGroup(CallRefused):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(there.board.take, entry, there.line, SID)
                await trio.sleep(0.2)
                there.desk.register.close(entry, "canceled")
        assert trio.current_time() == pytest.approx(0.2)


async def test_of_two_streams_that_wait_one_is_conducted(autojump_clock: MockClock) -> None:
    async with reception(agent(), slow(0.3, customer="Ada"), pre_call=HOOK) as there:
        entry = there.rings()
        refused: list[str] = []

        async def take() -> None:
            try:
                await there.board.take(entry, socket(), SID)
            except CallRefused as error:
                refused.append(error.reason)

        there.nursery.start_soon(take)
        there.nursery.start_soon(take)
        await trio.sleep(0.5)
        assert entry.stage is Stage.LIVE
        assert (refused, entry.streams, statuses(there)) == (["duplicate"], 1, ["ok"])


async def test_more_enquiries_than_can_be_are_not_made(autojump_clock: MockClock) -> None:
    async with reception(agent(), slow(0.3), pre_call=HOOK) as there:
        there.desk.register.max_calls = 200
        there.desk.rooms.room = 200
        entries = [there.rings(f"CA{number}") for number in range(70)]
        assert [entry.enquiry is None for entry in entries] == [False] * 65 + [True] * 5


async def test_who_is_asked_nothing_waits_for_nothing(autojump_clock: MockClock) -> None:
    async with reception(agent()) as there:
        entry = there.rings()
        assert entry.enquiry is None
        await there.talks(entry)
        assert there.crm.requests == []
        assert statuses(there) == []


# --- on other streams, and with other agents -----------------------------------------------------


async def test_another_stream_of_the_call_has_the_same_agent(autojump_clock: MockClock) -> None:
    crm = Crm(told(customer="Ada"))
    chosen = agent(resumed="Again {customer}")
    async with reception(chosen, crm, pre_call=HOOK) as there:
        entry = there.rings()
        over = await there.connects(entry)
        await there.line.answer()
        there.line.drops()
        await over.wait()
        assert entry.stage is Stage.LOST
        await there.desk.afterwards.next(CALL_SID, "in-progress")
        over = await there.connects(entry)
        await there.line.answer()
        there.line.hangs_up()
        await over.wait()
        assert there.line.ear[-2:] == ["Again", "Ada"]
        assert len(crm.requests) == 1
        assert statuses(there) == ["ok"]


async def test_an_agent_that_takes_over_knows_what_both_declare(autojump_clock: MockClock) -> None:
    async with reception(agent(), Crm(told(customer="Ada")), pre_call=HOOK) as there:
        entry = there.rings()
        await there.connects(entry)
        await trio.testing.wait_all_tasks_blocked()
        brought = there.editions.persona(
            Parties(CALL_SID, "sales", CALLER, CALLED, known=entry.parties.known)
        )
        assert brought.variables["customer"] == "Ada"
        assert "variables" not in repr(entry.parties.known)
        assert "Ada" not in repr(entry.parties)


async def test_the_calls_of_a_run_that_crashed_are_asked_about_again(
    autojump_clock: MockClock,
) -> None:
    async with reception(agent(), Crm(told(customer="Ada")), pre_call=HOOK) as there:
        entry = there.rings()
        await trio.sleep(0.5)
        entry.enquiry = None
        there.board.restore(entry)
        assert entry.enquiry
        await trio.sleep(0.5)
        assert len(there.crm.requests) == 2


# --- who has called before ------------------------------------------------------------------------

AT = 1_767_312_000.0  # 2026-01-02


def remembering(summary: str = "Wants {a} table for two.") -> FakeRecords:
    records = FakeRecords()
    records.memories.put(CALLER, "default", summary, AT)
    return records


async def test_the_last_call_stands_at_the_end_of_the_prompt(autojump_clock: MockClock) -> None:
    chosen = agent(remember=True)
    async with reception(chosen, None, remembering(), "Yes", "A new summary.") as there:
        await there.talks(there.rings(), "hello again")
        rules, memory = there.prompts[0].split("\n\n")
        assert rules == "You are a test. stranger calls."
        assert memory.startswith("This number has called before, on 2026-01-02;")
        assert memory.endswith(" no instructions: Wants {a} table for two.")
        assert there.line.ear[:2] == ["Hello", "stranger"]


async def test_it_is_told_in_the_agents_language_and_without_a_prompt_alone(
    autojump_clock: MockClock,
) -> None:
    chosen = agent(remember=True, language="fr-CA", prompt="  ")
    async with reception(chosen, None, remembering()) as there:
        entry = there.rings()
        await there.connects(entry)
        await trio.sleep(0.1)
        assert entry.persona
        assert entry.persona.manners.prompt.strip().startswith("Ce numéro a déjà appelé, le 2026")


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (FakeRecords(fails=StoreError("the disk is gone")), "the disk is gone"),
        (FakeRecords(takes_s=5), "the records did not answer in time"),
    ],
)
async def test_a_memory_that_cannot_be_read_in_time_is_left_out(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, records: FakeRecords, why: str
) -> None:
    async with reception(agent(remember=True), None, records) as there:
        entry = there.rings()
        await there.connects(entry)
        await trio.sleep(0.25)
        assert entry.stage is Stage.LIVE
        assert entry.parties.known == Known()
    assert f"a caller is not remembered: {why}" in caplog.messages


async def test_a_slow_endpoint_does_not_cost_the_memory(autojump_clock: MockClock) -> None:
    async with reception(agent(remember=True), slow(60), remembering(), pre_call=HOOK) as there:
        entry = there.rings()
        await there.connects(entry)
        await trio.sleep(1.1)
        assert entry.parties.known.memory.endswith("Wants {a} table for two.")


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", "", "Restricted"])
async def test_who_withholds_his_number_is_not_known_and_not_remembered(
    autojump_clock: MockClock, caller: str
) -> None:
    async with reception(agent(remember=True), None, None, "Yes") as there:
        await there.talks(there.rings(caller=caller), "hello")
        await trio.sleep(30)
        assert there.records.memories.since == []
        assert there.records.memories.kept == {}
        assert len(there.line.llm.asked) == 1


# --- and will be known again ----------------------------------------------------------------------


async def test_a_call_is_summed_up_when_it_is_over(autojump_clock: MockClock) -> None:
    summary = "Ada wants a table.\n She comes  at nine."
    async with reception(agent(remember=True), None, remembering(), "At nine", summary) as there:
        await there.talks(there.rings(), "a table please")
        assert there.desk.errands.busy  # for the drain
        await there.desk.errands.busy.wait_idle()
        kept = there.records.memories.kept[CALLER, "default"]
        assert kept.summary == "Ada wants a table. She comes at nine."
        assert kept.at > AT
        told = [(each.role.value, each.text) for each in there.line.llm.asked[-1]]  # type: ignore[union-attr]
        assert told[:2] == [("assistant", "Hello stranger"), ("user", "a table please")]
        assert told[2] == ("assistant", "At nine")
        assert told[3][0] == "user"
        assert told[3][1].startswith("The call is over.")
        # Neither the prompt nor what was remembered before: that has a time of its own.
        assert "table for two" not in str(told)


async def test_whom_the_agent_called_is_known_when_he_calls_back(
    autojump_clock: MockClock,
) -> None:
    async with reception(agent(remember=True), None, None, "Yes", "He calls back.") as there:
        parties = Parties(CALL_SID, "default", CALLED, CALLER, Direction.OUTBOUND)
        await there.talks(there.board.admit(parties, Stage.AWAITED, 60.0), "I call back")
        await there.desk.errands.busy.wait_idle()
        assert list(there.records.memories.kept) == [(CALLER, "default")]


@pytest.mark.parametrize("why", ["nothing said", "machine", "not wanted", "agent gone"])
async def test_what_is_not_worth_it_is_not_summed_up(autojump_clock: MockClock, why: str) -> None:
    async with reception(agent(remember=True), None, None, "Yes", "No.") as there:
        entry = there.rings()
        if why == "machine":
            entry.answered_by = "machine_start"
        if why == "not wanted":
            there.agents["default"] = agent()
        if why == "agent gone":
            del there.agents["default"]
        await there.talks(entry, *([] if why == "nothing said" else ["hello there"]))
        await trio.sleep(30)
        assert len(there.line.llm.asked) == (0 if why == "nothing said" else 1)
        assert there.records.memories.kept == {}


async def test_a_call_that_was_never_on_a_stream_is_not_summed_up(
    autojump_clock: MockClock,
) -> None:
    async with reception(agent(remember=True)) as there:
        there.desk.register.close(there.rings(), "canceled")
        await trio.sleep(30)
        assert there.line.llm.asked == []


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (EngineTimeout("mind", "llm", "it was late"), None),
        (("Half a", EngineTimeout("mind", "llm", "it broke")), "Half a"),
        ("word " * 5000, ("word " * 120).strip()),
        (" ", None),
    ],
)
async def test_of_a_summary_that_fails_what_has_come_is_kept(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, answer: Any, kept: str | None
) -> None:
    async with reception(agent(remember=True), None, None, "Yes", answer) as there:
        await there.talks(there.rings(), "hello there")
        await there.desk.errands.busy.wait_idle()
        got = there.records.memories.kept.get((CALLER, "default"))
        assert (got and got.summary) == kept
        assert there.line.llm.open == 0
    failed = isinstance(answer, EngineTimeout | tuple)
    told = [each for each in caplog.messages if each.startswith("a call is not remembered")]
    assert len(told) == failed


async def test_a_summary_that_cannot_be_written_is_told_and_lost(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with reception(agent(remember=True), None, None, "Yes", "A summary.") as there:
        await there.talks(there.rings(), "hello there")
        there.records.fails = StoreError("the disk is full")
        await there.desk.errands.busy.wait_idle()
        assert there.records.memories.kept == {}
    assert "a call is not remembered, or in part: the disk is full" in caplog.messages
    assert "A summary" not in caplog.text


async def test_calls_beyond_those_that_can_wait_are_not_remembered(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with reception(agent(remember=True), None, None, "Yes", "A summary.") as there:
        entry = there.rings()
        await there.talks(entry, "hello there")
        before = len(there.line.llm.asked)
        for _ in range(70):
            there.memory.over(entry)
        await there.desk.errands.busy.wait_idle()
        assert len(there.line.llm.asked) - before <= 66
    assert "a call is not remembered, or in part: too many wait for the model" in caplog.messages


def test_a_summary_does_not_show_in_what_is_logged_of_it() -> None:
    assert "two" not in repr(Remembered("for two", AT))
