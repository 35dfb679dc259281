"""Whole calls in virtual time: replies begun before the caller has certainly finished.

The line must be quiet for four seconds here before a turn is over, as some lines want it; after
0.7 s it is likely over.
"""

import trio
from stories import FakeLlm, FakeTts, Late, Line, Uses, on_the_line
from trio.testing import MockClock

from voiced.call.toolbox import Toolbox
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.manners import Manners
from voiced.dialog.turn import Ending
from voiced.errors import EngineBroken
from voiced.records.model import EngineFailed

LONG = [f"word{n}" for n in range(40)]


def patient_line(
    *answers: object, eager: bool = True, tts: FakeTts | None = None, tools: tuple[str, ...] = ()
) -> Line:
    rule = EndpointingRule(4.0, uses_score=False, eager=eager)
    manners = Manners("You are a test.", idle_prompt_s=0, endpointing=rule)
    llm = FakeLlm(list(answers))  # type: ignore[arg-type]
    return Line(llm=llm, tts=tts or FakeTts(), manners=manners, toolbox=Toolbox(tools))


async def waited_s(line: Line) -> float:
    """From the end of what the caller says to the answer."""
    await line.says("when do you open")
    ended = trio.current_time()
    await line.agent_speaks()
    return trio.current_time() - ended


async def test_a_caller_waits_for_the_silence_and_for_nothing_else(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(patient_line("At nine")) as line:
        await line.answer()
        assert 4.0 <= await waited_s(line) < 4.2
        await line.agent_is_quiet()
        assert line.ear == ["At", "nine"]
        assert line.told[-1] == ("user", "when do you open")
    turn = line.record.turns[1]
    assert turn.ending is Ending.HEARD
    # Asked for after 0.7 s, certain after 4. It took 0.54 s
    # until the first audio was there.
    assert 520 <= turn.times.stages_ms()["eager_gain"] <= 550
    assert turn.times.stages_ms()["first_token"] == 0
    summary = line.record.summary()
    assert (summary["eager_hits"], summary["eager_misses"]) == (1, 0)


async def test_a_caller_of_an_agent_that_is_not_eager_waits_longer(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(patient_line("At nine", eager=False)) as line:
        await line.answer()
        assert await waited_s(line) > 4.5


async def test_a_caller_who_goes_on_has_heard_nothing_of_the_draft(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(patient_line("At nine", "At ten")) as line:
        await line.answer()
        await line.says("when do you open")
        await line.waits(2.0)
        assert line.llm.asked
        await line.says("on sundays")
        await line.agent_speaks()
        await line.agent_is_quiet()
        assert line.ear == ["At", "ten"]
        assert line.told == [
            ("assistant", "Hello how can I help"),
            ("user", "when do you open on sundays"),
        ]
        assert line.socket.times("clear") == []
    assert [turn.number for turn in line.record.turns] == [0, 1]
    assert line.record.summary()["eager_misses"] == 1


async def test_a_draft_is_no_more_than_a_few_words(autojump_clock: MockClock) -> None:
    async with on_the_line(patient_line(" ".join(LONG))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.waits(3.9)
        assert line.tts.said == LONG[:12]
        await line.answer()
        assert line.ear == LONG


async def test_a_draft_that_fails_is_told_only_when_it_was_wanted(
    autojump_clock: MockClock,
) -> None:
    broken = EngineBroken("mind", "llm", "cut")
    async with on_the_line(patient_line(broken, "At ten")) as line:
        await line.answer()
        await line.says("when do you open")
        await line.waits(2.0)
        assert line.journal.of(EngineFailed) == []
        await line.says("on sundays")
        await line.answer()
        assert line.ear == ["At", "ten"]
    assert line.record.reason == "hangup"


async def test_a_draft_that_has_failed_fails_when_the_turn_is_over(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(patient_line(EngineBroken("mind", "llm", "cut"))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.until(line.over.is_set)
        assert line.phrases[1:] == ["Sorry", "Goodbye"]
    assert line.record.reason == "llm-broken"


async def test_a_draft_that_wants_to_hang_up_waits_for_the_end_of_the_turn(
    autojump_clock: MockClock,
) -> None:
    uses = Uses("hang_up", says="Bye then")
    async with on_the_line(patient_line(uses, "At ten", tools=("hang_up",))) as line:
        await line.answer()
        await line.says("goodbye")
        await line.waits(2.0)
        await line.says("no wait")
        await line.answer()
        assert line.ear == ["At", "ten"]
    assert line.record.reason == "hangup"


async def test_a_caller_who_hangs_up_on_a_draft_leaves_nothing_behind(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(patient_line(Late(3.0, "At nine"))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.waits(2.0)
        assert line.llm.open == 1
        line.hangs_up()
        await line.until(line.over.is_set)
    assert (line.llm.open, line.tts.open) == (0, 0)
