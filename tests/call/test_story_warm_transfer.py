"""Whole calls in virtual time: the person who is called hears a summary first."""

import pytest
import trio
from stories import GREETING, PUTTING_THROUGH, FakeLlm, Late, Line, Uses, on_the_line
from trio.testing import MockClock

from voiced.call.builtin import MAX_SUMMARY, Gifts
from voiced.call.introduction import ASK, SUMMARY_S
from voiced.call.toolbox import Toolbox
from voiced.dialog import events as ev
from voiced.dialog.history import Message, Role
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import Round
from voiced.errors import EngineError, EngineTimeout

NUMBER = "+33123456789"
WARM = Parting("transfer", (Phrase.TRANSFER,), Transfer(NUMBER, warm=True))
TOOLBOX = Toolbox(("transfer",), Gifts({"sales": NUMBER}, warm=True))
SUMMARY = "The caller wants a table for two"
ANNOUNCEMENT_S = 0.3 * len(PUTTING_THROUGH.split())
LATE = EngineTimeout("mind", "llm", "it was late")


def warm(*answers: str | Late | Uses | EngineError) -> Line:
    return Line(llm=FakeLlm(list(answers)), toolbox=TOOLBOX)


def summary(line: Line) -> str:
    assert line.call.parting is not None
    assert line.call.parting.transfer is not None
    assert line.call.parting.transfer.number == NUMBER
    return line.call.parting.transfer.summary


async def announced(line: Line) -> float:
    """An operator transfers; returns when."""
    await line.answer()
    line.call.request(ev.CloseRequested(WARM))
    return trio.current_time()


