"""Trials of single engines: the times they take, on a clock of the test's."""

import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from voiced.client.trial import Gap, Sound, listening, quietly, speaking, thinking
from voiced.dialog.events import (
    Flushed,
    PauseScored,
    SpeechEvent,
    SpokenAudio,
    SpokenWord,
    SttEvent,
)
from voiced.engines.roles import Llm, Stt, SttStatistics, Tts
from voiced.engines.rooms import Reach
from voiced.errors import EngineBroken

BROKEN = EngineBroken("x", "tts", "it dropped the connection")


@define
class Voice:
    """Sends these pieces: a pause in seconds, and the bytes behind it."""

    pieces: list[tuple[float, int]]
    failure: EngineBroken | None = None
    words: list[str] = field(factory=list)

    async def speak(
        self, words: trio.MemoryReceiveChannel[str], speech: trio.MemorySendChannel[SpeechEvent]
    ) -> None:
        self.words = [word async for word in words]
        for pause_s, length in self.pieces:
            await trio.sleep(pause_s)
            await speech.send(SpokenWord("Hello", 0, None))
            await speech.send(SpokenAudio(bytes(length)))
        if self.failure:
            raise self.failure


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [((800, 1600, 1600), 2.0), ((800, 400, 400, 400, 400), 0.5), ((800, 640), None), ((8,), None)],
)
async def test_how_fast_a_voice_speaks(
    lengths: tuple[int, ...], expected: float | None, autojump_clock: MockClock
) -> None:
    voice = Voice([(0.1, length) for length in lengths])
    sound = await speaking(cast(Tts, voice), ["Hello", "there"])
    assert voice.words == ["Hello", "there"]
    assert sound.real_time == pytest.approx(expected)
    assert sound.first_s == pytest.approx(0.1)
    assert len(sound.mulaw) == sum(lengths)


async def test_a_voice_that_fails_does_so_alone(autojump_clock: MockClock) -> None:
    with pytest.raises(EngineBroken) as raised:
        await speaking(cast(Tts, Voice([(0.1, 80)], BROKEN)), ["Hello"])
    assert raised.value is BROKEN


@define
class KeptVoice(Voice):
    """Has a connection once it is being kept, and speaks on no other."""

    connection: str = "none"

    async def run(self, tell: Callable[[Reach], None]) -> None:
        await trio.sleep(0.5)
        self.connection = "open"
        tell(Reach.OK)
        try:
            await trio.sleep_forever()
        finally:
            self.connection = "closed"

    async def speak(
        self, words: trio.MemoryReceiveChannel[str], speech: trio.MemorySendChannel[SpeechEvent]
    ) -> None:
        assert self.connection == "open"
        await super().speak(words, speech)


async def test_a_connection_that_is_kept_is_there_before_the_first_word(
    autojump_clock: MockClock,
) -> None:
    voice = KeptVoice([(0.1, 80)])
    sound = await speaking(cast(Tts, voice), ["Hello"])
    assert (sound.first_s, voice.connection) == (pytest.approx(0.1), "closed")


async def test_a_voice_that_says_nothing(autojump_clock: MockClock) -> None:
    sound = await speaking(cast(Tts, Voice([(0.1, 0)])), ["Hello"])
    assert (sound.first_s, sound.real_time, sound.packets, sound.gaps()) == (None, None, 0, [])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([(0.5, 800), (0.6, 800)], []),  # just in time
        ([(0.5, 800), (0.619, 800)], []),  # less than a packet late
        ([(0.5, 800), (0.65, 800)], [Gap(0.1, 0.05)]),
        ([(0.5, 8000), (0.6, 800), (1.7, 800)], [Gap(1.1, 0.1)]),  # what is ahead is used up first
        ([(0.5, 800), (0.7, 800), (0.9, 800)], [Gap(0.1, 0.1), Gap(0.2, 0.1)]),
    ],
)
def test_gaps_that_a_caller_hears(pieces: list[tuple[float, int]], expected: list[Gap]) -> None:
    found = Sound([(at, bytes(length)) for at, length in pieces]).gaps()
    assert [(gap.at_s, gap.long_s) for gap in found] == [
        (pytest.approx(gap.at_s), pytest.approx(gap.long_s)) for gap in expected
    ]


def test_the_last_packet_counts_though_it_is_not_full() -> None:
    sound = Sound([(0.0, bytes(161))])
    assert (sound.packets, sound.length_s) == (2, 161 / 8000)


@define
class Mind:
    answer: list[str]
    failure: EngineBroken | None = None

    async def complete(self, messages: Any, text: trio.MemorySendChannel[str]) -> None:
        for piece in self.answer:
            await trio.sleep(0.3)
            await text.send(piece)
        if self.failure:
            raise self.failure


@pytest.mark.parametrize(("answer", "expected"), [(["O", "K"], 0.3), ([], None)])
async def test_the_first_text_is_enough(
    answer: list[str], expected: float | None, autojump_clock: MockClock
) -> None:
    assert await thinking(cast(Llm, Mind(answer))) == pytest.approx(expected)
    assert trio.current_time() == pytest.approx(expected or 0)


async def test_a_model_that_fails(autojump_clock: MockClock) -> None:
    with pytest.raises(EngineBroken):
        await thinking(cast(Llm, Mind([], BROKEN)))


@define
class Ear:
    """Connects in `connect_s`; then events and, without them, a count of messages."""

    connect_s: float = 0.1
    events: tuple[tuple[float, SttEvent], ...] = ()
    messages_at: float | None = None
    failure: EngineBroken | None = None
    put_bytes: int = 0
    flushes: int = 0
    steps: int = 0

    def transcription(self) -> "Ear":
        return self

    def put(self, mulaw: bytes) -> None:
        self.put_bytes += len(mulaw)

    def flush(self) -> None:
        self.flushes += 1

    def statistics(self) -> SttStatistics:
        late = self.messages_at is not None and trio.current_time() >= self.messages_at
        return SttStatistics(0, 1 if late else self.steps)

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        await trio.sleep(self.connect_s)
        if self.failure:
            raise self.failure
        for pause_s, event in self.events:
            await trio.sleep(pause_s)
            hear(event)
        await trio.sleep_forever()


FLUSHED = ((0.8, Flushed()),)


@pytest.mark.parametrize(
    ("ear", "expected", "until"),
    [
        (Ear(events=((0.2, PauseScored(0.5, 0.08)),)), 0.3, 0.3),
        (Ear(events=FLUSHED), None, 0.9),  # answered by our own engine: nothing ever came
        (Ear(events=FLUSHED, steps=1), 0.0, 0.0),
        (Ear(events=FLUSHED, messages_at=0.254), 0.26, 0.26),  # nothing but a count, looked at
        (Ear(events=FLUSHED, messages_at=0.899), 0.9, 0.9),
    ],
)
async def test_when_an_ear_answers(
    ear: Ear, expected: float | None, until: float, autojump_clock: MockClock
) -> None:
    first_s = await listening(cast(Stt, ear), bytes(4000))
    assert first_s == pytest.approx(expected)
    assert trio.current_time() == pytest.approx(until)
    assert (ear.put_bytes, ear.flushes) == (4000, 1)


async def test_an_ear_that_fails(autojump_clock: MockClock) -> None:
    with pytest.raises(EngineBroken):
        await listening(cast(Stt, Ear(failure=BROKEN)), bytes(4000))


def test_what_a_command_tells_is_not_logged_too(capsys: pytest.CaptureFixture[str]) -> None:
    quietly()
    logging.getLogger("voiced.engines.x").warning("told already")
    assert capsys.readouterr().err == ""
