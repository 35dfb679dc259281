"""Whole calls in virtual time: an engine fails, and the caller hears something sensible."""

import pytest
import trio
from stories import APOLOGY, GOODBYE, GREETING, FakeLlm, FakeStt, FakeTts, Late, Line, on_the_line
from trio.testing import MockClock

from voiced.dialog.manners import Manners
from voiced.dialog.turn import Ending
from voiced.engines.roles import SttStatistics
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)

ERRORS = [EngineTimeout, EngineRefused, EngineBroken, EngineAtCapacity]
ROLES = {"stt": "ear", "llm": "mind", "tts": "voice"}


def failure(kind: type[EngineError], role: str) -> EngineError:
    return kind(ROLES[role], role, "it failed")


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("after_s", [0.2, 10.0], ids=["at the start", "in mid-call"])
async def test_a_call_without_its_ear_apologises_and_says_goodbye(
    autojump_clock: MockClock, kind: type[EngineError], after_s: float
) -> None:
    stt = FakeStt(fails=failure(kind, "stt"), fails_after_s=after_s)
    async with on_the_line(Line(stt=stt)) as line:
        await line.until(line.over.is_set)
        assert line.phrases[-2:] == [APOLOGY, GOODBYE]
        assert line.record.duration_s < after_s + 3
    assert line.record.reason == f"stt-{kind.reason}"


async def test_an_ear_that_breaks_in_mid_sentence_loses_no_word_heard(
    autojump_clock: MockClock,
) -> None:
    stt = FakeStt(fails=failure(EngineBroken, "stt"), fails_after_s=4.0)
    async with on_the_line(Line(stt=stt)) as line:
        await line.answer()
        await line.says("I would like to book a table for two and a dog")
        await line.over.wait()
    said = line.call._conversation.history.entries[1].text
    assert said
    assert "I would like to book a table for two".startswith(said)


async def test_an_ear_that_never_answers_a_flush_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(stt=FakeStt(flush_s=60.0))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.answer()
        assert line.told[-1] == ("user", "when do you open")
        assert line.ear == ["Yes", "indeed", "sir"]


