"""Several voices as one, in virtual time."""

import math
from collections.abc import Sequence
from itertools import groupby

import pytest
import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.engines.breaker import Breakers, BreakerState
from voiced.engines.fallback import Failover
from voiced.engines.fallback_tts import FallbackTts, FallbackTtsTiming
from voiced.engines.fallback_utterance import Utterance
from voiced.engines.roles import Tts
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused, EngineTimeout

WORD_MS = 300
PIECE = 20 * 8
SENTENCE = "we open at nine in the morning and close late each day but sunday"
TEXT = SENTENCE.split()


def broken(kind: type[EngineError] = EngineBroken) -> EngineError:
    return kind("kyutai", "tts", "it failed", retryable=True)


@define
class Voice:
    """Says each word for 300 ms in pieces of 20 ms, twice as fast as it is heard.

    A sample of the n-th word of `TEXT` is the byte n, and 16 more for each voice before. It fails
    when it has sent `until_ms` of audio, or falls silent where `fails` is None.
    """

    name: str = "kyutai"
    number: int = 0
    identity: str = "kyutai's own"
    until_ms: float = math.inf
    fails: EngineError | None = field(factory=broken)
    refusals: int = 0  # for want of a slot, before it takes a word
    refuses_in_s: float = 0.0
    times: str = "stop"  # or "start": without their ends; "late": behind the audio; "none"
    asked: list[float] = field(factory=list)
    heard: list[str] = field(factory=list)
    open: int = 0

    async def speak(
        self, words: trio.MemoryReceiveChannel[str], speech: trio.MemorySendChannel[SpeechEvent]
    ) -> None:
        self.asked.append(trio.current_time())
        self.open += 1
        try:
            await trio.sleep(self.refuses_in_s)
            if self.refusals:
                self.refusals -= 1
                raise broken(EngineAtCapacity)
            sent_ms = 0
            if self.until_ms <= 0:
                await self._fail()
            async for word in words:
                self.heard.append(word)
                sent_ms = await self._say(word, sent_ms, speech)
        finally:
            self.open -= 1

    async def _say(
        self, word: str, sent_ms: int, speech: trio.MemorySendChannel[SpeechEvent]
    ) -> int:
        stop_ms = sent_ms + WORD_MS
        time = SpokenWord(word, sent_ms / 1000, None if self.times == "start" else stop_ms / 1000)
        if self.times in ("stop", "start"):
            await speech.send(time)
        while sent_ms < stop_ms:
            if sent_ms >= self.until_ms:
                await self._fail()
            await trio.sleep(0.01)
            await speech.send(SpokenAudio(bytes([TEXT.index(word) + 16 * self.number]) * PIECE))
            sent_ms += 20
        if self.times == "late":
            await speech.send(time)
        if sent_ms >= self.until_ms:
            await self._fail()
        return sent_ms

    async def _fail(self) -> None:
        if self.fails:
            raise self.fails
        await trio.sleep_forever()


