"""Several ears as one, in virtual time.

The caller's n-th word sounds as 300 ms of the byte n, so an ear hears what the audio holds, and
only what it was given.
"""

import math
from collections.abc import Callable, Sequence

import pytest
import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from voiced.dialog.events import Flushed, PauseScored, SttEvent, WordHeard
from voiced.engines.breaker import Breakers, BreakerState
from voiced.engines.fallback import Failover
from voiced.engines.fallback_memory import EarMemory
from voiced.engines.fallback_stt import FallbackStt, FallbackSttTiming
from voiced.engines.roles import SttStatistics, Transcription
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused, EngineTimeout

WORD = 2400
STEP = 640
DELAY = 3840
SILENCE = 0xFF
SENTENCE = "we would like a table a table for two and a dog at nine in the evening"
TEXT = SENTENCE.split()


def broken(kind: type[EngineError] = EngineBroken) -> EngineError:
    return kind("kyutai", "stt", "it failed", retryable=True)


@define
class Ear:
    """An engine that reports a word 480 ms after its end, and fails `lasts_s` after it began."""

    name: str = "kyutai"
    lasts_s: float = math.inf
    deaf_s: float = math.inf  # from then on it reports nothing, and fails in the end
    connects_s: float = 0.1
    fails: EngineError = field(factory=broken)
    spells: Callable[[str], str] = str
    skew_s: float = 0.0  # of its words' times
    heard: list["Listening"] = field(factory=list)
    open: int = 0

    def transcription(self) -> "Listening":
        self.heard.append(Listening(self))
        return self.heard[-1]


@define
class Listening:
    ear: Ear
    audio: bytearray = field(factory=bytearray)
    began: float = math.nan
    _hear: Callable[[SttEvent], None] | None = None
    _steps: int = 0
    _reported: int = 0  # so much audio has been understood
    _flush: bool = False

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        self.began = trio.current_time()
        self.ear.open += 1
        try:
            with trio.move_on_after(self.ear.lasts_s):
                await trio.sleep(self.ear.connects_s)
                self._hear = hear
                self._work()
                await trio.sleep_forever()
            raise self.ear.fails
        finally:
            self._hear = None
            self.ear.open -= 1

    def put(self, mulaw: bytes) -> None:
        self.audio += mulaw
        self._work()

    def flush(self) -> None:
        self._flush = True
        self._work()

    def statistics(self) -> SttStatistics:
        return SttStatistics(7, self._steps)

    def _work(self) -> None:
        if self._hear is None or trio.current_time() >= self.began + self.ear.deaf_s:
            return
        while (self._steps + 1) * STEP <= len(self.audio):
            self._steps += 1
            self._report(self._steps * STEP - DELAY)
            self._hear(PauseScored(0.5, self._steps * STEP / 8000))
        if self._flush:
            self._flush = False
            self._report(len(self.audio))
            self._hear(Flushed())

    def _report(self, until: int) -> None:
        at = self._reported
        while at + WORD <= until:
            sound = bytes(self.audio[at : at + WORD])
            if sound[0] != SILENCE and sound == sound[:1] * WORD:
                word = self.ear.spells(TEXT[sound[0]])
                assert self._hear
                self._hear(WordHeard(word, at / 8000 + self.ear.skew_s))
                at += WORD
            else:
                at += 20
            self._reported = at


