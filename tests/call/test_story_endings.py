"""Whole calls in virtual time: every way in which a call may end."""

import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import pytest
import trio
from stories import APOLOGY, GOODBYE, GREETING, FakeLlm, FakeStt, FakeTts, Line, on_the_line
from trio.testing import MockClock

from voiced.call.leg import RECEIVE_S, SEND_S
from voiced.dialog.history import INTERRUPTED
from voiced.dialog.turn import Ending
from voiced.dialog.turns import Phase
from voiced.ops import held


def phase(line: Line) -> Phase:
    return line.call._conversation.phase


async def greeting(line: Line) -> None:
    await line.agent_speaks()


async def listening(line: Line) -> None:
    await line.answer()


async def hearing(line: Line) -> None:
    await line.answer()
    await line.says("I have a question about")
    assert phase(line) is Phase.HEARING


async def flushing(line: Line) -> None:
    await hearing(line)
    line.stt.flush_s = 0.5
    await line.until(lambda: phase(line) is Phase.FLUSHING)


async def thinking(line: Line) -> None:
    await hearing(line)
    await line.until(lambda: (line.llm.open, line.tts.open) == (1, 1))
    assert phase(line) is Phase.THINKING


async def first_token(line: Line) -> None:
    await thinking(line)
    await line.until(lambda: line.call._conversation.turns[-1].times.first_token is not None)


async def first_audio(line: Line) -> None:
    await thinking(line)
    await line.until(lambda: line.call._conversation.turns[-1].times.first_audio is not None)


async def speaking(line: Line) -> None:
    await first_audio(line)
    await line.waits(1.0)
    assert phase(line) is Phase.SPEAKING


async def closing(line: Line) -> None:
    await speaking(line)
    line.call.close("operator")
    await line.until(lambda: phase(line) is Phase.CLOSING)
    await line.waits(0.1)


STAGES = [greeting, listening, hearing, flushing, thinking, first_token, first_audio, speaking,
          closing]  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
@pytest.mark.parametrize("gone", ["hangup", "socket-lost"])
async def test_a_caller_may_hang_up_at_any_stage(
    autojump_clock: MockClock, stage: Callable[[Line], Awaitable[None]], gone: str
) -> None:
    async with on_the_line(Line(llm=FakeLlm(["word " * 40]))) as line:
        await stage(line)
        end = trio.current_time()
        line.hangs_up() if gone == "hangup" else line.drops()
        await line.over.wait()
        assert trio.current_time() - end < 0.05
        sent = len(line.socket.sent)
        await line.waits(1.0)
        assert len(line.socket.sent) == sent
    assert line.record.reason == ("operator" if stage is closing else gone)
    assert all(turn.ending is not Ending.PENDING for turn in line.record.turns)


async def test_what_was_heard_before_a_hang_up_is_on_record(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm(["word1 word2 word3 word4 " * 9]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(1.5)
    turn = line.record.turns[-1]
    assert turn.ending is Ending.HUNG_UP
    assert turn.heard.text.split() == line.ear
    assert line.call._conversation.history.messages()[-1].text.endswith(INTERRUPTED)


async def test_at_the_time_limit_the_agent_says_goodbye_and_hangs_up(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(max_call_s=20)) as line:
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, GOODBYE]
    assert line.record.reason == "max-call"
    assert 20 < line.record.duration_s < 22


async def test_the_time_limit_interrupts_a_reply(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm(["word " * 200]), max_call_s=20)) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, GOODBYE]
    assert line.record.turns[1].ending is not Ending.HEARD
    assert line.record.duration_s < 22


