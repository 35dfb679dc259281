"""Whole calls in virtual time: whatever engines do, the call never falls silent.

Each role has its spare, wired as `engines.build` does it, around engines that fail in all the
ways there are. What the record says of the caller's longest wait is compared with what the
caller's ear had, in every story.
"""

import json
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest
import trio
from attrs import define, field
from stories import (
    APOLOGY,
    GOODBYE,
    GREETING,
    PUTTING_THROUGH,
    SOUNDS,
    STILL_THERE,
    WORD_S,
    FakeLlm,
    FakeStt,
    FakeTranscription,
    FakeTts,
    Late,
    Line,
    on_the_line,
    sound,
)
from trio.testing import MockClock

from voiced.config.engines import OpenAiLlm as ModelSettings
from voiced.dialog.events import SpokenAudio, SpokenWord, SttEvent
from voiced.dialog.manners import Manners
from voiced.dialog.parting import Transfer
from voiced.dialog.turn import Ending
from voiced.engines.breaker import BreakerRule, Breakers, BreakerState
from voiced.engines.fallback import Failover
from voiced.engines.fallback_llm import FallbackLlm, FallbackLlmTiming
from voiced.engines.fallback_stt import FallbackStt, FallbackSttTiming
from voiced.engines.fallback_tts import FallbackTts, FallbackTtsTiming
from voiced.engines.http import http_client
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Llm
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused, EngineTimeout

QUESTION = "when do you open"
ANSWER = "We open at nine in the morning"
WATCHED_S = 2.0
"""So long the engines' own clients wait for what is owed, as moshi's do."""

Times = Callable[[int, float], tuple[float, float | None]]


def failure(role: str, kind: type[EngineError] = EngineBroken) -> EngineError:
    return kind("local", role, "it failed", retryable=True)


# --- engines that fail in all the ways there are ------------------------------------------------


@define
class Ear(FakeStt):
    """Hears what is said in the audio that it is given; once deaf, it reports nothing more."""

    deaf_s: float = math.inf

    def transcription(self) -> "Listening":
        return Listening(self)


@define
class Listening(FakeTranscription):
    origin: float = math.nan  # when its first byte was said

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        deaf_at = trio.current_time() + self.stt.deaf_s
        await super().run(lambda event: hear(event) if trio.current_time() < deaf_at else None)

    def put(self, mulaw: bytes) -> None:
        if math.isnan(self.origin):
            self.origin = trio.current_time() - len(mulaw) / 8000
            begun = [end - WORD_S < self.origin - 0.03 for end, _ in self.stt.spoken]
            self._reported = sum(begun)
        super().put(mulaw)

    def _report(self, until: float) -> None:
        hear, begun = self._hear, self.origin

        def on_its_own_clock(word: SttEvent) -> None:
            assert hear
            hear(type(word)(word.text, max(0.0, word.start_s - begun)))

        self._hear = on_its_own_clock
        super()._report(until)
        self._hear = hear


@define
class Voice(FakeTts):
    """Says its words in pieces of any size, at the times that it likes to tell; may hang in the
    middle of a word, or have no sound at all."""

    piece: int = 2400
    times: Times = lambda index, start_s: (start_s, start_s + WORD_S)
    hangs_in: float = math.inf  # this word, by its index
    sound_of: Callable[[bytes], bytes] = lambda audio: audio

    async def speak(self, words, speech):
        self.open += 1
        try:
            await trio.sleep(self.first_audio_s)
            index = 0
            async for word in words:
                if self.fails and index >= self.fails_after:
                    await trio.sleep(self.fails_in_s)
                    raise self.fails
                await speech.send(SpokenWord(word, *self.times(index, index * WORD_S)))
                await trio.sleep(self.word_s * self.speed)
                audio = self.sound_of(bytes([sound(len(self.said))]) * 2400)
                self.said.append(word)
                self.made.append((trio.current_time(), self.replies))
                audio = audio[:1280] if index == self.hangs_in else audio
                for start in range(0, len(audio), self.piece):
                    await speech.send(SpokenAudio(audio[start : start + self.piece]))
                if index == self.hangs_in:
                    await trio.sleep_forever()
                index += 1
        finally:
            self.open -= 1