@define
class Caller:
    """Speaks from `begins_s` on, word by word, and hears what the ears make of it."""

    ears: Sequence[Ear]
    begins_s: float = 1.0
    pause_ms: int = 0  # between two words
    breakers: Breakers = field(factory=Breakers)
    told: list[Failover] = field(factory=list)
    events: list[SttEvent] = field(factory=list)
    timing: FallbackSttTiming = field(factory=FallbackSttTiming)
    ear: Transcription = field(init=False)
    flush_at: float = math.inf

    async def call(self, until_s: float = 12.0, runs_at: float = 0.0) -> None:
        """A call that long; `runs_at`: when the ear is set to work."""
        stt = FallbackStt(self.ears, self.breakers, self.timing, self.told.append)
        self.ear = stt.transcription()
        failure: EngineError | None = None
        began = trio.current_time()

        async def listen() -> None:
            nonlocal failure
            await trio.sleep(runs_at)
            try:
                await self.ear.run(self.events.append)
            except EngineError as error:
                failure = error

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            audio = self.audio()
            for tick in range(1, round(until_s * 50) + 1):
                await trio.sleep_until(began + tick * 0.02)
                self.ear.put(audio[(tick - 1) * 160 : tick * 160].ljust(160, b"\xff"))
                if abs(tick - self.flush_at * 50) < 0.5:
                    self.ear.flush()
            nursery.cancel_scope.cancel()
        assert [ear.open for ear in self.ears] == [0] * len(self.ears)
        if failure:
            raise failure

    def audio(self) -> bytes:
        silence = bytes([SILENCE])
        words = (bytes([n]) * WORD + silence * self.pause_ms * 8 for n in range(len(TEXT)))
        return silence * round(self.begins_s * 8000) + b"".join(words)

    @property
    def words(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, WordHeard)]

    @property
    def starts(self) -> list[float]:
        return [event.start_s for event in self.events if isinstance(event, WordHeard)]

    def verify(self) -> None:
        """Every word once, in its place; a clock that does not go back."""
        assert self.words == TEXT
        step_s = 0.3 + self.pause_ms / 1000
        assert self.starts == pytest.approx([self.begins_s + step_s * n for n in range(len(TEXT))])
        clock = [event.stream_s for event in self.events if isinstance(event, PauseScored)]
        assert clock == sorted(set(clock))

    @property
    def failovers(self) -> list[tuple[str, str, str | None]]:
        return [(each.engine, each.reason, each.spare) for each in self.told]


def caller(*ears: Ear, **options) -> Caller:
    for ear, name in zip(ears, ["kyutai", "deepgram", "last"], strict=False):
        ear.name = name
    return Caller(ears, **options)


async def test_the_preferred_ear_hears_alone(autojump_clock: MockClock) -> None:
    line = caller(Ear(), Ear())
    await line.call()
    line.verify()
    assert line.told == []
    assert line.ears[1].heard == []
    assert line.ear.statistics() == SttStatistics(7, 150)


@pytest.mark.parametrize("kind", [EngineBroken, EngineRefused, EngineTimeout, EngineAtCapacity])
async def test_an_ear_that_fails_at_the_start_costs_no_word(
    autojump_clock: MockClock, kind: type[EngineError]
) -> None:
    line = caller(Ear(lasts_s=0.05, fails=broken(kind)), Ear(), begins_s=0)
    await line.call()
    line.verify()
    assert line.failovers == [("kyutai", kind.reason, "deepgram")]


@pytest.mark.parametrize("lasts_s", [2.0, 2.22, 3.11, 4.3])
async def test_an_ear_that_drops_in_mid_sentence_costs_no_word(
    autojump_clock: MockClock, lasts_s: float
) -> None:
    line = caller(Ear(lasts_s=lasts_s), Ear())
    await line.call()
    line.verify()
    assert line.ears[1].heard[0].began == lasts_s, "deaf for no longer than it takes to connect"
    assert 0 < len(line.ears[1].heard[0].audio) - (12 - lasts_s) * 8000 <= 2 * 8000


async def test_an_ear_that_falls_silent_costs_no_word(autojump_clock: MockClock) -> None:
    line = caller(Ear(deaf_s=3.0, lasts_s=5.5, fails=broken(EngineTimeout)), Ear())
    await line.call()
    line.verify()


async def test_a_spare_that_cannot_be_reached_costs_no_word(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=3.0), Ear(connects_s=9, lasts_s=2.5), Ear())
    await line.call()
    line.verify()
    assert line.failovers == [("kyutai", "broken", "deepgram"), ("deepgram", "broken", "last")]


