"""Whole calls in virtual time: noise on the caller's line, while the agent speaks."""

from stories import FakeLlm, Line, on_the_line
from trio.testing import MockClock

from voiced.dialog.turn import Ending

LONG = [f"word{n}" for n in range(40)]
SAID = " ".join(LONG)


async def test_the_agent_falls_silent_for_a_noise_and_says_the_rest_when_it_was_nothing(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(1.0)
        await line.makes_noise(2.5)
        await line.agent_is_quiet()
        heard = len(line.ear)
        assert 5 < heard < 20
        await line.answer()
        assert line.ear == LONG  # each word heard whole, once
        assert line.socket.times("clear") == []
        assert len(line.llm.asked) == 1
    assert line.record.turns[1].ending is Ending.HEARD
    assert line.record.turns[1].heard.text == SAID
    assert line.record.playout.pauses == 1
    assert line.record.playout.gaps == 0


async def test_a_word_in_the_noise_ends_the_reply_after_all(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID, "Of course"]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.makes_noise(2.0)
        await line.says("stop")
        await line.answer()
        assert line.ear[-2:] == ["Of", "course"]
        assert line.told[-1] == ("user", "stop")
        assert len(line.socket.times("clear")) == 1
    assert line.record.turns[1].ending is Ending.CUT


async def test_assent_in_the_noise_does_not(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.makes_noise(2.0)
        await line.says("mm-hm")
        await line.answer()
        assert line.ear == LONG


async def test_a_television_pauses_the_agent_less_and_less(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID, SAID]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.makes_noise(60)
        assert line.ear == LONG
        assert 2 <= line.call.record().playout.pauses <= 3


async def test_a_caller_who_hangs_up_while_the_agent_is_in_doubt_is_gone(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.makes_noise(2.0)
        line.hangs_up()
        await line.until(line.over.is_set)
    assert line.record.turns[1].ending is Ending.HUNG_UP
    assert line.record.turns[1].heard.text != SAID