@define
class House:
    """Voices, what is told of them, and what they say."""

    voices: Sequence[Tts]
    breakers: Breakers = field(factory=Breakers)
    told: list[Failover] = field(factory=list)
    timing: FallbackTtsTiming = field(factory=FallbackTtsTiming)
    events: list[SpeechEvent] = field(factory=list)

    @property
    def tts(self) -> FallbackTts:
        return FallbackTts(self.voices, self.breakers, self.timing, self.told.append)

    async def say(self, words: Sequence[str] = TEXT, word_s: float = 0.0) -> None:
        """Gives the words one after the other, and the end behind them."""
        self.events.clear()
        out, inside = trio.open_memory_channel[str](8)
        speech_out, speech = trio.open_memory_channel[SpeechEvent](8)
        failure: EngineError | None = None

        async def give() -> None:
            with out:
                for word in words:
                    await trio.sleep(word_s)
                    await out.send(word)

        async def speak() -> None:
            nonlocal failure
            with speech_out:
                try:
                    await self.tts.speak(inside, speech_out)
                except EngineError as error:
                    failure = error

        with inside, speech:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(give)
                nursery.start_soon(speak)
                async for event in speech:
                    self.events.append(event)
                nursery.cancel_scope.cancel()
        if failure:
            raise failure

    @property
    def reported(self) -> list[SpokenWord]:
        return [event for event in self.events if isinstance(event, SpokenWord)]

    @property
    def audio(self) -> bytes:
        return b"".join(event.mulaw for event in self.events if isinstance(event, SpokenAudio))

    @property
    def whole(self) -> list[str]:
        """The words whose audio came from beginning to end, in their order."""
        words, audio = [], self.audio
        while audio:
            length = len(audio) - len(audio.lstrip(audio[:1]))
            words += [TEXT[audio[0] % 16]] * (length // (WORD_MS * 8))
            audio = audio[length:]
        return words

    @property
    def failovers(self) -> list[tuple[str, str, str | None]]:
        return [(each.engine, each.reason, each.spare) for each in self.told]

    def state(self, name: str) -> BreakerState:
        return self.breakers.of("tts", name).state(trio.current_time())

    def verify(self) -> None:
        assert [voice.open for voice in self.voices] == [0] * len(self.voices)


def house(*voices: Voice) -> House:
    names = ["kyutai", "cartesia", "last"]
    for number, voice in enumerate(voices):
        voice.name, voice.number = names[number], number
    return House(voices)


async def test_the_preferred_voice_says_it_alone(autojump_clock: MockClock) -> None:
    home = house(Voice(), Voice())
    await home.say()
    assert home.whole == TEXT
    assert [each.text for each in home.reported] == TEXT
    assert [each.start_s for each in home.reported] == pytest.approx(
        [0.3 * n for n in range(len(TEXT))]
    )
    assert home.voices[1].asked == []
    assert home.told == []


async def test_a_word_is_reported_before_the_end_of_its_audio(autojump_clock: MockClock) -> None:
    home = house(Voice())
    await home.say(TEXT[:1])
    assert [isinstance(event, SpokenWord) for event in home.events].index(True) == 14
    assert home.reported == [SpokenWord("we", 0.0, pytest.approx(0.15 + 2 * 0.07))]


@pytest.mark.parametrize("kind", [EngineBroken, EngineRefused, EngineTimeout])
async def test_a_voice_that_fails_before_audio_is_replaced_with_all_words(
    autojump_clock: MockClock, kind: type[EngineError]
) -> None:
    home = house(Voice(until_ms=0, fails=broken(kind)), Voice())
    await home.say()
    assert home.whole == TEXT
    assert home.failovers == [("kyutai", kind.reason, "cartesia")]
    assert home.voices[1].asked == [0.0]


async def test_a_voice_without_a_slot_is_asked_again_for_300_ms(autojump_clock: MockClock) -> None:
    home = house(Voice(refusals=99), Voice())
    await home.say()
    assert home.voices[0].asked == pytest.approx([0, 0.04, 0.12, 0.28])
    assert home.voices[1].asked == pytest.approx([0.28])
    assert home.whole == TEXT
    assert home.failovers == [("kyutai", "capacity", "cartesia")]
    assert home.state("kyutai") is BreakerState.CLOSED


async def test_a_slot_that_comes_free_is_taken(autojump_clock: MockClock) -> None:
    home = house(Voice(refusals=2), Voice())
    await home.say()
    assert home.whole == TEXT
    assert home.told == []


async def test_a_voice_that_tries_by_itself_is_not_asked_again(autojump_clock: MockClock) -> None:
    home = house(Voice(refusals=99, refuses_in_s=0.24), Voice())
    await home.say()
    assert home.voices[0].asked == [0]
    assert home.voices[1].asked == pytest.approx([0.24])


async def test_all_without_a_slot_is_an_error(autojump_clock: MockClock) -> None:
    home = house(Voice(refusals=99), Voice(refusals=99))
    with pytest.raises(EngineAtCapacity):
        await home.say()
    assert home.failovers[-1] == ("cartesia", "capacity", None)
    home.verify()


async def test_a_voice_that_loses_its_slot_in_mid_reply_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    home = house(Voice(until_ms=600, fails=broken(EngineAtCapacity)), Voice())
    await home.say()
    assert len(home.voices[0].asked) == 1
    assert home.whole == TEXT


async def test_a_break_between_words_is_not_heard(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=900), Voice())
    await home.say()
    assert home.voices[1].heard == TEXT[3:]
    assert len(home.audio) == len(TEXT) * WORD_MS * 8
    assert [each.text for each in home.reported] == TEXT
    assert home.reported[3].start_s == pytest.approx(0.9)


async def test_a_word_that_breaks_off_is_said_again_and_reported_once(
    autojump_clock: MockClock,
) -> None:
    home = house(Voice(until_ms=1000), Voice())
    await home.say()
    assert home.voices[1].heard == TEXT[3:]
    assert home.whole == TEXT
    assert [each.text for each in home.reported] == TEXT
    assert home.reported[3].start_s == pytest.approx(1.0)


async def test_words_that_come_later_are_said_by_the_spare(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=300), Voice())
    await home.say(word_s=0.5)
    assert home.whole == TEXT
    assert home.voices[1].heard == TEXT[1:]


