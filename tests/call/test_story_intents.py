"""Whole calls in virtual time: what is clear is done without asking the model."""

import pytest
import trio
from attrs import evolve
from stories import (
    GOODBYE,
    GREETING,
    PUTTING_THROUGH,
    STILL_THERE,
    FakeLlm,
    FakeTool,
    Line,
    on_the_line,
)
from trio.testing import MockClock

from voiced.call.builtin import Gifts
from voiced.call.equipment import Answer, Reflexes, ToolFirst
from voiced.call.toolbox import Request, Toolbox
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.manners import Manners
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.router import Clear, Examples
from voiced.dialog.router_ngrams import NgramSpace
from voiced.dialog.tools import Tool
from voiced.dialog.wish import Switch
from voiced.engines.router import Router

EXAMPLES = (
    Examples("hours", ("when are you open", "what are your opening hours")),
    Examples("parking", ("where can I park", "is there a car park")),
    Examples("tables", ("is a table free tonight", "is there a free table")),
    Examples("person", ("I want to talk to a person", "a human please")),
    Examples("bill", ("I have a question about my bill",)),
    Examples("bye", ("goodbye then", "that was all thank you")),
)
REACTIONS = {
    "hours": Answer("We open at noon"),
    "parking": Answer(STILL_THERE),  # by heart
    "tables": ToolFirst("look"),
    "person": Parting("transfer", (Phrase.TRANSFER,), Transfer("+33123456789")),
    "bill": Switch("billing"),
    "bye": Parting("agent"),
}


def line(llm: FakeLlm, tool: FakeTool | None = None, *, eager: bool = False) -> Line:
    reflexes = Reflexes(Router(NgramSpace(EXAMPLES), Clear()), REACTIONS)
    look = Request(Tool("look", "Looks for a table."), tool or FakeTool())
    rule = EndpointingRule(4.0, uses_score=False, eager=True) if eager else EndpointingRule()
    manners = Manners("You are a test.", idle_prompt_s=0, endpointing=rule)
    toolbox = Toolbox((), Gifts(), {"look": look})
    return Line(llm=llm, manners=manners, toolbox=toolbox, reflexes=reflexes)


async def test_a_clear_question_is_answered_without_the_model(autojump_clock: MockClock) -> None:
    llm = FakeLlm(["Here I am"])
    async with on_the_line(line(llm)) as call:
        await call.answer()
        await call.says("when are you open")
        await call.answer()
        assert (call.ear, llm.asked) == (["We", "open", "at", "noon"], [])
        await call.says("and are you a robot by any chance")
        await call.answer()
        assert call.told[-3:] == [
            ("user", "when are you open"),
            ("assistant", "We open at noon"),
            ("user", "and are you a robot by any chance"),
        ]
    first, second = call.record.turns[1:]
    assert (first.intent, second.intent) == ("hours", "")
    assert first.summary(0.0)["intent"] == "hours"


async def test_a_phrase_by_heart_starts_within_100_ms(autojump_clock: MockClock) -> None:
    async with on_the_line(line(FakeLlm())) as call:
        await call.answer()
        await call.says("is there a car park")
        await call.answer()
        assert call.phrases == [GREETING, STILL_THERE]
    times = call.record.turns[1].times
    assert times.first_frame is not None
    assert times.asked is not None
    assert times.first_frame - times.asked < 0.1


async def test_a_tool_may_come_before_the_model(autojump_clock: MockClock) -> None:
    tool, llm = FakeTool(), FakeLlm(["There is one"])
    async with on_the_line(line(llm, tool)) as call:
        await call.answer()
        await call.says("is there a free table")
        await call.answer()
        assert (tool.used, call.ear) == ([{}], ["There", "is", "one"])
        assert call.told[-1] == ("tool", "", tool.result)


async def test_who_wants_a_person_is_put_through(autojump_clock: MockClock) -> None:
    async with on_the_line(line(FakeLlm())) as call:
        await call.answer()
        await call.says("a human please")
        await call.over.wait()
        assert call.phrases == [GREETING, PUTTING_THROUGH]
    assert call.call.parting == REACTIONS["person"]
    assert call.llm.asked == []


async def test_who_says_goodbye_is_let_go(autojump_clock: MockClock) -> None:
    async with on_the_line(line(FakeLlm())) as call:
        await call.answer()
        await call.says("that was all thank you")
        await call.over.wait()
        assert call.phrases == [GREETING, GOODBYE]
    assert call.record.reason == "agent"


async def test_another_agent_answers_what_is_its_own(autojump_clock: MockClock) -> None:
    call = line(FakeLlm())
    billing = Line(llm=FakeLlm(["Billing here"]), tts=call.tts, manners=Manners("Billing."))
    call.agents = {"billing": billing}
    async with on_the_line(call):
        await call.answer()
        await call.says("I have a question about my bill")
        await call.answer()
        assert call.ear == ["Billing", "here"]
    assert call.llm.asked == []


@pytest.mark.parametrize(
    "said",
    [
        "when are you open and can I book a table for four people there",
        "I do not want to talk to a person",
        "yes",
    ],
)
async def test_what_is_not_clear_is_the_models(autojump_clock: MockClock, said: str) -> None:
    llm = FakeLlm(["Here I am"])
    async with on_the_line(line(llm)) as call:
        await call.answer()
        await call.says(said)
        await call.answer()
        assert call.ear == ["Here", "I", "am"]
    assert call.record.turns[1].intent == ""


async def test_a_draft_does_nothing_before_the_turn_is_over(autojump_clock: MockClock) -> None:
    """It is known what to say; the line stays silent until the caller has finished."""
    tool = FakeTool()
    async with on_the_line(line(FakeLlm(["There is one"]), tool, eager=True)) as call:
        await call.answer()
        await call.says("is there a free table")
        said = trio.current_time()
        await call.waits(3.0)
        assert (tool.used, call.ear) == ([], [])
        await call.answer()
        assert said + 4.0 <= tool.began[0] < said + 4.2


async def test_a_barge_in_into_a_routed_answer_keeps_what_was_heard(
    autojump_clock: MockClock,
) -> None:
    llm = FakeLlm(["Of course"])
    call = line(llm)
    assert call.reflexes
    long = Answer("We open at noon and close at eleven in the evening every single day")
    call.reflexes = evolve(call.reflexes, reactions={"hours": long})
    async with on_the_line(call):
        await call.answer()
        await call.says("when are you open")
        await call.agent_speaks()
        await call.waits(0.4)
        await call.says("no wait another thing")
        await call.agent_is_quiet()
        await call.answer()
        assert call.told[-2][0] == "assistant"
        assert call.told[-2][1].endswith("—")
