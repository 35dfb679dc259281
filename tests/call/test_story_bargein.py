"""Whole calls in virtual time: who has the floor when both speak.

The rule of truncation: what the model is told that it said is a prefix of the words whose audio
the caller heard whole; it lacks at most the words whose marks were still on their way back, and
never holds one word more.
"""

from base64 import b64decode

import pytest
import trio
from stories import APOLOGY, GREETING, FakeLlm, FakeTts, Line, on_the_line
from trio.testing import MockClock

from voiced.dialog.events import Event, SpeechEvent, SpokenAudio
from voiced.dialog.history import INTERRUPTED
from voiced.dialog.manners import Action, Manners, Stop
from voiced.dialog.turn import Ending

LONG = [f"word{n}" for n in range(30)]
SAID = " ".join(LONG)
MOMENTS = [(n * 0.05, 0.0) for n in range(40)] + [(n * 0.05, 0.2) for n in range(8)]


async def test_after_a_barge_in_the_model_is_told_only_what_was_heard(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID, "Of course"]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.says("wait stop please")
        await line.agent_is_quiet()
        heard = line.ear
        assert 2 <= len(heard) <= 8
        await line.answer()
        (_, _, (_, said), (_, then)) = line.told
        assert said == " ".join(heard) + INTERRUPTED
        assert then == "wait stop please"
        assert line.ear[len(heard) :] == ["Of", "course"]
    assert line.record.turns[1].ending is Ending.CUT
    assert line.record.summary()["barge_ins"] == 1


@pytest.mark.parametrize(("moment_s", "network_s"), MOMENTS)
async def test_whenever_the_caller_barges_in_what_was_heard_is_what_was_said(
    autojump_clock: MockClock, moment_s: float, network_s: float
) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID]), network_s=network_s)) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(moment_s)
        await line.says("wait stop please")
        await line.agent_is_quiet()
        heard = line.ear
        await line.answer()
        told = line.told[2][1].removesuffix(INTERRUPTED).split()
        assert line.told[2][1].endswith(INTERRUPTED)
        assert told == heard[: len(told)]
        assert len(heard) - len(told) <= (1 if network_s else 0)
    # `on_the_line` asserts that not one frame of the old reply was sent after the `clear`.
    assert len(line.socket.times("clear")) == 1


async def test_the_clear_is_sent_in_the_instant_of_the_decision(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.says("wait stop")
        await line.agent_is_quiet()
    decided = line.record.turns[1].times.reply_ended
    assert line.socket.times("clear") == [decided]


async def test_the_engines_of_the_old_reply_are_gone_when_the_clear_is_sent(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm([" ".join(LONG * 10)]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        assert (line.llm.open, line.tts.open) == (1, 1)
        await line.says("wait stop")
        await line.until(lambda: bool(line.socket.times("clear")))
        assert (line.llm.open, line.tts.open) == (0, 0)


async def test_two_barge_ins_within_100_ms_are_one_utterance(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.says("wait stop no please wait")
        await line.answer()
        assert line.told[-1] == ("user", "wait stop no please wait")
        assert len(line.socket.times("clear")) == 1
    assert [turn.ending for turn in line.record.turns].count(Ending.CUT) == 1


async def test_every_reply_of_a_call_may_be_barged_in_on(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID] * 4))) as line:
        await line.answer()
        await line.says("tell me everything")
        for _ in range(3):
            await line.agent_speaks()
            await line.says("no something else")
            await line.agent_is_quiet()
        await line.answer()
        assert line.ear[-1] == "word29"
    assert line.record.summary()["barge_ins"] == 3
    assert len(line.socket.times("clear")) == 3


async def test_the_greeting_may_be_barged_in_on(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.says("hello I have a question")
        await line.answer()
        assert line.told[-1] == ("user", "hello I have a question")
        assert line.phrases == []
        assert line.told[0][1] in {GREETING[:n] + INTERRUPTED for n in range(len(GREETING))}


async def test_backchannels_do_not_end_a_reply(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([SAID]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        for _ in range(3):
            await line.says("mm-hm okay")
            await line.waits(1.0)
        await line.answer()
        assert line.ear == LONG
        assert line.socket.times("clear") == []
        assert len(line.llm.asked) == 1


async def test_a_reply_that_is_not_interruptible_is_heard_and_then_the_caller_answered(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", interruptible=False, idle_prompt_s=0)
    line = Line(llm=FakeLlm([SAID, "Of course"]), manners=manners)
    async with on_the_line(line):
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.says("wait stop I have a question")
        await line.answer()
        assert line.ear == LONG
        await line.answer()
        assert line.ear[30:] == ["Of", "course"]
        assert line.told[-2:] == [("assistant", SAID), ("user", "wait stop I have a question")]


async def test_a_yes_over_the_end_of_a_question_is_its_answer(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm(["Would that be all for today?", "Fine"]))) as line:
        await line.answer()
        await line.says("two tickets please")
        await line.agent_speaks()
        await line.waits(1.2)
        await line.says("yes")
        await line.answer()
        await line.answer()
        assert line.ear[-1] == "Fine"
        assert line.told[-2:] == [("assistant", "Would that be all for today?"), ("user", "yes")]


async def test_an_apology_cannot_be_barged_in_on(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.call.close("operator")
        await line.says("no wait do not go")
        await line.over.wait()
        assert APOLOGY not in line.phrases
        assert line.phrases == [GREETING, "Goodbye"]
    assert line.record.reason == "operator"


async def test_audio_that_comes_in_the_instant_of_the_barge_in_is_never_sent(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply has it in hand when it is cancelled: it must be joined before the `clear`."""

    class Eager(FakeTts):
        async def speak(self, words, speech):  # type: ignore[no-untyped-def]
            channels.append(speech)
            await super().speak(words, speech)

    async with on_the_line(Line(llm=FakeLlm([SAID]), tts=Eager())) as line:
        channels: list[trio.MemorySendChannel[SpeechEvent]] = []
        decide = line.call._conversation.receive

        def receive(event: Event, now: float) -> tuple[Action, ...]:
            actions = decide(event, now)
            if Stop() in actions:
                channels[-1].send_nowait(SpokenAudio(bytes([150]) * 8000))
            return actions

        monkeypatch.setattr(line.call._conversation, "receive", receive)
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.says("wait stop")
        await line.agent_is_quiet()
        assert line.call._leg.playout.buffered_s == 0
        assert 150 not in {b64decode(body)[0] for _, kind, body in line.socket.events
                           if kind == "media"}  # fmt: skip
