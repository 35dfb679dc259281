"""The engine that docs/engines.md adds, made by a configuration: it speaks to its stand-in
over a real socket, and fails as an engine should."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from attrs import frozen
from engines_page import FILES, Speech, assembled

from voiced.audio import g711
from voiced.client.check_engines import ask_tts
from voiced.client.check_report import Answer, Row, State
from voiced.config import Settings, parse
from voiced.dialog.events import SpeechEvent, SpokenAudio
from voiced.engines.fallback import Failover
from voiced.engines.http import http_client
from voiced.engines.roles import Tts
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
    WireError,
)
from voiced.lab.server import serve
from voiced.lab.voice import ToneVoice
from voiced.ops.held import account

SENTENCES = "Good morning to you. The kitchen closes at ten."
FRAMES = 36  # that the stand-in has for them
FRAME = 640  # bytes of the telephone's audio in one
FAILED = Row(role="tts", name="kokoro", where="", state=State.FAILED)


@pytest.fixture
def speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speech:
    return assembled(tmp_path, monkeypatch)


@frozen
class House:
    server: Any
    settings: Settings
    voice: Tts
    told: list[Failover]


@asynccontextmanager
async def house(speech: Speech, key: str = "lab", **how: Any) -> AsyncIterator[House]:
    """The voice of a configuration; behind it a spare of the same kind."""
    timing = speech.lab.SpeechTiming(first_audio_ms=5, speed=50)
    keys = frozenset({"lab"})
    server = speech.lab.SpeechServer(ToneVoice(), keys=keys, timing=timing, **how)
    spare = speech.lab.SpeechServer(ToneVoice(), keys=keys, timing=timing)
    async with trio.open_nursery() as nursery, http_client() as http:
        ports = [
            await nursery.start(serve, each.handle, "127.0.0.1", 0) for each in (server, spare)
        ]
        sections = "".join(
            f'[tts.{name}]\ntype = "speech"\nvoice = "ff_siwis"\napi_key = "{key}"\n'
            f'url = "http://127.0.0.1:{port}/v1"\n'
            for name, port in zip(("kokoro", "spare"), ports, strict=True)
        )
        text = f'[stt.k]\ntype = "moshi"\n[llm.l]\ntype = "openai"\n{sections}[agent.default]\n'
        settings = parse(text + 'stt = ["k"]\nllm = ["l"]\ntts = ["kokoro", "spare"]', "v.toml")
        told: list[Failover] = []
        built = speech.build.build_engines(settings, http, told.append)
        built = built.of(settings.agents["default"]).tts
        assert isinstance(built.engines[0], speech.engine.SpeechTts)
        yield House(server, settings, built, told)
        nursery.cancel_scope.cancel()


def only(voice: Any, speech: Speech, **timing: float) -> Tts:
    """The preferred voice alone, and impatient."""
    voice.engines[0]._timing = speech.engine.SpeechTiming(**{"slot_s": 0.1, **timing})
    return voice.engines[0]


async def say(
    voice: Tts, mulaw: bytearray, heard: Callable[[], None] | None = None
) -> EngineError | None:
    """Has it say the sentences; returns its failure. Nothing is left over."""
    with account() as held:
        try:
            with trio.fail_after(5):
                return await spoken(voice, mulaw, heard or (lambda: None))
        finally:
            assert held == Counter()
            assert list(held) == ["tts stream"]  # it was booked


async def spoken(voice: Tts, mulaw: bytearray, heard: Callable[[], None]) -> EngineError | None:
    words_out, words = trio.open_memory_channel[str](8)
    speech_out, speech = trio.open_memory_channel[SpeechEvent](0)

    async def write() -> None:
        with words_out:
            for word in SENTENCES.split():
                await words_out.send(word)

    async def listen() -> None:
        async for event in speech:
            assert isinstance(event, SpokenAudio)
            mulaw.extend(event.mulaw)
            heard()

    failure = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        nursery.start_soon(listen)
        with speech_out, words:
            try:
                await voice.speak(words, speech_out)
            except EngineError as error:
                failure = error
                nursery.cancel_scope.cancel()
    return failure


async def test_it_says_a_whole_reply(speech: Speech) -> None:
    mulaw = bytearray()
    async with house(speech) as ours:
        assert await say(ours.voice, mulaw) is None
        assert " ".join(ours.server.spoken) == SENTENCES
        assert ours.server.asked[0] == "Good morning to you."
    assert len(mulaw) == FRAMES * FRAME
    spectrum = np.abs(np.fft.rfft(g711.decode_float(bytes(mulaw))))
    assert 4000 * spectrum.argmax() / (len(spectrum) - 1) == pytest.approx(440, abs=2)
    assert not ours.told


async def test_a_refused_key_is_told_and_kept_secret(speech: Speech) -> None:
    async with house(speech, key="not-the-key") as ours:
        voice = only(ours.voice, speech)
        refused = await say(voice, bytearray())
        row = await ask_tts(FAILED, voice, ours.settings.tts["kokoro"])
    assert isinstance(refused, EngineRefused)
    assert (refused.engine, refused.role, refused.retryable) == ("kokoro", "tts", False)
    assert "does not accept the api_key" in str(refused)
    assert "not-the-key" not in str(refused)
    assert (row.reachable, row.authorised) == (Answer.YES, Answer.NO)
    assert row.hint.endswith("Mend it: api_key in [tts.kokoro], or OPENAI_API_KEY")


async def test_check_hears_it(speech: Speech) -> None:
    async with house(speech) as ours:
        row = await ask_tts(FAILED, only(ours.voice, speech), ours.settings.tts["kokoro"])
    assert row.state is State.WORKS
    assert row.first_ms is not None


@pytest.mark.parametrize(
    ("fault", "kind", "heard"),
    [
        ("RATE_LIMITED", EngineAtCapacity, 0),
        ("NOT_FOUND", EngineRefused, 0),
        ("STALL", EngineTimeout, 2),
        ("CUT", EngineBroken, 2),
    ],
)
async def test_a_failure_has_its_kind(
    speech: Speech, fault: str, kind: type[EngineError], heard: int
) -> None:
    mulaw = bytearray()
    async with house(speech, fault=speech.lab.SpeechFault[fault]) as ours:
        began = trio.current_time()
        failure = await say(only(ours.voice, speech, next_s=0.3), mulaw)
        took_s = trio.current_time() - began
    assert type(failure) is kind
    assert "morning" not in str(failure)
    assert took_s >= {EngineAtCapacity: 0.1, EngineTimeout: 0.3}.get(kind, 0.0)
    assert heard * FRAME - 30 < len(mulaw) <= heard * FRAME  # what is in the filter is not said


async def test_a_spare_says_the_rest(speech: Speech) -> None:
    mulaw = bytearray()
    async with house(speech, fault=speech.lab.SpeechFault.CUT) as ours:
        assert await say(ours.voice, mulaw) is None
    (failover,) = ours.told
    assert (failover.engine, failover.reason, failover.spare) == ("kokoro", "broken", "spare")
    assert len(mulaw) >= FRAMES * FRAME


async def test_a_barge_in_leaves_nothing_behind(speech: Speech) -> None:
    async with house(speech) as ours:
        with trio.CancelScope() as turn:
            await say(only(ours.voice, speech), bytearray(), turn.cancel)
        assert turn.cancelled_caught
        assert len(ours.server.asked) == 1


@pytest.mark.parametrize("cut", range(9))
def test_the_wire_is_the_same_however_it_was_cut(speech: Speech, cut: int) -> None:
    samples, stream = np.array([0, 1, -32768, 32767], "<i2"), speech.wire.PcmStream()
    body = samples.tobytes()
    pcm = [*stream.feed(body[:cut]), *stream.feed(body[cut:])]
    assert pcm == [sample / 32768 for sample in samples.tolist()]


def test_a_sound_file_is_no_speech(speech: Speech) -> None:
    with pytest.raises(WireError, match="sound file"):
        speech.wire.PcmStream().feed(b"RIFF\x24\x00\x00\x00WAVE")


async def test_the_official_client_is_content(speech: Speech) -> None:
    space: dict[str, Any] = {}
    judge = "tests/lab/test_lab_speech_judge.py"
    exec(compile(FILES[judge], judge, "exec"), space)
    tests = [each for name, each in space.items() if name.startswith("test_")]
    assert len(tests) == 1
    await tests[0]()
