"""The stand-in Deepgram judged by Deepgram's own SDK, and voiced's client by the stand-in."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from deepgram import DeepgramClient, DeepgramClientEnvironment
from deepgram.listen.v1.types import (
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)
from deepgram.listen.v2.types import ListenV2Connected, ListenV2TurnInfo
from lab_websocket import until
from websockets.exceptions import InvalidStatus

from voiced.audio import g711
from voiced.config.engines import DeepgramStt as Settings
from voiced.config.secrets import Secret
from voiced.dialog.events import (
    Flushed,
    PauseScored,
    SttEvent,
    TurnLikelyOver,
    TurnResumed,
    WordHeard,
)
from voiced.engines.deepgram import DeepgramStt
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused
from voiced.lab.deepgram import DeepgramServer
from voiced.lab.deepgram_faults import DeepgramFault, Kind
from voiced.lab.deepgram_query import FluxQuery
from voiced.lab.ear import EarFactory, scripted_ears, sphinx_ears
from voiced.lab.restaurant import GRAMMAR
from voiced.lab.server import serve
from voiced.lab.voice import speak_text

# The SDK still imports names that its own WebSocket library calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")

LOUD, QUIET = (b"\xa0" * 4 + b"\x20" * 4) * 80, b"\xff" * 640
KEY = "lab-key"


@asynccontextmanager
async def running(ears: EarFactory | None = None) -> AsyncIterator[tuple[DeepgramServer, str]]:
    server = DeepgramServer(frozenset({KEY}), ears or scripted_ears(["good morning to you"]))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, server.handle, "127.0.0.1", 0)
        yield server, f"127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


# --- Deepgram's client, our server -------------------------------------------------------------


def official(host: str, key: str = KEY) -> Any:
    ws, http = f"ws://{host}", f"http://{host}"
    environment = DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)
    return DeepgramClient(api_key=key, environment=environment).listen


async def judged(work: Callable[[], Any]) -> Any:
    with trio.fail_after(20):
        return await trio.to_thread.run_sync(work)


def nova(host: str, key: str = KEY) -> Any:
    return official(host, key).v1.connect(
        model="nova-3",
        language="en",
        encoding="mulaw",
        sample_rate=8000,
        interim_results="true",
        endpointing=300,
        utterance_end_ms=1000,
        vad_events="true",
        keyterm=["table", "menu"],
        mip_opt_out="true",
    )


def whole_stream(host: str) -> list[Any]:
    with nova(host) as stream:
        stream.send_keep_alive()
        for step in [QUIET] * 2 + [LOUD] * 12 + [QUIET] * 20 + [LOUD] * 4:
            stream.send_media(step)
        stream.send_finalize()
        stream.send_close_stream()
        return list(stream)


async def test_the_sdk_reads_a_whole_nova_stream() -> None:
    async with running() as (server, host):
        messages = await judged(partial(whole_stream, host))
        assert list(server.commands) == ["KeepAlive", "Finalize", "CloseStream"]
        assert server.questions[-1].keyterms == ("table", "menu")
    types = {type(message) for message in messages}
    assert types == {
        ListenV1Results, ListenV1SpeechStarted, ListenV1UtteranceEnd, ListenV1Metadata,
    }  # fmt: skip
    results = [message for message in messages if isinstance(message, ListenV1Results)]
    for result in results:
        ListenV1Results.model_validate(result.model_dump())  # the SDK itself checks nothing
    finals = [r.channel.alternatives[0].transcript for r in results if r.is_final]
    assert [text for text in finals if text] == ["good morning to you"] * 2
    assert [r.from_finalize for r in results].count(True) == 1
    assert results[-1].start == pytest.approx(38 * 0.08)


def whole_conversation(host: str) -> list[Any]:
    stream = official(host).v2.connect(
        model="flux-general-multi",
        encoding="mulaw",
        sample_rate=8000,
        eot_threshold=0.7,
        eager_eot_threshold=0.3,
        eot_timeout_ms=3000,
        keyterm=["table", "menu"],
        mip_opt_out="true",
        language_hint="en",
    )
    with stream as flux:
        for step in [LOUD] * 12 + [QUIET] * 12 + [LOUD] * 4:
            flux.send_media(step)
        flux.send_force_end_turn()
        flux.send_close_stream()
        return list(flux)


async def test_the_sdk_reads_a_whole_flux_stream() -> None:
    async with running() as (server, host):
        messages = await judged(partial(whole_conversation, host))
        assert server.questions[-1] == FluxQuery(0.7, 0.3, 3.0, ("table", "menu"))
    assert isinstance(messages[0], ListenV2Connected)
    turns = [message for message in messages if isinstance(message, ListenV2TurnInfo)]
    assert len(turns) == len(messages) - 1
    for turn in turns:
        ListenV2TurnInfo.model_validate(turn.model_dump())
    ends = [turn for turn in turns if turn.event == "EndOfTurn"]
    assert [(end.transcript, end.trigger, end.turn_index) for end in ends] == [
        ("good morning to you", "model", 0),
        ("good morning to you", "manual", 1),
    ]
    assert "EagerEndOfTurn" in {turn.event for turn in turns}


def refused_with(host: str) -> tuple[int, str | None]:
    with pytest.raises(InvalidStatus) as caught, nova(host, "wrong"):
        raise AssertionError("it opened")
    response = caught.value.response
    return response.status_code, response.headers.get("dg-error")


async def test_the_sdk_is_refused_with_a_wrong_key() -> None:
    async with running() as (_server, host):
        assert await judged(partial(refused_with, host)) == (401, "Invalid credentials.")


# --- our client, our server --------------------------------------------------------------------


def engine(host: str, model: str, key: str = KEY, **settings: Any) -> Any:
    settings |= {"url": f"ws://{host}", "api_key": Secret(key), "model": model, "language": "en"}
    return DeepgramStt("cloud", Settings(**settings)).transcription()


async def speak(call: Any, audio: bytes) -> None:
    """At the pace of speech, on the real clock."""
    began = trio.current_time()
    for number, start in enumerate(range(0, len(audio), 160)):
        await trio.sleep_until(began + number * 0.02)
        call.put(audio[start : start + 160])


async def heard_of(call: Any, audio: bytes) -> list[SttEvent]:
    heard: list[SttEvent] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, heard.append)
        await speak(call, audio)
        call.flush()
        await until(lambda: Flushed() in heard)
        nursery.cancel_scope.cancel()
    return heard


def words(heard: Sequence[SttEvent]) -> str:
    return " ".join(event.text for event in heard if isinstance(event, WordHeard))


@pytest.mark.parametrize("model", ["nova-3", "flux-general-en"])
async def test_our_client_hears_an_utterance_and_its_end(model: str) -> None:
    async with running() as (server, host):
        audio = QUIET * 2 + LOUD * 12 + QUIET * 9
        heard = await heard_of(engine(host, model), audio)
        await until(lambda: not server.streams)
        assert list(server.commands) == ["CloseStream"]
    assert words(heard) == "good morning to you"
    first_pause = next(event for event in heard if isinstance(event, PauseScored))
    assert first_pause.score == 1.0
    assert first_pause.stream_s == pytest.approx(14 * 0.08 + 0.45, abs=0.15)


@pytest.mark.parametrize("model", ["nova-3", "flux-general-en"])
async def test_our_client_asks_for_its_keyterms(model: str) -> None:
    async with running() as (server, host):
        terms = ("crème brûlée", "a & b", "100 %")
        heard = await heard_of(
            engine(host, model, keyterms=terms, mip_opt_out=True), LOUD * 12 + QUIET * 8
        )
        assert server.questions[-1].keyterms == terms
    assert words(heard) == "good morning to you"


async def test_our_client_hears_that_a_turn_is_likely_over_and_that_it_goes_on() -> None:
    thresholds = {"eager_eot_threshold": 0.4, "eot_threshold": 0.8, "eot_timeout_ms": 3000}
    async with running() as (server, host):
        flux = engine(host, "flux-general-en", **thresholds)
        heard = await heard_of(flux, LOUD * 12 + QUIET * 5 + LOUD * 12 + QUIET * 10)
        assert server.questions[-1] == FluxQuery(0.8, 0.4, 3.0)
    assert [event for event in heard if not isinstance(event, WordHeard | PauseScored)] == [
        TurnLikelyOver(), TurnResumed(), TurnLikelyOver(), Flushed(),
    ]  # fmt: skip
    likely = heard.index(TurnLikelyOver())
    assert words(heard[:likely]) == "good morning to you"
    again = len(heard) - 1 - heard[::-1].index(TurnLikelyOver())
    assert words(heard[:again]) == words(heard) == "good morning to you good morning to you"
    assert isinstance(heard[again + 1], PauseScored)


async def test_our_client_survives_warnings() -> None:
    async with running() as (server, host):
        server.fault = DeepgramFault(Kind.WARNING)
        heard = await heard_of(engine(host, "flux-general-en"), LOUD * 12 + QUIET * 8)
    assert words(heard) == "good morning to you"


@pytest.mark.parametrize(
    ("model", "asked"), [("nova-3", "Finalize"), ("flux-general-en", "ForceEndTurn")]
)
async def test_our_flush_brings_words_that_were_held_back(model: str, asked: str) -> None:
    async with running() as (server, host):
        heard = await heard_of(engine(host, model), LOUD * 4)
        assert server.commands[0] == asked
    assert words(heard) == "good morning to you"
    assert heard[-1] == Flushed()


async def test_in_noise_our_client_hears_the_end_all_the_same() -> None:
    async with running() as (server, host):
        server.fault = DeepgramFault(Kind.NO_SPEECH_FINAL)
        heard = await heard_of(engine(host, "nova-3"), LOUD * 10 + QUIET * 16)
    assert words(heard) == "good morning to you"
    assert any(isinstance(event, PauseScored) for event in heard)


@pytest.mark.parametrize(
    ("model", "key", "kind", "fault"),
    [
        ("nova-3", "wrong", EngineRefused, Kind.NONE),
        ("nova-9", KEY, EngineRefused, Kind.NONE),
        ("flux-general-xx", KEY, EngineRefused, Kind.NONE),
        ("nova-3", KEY, EngineRefused, Kind.NO_CREDIT),
        ("flux-general-en", KEY, EngineRefused, Kind.FORBIDDEN),
        ("nova-3", KEY, EngineAtCapacity, Kind.AT_CAPACITY),
        ("flux-general-en", KEY, EngineAtCapacity, Kind.AT_CAPACITY),
        ("nova-3", KEY, EngineBroken, Kind.OVERLOADED),
        ("nova-3", KEY, EngineBroken, Kind.DATA_0000),
        ("nova-3", KEY, EngineBroken, Kind.NET_0000),
        ("nova-3", KEY, EngineBroken, Kind.DROP),
        ("nova-3", KEY, EngineBroken, Kind.GOODBYE),
        ("nova-3", KEY, EngineBroken, Kind.MALFORMED),
        ("flux-general-en", KEY, EngineBroken, Kind.DROP),
        ("flux-general-en", KEY, EngineBroken, Kind.GOODBYE),
        ("nova-3", KEY, EngineBroken, Kind.RESET),
        ("flux-general-en", KEY, EngineBroken, Kind.FATAL),
        ("flux-general-en", KEY, EngineBroken, Kind.MALFORMED),
    ],
)
async def test_our_client_tells_each_fault(
    model: str, key: str, kind: type[EngineError], fault: Kind
) -> None:
    async with running() as (server, host):
        server.fault = DeepgramFault(fault)
        call = engine(host, model, key)
        for _ in range(30):
            call.put(QUIET)
        with pytest.raises(kind), trio.fail_after(5):
            await call.run(lambda event: None)


async def test_our_client_understands_strange_messages() -> None:
    async with running() as (server, host):
        server.fault = DeepgramFault(Kind.STRANGE)
        assert words(await heard_of(engine(host, "nova-3"), LOUD * 12 + QUIET * 8)) == (
            "good morning to you"
        )


@pytest.mark.parametrize("model", ["nova-3", "flux-general-en"])
async def test_a_spoken_sentence_is_heard_word_for_word(model: str) -> None:
    async with running(sphinx_ears(GRAMMAR)) as (_server, host):
        said = g711.encode_float(await speak_text("what time do you open on friday", "en-us"))
        call = engine(host, model)
        assert words(await heard_of(call, QUIET * 4 + said + QUIET * 9)) == (
            "what time do you open on friday"
        )
