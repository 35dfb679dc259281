"""Whole calls in virtual time: an engine fails, a spare goes on, the caller notices nothing."""

import pytest
from attrs import define
from stories import FakeLlm, FakeTts, Late, Line, on_the_line
from trio.testing import MockClock

from voiced.engines.breaker import Breakers
from voiced.engines.fallback import Failover
from voiced.engines.fallback_llm import FallbackLlm, FallbackLlmTiming
from voiced.engines.fallback_tts import FallbackTts, FallbackTtsTiming
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError


class Minds(FakeLlm):
    """Two models as one, in the place of a fake."""

    def __init__(self, told: list[Failover], *models: FakeLlm) -> None:
        super().__init__()
        self.asked = models[0].asked
        self.all = FallbackLlm(models, Breakers(), FallbackLlmTiming(), told.append)

    async def complete(self, messages, text, tools=(), form=None):
        return await self.all.complete(messages, text, tools, form)


class Voices(FakeTts):
    """Two voices as one; what they say is put down in one book."""

    def __init__(self, told: list[Failover], *voices: FakeTts) -> None:
        super().__init__()
        for voice in voices:
            voice.said, voice.made = self.said, self.made
        self.all = FallbackTts(voices, Breakers(), FallbackTtsTiming(), told.append)

    async def speak(self, words, speech):
        await self.all.speak(words, speech)


def broken(role: str, kind: type[EngineError] = EngineBroken) -> EngineError:
    return kind("local", role, "it failed", retryable=True)


@define
class Story:
    """One question and its answer, with engines that fail."""

    models: tuple[FakeLlm, ...] = ()
    voices: tuple[FakeTts, ...] = ()

    def line(self, told: list[Failover]) -> Line:
        return Line(
            llm=Minds(told, *(self.models or (FakeLlm(["We open at nine"]),))),
            tts=Voices(told, *(self.voices or (FakeTts(),))),
        )


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        (Story((FakeLlm([broken("llm")]), FakeLlm(["At nine"], "two"))), "At nine"),
        (Story((FakeLlm([Late(9, "never")]), FakeLlm(["At nine"], "two"))), "At nine"),
        (
            Story((FakeLlm([("We open at nine", broken("llm"))]), FakeLlm(["nine sir"], "two"))),
            "We open at nine sir",
        ),
        (Story((), (FakeTts(fails=broken("tts")), FakeTts("two"))), "We open at nine"),
        (
            Story((), (FakeTts(fails=broken("tts", EngineAtCapacity)), FakeTts("two"))),
            "We open at nine",
        ),
        (
            Story((), (FakeTts(fails=broken("tts"), fails_after=2), FakeTts("two"))),
            "We open at nine",
        ),
    ],
    ids=["llm fails", "llm late", "llm breaks", "tts fails", "tts has no slot", "tts breaks"],
)
async def test_the_caller_hears_the_whole_answer(
    autojump_clock: MockClock, story: Story, answer: str
) -> None:
    told: list[Failover] = []
    async with on_the_line(story.line(told)) as line:
        await line.answer()
        await line.says("when do you open")
        await line.answer()
        assert line.ear == answer.split()
    turn = line.record.turns[1]
    assert turn.heard.text == answer
    assert turn.heard.is_whole
    assert len(told) == 1
    assert told[0].spare


async def test_a_caller_may_barge_in_on_a_spare(autojump_clock: MockClock) -> None:
    voices = FakeTts(fails=broken("tts"), fails_after=3), FakeTts("two")
    line = Story((FakeLlm(["word " * 40]),), voices).line([])
    async with on_the_line(line):
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(2.0)
        await line.says("wait stop please")
        await line.agent_is_quiet()
        heard = line.call._conversation.turns[1].heard.text.split()
        assert len(heard) > 3
        assert abs(len(line.ear) - len(heard)) <= 1
    assert [voice.open for voice in voices] == [0, 0]