async def test_what_is_said_while_the_first_ear_hangs_is_not_lost(
    autojump_clock: MockClock,
) -> None:
    line = caller(Ear(connects_s=9, lasts_s=6), Ear(), begins_s=0)
    await line.call()
    line.verify()


async def test_the_replay_is_bounded(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=60), Ear(connects_s=99, lasts_s=20), Ear(), begins_s=200)
    await line.call(100)
    first, second = line.ears[1].heard[0], line.ears[2].heard[0]
    assert len(first.audio) == pytest.approx((2 + 20) * 8000, abs=640)
    assert len(second.audio) == pytest.approx((5 + 20) * 8000, abs=640)


async def test_a_word_heard_again_is_dropped_though_spelled_otherwise(
    autojump_clock: MockClock,
) -> None:
    line = caller(Ear(lasts_s=4.0), Ear(spells=str.upper, skew_s=0.2))
    await line.call()
    assert [word.casefold() for word in line.words] == TEXT
    numbers = {"two": "2", "for": "4"}
    line = caller(Ear(lasts_s=4.4), Ear(spells=lambda word: numbers.get(word, word), skew_s=-0.1))
    await line.call()
    assert len(line.words) == len(TEXT)


async def test_the_same_word_said_twice_is_heard_twice(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=4.0), Ear(), begins_s=0.4)
    await line.call()
    assert line.words.count("table") == 2
    line.verify()


def memory_of(*words: WordHeard) -> EarMemory:
    """After two seconds of a call in which these were heard, when another ear begins."""
    memory = EarMemory(2.0, 3.0, 10.0)
    memory.begin()
    memory.put(bytes(16000))
    for word in words:
        memory.hear(word)
    memory.begin()
    return memory


def test_one_word_takes_only_one_with_it() -> None:
    memory = memory_of(WordHeard("no", 1.0))
    assert memory.hear(WordHeard("no", 0.0)) is None
    assert memory.hear(WordHeard("no", 0.2)) == WordHeard("no", 1.2)


def test_only_what_is_replayed_is_a_repetition() -> None:
    memory = memory_of(WordHeard("no", 1.9))
    assert memory.hear(WordHeard("no", 0.11)) == WordHeard("no", pytest.approx(2.01))


async def test_ears_that_fail_all_leave_the_last_error(autojump_clock: MockClock) -> None:
    last = broken(EngineRefused)
    line = caller(Ear(lasts_s=3.0), Ear(lasts_s=0.5, fails=last))
    with pytest.raises(EngineRefused) as caught:
        await line.call()
    assert caught.value is last
    assert line.failovers == [("kyutai", "broken", "deepgram"), ("deepgram", "refused", None)]
    assert line.ear.statistics().dropped_ms == 14


async def test_ears_that_work_for_a_while_take_turns(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=8), Ear(lasts_s=8), begins_s=6)
    await line.call(60)
    line.verify()
    assert len(line.told) == 7
    assert line.breakers.of("stt", "kyutai").state(60) is BreakerState.CLOSED


async def test_flapping_ears_are_given_up(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=2), Ear(lasts_s=2))
    with pytest.raises(EngineBroken):
        await line.call()
    assert len(line.told) == 2


async def test_an_ear_that_fails_call_after_call_is_left_alone(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=0.1), Ear(), begins_s=0)
    for _ in range(4):
        line.events.clear()
        await line.call(7)
        assert line.words == TEXT
    assert len(line.ears[0].heard) == 4, "the last one is the probe"
    assert line.breakers.of("stt", "kyutai").next_probe() == pytest.approx(21.1 + 10, abs=0.2)