async def test_an_ear_without_pause_scores_is_helped_out_by_the_energy_of_the_line(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(stt=FakeStt(scores=lambda now: None))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.answer()
        assert line.ear == ["Yes", "indeed", "sir"]


async def test_an_ear_that_understands_nothing_does_not_leave_the_line_dead(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=10)
    async with on_the_line(Line(manners=manners)) as line:
        await line.answer()
        await line.makes_noise(2)
        await line.until(line.over.is_set, within_s=60)
        assert line.phrases[-1] == GOODBYE
    assert line.record.reason == "idle"


@pytest.mark.parametrize("kind", ERRORS)
async def test_a_model_that_fails_is_apologised_for(
    autojump_clock: MockClock, kind: type[EngineError], caplog: pytest.LogCaptureFixture
) -> None:
    async with on_the_line(Line(llm=FakeLlm([failure(kind, "llm")]))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.reason == f"llm-{kind.reason}"
    assert line.record.turns[1].ending is Ending.FAILED
    assert "llm mind: it failed" in caplog.messages


async def test_a_model_that_hangs_before_its_first_token_is_apologised_for(
    autojump_clock: MockClock,
) -> None:
    hangs = Late(8.0, failure(EngineTimeout, "llm"))
    async with on_the_line(Line(llm=FakeLlm([hangs]))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.reason == "llm-timeout"
    assert line.record.worst_silence_ms > 8000


async def test_a_caller_may_go_on_while_the_model_hangs(autojump_clock: MockClock) -> None:
    hangs = Late(8.0, failure(EngineTimeout, "llm"))
    async with on_the_line(Line(llm=FakeLlm([hangs, "At nine"]))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.waits(3.0)
        await line.says("hello are you there")
        await line.answer()
        assert line.ear == ["At", "nine"]
        assert line.told[-1] == ("user", "when do you open hello are you there")


async def test_what_a_model_said_before_it_broke_is_heard_to_its_end(
    autojump_clock: MockClock,
) -> None:
    broken = ("We open at nine in the morning", failure(EngineBroken, "llm"))
    async with on_the_line(Line(llm=FakeLlm([broken]))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.until(line.over.is_set)
        assert line.ear == ["We", "open", "at", "nine", "in", "the", "morning"]
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.reason == "llm-broken"
    assert line.record.turns[1].ending is Ending.FAILED
    assert line.record.turns[1].heard.text == "We open at nine in the morning"


async def test_the_caller_may_barge_in_on_what_a_broken_model_said(
    autojump_clock: MockClock,
) -> None:
    broken = ("word " * 20, failure(EngineBroken, "llm"))
    async with on_the_line(Line(llm=FakeLlm([broken, "Of course"]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.says("wait stop please")
        await line.agent_is_quiet()
        await line.answer()
        assert line.ear[-2:] == ["Of", "course"]
        assert APOLOGY not in line.phrases
    assert line.record.turns[1].ending is Ending.CUT


@pytest.mark.parametrize("kind", ERRORS)
async def test_a_voice_that_fails_is_apologised_for_by_heart(
    autojump_clock: MockClock, kind: type[EngineError]
) -> None:
    async with on_the_line(Line(tts=FakeTts(fails=failure(kind, "tts")))) as line:
        await line.answer()
        await line.says("when do you open")
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.reason == f"tts-{kind.reason}"


async def test_audio_that_never_comes_is_apologised_for(autojump_clock: MockClock) -> None:
    tts = FakeTts(fails=failure(EngineTimeout, "tts"), fails_in_s=4.0)
    async with on_the_line(Line(tts=tts)) as line:
        await line.answer()
        await line.says("when do you open")
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.worst_silence_ms > 4000


async def test_what_a_voice_said_before_it_broke_is_heard_to_its_end(
    autojump_clock: MockClock,
) -> None:
    tts = FakeTts(fails=failure(EngineBroken, "tts"), fails_after=8)
    async with on_the_line(Line(tts=tts, llm=FakeLlm(["word " * 40]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.until(line.over.is_set)
        assert line.ear == ["word"] * 8
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.reason == "tts-broken"
    assert line.record.turns[1].heard.text == " ".join(["word"] * 8)


async def test_with_no_voice_and_nothing_by_heart_the_call_ends_cleanly(
    autojump_clock: MockClock,
) -> None:
    tts = FakeTts(fails=failure(EngineRefused, "tts"))
    async with on_the_line(Line(tts=tts, by_heart=False)) as line:
        await line.until(line.over.is_set)
        assert line.record.duration_s < 5
    assert line.record.reason == "tts-refused"


async def test_a_phrase_said_in_part_is_not_apologised_for(autojump_clock: MockClock) -> None:
    tts = FakeTts(fails=failure(EngineBroken, "tts"), fails_after=3)
    async with on_the_line(Line(tts=tts, by_heart=False)) as line:
        await line.answer()
        assert line.ear == GREETING.split()[:3]
        tts.fails = None
        await line.says("when do you open")
        await line.answer()
        assert line.ear[3:] == ["Yes", "indeed", "sir"]


async def test_an_ear_that_fails_in_mid_reply_lets_the_agent_apologise_at_once(
    autojump_clock: MockClock,
) -> None:
    stt = FakeStt(fails=failure(EngineBroken, "stt"), fails_after_s=8.0)
    async with on_the_line(Line(stt=stt, llm=FakeLlm(["word " * 60]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.duration_s < 10


async def test_the_record_tells_what_the_ear_lost(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_the_line() as line:
        await line.agent_speaks()
        monkeypatch.setattr(type(line.call._ear), "statistics", lambda ear: SttStatistics(240, 17))
        assert trio.current_time() > 0
    assert line.record.summary()["stt_dropped_ms"] == 240
