"""Whole calls in virtual time: the caller presses keys."""

import pytest
import trio
from stories import GREETING, FakeLlm, Line, on_the_line
from trio.testing import MockClock

from voiced.dialog.digits import DigitRule
from voiced.dialog.history import INTERRUPTED
from voiced.dialog.manners import Manners
from voiced.dialog.turn import Ending

LONG = [f"word{n}" for n in range(30)]
SAID = " ".join(LONG)


async def test_a_number_reaches_the_model_and_is_answered_at_once(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm(["Thank you"]))) as line:
        await line.answer()
        line.presses("0612#")
        entered = trio.current_time()
        await line.until(lambda: line.llm.open == 1)
        assert trio.current_time() - entered < 0.05
        await line.answer()
        assert line.told == [("assistant", GREETING), ("user", "(keypad: 0612)")]
        assert line.ear == ["Thank", "you"]
    assert line.record.turns[1].utterance == "(keypad: 0612)"


async def test_a_number_without_a_terminator_is_waited_for_and_no_longer(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=0, digits=DigitRule(timeout_s=3.0))
    async with on_the_line(Line(manners=manners)) as line:
        await line.answer()
        line.presses("1")
        await line.waits(2.9)
        line.presses("2")
        entered = trio.current_time()
        await line.until(lambda: line.llm.open == 1)
        assert trio.current_time() - entered == pytest.approx(3.0, abs=0.05)
        await line.answer()
        assert line.told[-1] == ("user", "(keypad: 12)")


async def test_slow_fingers_are_one_number_though_the_line_is_quiet(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.answer()
        for digit in "12345":
            line.presses(digit)
            await line.waits(1.8)
        assert line.llm.asked == []
        line.presses("#")
        await line.answer()
        assert [messages[-1].text for messages in line.llm.asked] == ["(keypad: 12345)"]


async def test_a_key_cuts_the_reply_off_and_the_number_is_whole(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID, "Thank you"]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(1.0)
        line.presses("4")
        pressed = trio.current_time()
        await line.agent_is_quiet()
        assert line.socket.times("clear") == [pytest.approx(pressed)]
        heard = line.ear
        line.presses("2#")
        await line.answer()
        assert line.told[-2:] == [
            ("assistant", " ".join(heard) + INTERRUPTED),
            ("user", "(keypad: 42)"),
        ]
        assert line.ear[len(heard) :] == ["Thank", "you"]
    assert line.record.turns[1].ending is Ending.CUT


async def test_the_greeting_may_be_cut_by_a_key(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.agent_speaks()
        line.presses("1#")
        await line.until(lambda: line.ear == ["Yes", "indeed", "sir"])
        assert line.phrases == []
        assert line.told[-1] == ("user", "(keypad: 1)")


async def test_keys_over_a_reply_that_is_not_interruptible_are_answered_behind_it(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", interruptible=False, idle_prompt_s=0)
    line = Line(llm=FakeLlm([SAID, "Thank you"]), manners=manners)
    async with on_the_line(line):
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        line.presses("42#")
        await line.answer()
        assert line.ear == LONG
        await line.answer()
        assert line.ear[30:] == ["Thank", "you"]
        assert line.told[-2:] == [("assistant", SAID), ("user", "(keypad: 42)")]
    assert line.socket.times("clear") == []


async def test_keys_while_the_model_thinks_are_told_with_the_words(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm(first_token_s=2.0))) as line:
        await line.answer()
        await line.says("my number is")
        await line.until(lambda: line.llm.open == 1)
        line.presses("42#")
        await line.answer()
        assert line.told[-1] == ("user", "my number is (keypad: 42)")
        assert line.ear == ["Yes", "indeed", "sir"]
    assert [turn.ending for turn in line.record.turns[1:]] == [Ending.WITHDRAWN, Ending.HEARD]


async def test_keys_before_a_hang_up_are_on_record(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.presses("42")
        await line.waits(0.5)
    assert [each.text for each in line.call.take_said()] == ["(keypad: 42)"]
