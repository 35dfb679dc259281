"""Whole calls in virtual time: what a caller hears while the answer is late."""

from stories import FILLER, FakeLlm, FakeTts, Late, Line, on_the_line
from trio.testing import MockClock

from voiced.dialog.turn import Ending
from voiced.errors import EngineBroken
from voiced.records.model import Happened


async def test_a_late_answer_is_bridged_by_a_phrase_and_said_behind_it(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(
        Line(filler_s=1.5, llm=FakeLlm([Late(4.0, "Here I am"), "Good"]))
    ) as line:
        await line.answer()
        await line.says("are you there")
        await line.agent_speaks()
        await line.agent_is_quiet()
        assert line.phrases[1:] == [FILLER]
        assert line.ear == []
        await line.answer()
        assert line.ear == ["Here", "I", "am"]
        await line.says("good")
        await line.answer()
        assert ("assistant", f"{FILLER} Here I am") in line.told
    turn = line.record.turns[1]
    assert turn.ending is Ending.HEARD
    assert turn.times.stages_ms()["filler"] == 1500
    assert [record.detail for record in line.journal.of(Happened)] == [{"turn": 1}]
    # The filler takes 0.9 s; the answer was there after 4.37.
    assert 1900 <= line.record.worst_silence_ms <= 2500
    assert line.record.playout.gaps == 0


async def test_an_answer_in_time_is_not_bridged(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(filler_s=1.5, llm=FakeLlm([Late(1.0, "Here I am")]))) as line:
        await line.answer()
        await line.says("are you there")
        await line.answer()
        assert line.ear == ["Here", "I", "am"]
        assert FILLER not in line.phrases


async def test_a_voice_that_is_late_is_bridged_too(autojump_clock: MockClock) -> None:
    tts = FakeTts(first_audio_s=3.0)
    async with on_the_line(Line(filler_s=1.5, llm=FakeLlm(["Here I am", "Good"]), tts=tts)) as line:
        await line.answer()
        await line.says("are you there")
        await line.answer()
        await line.answer()
        assert line.phrases[1:] == [FILLER]
        assert line.ear == ["Here", "I", "am"]
        await line.says("good")
        await line.until(lambda: len(line.llm.asked) == 2)
        assert ("assistant", f"{FILLER} Here I am") in line.told


async def test_who_wants_no_filler_gets_none(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([Late(4.0, "Here I am")]), filler_s=0)) as line:
        await line.answer()
        await line.says("are you there")
        await line.answer()
        assert line.ear == ["Here", "I", "am"]
        assert FILLER not in line.phrases


async def test_a_filler_that_is_not_at_hand_is_not_waited_for(autojump_clock: MockClock) -> None:
    line = Line(filler_s=1.5, llm=FakeLlm(["Hello", Late(4.0, "Here I am")]), by_heart=False)
    async with on_the_line(line):
        await line.answer()
        await line.says("hello")
        await line.answer()
        await line.says("are you there")
        await line.answer()
        assert line.ear[-3:] == ["Here", "I", "am"]


async def test_a_caller_may_cut_in_behind_the_filler(autojump_clock: MockClock) -> None:
    async with on_the_line(
        Line(filler_s=1.5, llm=FakeLlm([Late(9.0, "Here I am"), "At nine"]))
    ) as line:
        await line.answer()
        await line.says("are you there")
        await line.answer()
        await line.says("when do you open")
        await line.answer()
        assert line.ear == ["At", "nine"]
        assert line.told[1:] == [
            ("user", "are you there"),
            ("assistant", f"{FILLER}—"),
            ("user", "when do you open"),
        ]


async def test_a_failure_behind_the_filler_is_apologised_for(autojump_clock: MockClock) -> None:
    broken = Late(3.0, EngineBroken("mind", "llm", "cut"))
    async with on_the_line(Line(filler_s=1.5, llm=FakeLlm([broken]))) as line:
        await line.answer()
        await line.says("are you there")
        await line.until(line.over.is_set)
        assert line.phrases[1:] == [FILLER, "Sorry", "Goodbye"]


async def test_nothing_to_say_behind_the_filler_is_a_reply_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(filler_s=1.5, llm=FakeLlm([Late(3.0, ""), "At nine"]))) as line:
        await line.answer()
        await line.says("are you there")
        await line.answer()
        await line.waits(3.0)
        await line.says("when do you open")
        await line.answer()
        assert line.ear == ["At", "nine"]
