"""Whole calls in virtual time: the ordinary ones."""

import pytest
from stories import GOODBYE, GREETING, STILL_THERE, FakeLlm, FakeTts, Late, Line, on_the_line
from trio.testing import MockClock

from voiced.call.voice import AHEAD_MAX_S
from voiced.dialog.manners import Manners
from voiced.dialog.turn import Ending


async def test_a_call_is_greeted_answered_and_ended(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.llm.answers = ["We open at nine in the morning"]
        await line.says("when do you open")
        await line.answer()
        assert line.ear == ["We", "open", "at", "nine", "in", "the", "morning"]
        assert line.phrases == [GREETING]
    assert line.record.reason == "hangup"
    assert [turn.ending for turn in line.record.turns] == [Ending.HEARD, Ending.HEARD]
    assert line.told == [("assistant", GREETING), ("user", "when do you open")]


async def test_a_greeting_by_heart_is_on_the_wire_at_once(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        began = line.socket.carrier.playback.origin
        await line.agent_speaks()
        assert line.socket.sent[0][0] - began < 0.05
        assert line.tts.replies == 0


async def test_a_greeting_not_known_by_heart_is_said_with_the_live_voice(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(by_heart=False)) as line:
        await line.answer()
        assert line.ear == GREETING.split()


async def test_an_agent_without_a_greeting_lets_the_caller_speak_first(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", opening=None, idle_prompt_s=0)
    async with on_the_line(Line(manners=manners)) as line:
        await line.says("good morning")
        await line.answer()
        assert line.ear == ["Yes", "indeed", "sir"]
        assert line.told == [("user", "good morning")]
        assert line.phrases == []


async def test_the_stages_of_an_answer_add_up_to_it(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.answer()
        await line.says("when do you open")
        await line.answer()
    stages = line.record.turns[1].times.stages_ms()
    answer = stages.pop("answer")
    assert list(stages) == ["turn_ended", "asked", "first_token", "first_audio", "first_frame"]
    assert abs(sum(stages.values()) - answer) <= len(stages)
    assert stages["asked"] == 100  # the flush
    assert stages["first_token"] == 200
    assert stages["first_frame"] == 0  # nothing of ours lies between audio and wire
    assert line.record.summary()["answer_ms"] == answer
    assert line.record.worst_silence_ms == answer


async def test_frames_leave_on_a_grid_of_20_ms_behind_a_lead_of_100_ms(
    autojump_clock: MockClock,
) -> None:
    words = " ".join(["word"] * 15) + " end"  # 4.8 s
    async with on_the_line(Line(tts=FakeTts(speed=0.05))) as line:
        await line.answer()
        before = len(line.socket.times("media"))
        line.llm.answers = [words]
        await line.says("tell me everything")
        await line.answer()
        first, *times = line.socket.times("media")[before:]
        assert 1 + len(times) == 240
        assert times[:4] == [first] * 4
        assert times[4:] == pytest.approx([first + 0.02 * (n + 1) for n in range(235)])
    assert line.record.playout.underruns == 0
    assert line.socket.carrier.playback.statistics.gaps == 0


async def test_4_64_seconds_of_voice_are_232_packets(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(tts=FakeTts(word_s=0.58), llm=FakeLlm(["word " * 8]))) as line:
        await line.answer()
        before = len(line.socket.times("media"))
        await line.says("tell me everything")
        await line.answer()
        assert len(line.socket.times("media")) - before == 232


async def test_a_caller_who_goes_on_after_a_pause_has_said_one_thing(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm(first_token_s=2.0))) as line:
        await line.answer()
        await line.says("I would like")
        await line.until(lambda: line.llm.open == 1)
        await line.says("a table for two")
        await line.answer()
        assert line.told[1:] == [("user", "I would like a table for two")]
        assert line.ear == ["Yes", "indeed", "sir"]
    assert [turn.ending for turn in line.record.turns[1:]] == [Ending.WITHDRAWN, Ending.HEARD]
    assert line.record.playout.underruns == 0


async def test_an_empty_reply_leaves_the_floor_to_the_caller(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm(["* 🙂 ", "Yes indeed"]))) as line:
        await line.answer()
        await line.says("can you hear me")
        await line.until(lambda: line.tts.open == 1)
        await line.until(lambda: line.tts.open == 0)
        assert line.socket.times("clear") == []
        await line.says("hello again")
        await line.answer()
        assert line.ear == ["Yes", "indeed"]
    assert [turn.ending for turn in line.record.turns[1:]] == [Ending.EMPTY, Ending.HEARD]


async def test_a_reply_of_two_thousand_words_takes_little_memory_and_comes_to_its_end(
    autojump_clock: MockClock,
) -> None:
    line = Line(llm=FakeLlm([" ".join(["word"] * 2000)]), tts=FakeTts(word_s=0.1))
    async with on_the_line(line):
        await line.answer()
        await line.says("read me your terms")
        await line.agent_speaks()
        await line.waits(180)
        assert len(line.tts.said) < 1800 + (AHEAD_MAX_S + 2) / 0.1
        await line.agent_is_quiet()
        assert len(line.tts.said) == 2000
    reply = line.record.turns[1]
    assert reply.ending is Ending.HEARD
    assert len(reply.heard.text.split()) == 2000
    assert line.record.duration_s > 200
    assert line.record.playout.peak_frames * 0.02 < AHEAD_MAX_S + 2
    assert line.record.playout.gaps == 0


async def test_digital_silence_is_prompted_twice_then_told_goodbye_and_hung_up_on(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=10)
    async with on_the_line(Line(manners=manners)) as line:
        await line.until(line.over.is_set, within_s=120)
        assert line.phrases == [GREETING, STILL_THERE, STILL_THERE, GOODBYE]
    assert line.record.reason == "idle"
    assert 30 < line.record.duration_s < 45


async def test_a_caller_who_answers_the_prompt_is_not_hung_up_on(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=10)
    async with on_the_line(Line(manners=manners)) as line:
        for _ in range(4):
            await line.until(lambda: line.phrases[-1:] == [STILL_THERE], within_s=30)
            await line.agent_is_quiet()
            await line.says("yes I am here")
            await line.answer()
        assert GOODBYE not in line.phrases
    assert line.record.reason == "hangup"


async def test_a_caller_who_talks_for_two_minutes_is_listened_to_and_answered_once(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.answer()
        await line.says(" ".join(["word"] * 400))
        assert line.llm.asked == []
        await line.answer()
        assert line.told[1:] == [("user", " ".join(["word"] * 400))]
        assert line.ear == ["Yes", "indeed", "sir"]


async def test_two_minutes_of_noise_without_a_word_end_by_themselves(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=10)
    async with on_the_line(Line(manners=manners)) as line:
        await line.makes_noise(120)
        await line.until(line.over.is_set, within_s=60)
    assert line.record.reason == "idle"
    assert line.llm.asked == []


async def test_a_slow_model_is_waited_for(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([Late(3.0, "Here I am")]))) as line:
        await line.answer()
        await line.says("are you there")
        await line.answer()
        assert line.ear == ["Here", "I", "am"]
    assert line.record.worst_silence_ms > 3000