async def test_a_goodbye_that_hangs_is_cut_at_the_hard_limit(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(FakeTts):
        async def speak(self, words, speech):  # type: ignore[no-untyped-def]
            await trio.sleep_forever()

    async with on_the_line(Line(tts=Stuck(), by_heart=False, max_call_s=20)) as line:
        await line.until(line.over.is_set)
    assert line.record.reason == "max-call"
    assert line.record.duration_s == pytest.approx(50)
    assert line.record.turns[-1].ending is Ending.HUNG_UP


async def test_a_call_that_is_closed_from_outside_hangs_up_after_its_goodbye_was_heard(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.answer()
        for _ in range(3):  # an impatient operator
            line.call.close("operator")
        await line.over.wait()
        assert line.phrases == [GREETING, GOODBYE]
    assert line.record.reason == "operator"


async def test_a_call_whose_task_is_cancelled_leaves_a_record(
    autojump_clock: MockClock,
) -> None:
    line = Line()
    with trio.CancelScope() as scope:
        async with on_the_line(line):
            await line.agent_speaks()
            scope.cancel()
            await line.waits(1)
    record = line.call.record()
    assert record.reason == "cancelled"
    assert record.turns[0].ending is Ending.HUNG_UP
    line.verify()


async def test_a_carrier_that_takes_nothing_any_more_is_given_up(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm(["word " * 100]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        line.socket.takes_until = stalled = trio.current_time()
        await line.over.wait()
        assert trio.current_time() - stalled == pytest.approx(SEND_S, abs=0.1)
    assert line.record.reason == "stalled"


async def test_a_carrier_that_sends_nothing_any_more_is_given_up(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.sends_until = silent = trio.current_time()
        await line.over.wait()
        assert trio.current_time() - silent == pytest.approx(RECEIVE_S, abs=0.1)
    assert line.record.reason == "socket-lost"


async def test_a_final_mark_that_never_comes_back_is_not_waited_for_long(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(network_s=math.inf)) as line:
        await line.answer()
        await line.waits(4.0)
        assert phase(line) is Phase.LISTENING
        line.call.close("operator")
        await line.over.wait()
        assert line.phrases == [GREETING, GOODBYE]


# --- a bug ----------------------------------------------------------------------------------------


def assert_apologised(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    assert line.record.reason == "internal"
    assert line.phrases[-1] == APOLOGY
    assert all(turn.ending is not Ending.PENDING for turn in line.record.turns)
    bugs = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in bugs] == ["the call met a bug and is ended"]
    assert bugs[0].exc_info


@pytest.mark.parametrize(
    "broken",
    [
        Line(stt=FakeStt(fails=RuntimeError(), fails_after_s=6.0)),
        Line(llm=FakeLlm([RuntimeError()])),
        Line(tts=FakeTts(fails=RuntimeError(), fails_after=1)),
    ],
    ids=["ear", "mind", "voice"],
)
async def test_a_bug_in_an_engine_ends_the_call_with_an_apology(
    autojump_clock: MockClock, broken: Line, caplog: pytest.LogCaptureFixture
) -> None:
    async with on_the_line(broken) as line:
        await line.answer()
        await line.says("can you hear me now")
        await line.over.wait()
    assert_apologised(line, caplog)


async def test_a_bug_in_the_conversation_ends_the_call_with_an_apology(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_the_line() as line:
        await line.answer()
        with monkeypatch.context() as patch:
            recognition = line.call._conversation._recognition
            patch.setattr(recognition, "_expired", None)  # called at each deadline
            line.call._events.close()
            await line.over.wait()
    assert_apologised(line, caplog)


async def test_a_bug_without_an_apology_by_heart_just_ends_the_call(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm([RuntimeError()]), by_heart=False)) as line:
        await line.answer()
        await line.says("can you hear me now")
        await line.over.wait()
    assert line.record.reason == "internal"


async def test_a_bug_in_the_apology_too_just_ends_the_call(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_the_line(Line(llm=FakeLlm([RuntimeError()]))) as line:
        await line.answer()
        monkeypatch.setattr(line.call._leg, "clear", None)
        await line.says("can you hear me now")
        await line.over.wait()
    assert line.record.reason == "internal"


async def test_what_an_engine_leaves_open_is_reported(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Leaky(FakeTts):
        async def speak(self, words, speech):  # type: ignore[no-untyped-def]
            leaks.append(held.holding("socket"))
            leaks[-1].__enter__()
            await super().speak(words, speech)

    leaks: list[AbstractContextManager[None]] = []
    async with on_the_line(Line(tts=Leaky())) as line:
        await line.answer()
        await line.says("can you hear me now")
        await line.answer()
    (left,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert left.getMessage() == "the call left something behind"
    assert left.fields == {"socket": 1}
