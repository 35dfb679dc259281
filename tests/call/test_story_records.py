"""Whole calls in virtual time: what is put down of them, and what a recording is told."""

from base64 import b64decode
from collections.abc import Awaitable, Callable

import pytest
from stories import (
    CALL_SID,
    GREETING,
    LOUD,
    SILENT,
    FakeLlm,
    FakeRecording,
    FakeStt,
    Line,
    on_the_line,
)
from trio.testing import MockClock

from voiced.dialog import events as ev
from voiced.errors import EngineBroken, EngineTimeout
from voiced.records.model import EngineFailed, Happened, Said, TurnEnded

LONG = " ".join(f"word{n}" for n in range(30))


# --- turns --------------------------------------------------------------------------------------


async def test_each_turn_is_put_down_when_it_has_ended(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm(["At nine"]))) as line:
        assert line.journal.records == []
        await line.answer()
        (greeting,) = line.journal.of(TurnEnded)
        assert (greeting.sid, greeting.number, greeting.ending) == (CALL_SID, 0, "heard")
        assert greeting.at_s == pytest.approx(0.0, abs=0.05)
        assert greeting.said == (Said("agent", GREETING, greeting.at_s, "complete"),)
        assert greeting.stages_ms == {}  # by heart: nobody was asked
        await line.says("when do you open")
        await line.agent_speaks()
        assert len(line.journal.records) == 1
        await line.agent_is_quiet()
        _, answer = line.journal.of(TurnEnded)
    assert (answer.number, answer.ending) == (1, "heard")
    asked, said = answer.said
    assert (asked.role, asked.text, asked.ending) == ("caller", "when do you open", "complete")
    assert said == Said("agent", "At nine", answer.at_s or 0.0, "complete")
    assert asked.at_s < said.at_s
    times = line.record.turns[1].times
    assert answer.stages_ms == times.stages_ms()
    assert answer.stages_ms["asked"] == 100
    assert times.first_frame is not None
    assert answer.at_s == pytest.approx(times.first_frame - line.record.started_at, abs=0.001)


