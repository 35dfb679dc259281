"""Whole calls in virtual time: one that is too long for its model."""

import pytest
from stories import GREETING, FakeLlm, Late, Line, on_the_line
from trio.testing import MockClock

from voiced.call.scribe import ASK, WRITE_S
from voiced.dialog.history import Message, Role
from voiced.errors import EngineBroken

DIGEST = "The caller asked when we open"


async def turns(line: Line, count: int) -> None:
    for _ in range(count):
        await line.says("when do you open")
        await line.answer()


async def test_what_was_said_first_is_put_into_fewer_words(autojump_clock: MockClock) -> None:
    llm = FakeLlm(["At noon sir", "At noon sir", "At noon sir", DIGEST, "As I said", "Yes"])
    async with on_the_line(Line(llm=llm, history_tokens=60)) as line:
        await line.answer()
        await turns(line, 3)
        await line.waits(2)
        ask = llm.asked[3][-1]
        assert isinstance(ask, Message)
        assert ASK["en"] in ask.text
        await turns(line, 1)
        system, *told = llm.asked[4]
        assert system == Message(Role.SYSTEM, f"You are a test.\n\nEarlier in this call: {DIGEST}")
        assert Message(Role.AGENT, GREETING) not in told
        assert told[-1] == Message(Role.CALLER, "when do you open")
        assert line.ear[-3:] == ["As", "I", "said"]


async def test_no_reply_waits_for_it(autojump_clock: MockClock) -> None:
    slow = Late(10.0, DIGEST)
    llm = FakeLlm(["At noon sir", "At noon sir", "At noon sir", slow, "As I said", "Yes"])
    async with on_the_line(Line(llm=llm, history_tokens=60)) as line:
        await line.answer()
        await turns(line, 4)
        assert line.ear[-3:] == ["As", "I", "said"]
        assert llm.open == 1  # it is still being written
        answer = line.call._conversation.turns[-1].times.stages_ms()["answer"]
    assert answer < 1500


@pytest.mark.parametrize("answer", [EngineBroken("mind", "llm", "it broke"), Late(60.0, DIGEST)])
async def test_where_it_fails_the_call_goes_on_with_what_fits(
    autojump_clock: MockClock, answer: object
) -> None:
    llm = FakeLlm(["At noon sir", "At noon sir", "At noon sir", answer])  # type: ignore[list-item]
    async with on_the_line(Line(llm=llm, history_tokens=60)) as line:
        await line.answer()
        await turns(line, 3)
        await line.waits(WRITE_S + 5)
        await turns(line, 6)
        assert all("Earlier" not in str(told[0]) for told in llm.asked[4:8])
        assert len(llm.asked[-1]) <= 11  # 90 tokens, about nine each, and the prompt
        assert line.ear[-3:] == ["Yes", "indeed", "sir"]
