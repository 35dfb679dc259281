"""Text -> words -> voice: what is told when, and which failure is reported."""

import pytest
import trio
from attrs import define, field
from stories import FakeTts
from trio.testing import MockClock

from voiced.call.pipeline import first, reading, speak
from voiced.dialog.events import SpeechEvent, SpokenAudio
from voiced.errors import EngineBroken, EngineTimeout


@define
class Notes:
    """A listener that writes down what it is told."""

    texts: int = 0
    words: list[str] = field(factory=list)
    speech_events: list[SpeechEvent] = field(factory=list)

    def text(self) -> None:
        self.texts += 1

    async def word(self, word: str) -> None:
        await trio.lowlevel.checkpoint()
        self.words.append(word)

    def speech(self, event: SpeechEvent) -> None:
        self.speech_events.append(event)


async def test_all_words_are_told_and_all_audio_comes(autojump_clock: MockClock) -> None:
    notes = Notes()
    await speak(reading("**Hello** there, you"), FakeTts(), "en", notes)
    assert notes.words == ["Hello", "there,", "you"]
    assert notes.texts == 1
    audio = [event for event in notes.speech_events if isinstance(event, SpokenAudio)]
    assert sum(len(event.mulaw) for event in audio) == 3 * 2400


async def test_the_voice_is_opened_while_the_text_is_still_thought_of(
    autojump_clock: MockClock,
) -> None:
    tts = FakeTts()

    async def think(text: trio.MemorySendChannel[str]) -> None:
        await trio.sleep(5)
        assert tts.open == 1
        await text.send("Hello")

    await speak(think, tts, "en", Notes())
    assert tts.said == ["Hello"]


async def test_the_failure_of_the_text_is_reported_and_the_voice_let_go(
    autojump_clock: MockClock,
) -> None:
    tts = FakeTts()

    async def think(text: trio.MemorySendChannel[str]) -> None:
        await text.send("Hello there ")
        raise EngineTimeout("mind", "llm", "it was late")

    with pytest.raises(EngineTimeout):
        await speak(think, tts, "en", Notes())
    assert tts.open == 0


async def test_the_failure_of_the_voice_stops_the_text_however_long_it_is(
    autojump_clock: MockClock,
) -> None:
    tts = FakeTts(fails=EngineBroken("voice", "tts", "it broke"), fails_after=2)
    with pytest.raises(EngineBroken):
        await speak(reading("word " * 1000), tts, "en", Notes())
    assert tts.said == ["word", "word"]


async def test_a_bug_beside_a_failure_is_not_hidden_by_it(autojump_clock: MockClock) -> None:
    class Buggy(Notes):
        def speech(self, event: SpeechEvent) -> None:
            raise RuntimeError

    with pytest.RaisesGroup(RuntimeError):
        await speak(reading("Hello"), FakeTts(), "en", Buggy())


def test_the_first_of_nested_failures_is_the_one_reported() -> None:
    one, two = EngineBroken("a", "tts", "1"), EngineBroken("b", "tts", "2")
    assert first(BaseExceptionGroup("", [BaseExceptionGroup("", [one]), two])) is one


async def test_a_voice_that_is_not_there_yet_is_not_waited_for_where_there_are_no_words(
    autojump_clock: MockClock,
) -> None:
    """An answer that only asks for a tool: its next round need not wait for a slot."""
    tts = FakeTts(first_audio_s=50.0)

    async def think(text: trio.MemorySendChannel[str]) -> None:
        await trio.sleep(0.5)
        await text.send(" ")

    await speak(think, tts, "en", Notes())
    assert trio.current_time() == pytest.approx(0.5)
    assert (tts.open, tts.said) == (0, [])
