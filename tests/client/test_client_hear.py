"""`voiced hear`: an ear tried alone, in the test's own time."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from voiced import cli
from voiced.audio import g711, wavfile
from voiced.audio.frame import SAMPLE_RATE, SILENT_FRAME
from voiced.client.choice import TrialError
from voiced.client.hear import FLUSH_S, Line, Packet, hear, heard
from voiced.config import Agent, MoshiStt, MoshiTts, OpenAiLlm, Settings
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.events import (
    Flushed,
    PauseScored,
    SpeechStarted,
    SpeechStopped,
    SttEvent,
    WordHeard,
)
from voiced.engines.roles import Stt, SttStatistics
from voiced.errors import EngineBroken, EngineError
from voiced.lab.engines import EarKind, Lab, LabSettings, VoiceKind, run_lab

SURE = EndpointingRule()


@define
class Ear:
    """Tells these events at their times; answers a flush after `flush_s`."""

    events: tuple[tuple[float, SttEvent], ...] = ()
    flush_s: float | None = 0.3
    last: tuple[SttEvent, ...] = ()
    failure: EngineBroken | None = None
    packets: list[tuple[float, bytes]] = field(factory=list)
    flushed_at: float | None = None
    asked: trio.Event = field(factory=trio.Event)

    def transcription(self) -> "Ear":
        return self

    def put(self, mulaw: bytes) -> None:
        self.packets.append((trio.current_time(), mulaw))

    def flush(self) -> None:
        self.flushed_at = trio.current_time()
        self.asked.set()

    def statistics(self) -> SttStatistics:
        return SttStatistics(dropped_ms=40)

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        for at, event in self.events:
            await trio.sleep_until(at)
            hear(event)
        if self.failure:
            raise self.failure
        await self.asked.wait()
        if self.flush_s is not None:
            await trio.sleep(self.flush_s)
            for event in (*self.last, Flushed()):
                hear(event)
        await trio.sleep_forever()


def line(length_s: float, changes: dict[int, SpeechStarted | SpeechStopped]) -> Line:
    def packets() -> Iterator[Packet]:
        number = 0
        while True:
            number += 1
            yield Packet(SILENT_FRAME, changes.get(number))

    return Line(packets(), length_s)


async def transcript(
    ear: Ear,
    length_s: float = 1.0,
    changes: dict[int, SpeechStarted | SpeechStopped] | None = None,
    rule: EndpointingRule = SURE,
) -> tuple[list[str], dict[str, str]]:
    """The lines told on the way, and the summary by name."""
    told: list[str] = []
    summary = await heard(cast(Stt, ear), line(length_s, changes or {}), rule, told.append)
    assert summary[0] == ""
    return told, {each[:8].strip(): each[8:] for each in summary[1:]}


async def test_words_come_with_their_time_and_delay(autojump_clock: MockClock) -> None:
    ear = Ear(
        events=((0.7, WordHeard("good", 0.2)), (0.9, WordHeard("morning", 0.5))),
        last=(WordHeard("to", 0.8),),
    )
    told, summary = await transcript(ear)
    assert [each.split() for each in told[:2]] == [
        ["00:00.2", "good", "0.50", "s"], ["00:00.5", "morning", "0.40", "s"],
    ]  # fmt: skip
    assert summary["heard"] == "good morning to"
    assert summary["words"].startswith("3, told 0.50 s after they began (median; at most ")
    assert summary["lost"].startswith("40 ms")


async def test_the_file_is_played_at_real_time_and_silence_behind_it(
    autojump_clock: MockClock,
) -> None:
    ear = Ear()
    _, summary = await transcript(ear)
    assert ear.packets[0][0] == pytest.approx(0.02)
    assert ear.packets[49][0] == pytest.approx(1.0)
    assert len(ear.packets) == 150  # and two seconds of silence
    assert ear.flushed_at == pytest.approx(3.0)
    assert trio.current_time() == pytest.approx(3.3)
    assert (summary["heard"], summary["words"], summary["turns"]) == ("nothing", "0", "0")


async def test_the_end_of_a_turn_by_the_engine(autojump_clock: MockClock) -> None:
    ear = Ear(
        events=(
            (1.2, WordHeard("hello", 0.7)), (1.5, PauseScored(0.9, 1.5)),
            (1.8, WordHeard("there", 1.3)),  # said before the turn's end: its own last word
            (2.0, PauseScored(0.9, 2.0)), (2.5, WordHeard("and", 2.1)),
            (2.7, PauseScored(0.9, 2.7)),
        ),
    )  # fmt: skip
    told, summary = await transcript(ear, length_s=3.0)
    assert [each[:7] for each in told if "end of turn" in each] == ["00:01.5", "00:02.7"]
    assert "the engine is sure" in told[1]
    assert summary["turns"] == "2"
    assert summary["heard"] == "hello there and"


async def test_the_end_of_a_turn_by_silence(autojump_clock: MockClock) -> None:
    ear = Ear(events=((0.9, WordHeard("hello", 0.4)), (1.5, PauseScored(0.9, 1.5))))
    quiet = {20: SpeechStarted(), 50: SpeechStopped(0.3)}
    told, summary = await transcript(ear, 1.0, quiet, EndpointingRule(3.0, uses_score=False))
    assert told[1] == "00:00.7  (quiet)"
    assert told[2] == "00:03.7  (end of turn: the line is silent, or no word comes)"
    assert ear.flushed_at == pytest.approx(3.7)  # the line stays open for it
    assert summary["turns"] == "1"


async def test_a_flush_that_nobody_answers_is_not_awaited_for_ever(
    autojump_clock: MockClock,
) -> None:
    await transcript(Ear(flush_s=None))
    assert trio.current_time() == pytest.approx(3.0 + FLUSH_S)


async def test_an_ear_that_fails_does_so_alone(autojump_clock: MockClock) -> None:
    ear = Ear(events=((0.5, WordHeard("good", 0.2)),), failure=EngineBroken("x", "stt", "gone"))
    with pytest.raises(EngineError, match="stt x: gone"):
        await transcript(ear)


async def test_what_an_engine_says_obeys_no_terminal(autojump_clock: MockClock) -> None:
    told, summary = await transcript(Ear(events=((0.5, WordHeard("\x1b[2Jgood", 0.2)),)))
    assert "\x1b" not in told[0] + summary["heard"]


async def test_a_line_that_ends_is_flushed(autojump_clock: MockClock) -> None:
    ear = Ear()
    ends = Line(iter([Packet(SILENT_FRAME)] * 10), 0.2)
    await heard(cast(Stt, ear), ends, SURE, print)
    assert ear.flushed_at == pytest.approx(0.2)


# --- the line, as the command makes it of a file ------------------------------------------------


def sound(seconds: float) -> bytes:
    moments = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return g711.encode_float((0.5 * np.sin(2 * np.pi * 300 * moments)).astype(np.float32))


def test_a_file_becomes_a_line_that_goes_on_silent() -> None:
    packets = list(islice(cli._packets(sound(0.5)), 100))
    assert all(len(packet.mulaw) == 160 for packet in packets)
    assert packets[99].mulaw == SILENT_FRAME
    changes = {number: each.change for number, each in enumerate(packets) if each.change}
    (began, started), (stopped_at, stopped) = changes.items()
    assert (type(started), began) == (SpeechStarted, 2)
    assert isinstance(stopped, SpeechStopped)
    assert stopped_at == 24 + 15
    assert stopped.quiet_s == pytest.approx(0.3)


# --- for real -----------------------------------------------------------------------------------

QUICK = LabSettings(
    stt_port=0, tts_port=0, llm_port=0, voice=VoiceKind.TONE, ear=EarKind.WORDS,
    sentences=("good morning to you",),
)  # fmt: skip


def house(url: str) -> Settings:
    stt = MoshiStt(url=url)
    agent = Agent(language="en", stt=("lab",), llm=("lab",), tts=("lab",))
    return Settings(
        agents={"default": agent}, stt={"lab": stt, "away": evolve(stt, url="ws://127.0.0.1:1/x")},
        llm={"lab": OpenAiLlm()}, tts={"lab": MoshiTts()},
    )  # fmt: skip


def speech() -> Line:
    mulaw = sound(1.0)
    return Line(cli._packets(mulaw), len(mulaw) / SAMPLE_RATE)


async def test_a_stand_in_hears_a_file() -> None:
    told: list[str] = []
    async with trio.open_nursery() as nursery:
        lab: Lab = await nursery.start(partial(run_lab, QUICK))
        assert await hear(house(lab.stt_url), "", speech(), told.append) == 0
        nursery.cancel_scope.cancel()
    assert told[told.index("") + 1] == "heard   good morning to you"
    assert any("(quiet)" in each for each in told)
    assert any("end of turn" in each for each in told)


@pytest.mark.parametrize(
    ("ear", "kind", "said"),
    [("away", EngineError, "nothing listens"), ("zzz", TrialError, r"no \[stt\.zzz\]")],
)
async def test_an_ear_that_is_not_there(ear: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        await hear(house("ws://127.0.0.1:1/x"), ear, speech(), print)


def test_a_file_is_written_and_read_by_the_same_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wavfile.mono(sound(0.1)))
    assert wavfile.telephone(path.read_bytes()) == sound(0.1)