async def test_a_spare_that_breaks_too_is_followed_by_the_next(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=700), Voice(until_ms=700), Voice())
    await home.say()
    assert home.whole == TEXT
    assert home.voices[2].heard == TEXT[4:]
    assert home.reported[4].start_s == pytest.approx(1.4)


async def test_a_spare_that_is_down_too_leaves_the_last_error(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=900), Voice(until_ms=0, fails=broken(EngineRefused)))
    with pytest.raises(EngineRefused):
        await home.say()
    assert home.whole == TEXT[:3]
    assert [each.text for each in home.reported] == TEXT[:3]
    home.verify()


async def test_a_voice_that_breaks_behind_its_last_word_has_said_it_all(
    autojump_clock: MockClock,
) -> None:
    home = house(Voice(until_ms=900), Voice())
    await home.say(TEXT[:3])
    assert home.whole == TEXT[:3]
    assert home.voices[1].asked == []
    assert home.failovers == [("kyutai", "broken", None)]


async def test_a_stall_in_mid_reply_is_a_break(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=900, fails=None), Voice())
    await home.say()
    assert home.whole == TEXT
    assert home.failovers == [("kyutai", "timeout", "cartesia")]
    assert home.voices[1].asked == pytest.approx([0.45 + 2.5])


async def test_a_stall_before_the_first_audio_is_one_too(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=0, fails=None), Voice())
    await home.say(TEXT[:2], word_s=0.5)
    assert home.whole == TEXT[:2]
    assert home.voices[1].asked == pytest.approx([1.0 + 3.0])


async def test_a_stall_at_the_very_end_costs_nothing_but_time(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=300 * len(TEXT), fails=None), Voice())
    await home.say()
    assert home.whole == TEXT
    assert home.failovers == [("kyutai", "timeout", None)]


async def test_a_voice_that_waits_for_words_owes_nothing(autojump_clock: MockClock) -> None:
    home = house(Voice(), Voice())
    await home.say(TEXT[:3], word_s=60)
    assert home.whole == TEXT[:3]
    assert home.told == []


async def test_many_words_unsaid_are_owed_although_more_may_come(autojump_clock: MockClock) -> None:
    timing = FallbackTtsTiming(lookahead_letters=10)
    home = house(Voice(until_ms=300, fails=None), Voice())
    home.timing = timing
    await home.say(word_s=1.0)
    assert home.voices[1].asked == pytest.approx([5.0 + 2.5])  # 12 letters, "open at nine in"
    assert home.whole == TEXT


async def test_a_stall_without_a_spare_is_the_engines_own_affair(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=900, fails=None))
    with trio.move_on_after(60) as scope:
        await home.say()
    assert scope.cancelled_caught
    home.verify()


async def test_a_reader_that_is_slow_makes_no_stall(autojump_clock: MockClock) -> None:
    home = house(Voice(), Voice())
    out, words = trio.open_memory_channel[str](8)
    speech_out, speech = trio.open_memory_channel[SpeechEvent](0)
    with words, speech_out, speech:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(home.tts.speak, words, speech_out)
            with out:
                await out.send("we")
            for _ in range(16):
                await trio.sleep(20)
                await speech.receive()
    assert home.told == []


async def test_no_words_are_no_reply_and_no_proof(autojump_clock: MockClock) -> None:
    home = house(Voice(), Voice())
    home.breakers.of("tts", "kyutai").failed(-5.0, retryable=False)
    await home.say([])
    assert home.events == []
    assert home.state("kyutai") is BreakerState.HALF_OPEN
    await home.say(TEXT[:1])
    assert home.state("kyutai") is BreakerState.CLOSED


@pytest.mark.parametrize("after_s", [0.001, 0.05, 0.2, 0.3, 0.5, 1.0])
async def test_a_barge_in_leaves_nothing_open(autojump_clock: MockClock, after_s: float) -> None:
    """While it waits for a slot, speaks, stalls; while the spare waits for a slot, and speaks."""
    home = house(Voice(refusals=1, until_ms=100, fails=None), Voice(refusals=2))
    home.timing = FallbackTtsTiming(stall_s=0.1)
    with trio.move_on_after(after_s) as scope:
        await home.say()
    assert scope.cancelled_caught
    home.verify()
    count = len(home.events)
    await trio.sleep(10)
    assert len(home.events) == count


async def test_a_barge_in_upon_the_probe_lets_the_next_reply_make_it(
    autojump_clock: MockClock,
) -> None:
    home = house(Voice(), Voice())
    home.breakers.of("tts", "kyutai").failed(-5.0, retryable=False)
    with trio.move_on_after(0.1):
        await home.say()
    await home.say()
    assert len(home.voices[0].asked) == 2