@define
class Body(httpx.AsyncByteStream):
    """A streamed answer: texts, and pauses in seconds between them."""

    parts: list[str | float] = field(converter=list)
    ends: list[bytes] = field(factory=lambda: [sse({"finish_reason": "stop"}), b"data: [DONE]\n\n"])

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self.parts and not self.ends:
            raise StopAsyncIteration
        part = self.parts.pop(0) if self.parts else self.ends.pop(0)
        if isinstance(part, float):
            await trio.sleep(part)
            return b": still here\n\n"
        return part if isinstance(part, bytes) else sse({"delta": {"content": part}})


def sse(choice: dict[str, object]) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, **choice}]})}\n\n".encode()


def model(*answers: Sequence[str | float], name: str = "first") -> OpenAiLlm:
    """A real client, whose server says this."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        head = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=head, stream=Body(left.pop(0)))

    return OpenAiLlm(name, ModelSettings(), http_client(httpx.MockTransport(answer)))


# --- a call with spares -------------------------------------------------------------------------


class Ears(FakeStt):
    def __init__(self, cast: "Cast") -> None:
        super().__init__()
        for ear in cast.ears:
            ear.spoken = self.spoken
        spares = FallbackStt(cast.ears, cast.breakers, FallbackSttTiming(), cast.told.append)
        self.all = spares if cast.ears[1:] else cast.ears[0]

    def transcription(self):
        return self.all.transcription()


class Minds(FakeLlm):
    def __init__(self, cast: "Cast") -> None:
        super().__init__()
        spares = FallbackLlm(cast.minds, cast.breakers, FallbackLlmTiming(), cast.told.append)
        self.all = spares if cast.minds[1:] else cast.minds[0]

    async def complete(self, messages, text, tools=(), form=None):
        self.asked.append(tuple(messages))
        return await self.all.complete(messages, text, tools, form)


class Voices(FakeTts):
    def __init__(self, cast: "Cast") -> None:
        super().__init__()
        for voice in cast.voices:
            voice.said, voice.made = self.said, self.made
        spares = FallbackTts(cast.voices, cast.breakers, FallbackTtsTiming(), cast.told.append)
        self.all, self.each = spares if cast.voices[1:] else cast.voices[0], cast.voices

    async def speak(self, words, speech):
        for voice in self.each:
            voice.replies += 1
        await self.all.speak(words, speech)


@define
class Cast:
    """The engines of a call, those of a role in their order, and what was told of them."""

    ears: Sequence[FakeStt] = field(factory=lambda: [Ear()])
    minds: Sequence[Llm] = field(factory=lambda: [FakeLlm([ANSWER])])
    voices: Sequence[FakeTts] = field(factory=lambda: [Voice()])
    breakers: Breakers = field(factory=Breakers)
    told: list[Failover] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        for engines in (self.ears, self.minds, self.voices):
            for engine, name in zip(engines, ("first", "second"), strict=False):
                if engine.name != name:
                    engine.name = name

    @property
    def failovers(self) -> list[tuple[str, str, str, str | None]]:
        return [(each.role, each.engine, each.reason, each.spare) for each in self.told]

    @asynccontextmanager
    async def call(
        self, *, tells_truth: bool = True, manners: Manners | None = None
    ) -> AsyncIterator[Line]:
        """A call that has been greeted; afterwards, that no engine of it is at work, and that the
        record tells how long the caller really waited."""
        line = Line(stt=Ears(self), llm=Minds(self), tts=Voices(self))
        line.manners = manners or line.manners
        async with on_the_line(line):
            await line.answer()
            yield line
            if line.over.is_set():
                assert line.over_at - line.heard_until < 0.5, "nobody hung up"
        for engine in (*self.ears, *self.minds, *self.voices):
            assert getattr(engine, "open", 0) == 0, "an engine is at work"
        if tells_truth:
            assert line.record.worst_silence_ms == pytest.approx(longest_wait_ms(line), abs=120)


def longest_wait_ms(line: Line) -> float:
    """The longest silence before a sound of the agent, on the line that the caller heard."""
    playback = line.socket.carrier.playback
    end = min(playback.head(trio.current_time()), round((line.over_at - playback.origin) * 8000))
    loud = np.frombuffer(playback.window(0, end), np.uint8) != 0xFF
    for stop_s, _ in line.stt.spoken:
        stop = round(8000 * (stop_s - playback.origin))
        loud[stop - 2400 : stop] = True
    edges = np.flatnonzero(np.diff(loud.astype(np.int8), prepend=0, append=0))
    callers = {round(8000 * (stop_s - WORD_S - playback.origin)) for stop_s, _ in line.stt.spoken}
    whole = [turn for turn in line.record.turns if turn.ending is Ending.HEARD]
    floors = [8000 * ((turn.times.reply_ended or 0.0) - playback.origin) for turn in whole]
    waits = [
        begin - end
        for end, begin in zip(edges[1::2], edges[2::2], strict=False)
        if begin.item() not in callers  # nor is it a wait behind a whole reply
        and not any(abs(end - floor) < 800 for floor in floors)
    ]
    return max(waits, default=0) / 8


# --- nobody is left -----------------------------------------------------------------------------


def all_refuse(role: str) -> Cast:
    error = failure(role, EngineRefused)
    return {
        "stt": lambda: Cast(ears=[Ear(fails=error, fails_after_s=3.4), Ear(fails=error)]),
        "llm": lambda: Cast(minds=[FakeLlm([error]), FakeLlm([error])]),
        "tts": lambda: Cast(voices=[Voice(fails=error), Voice(fails=error)]),
    }[role]()


def all_hang(role: str) -> Cast:
    """Until their own clients lose patience."""
    error = failure(role, EngineTimeout)
    hangs = Late(8.0, error)
    return {
        "stt": lambda: Cast(
            ears=[
                Ear(fails=error, deaf_s=2.2, fails_after_s=4.2),
                Ear(fails=error, deaf_s=0.0, fails_after_s=WATCHED_S),
            ]
        ),
        "llm": lambda: Cast(minds=[FakeLlm([hangs]), FakeLlm([hangs])]),
        "tts": lambda: Cast(
            voices=[Voice(fails=error, first_audio_s=4.0), Voice(fails=error, first_audio_s=4.0)]
        ),
    }[role]()


@pytest.mark.parametrize(
    ("cast", "reason", "within_s"),
    [
        (lambda: all_refuse("stt"), "stt-refused", 3.0),
        (lambda: all_refuse("llm"), "llm-refused", 2.0),
        (lambda: all_refuse("tts"), "tts-refused", 2.0),
        (lambda: all_hang("stt"), "stt-timeout", 8.0),
        (lambda: all_hang("llm"), "llm-timeout", 13.0),
        (lambda: all_hang("tts"), "tts-timeout", 8.5),
    ],
    ids=["ears", "models", "voices", "deaf ears", "models that hang", "voices that hang"],
)
@pytest.mark.parametrize("rescue", [None, Transfer("+33100000001")], ids=["goodbye", "transfer"])
async def test_with_no_engine_left_the_caller_is_told_so_and_let_go(
    autojump_clock: MockClock,
    cast: Callable[[], Cast],
    reason: str,
    within_s: float,
    rescue: Transfer | None,
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=0, rescue=rescue)
    stage = cast()
    async with stage.call(manners=manners, tells_truth=not reason.startswith("stt")) as line:
        await line.says(QUESTION)
        asked_at = trio.current_time()
        await line.agent_speaks()
        assert trio.current_time() - asked_at < within_s
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, APOLOGY, PUTTING_THROUGH if rescue else GOODBYE]
        assert line.call.parting is not None
        assert line.call.parting.transfer == rescue
    role = reason[:3]
    assert line.record.reason == reason
    assert [(each.role, each.engine, each.spare) for each in stage.told] == [
        (role, "first", "second"),
        (role, "second", None),
    ]


async def test_the_record_knows_how_long_a_caller_waited_whom_no_ear_heard(
    autojump_clock: MockClock,
) -> None:
    async with all_hang("stt").call() as line:
        await line.says(QUESTION)
        await line.until(line.over.is_set)


# --- what the caller said -----------------------------------------------------------------------

BOOKING = "I would like to book a table for two"


@pytest.mark.parametrize("after_s", [1.9, 2.2, 2.5, 2.9, 3.2, 3.6, 4.1, 4.6, 4.8, 4.9, 5.2])
@pytest.mark.parametrize("deaf_s", [0.0, WATCHED_S], ids=["drops", "falls silent"])
async def test_what_is_said_while_the_ear_is_lost_is_heard_once(
    autojump_clock: MockClock, after_s: float, deaf_s: float
) -> None:
    """The caller speaks from 2.0 s to 4.7 s of the call."""
    kind = EngineTimeout if deaf_s else EngineBroken
    first = Ear(fails=failure("stt", kind), fails_after_s=after_s + deaf_s, deaf_s=after_s)
    stage = Cast(ears=[first, Ear()])
    async with stage.call() as line:
        await line.says(BOOKING)
        await line.answer()
        assert line.told[1:] == [("user", BOOKING)]
        assert line.ear == ANSWER.split()
        assert [turn.utterance for turn in line.call._conversation.turns[1:]] == [BOOKING]
        await line.waits(3)
    assert line.record.worst_silence_ms < 1000 * deaf_s + 1600
    assert stage.failovers == [("stt", "first", kind.reason, "second")]


async def test_an_ear_that_hangs_and_never_says_so_leaves_no_dead_line(
    autojump_clock: MockClock,
) -> None:
    """No client of ours does that; if one did, silence would still have an end."""
    manners = Manners("You are a test.", idle_prompt_s=10)
    stage = Cast(ears=[Ear(deaf_s=0.5), Ear()])
    async with stage.call(manners=manners, tells_truth=False) as line:
        await line.says(QUESTION)
        asked_at = trio.current_time()
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, STILL_THERE, STILL_THERE, GOODBYE]
        assert trio.current_time() - asked_at < 40
    assert line.record.reason == "idle"


# --- what the caller hears ----------------------------------------------------------------------


@pytest.mark.parametrize("word", range(7))
async def test_a_voice_that_hangs_in_the_middle_of_a_word_has_it_said_again_whole(
    autojump_clock: MockClock, word: int
) -> None:
    stage = Cast(voices=[Voice(hangs_in=word), Voice()])
    async with stage.call() as line:
        await line.says(QUESTION)
        await line.waits(8)
        assert line.ear == ANSWER.split()
        assert line.told == [("assistant", GREETING), ("user", QUESTION)]
    turn = line.record.turns[1]
    assert turn.heard.text == ANSWER
    assert turn.ending is Ending.HEARD
    assert line.record.worst_silence_ms < 4000
    assert stage.failovers == [("tts", "first", "timeout", "second")]


@pytest.mark.parametrize("cut", [2, 4, 6])
async def test_a_model_that_hangs_in_the_middle_of_a_sentence_is_gone_on_from(
    autojump_clock: MockClock, cut: int
) -> None:
    words = ANSWER.split()
    spare = FakeLlm([" ".join(words[cut - 1 :])])  # says the last word once more, as models do
    stage = Cast(minds=[model([" ".join(words[:cut]) + " ", 60.0]), spare])
    async with stage.call() as line:
        await line.says(QUESTION)
        await line.waits(10)
        assert line.ear == words
    turn = line.record.turns[1]
    assert turn.heard.text == ANSWER
    assert turn.ending is Ending.HEARD
    assert line.record.worst_silence_ms < 5500
    assert stage.failovers == [("llm", "first", "timeout", "second")]


async def test_half_a_sentence_that_nobody_can_finish_is_apologised_for(
    autojump_clock: MockClock,
) -> None:
    stage = Cast(minds=[model(["We open at ", 60.0]), model([60.0], name="second")])
    async with stage.call() as line:
        await line.says(QUESTION)
        await line.agent_speaks()
        began_at = trio.current_time()
        await line.until(line.over.is_set)
        assert trio.current_time() - began_at < 5 + 8 + 4
        assert line.ear == ["We", "open", "at"]
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.turns[1].heard.text == "We open at"
    assert line.record.turns[1].ending is Ending.FAILED


async def test_the_record_knows_how_long_a_caller_waited_for_the_rest_of_a_sentence(
    autojump_clock: MockClock,
) -> None:
    dumb = Voice(fails=failure("tts", EngineTimeout), fails_in_s=4.0)
    async with Cast(voices=[Voice(hangs_in=3), dumb]).call() as line:
        await line.says(QUESTION)
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]


CLOCKS: dict[str, Times] = {
    "backwards": lambda index, start_s: (10.0 - start_s, 10.3 - start_s),
    "not a number": lambda index, start_s: (math.nan, math.nan),
    "not a number now and then": lambda index, start_s: (math.nan if index % 2 else start_s, None),
    "negative": lambda index, start_s: (-start_s, -start_s - 1.0),
    "infinite": lambda index, start_s: (math.inf, math.inf),
    "all at once": lambda index, start_s: (0.0, 0.0),
}


@pytest.mark.parametrize("breaks_after", [math.inf, 2], ids=["whole", "breaks"])
@pytest.mark.parametrize("times", CLOCKS.values(), ids=CLOCKS)
async def test_whatever_times_a_voice_tells_the_transcript_is_what_was_said(
    autojump_clock: MockClock, times: Times, breaks_after: float
) -> None:
    """Nor is a word lost or said again where the voice breaks; but for times that could be true,
    ten seconds ahead of the audio: then all that was said may be said again."""
    words = ANSWER.split()
    voices = [Voice(times=times)]
    if breaks_after < math.inf:
        voices = [Voice(times=times, fails=failure("tts"), fails_after=2), Voice(times=times)]
    async with Cast(voices=voices).call() as line:
        await line.says(QUESTION)
        await line.answer()
        await line.waits(4)
        again = len(line.ear) - len(words)
        assert again == (2 if times is CLOCKS["backwards"] and voices[1:] else 0)
        assert line.ear == words[:again] + words
    turn = line.record.turns[1]
    assert turn.heard.text == ANSWER
    assert turn.ending is Ending.HEARD


@pytest.mark.parametrize("times", CLOCKS.values(), ids=CLOCKS)
async def test_whatever_times_a_voice_tells_a_barge_in_keeps_a_beginning_of_it(
    autojump_clock: MockClock, times: Times
) -> None:
    stage = Cast(minds=[FakeLlm([ANSWER, "Fine"])], voices=[Voice(times=times)])
    async with stage.call(tells_truth=False) as line:
        await line.says(QUESTION)
        await line.agent_speaks()
        await line.says("wait stop please")
        await line.waits(4)
    cut = line.record.turns[1]
    assert cut.ending is Ending.CUT
    assert ANSWER.startswith(cut.heard.text)
    if times is not CLOCKS["backwards"]:
        assert abs(len(cut.heard.text.split()) - len(line.ear[:-1])) <= 1


@pytest.mark.parametrize("piece", [1, 7, 159, 161, 333])
async def test_a_voice_may_send_its_audio_in_any_pieces(
    autojump_clock: MockClock, piece: int
) -> None:
    voices = [Voice(piece=piece, fails=failure("tts"), fails_after=3), Voice(piece=piece + 2)]
    async with Cast(voices=voices).call() as line:
        await line.says(QUESTION)
        await line.answer()
        assert line.ear == ANSWER.split()
    assert line.record.playout.gaps == 0
    assert line.record.turns[1].heard.text == ANSWER


async def test_audio_that_breaks_off_in_mid_frame_loses_and_shifts_nothing(
    autojump_clock: MockClock,
) -> None:
    first = Voice(sound_of=lambda audio: audio + audio[:33], fails=failure("tts"), fails_after=1)
    async with Cast(voices=[first, Voice()]).call() as line:
        await line.says(QUESTION)
        await line.answer()
        live = [(byte, samples) for byte, samples in line._runs() if byte in SOUNDS]
        lengths = {byte: 0 for byte, _ in live}
        for byte, samples in live:
            lengths[byte] += samples
        assert list(lengths.values())[:6] == [2433] + [2400] * 5  # the last one fades out


# --- an engine without a sound ------------------------------------------------------------------


def nothing(audio: bytes) -> bytes:
    return b""


async def test_a_voice_without_a_sound_and_no_spare_is_prompted_for(
    autojump_clock: MockClock,
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=10)
    stage = Cast(voices=[Voice(sound_of=nothing)])
    async with stage.call(manners=manners, tells_truth=False) as line:
        await line.says(QUESTION)
        asked_at = trio.current_time()
        await line.agent_speaks()
        assert trio.current_time() - asked_at < 5
        await line.answer()
        assert line.phrases == [GREETING, STILL_THERE]
        assert line.call.record().turns[1].heard.text == ""


async def test_a_voice_without_a_sound_is_replaced_by_its_spare(autojump_clock: MockClock) -> None:
    stage = Cast(voices=[Voice(sound_of=nothing), Voice()])
    async with stage.call() as line:
        await line.says(QUESTION)
        await line.waits(6)
        assert line.ear == ANSWER.split()
    assert line.record.turns[1].heard.text == ANSWER


# --- what the model says ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Nous ouvrons à neuf heures, « tous les jours » !", None),
        ("Wir öffnen täglich um neun Uhr.", None),
        ("我们早上九点开门。", None),
        ("نفتح في التاسعة صباحا", None),
        ("We open 🎉 at nine 🕘!", "We open at nine!"),
        ("**We** open at _nine_ `daily`", "We open at nine daily"),
        ("# Hours\n* nine\n* ten", "Hours, nine, ten"),
        ("We open ```python\nprint('nine')\n``` at nine", "We open at nine"),
        ("<think>The caller asks when.</think>At nine", "At nine"),
        ("At <b>nine</b> in the [morning](https://example.com/hours)", "At nine in the morning"),
    ],
)
async def test_whatever_a_model_writes_is_said_as_speech(
    autojump_clock: MockClock, written: str, spoken: str | None
) -> None:
    letters = list(written)  # as a server may cut it
    stage = Cast(minds=[model(letters), FakeLlm()])
    async with stage.call() as line:
        await line.says(QUESTION)
        await line.answer()
        words = line.ear
        assert words == (spoken.split() if spoken else words)
        assert all(any(map(str.isalnum, word)) for word in words)
        if spoken is None:
            kept = [word for word in words if word.strip("«».,! ") in written]
            assert kept == words
            assert len("".join(words)) >= 0.8 * len("".join(written.split()))
    turn = line.record.turns[1]
    assert turn.heard.text == " ".join(words)
    assert turn.ending is Ending.HEARD
    assert stage.told == []


@pytest.mark.parametrize("written", ["", "🎉🎉", "```\nx = 1\n```", "<think>Well.</think>", "..."])
async def test_an_answer_of_nothing_to_say_is_not_the_end_of_talking(
    autojump_clock: MockClock, written: str
) -> None:
    manners = Manners("You are a test.", idle_prompt_s=10)
    stage = Cast(minds=[model([written], ["At nine"]), FakeLlm()])
    async with stage.call(manners=manners, tells_truth=False) as line:
        await line.says(QUESTION)
        asked_at = trio.current_time()
        await line.answer()
        assert line.phrases == [GREETING, STILL_THERE]
        assert trio.current_time() - asked_at < 5
        await line.says("on sunday I mean")
        await line.answer()
        assert line.ear == ["At", "nine"]


# --- engines that come and go -------------------------------------------------------------------

RULE = BreakerRule()


def turns_of(line: Line) -> list[int]:
    """How long each answer took."""
    return [turn.times.stages_ms()["answer"] for turn in line.record.turns if turn.utterance]


async def ask(line: Line, times: int) -> None:
    for _ in range(times):
        await line.says(QUESTION)
        await line.answer()


async def test_a_model_that_hangs_each_time_costs_three_callers_time_and_then_nobodys(
    autojump_clock: MockClock,
) -> None:
    """The fourth does not wait for it; the probe finds it well, and it is the first again."""
    hangs = Late(60.0, "never")
    first, second = FakeLlm([hangs] * 3 + ["well"] * 3), FakeLlm(["spare"] * 9)
    stage = Cast(minds=[first, second])
    breaker = stage.breakers.of("llm", "first")
    async with stage.call() as line:
        await ask(line, 3)
        assert breaker.state(trio.current_time()) is BreakerState.OPEN
        await ask(line, 1)
        await line.waits(RULE.pause_s)
        assert breaker.state(trio.current_time()) is BreakerState.HALF_OPEN
        await ask(line, 1)
        assert breaker.state(trio.current_time()) is BreakerState.CLOSED
        await ask(line, 1)
        assert line.ear == ["spare"] * 4 + ["well"] * 2
    slow, quick = turns_of(line)[:3], turns_of(line)[3:]
    assert max(slow) < 4000 + 2000
    assert max(quick) < 2000
    assert len(first.asked) == 5


@pytest.mark.parametrize("role", ["llm", "tts"])
async def test_an_engine_that_fails_every_other_time_is_never_noticed(
    autojump_clock: MockClock, role: str
) -> None:
    error = failure(role)
    minds, voices = [FakeLlm(["At nine"] * 8)], [Voice()]
    if role == "llm":
        minds = [FakeLlm([error, "At nine"] * 4), FakeLlm(["At nine"] * 4)]
    else:
        voices = [Flapping(error), Voice()]
    stage = Cast(minds=minds, voices=voices)
    async with stage.call() as line:
        await ask(line, 8)
        assert line.ear == ["At", "nine"] * 8
        assert stage.breakers.of(role, "first").state(trio.current_time()) is BreakerState.CLOSED
    well = await healthy(8)
    assert max(turns_of(line)) < max(turns_of(well)) + 700
    assert [each.spare for each in stage.told] == ["second"] * 4


class Flapping(Voice):
    """Fails every other time."""

    def __init__(self, error: EngineError) -> None:
        super().__init__()
        self.error, self.times_asked = error, 0

    async def speak(self, words, speech):
        self.times_asked += 1
        if self.times_asked % 2:
            await trio.lowlevel.checkpoint()
            raise self.error
        await super().speak(words, speech)


async def healthy(turns: int) -> Line:
    """The same call with engines that are well."""
    async with Cast(minds=[FakeLlm(["At nine"] * turns)]).call() as line:
        await ask(line, turns)
    return line


async def test_ears_that_take_turns_in_failing_hear_everything_once(
    autojump_clock: MockClock,
) -> None:
    error = failure("stt")
    ears = [Ear(fails=error, fails_after_s=7.0), Ear(fails=error, fails_after_s=8.5)]
    stage = Cast(ears=ears, minds=[FakeLlm(["At nine"] * 9)])
    async with stage.call() as line:
        await ask(line, 8)
        said = [text for role, text in line.told if role == "user"]
        assert said == [QUESTION] * 8
        assert line.ear == ["At", "nine"] * 8
    assert len(stage.told) >= 3
    assert all(each.spare for each in stage.told)


async def test_a_voice_without_a_slot_now_and_then_is_waited_for_and_keeps_its_name(
    autojump_clock: MockClock,
) -> None:
    first = Flapping(failure("tts", EngineAtCapacity))
    stage = Cast(minds=[FakeLlm(["At nine"] * 4)], voices=[first, Voice()])
    async with stage.call() as line:
        await ask(line, 4)
        assert line.ear == ["At", "nine"] * 4
    assert stage.told == []
    assert max(turns_of(line)) < 2500