async def test_the_summary_is_made_while_the_transfer_is_announced(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(warm("Gladly", SUMMARY)) as line:
        await line.answer()
        await line.says("a table for two please")
        await line.answer()
        line.call.request(ev.CloseRequested(WARM))
        asked = trio.current_time()
        await line.over.wait()
        assert line.phrases == [GREETING, PUTTING_THROUGH]
        first = min(at for at in line.socket.times("media") if at >= asked)
        assert first - asked < 0.05  # the caller does not wait for the model
        assert line.over_at - asked == pytest.approx(ANNOUNCEMENT_S, abs=0.1)
        assert summary(line) == SUMMARY
        assert line.told == [
            ("assistant", GREETING),
            ("user", "a table for two please"),
            ("assistant", "Gladly"),
            ("user", ASK["en"]),
        ]
    assert line.llm.offered[-1] == ()


async def test_a_transfer_without_a_word_of_the_model_is_summed_up_and_not_delayed(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(warm(Uses("transfer", '{"to": "sales"}'), SUMMARY)) as line:
        await line.answer()
        await line.says("a table for two please")
        await line.until(lambda: len(line.llm.asked) == 2)
        asked = trio.current_time()
        await line.over.wait()
        assert line.over_at - asked == pytest.approx(ANNOUNCEMENT_S, abs=0.1)
        assert line.phrases == [GREETING, PUTTING_THROUGH]
    assert summary(line) == SUMMARY
    greeted, said, wished, question = line.llm.asked[-1][1:]
    assert greeted == Message(Role.AGENT, GREETING)
    assert said == Message(Role.CALLER, "a table for two please")
    assert isinstance(wished, Round)
    assert question == Message(Role.CALLER, ASK["en"])


async def test_words_that_nobody_answered_are_summed_up_too(autojump_clock: MockClock) -> None:
    async with on_the_line(warm(SUMMARY)) as line:
        await line.answer()
        await line.says("I want a table for two")
        line.call.request(ev.CloseRequested(WARM))
        await line.over.wait()
    roles = [message.role for message in line.llm.asked[-1]]
    assert roles == [Role.SYSTEM, Role.AGENT, Role.CALLER]
    assert line.llm.asked[-1][-1].text.startswith("I want a")
    assert summary(line) == SUMMARY


async def test_the_models_own_summary_is_taken_as_it_is(autojump_clock: MockClock) -> None:
    arguments = '{"to": "sales", "summary": "Two people on Friday"}'
    async with on_the_line(warm(Uses("transfer", arguments, "Please hold"))) as line:
        await line.answer()
        await line.says("a table for two please")
        await line.over.wait()
        assert line.ear == ["Please", "hold"]
    assert summary(line) == "Two people on Friday"
    assert len(line.llm.asked) == 1


async def test_a_cold_transfer_is_not_summed_up(autojump_clock: MockClock) -> None:
    cold = Parting("transfer", (Phrase.TRANSFER,), Transfer(NUMBER))
    async with on_the_line(warm()) as line:
        await line.answer()
        line.call.request(ev.CloseRequested(cold))
        await line.over.wait()
    assert (summary(line), line.llm.asked) == ("", [])


async def test_a_summary_that_fails_is_left_out(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with on_the_line(warm(LATE)) as line:
        asked = await announced(line)
        await line.over.wait()
        assert line.over_at - asked == pytest.approx(ANNOUNCEMENT_S, abs=0.1)
    assert summary(line) == ""
    assert line.record.reason == "transfer"
    assert "no summary for the transfer: llm mind: it was late" in caplog.messages


async def test_a_summary_that_is_too_late_is_not_waited_for(autojump_clock: MockClock) -> None:
    async with on_the_line(warm(Late(60, SUMMARY))) as line:
        asked = await announced(line)
        await line.over.wait()
        assert line.over_at - asked == pytest.approx(SUMMARY_S, abs=0.1)
    assert (summary(line), line.record.reason) == ("", "transfer")


async def test_the_whole_wait_for_a_summary_does_no_harm_to_a_call_that_reports_much(
    autojump_clock: MockClock,
) -> None:
    uses = Uses("transfer", '{"to": "sales"}', "Please hold")
    async with on_the_line(warm(uses, Late(60, SUMMARY))) as line:
        await line.answer()
        await line.says("a table for two please")
        await line.until(lambda: len(line.llm.asked) == 2)
        asked = trio.current_time()
        line.presses("1" * 40)
        await line.says("are you still there are you still there are you still there")
        await line.over.wait()
        assert line.over_at - asked == pytest.approx(SUMMARY_S, abs=0.1)
    assert line.record.reason == "transfer"
    assert summary(line) == ""


async def test_of_a_summary_that_does_not_end_what_has_come_will_do(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(warm("word " * 5000)) as line:
        asked = await announced(line)
        await line.over.wait()
        assert line.over_at - asked == pytest.approx(SUMMARY_S, abs=0.1)
    assert summary(line).startswith("word word")
    assert MAX_SUMMARY - 1 <= len(summary(line)) <= MAX_SUMMARY


@pytest.mark.parametrize(("gone", "reason"), [("hangs up", "hangup"), ("drops", "transfer")])
async def test_a_caller_who_goes_while_the_summary_is_made_waits_for_nothing(
    autojump_clock: MockClock, gone: str, reason: str
) -> None:
    async with on_the_line(warm(Late(60, SUMMARY))) as line:
        asked = await announced(line)
        await line.waits(3.0)
        assert trio.current_time() - asked == pytest.approx(3.0)
        line.hangs_up() if gone == "hangs up" else line.drops()
        await line.over.wait()
        assert line.over_at - asked == pytest.approx(3.0, abs=0.05)
    assert line.record.reason == reason
    # Who hangs up is put through to nobody; a line that is lost may still be.
    assert line.call.parting == (Parting("hangup") if reason == "hangup" else WARM)


async def test_a_french_call_is_summed_up_in_french(autojump_clock: MockClock) -> None:
    async with on_the_line(warm(SUMMARY)) as line:
        line.call._scribe.introduction._language = "fr-FR"
        await announced(line)
        await line.over.wait()
        assert line.told[-1] == ("user", ASK["fr"])