async def test_a_voice_that_fails_time_and_again_is_left_alone(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=0), Voice())
    for _ in range(5):
        await home.say()
        assert home.whole == TEXT
    assert len(home.voices[0].asked) == 3


def test_the_identity_is_the_preferred_voices() -> None:
    home = house(Voice(), Voice(identity="another"))
    assert (home.tts.name, home.tts.identity) == ("kyutai", "kyutai's own")
    assert list(home.tts.engines) == list(home.voices)


async def test_a_bug_in_a_voice_is_not_taken_for_its_failure(autojump_clock: MockClock) -> None:
    class Bug(Voice):
        async def _fail(self) -> None:
            raise ValueError("a bug")

    home = house(Bug(until_ms=300), Voice())
    with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
        await home.say()
    assert home.told == []


def cuts(*times: str) -> st.SearchStrategy[list[Voice]]:
    """Voices that break off somewhere, or stall there."""
    pieces, kinds = st.integers(0, 300), st.sampled_from(times)
    failures = st.sampled_from([broken(), None])
    voice = st.builds(
        lambda piece, kind, fails: Voice(until_ms=20 * piece, times=kind, fails=fails),
        pieces,
        kinds,
        failures,
    )
    return st.lists(voice, max_size=2)


@settings(max_examples=40, deadline=None)
@given(cuts("stop", "late"), st.sampled_from([0.0, 0.05, 0.4]))
def test_wherever_voices_break_no_word_is_lost_or_said_twice(
    voices: list[Voice], word_s: float
) -> None:
    home = house(*voices, Voice())
    trio.run(home.say, TEXT, word_s, clock=MockClock(autojump_threshold=0))
    assert home.whole == TEXT
    assert [each.text for each in home.reported] == TEXT
    starts = [each.start_s for each in home.reported]
    assert starts == sorted(starts)
    home.verify()


@settings(max_examples=20, deadline=None)
@given(cuts("start"))
def test_a_voice_that_tells_no_ends_may_have_its_last_word_said_twice(voices: list[Voice]) -> None:
    home = house(*voices, Voice())
    trio.run(home.say, clock=MockClock(autojump_threshold=0))
    assert [word for word, _ in groupby(home.whole)] == TEXT
    assert len(home.whole) <= len(TEXT) + len(voices)
    assert [each.text for each in home.reported] == TEXT


async def test_a_voice_that_connects_late_and_then_waits_for_words_is_not_stalled(
    autojump_clock: MockClock,
) -> None:
    class Thoughtful(Voice):
        async def speak(
            self,
            words: trio.MemoryReceiveChannel[str],
            speech: trio.MemorySendChannel[SpeechEvent],
        ) -> None:
            await trio.sleep(1.0)  # meanwhile all words that fit in are given
            self.heard += [word async for word in words]
            await speech.send(SpokenAudio(bytes(PIECE)))

    home = house(Thoughtful(), Voice())
    home.timing = FallbackTtsTiming(first_s=1.5, lookahead_letters=1000)
    await home.say(TEXT * 2, word_s=0.1)
    assert home.told == []
    assert home.voices[0].heard == TEXT * 2


@pytest.mark.parametrize("start_s", [math.nan, math.inf, -1.0, 1000.0])
def test_times_that_cannot_be_are_put_right(start_s: float) -> None:
    utterance = Utterance()
    for word in ("we", "open", "at"):
        utterance.give(word)
    assert utterance.receive(SpokenWord("we", 0.0, 0.3)) == []
    assert utterance.receive(SpokenWord("open", start_s, math.nan)) == []
    audio = SpokenAudio(bytes(8000))
    told = utterance.receive(audio)
    assert [event.text for event in told[:-1]] == ["we", "open"]
    assert told[-1] is audio
    rest = utterance.remainder()
    assert (rest.words, rest.began_samples) == (["at"], 8000)


def test_a_word_is_not_kept_waiting_by_the_rounding_of_its_time() -> None:
    utterance = Utterance()
    utterance.give("open")
    utterance.receive(SpokenWord("open", 0.0, 0.1 + 0.2))
    assert len(utterance.receive(SpokenAudio(bytes(2400)))) == 2


def test_words_reported_without_audio_are_passed_on_at_the_end() -> None:
    utterance = Utterance()
    utterance.give("we")
    utterance.receive(SpokenWord("we", 0.0, 0.3))
    assert [event.text for event in utterance.finish()] == ["we"]


async def test_a_voice_without_times_goes_by_the_letters(autojump_clock: MockClock) -> None:
    home = house(Voice(until_ms=1500, times="none"), Voice(times="none"))
    await home.say()
    # 1.5 s are 19 letters: weopenatnineinthe, and four of the next word
    assert home.voices[1].heard == TEXT[6:]