async def test_a_hang_up_upon_the_probe_lets_the_next_call_make_it(
    autojump_clock: MockClock,
) -> None:
    line = caller(Ear(), Ear())
    line.breakers.of("stt", "kyutai").failed(-5.0, retryable=False)
    await line.call(1.0)
    await line.call(1.0)
    assert len(line.ears[0].heard) == 2


@pytest.mark.parametrize("flush_at", [2.9, 3.0, 3.04, 3.1, 3.14])
async def test_a_flush_in_the_gap_is_answered_once(
    autojump_clock: MockClock, flush_at: float
) -> None:
    line = caller(Ear(lasts_s=3.0), Ear(connects_s=0.1), flush_at=flush_at)
    await line.call()
    assert line.events.count(Flushed()) == 1
    line.verify()


async def test_a_flush_before_the_ear_is_set_to_work_is_answered(
    autojump_clock: MockClock,
) -> None:
    line = caller(Ear(), flush_at=0.1)
    await line.call(1.0, runs_at=0.5)
    assert line.events.count(Flushed()) == 1


async def test_what_is_said_before_the_ear_is_set_to_work_is_kept(
    autojump_clock: MockClock,
) -> None:
    line = caller(Ear(), begins_s=0)
    await line.call(runs_at=3.0)
    line.verify()


async def test_the_oldest_is_dropped_and_counted_where_nobody_listens(
    autojump_clock: MockClock,
) -> None:
    line = caller(Ear(), begins_s=3)
    await line.call(14, runs_at=12.0)
    line.verify()
    assert line.ear.statistics().dropped_ms == pytest.approx(2000 + 7, abs=40)


async def test_the_pauses_of_the_past_are_not_judged_again(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=6.0), Ear(), begins_s=99)
    await line.call(10)
    clock = [event.stream_s for event in line.events if isinstance(event, PauseScored)]
    assert clock == sorted(set(clock))
    assert clock[-1] == pytest.approx(10, abs=0.1)


async def test_the_first_steps_of_a_spare_are_no_judgement(autojump_clock: MockClock) -> None:
    """Its replay is short here, since the last word was only just reported."""
    line = caller(Ear(lasts_s=2.5), Ear())
    await line.call(10)
    scores = [event for event in line.events if isinstance(event, PauseScored)]
    unsettled = [event.stream_s for event in scores if event.score is None]
    assert unsettled[0] < 1
    assert any(event > 2.4 for event in unsettled)
    assert scores[-1].score == 0.5


async def test_the_statistics_add_up(autojump_clock: MockClock) -> None:
    line = caller(Ear(lasts_s=3.0), Ear())
    await line.call(5)
    steps = [ear.heard[0].statistics().steps for ear in line.ears]
    assert line.ear.statistics() == SttStatistics(14, sum(steps))


def test_its_name_is_the_preferred_ears() -> None:
    stt = FallbackStt([Ear("kyutai"), Ear("deepgram")], Breakers(), FallbackSttTiming(), print)
    assert stt.name == "kyutai"


async def test_an_ear_that_ends_without_an_error_ends_the_hearing(
    autojump_clock: MockClock,
) -> None:
    class Ends(Listening):
        async def run(self, hear: Callable[[SttEvent], None]) -> None:
            await trio.lowlevel.checkpoint()

    class Polite(Ear):
        def transcription(self) -> Listening:
            return Ends(self)

    await caller(Polite()).call(1.0)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 400), max_size=2),
    st.sampled_from([0, 20, 100, 500]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.integers(0, 100),
)
def test_wherever_ears_fail_no_word_is_lost_or_doubled(
    ticks: list[int], pause_ms: int, connects_s: float, begins_ticks: int
) -> None:
    ears = [Ear(lasts_s=tick * 0.02 + 0.01, connects_s=connects_s) for tick in ticks]
    line = caller(*ears, Ear(connects_s=connects_s), begins_s=begins_ticks * 0.02)
    line.pause_ms = pause_ms
    trio.run(line.call, 18.0, clock=MockClock(autojump_threshold=0))
    line.verify()