async def test_of_a_reply_cut_off_what_was_heard_is_put_down(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([LONG, "Fine"]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(1.0)
        await line.says("wait stop please")
        await line.agent_is_quiet()
        heard = line.ear
        await line.answer()
    _, cut, answer = line.journal.of(TurnEnded)
    assert cut.ending == "cut"
    assert [(each.role, each.text, each.ending) for each in cut.said] == [
        ("caller", "tell me everything", "complete"),
        ("agent", " ".join(heard), "interrupted"),
    ]
    assert [each.text for each in answer.said] == ["wait stop please", "Fine"]


async def test_a_turn_that_was_withdrawn_has_no_time_of_its_own(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm(first_token_s=2.0))) as line:
        await line.answer()
        await line.says("I would like")
        await line.until(lambda: line.llm.open == 1)
        await line.says("a table for two")
        await line.answer()
    _, withdrawn, answer = line.journal.of(TurnEnded)
    assert (withdrawn.ending, withdrawn.at_s) == ("withdrawn", None)
    assert [each.text for each in withdrawn.said] == ["I would like"]
    assert [each.text for each in answer.said] == ["a table for two", "Yes indeed sir"]


async def greeting(line: Line) -> None:
    await line.agent_speaks()


async def hearing(line: Line) -> None:
    await line.answer()
    await line.says("I have a question about")


async def thinking(line: Line) -> None:
    await hearing(line)
    await line.until(lambda: line.llm.open == 1)


async def speaking(line: Line) -> None:
    await thinking(line)
    await line.agent_speaks()
    await line.waits(1.0)


async def entering(line: Line) -> None:
    await speaking(line)
    line.presses("42")
    await line.waits(0.1)


async def told(line: Line) -> None:
    await hearing(line)
    line.call.request(ev.SayRequested("Your taxi is here"))
    await line.waits(1.0)


async def interrupted(line: Line) -> None:
    await speaking(line)
    await line.says("wait")
    line.call.request(ev.InterruptRequested())
    await line.waits(1.0)


async def closing(line: Line) -> None:
    await speaking(line)
    line.call.close("operator")
    await line.waits(0.2)


async def broken(line: Line) -> None:
    await hearing(line)
    line.tts.fails = RuntimeError()
    line.tts.fails_after = 2
    await line.over.wait()


STAGES = [greeting, hearing, thinking, speaking, entering, told, interrupted, closing, broken]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
async def test_wherever_a_call_ends_every_word_is_put_down_once(
    autojump_clock: MockClock, stage: Callable[[Line], Awaitable[None]]
) -> None:
    async with on_the_line(Line(llm=FakeLlm([LONG]))) as line:
        await stage(line)
    turns = line.journal.of(TurnEnded)
    assert [each.number for each in turns] == [each.number for each in line.record.turns]
    assert [each.ending for each in turns] == [each.ending.value for each in line.record.turns]
    put_down = [said for turn in turns for said in turn.said] + list(line.call.take_said())
    entries = line.call._conversation.history.entries
    assert [each.text for each in put_down] == [entry.text for entry in entries]
    assert [each.at_s for each in put_down] == [round(entry.at_s, 3) for entry in entries]


# --- events and failures ------------------------------------------------------------------------


async def test_a_model_that_fails_is_put_down_with_its_name_and_why(
    autojump_clock: MockClock,
) -> None:
    llm = FakeLlm([EngineTimeout("mind", "llm", "it was late")])
    async with on_the_line(Line(llm=llm)) as line:
        await line.answer()
        await line.says("when do you open")
        await line.over.wait()
    (failed,) = line.journal.of(EngineFailed)
    assert (failed.sid, failed.role, failed.engine) == (CALL_SID, "llm", "mind")
    assert (failed.reason, failed.message) == ("timeout", "llm mind: it was late")
    assert line.journal.of(TurnEnded)[1].ending == "failed"


async def test_an_ear_that_fails_is_put_down(autojump_clock: MockClock) -> None:
    stt = FakeStt(fails=EngineBroken("ear", "stt", "it broke"), fails_after_s=3.0)
    async with on_the_line(Line(stt=stt)) as line:
        await line.over.wait()
    (failed,) = line.journal.of(EngineFailed)
    assert (failed.role, failed.engine, failed.reason) == ("stt", "ear", "broken")


async def test_what_the_house_did_is_put_down_without_what_it_said(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.call.request(ev.MachineDetected("human"))
        line.call.request(ev.SayRequested("Your taxi is here"))
        await line.agent_speaks()
        line.call.request(ev.InterruptRequested())
        await line.agent_is_quiet()
        line.call.close("operator")
        await line.over.wait()
    events = [(each.kind, each.detail) for each in line.journal.of(Happened)]
    assert events == [
        ("answered-by", {"answered_by": "human"}),
        ("say", {}),
        ("interrupt", {}),
        ("close", {"reason": "operator"}),
    ]
    assert {each.sid for each in line.journal.of(Happened)} == {CALL_SID}


async def test_a_call_may_tell_of_what_its_conversation_knows_nothing_of(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.agent_speaks()
        line.call._chronicle.happened("stream-drop", {"streams": 2})
    (happened,) = line.journal.of(Happened)
    assert (happened.kind, happened.detail) == ("stream-drop", {"streams": 2})


# --- the recording ------------------------------------------------------------------------------


async def test_a_recording_is_told_what_went_over_the_line_and_when_it_was_cleared(
    autojump_clock: MockClock,
) -> None:
    recording = FakeRecording()
    async with on_the_line(Line(llm=FakeLlm([LONG, "Fine"]), recording=recording)) as line:
        assert recording.open == 0
        await line.answer()
        assert recording.open == 1
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(1.0)
        await line.says("wait stop please")
        await line.agent_is_quiet()
        await line.answer()
    assert recording.open == 0
    sent = [b64decode(body) for _, event, body in line.socket.events if event == "media"]
    assert recording.agent_frames == sent
    assert recording.cleared_at == line.socket.times("clear")
    assert len(recording.cleared_at) == 1
    times = [at for at, _ in recording.caller_packets]
    assert times == [20 * (n + 1) for n in range(len(times))]
    assert {mulaw for _, mulaw in recording.caller_packets} == {LOUD, SILENT}
    assert len(times) == line.record.leg.packets


async def test_a_reply_of_which_nothing_was_sent_clears_nothing_on_the_recording(
    autojump_clock: MockClock,
) -> None:
    recording = FakeRecording()
    async with on_the_line(Line(llm=FakeLlm(first_token_s=2.0), recording=recording)) as line:
        await line.answer()
        await line.says("I would like")
        await line.until(lambda: line.llm.open == 1)
        await line.says("a table for two")
        await line.answer()
    assert recording.cleared_at == line.socket.times("clear") == []


async def test_a_bug_leaves_no_recording_running_and_the_tap_misses_no_frame(
    autojump_clock: MockClock,
) -> None:
    recording = FakeRecording()
    async with on_the_line(Line(llm=FakeLlm([RuntimeError()]), recording=recording)) as line:
        await line.answer()
        await line.says("when do you open")
        await line.over.wait()
    assert recording.open == 0
    sent = [b64decode(body) for _, event, body in line.socket.events if event == "media"]
    assert recording.agent_frames == sent
    assert line.record.reason == "internal"
