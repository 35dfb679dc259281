"""moshi-server's STT from the outside: what a call hears, and each way it can fail."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import numpy as np
import pytest
import trio
from attrs import define, field
from engine_peers import FULL, READY, Handler, Line, Peer, packed, pcm_of

from voiced.audio import g711
from voiced.config.engines import MoshiStt as Settings
from voiced.config.secrets import Secret
from voiced.dialog.events import Flushed, PauseScored, WordHeard
from voiced.engines.moshi_ear import EarModel
from voiced.engines.moshi_stt import MoshiStt, MoshiTranscription
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)

SETTINGS = Settings(url="ws://gpu:8090/api/asr-streaming", api_key=Secret("very-secret"))
STEP = bytes([0xFF]) * 640
DELAY_STEPS = 6


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Callable[[Handler], Peer]]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


@define
class Server:
    """Steps through audio as moshi-server does; `words` are (step at which said, text)."""

    words: list[tuple[int, str]] = field(factory=list)
    scores: list[float] = field(factory=lambda: [0.1, 0.2, 0.75, 0.4])
    steps_until: int = 10**9
    step_s: float = 0.0
    received: list[np.ndarray] = field(factory=list)

    async def __call__(self, line: Line) -> None:
        websocket = await line.accept()
        await websocket.send_message(READY)
        while True:
            self.received.append(pcm_of(await websocket.get_message()))
            count = len(self.received)
            if count > self.steps_until:
                continue
            await trio.sleep(self.step_s)
            step = packed("Step", step_idx=count * 3 + 100, prs=self.scores, buffered_pcm=0)
            await websocket.send_message(step)
            for said_at, text in self.words:
                if said_at + DELAY_STEPS == count:
                    await websocket.send_message(
                        packed("Word", text=text, start_time=said_at * 0.08)
                    )


async def speak(call: MoshiTranscription, steps: int, packet: bytes = STEP[:160]) -> None:
    """The caller's audio at its own pace, 20 ms each."""
    for _ in range(steps * 4):
        call.put(packet)
        await trio.sleep(0.02)


def engine(peer: Peer, **options) -> MoshiTranscription:
    call = MoshiStt("kyutai", SETTINGS, connect=peer.connect, **options).transcription()
    assert isinstance(call, MoshiTranscription)
    return call


async def failure(call: MoshiTranscription, steps: int = 0) -> EngineError:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, call, steps)
        with pytest.raises(EngineError) as caught:
            await call.run(lambda event: None)
        nursery.cancel_scope.cancel()
    assert "very-secret" not in str(caught.value)
    return caught.value


async def listen(call: MoshiTranscription, caller) -> list:
    """Runs the ear beside `caller` and returns what it heard."""
    heard: list = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, heard.append)
        await caller()
        nursery.cancel_scope.cancel()
    return heard


async def test_words_and_pause_scores_are_heard_on_our_own_clock(peer, autojump_clock):
    served = peer(Server(words=[(2, "hello"), (3, " "), (4, "there.")]))
    call = engine(served)
    heard = await listen(call, partial(speak, call, 12))
    words = [event for event in heard if isinstance(event, WordHeard)]
    scores = [event for event in heard if isinstance(event, PauseScored)]
    assert words == [WordHeard("hello", 0.16), WordHeard("there.", 0.32)]
    assert [event.stream_s for event in scores] == [pytest.approx(n * 0.08) for n in range(1, 13)]
    assert {event.score for event in scores} == {0.75}
    assert call.statistics().steps == 12
    assert served.all_closed
    assert served.lines[0].headers["kyutai-api-key"] == "very-secret"


async def test_audio_arrives_in_frames_of_1920_and_sounds_the_same(peer, autojump_clock):
    server = Server()
    tone = (8000 * np.sin(np.arange(8000) * 2 * np.pi * 500 / 8000)).astype(np.int16)
    mulaw = g711.encode(tone)
    call = engine(peer(server))

    async def caller() -> None:
        for start in range(0, len(mulaw), 160):
            call.put(mulaw[start : start + 160])
            await trio.sleep(0.02)

    await listen(call, caller)
    assert {len(frame) for frame in server.received} == {1920}
    signal = np.concatenate(server.received)[4800:-1920]
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    assert np.argmax(spectrum) * 24_000 / len(signal) == pytest.approx(500, abs=2)
    assert np.abs(signal).max() == pytest.approx(8000 / 32768, rel=0.05)


async def test_audio_from_before_ready_is_kept(peer, autojump_clock):
    server = Server()

    async def late(line: Line) -> None:
        await trio.sleep(2)
        await server(line)

    call = engine(peer(late))
    await listen(call, partial(speak, call, 40))
    assert len(server.received) == 40
    assert call.statistics().dropped_ms == 0


async def test_each_step_of_speech_is_sent_as_soon_as_it_is_whole(peer, autojump_clock):
    server = Server()
    call = engine(peer(server))

    async def caller() -> None:
        await trio.sleep(0.1)
        call.put(STEP)
        await trio.sleep(0.001)
        assert len(server.received) == 1

    await listen(call, caller)


async def test_a_flush_brings_the_last_words_faster_than_real_time(peer, autojump_clock):
    call = engine(peer(Server(words=[(9, "table"), (10, "please")])))
    moments: list[float] = []

    async def caller() -> None:
        await speak(call, 10)
        call.flush()
        moments.append(trio.current_time())
        await trio.sleep(0.05)

    heard = await listen(call, caller)
    texts = [event.text for event in heard if isinstance(event, WordHeard)]
    assert texts == ["table", "please"]
    flushed = heard.index(Flushed())
    assert heard.index(WordHeard("please", 0.8)) < flushed
    assert heard.count(Flushed()) == 1


async def test_overlapping_flushes_get_one_answer(peer, autojump_clock):
    call = engine(peer(Server()))

    async def caller() -> None:
        await speak(call, 3)
        call.flush()
        call.flush()
        await trio.sleep(2)
        call.flush()
        await trio.sleep(2)

    assert (await listen(call, caller)).count(Flushed()) == 2


async def test_a_flush_that_is_lost_is_answered_by_its_deadline(peer, autojump_clock):
    call = engine(peer(Server(step_s=0.5)))
    asked: list[float] = []
    answered: list[float] = []

    def hear(event) -> None:
        if isinstance(event, Flushed):
            answered.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, hear)
        await trio.sleep(0.1)
        call.flush()
        asked.append(trio.current_time())
        await trio.sleep(8)
        call.flush()
        asked.append(trio.current_time())
        await trio.sleep(8)
        nursery.cancel_scope.cancel()
    assert [b - a for a, b in zip(asked, answered, strict=True)] == pytest.approx([1, 1])


async def test_a_server_slower_than_speech_loses_the_oldest_audio_only(peer, autojump_clock):
    server = Server(step_s=0.16)
    call = engine(peer(server))
    await listen(call, partial(speak, call, 125))
    lost = call.statistics().dropped_ms
    assert 1000 < lost < 5000
    behind = 125 - call.statistics().steps - lost / 80
    assert behind * 0.08 == pytest.approx(3, abs=0.2)  # 2 s under way and 1 s waiting


async def test_a_model_without_steps_tells_the_time_by_the_audio_sent(peer, autojump_clock):
    call = engine(peer(Server(steps_until=0)), model=EarModel(2.56, None))
    heard = await listen(call, partial(speak, call, 50))
    assert heard[-1] == PauseScored(None, pytest.approx(50 * 0.08))


async def test_scores_that_a_model_lacks_are_none(peer, autojump_clock):
    call = engine(peer(Server(scores=[0.5])))
    heard = await listen(call, partial(speak, call, 2))
    assert heard[0] == PauseScored(None, 0.08)


async def test_a_silent_line_owes_no_steps(peer, autojump_clock):
    call = engine(peer(Server()))

    async def caller() -> None:
        await speak(call, 5)
        await trio.sleep(60)

    assert len(await listen(call, caller)) == 5


@pytest.mark.parametrize(
    ("status", "words"), [(401, "authorized_ids"), (403, "moshi"), (404, "path")]
)
async def test_a_refusal_is_told_in_moshis_terms(peer, autojump_clock, status, words):
    async def handle(line: Line) -> None:
        await line.read_request()
        await line.stream.send_all(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)

    error = await failure(engine(peer(handle)))
    assert isinstance(error, EngineRefused)
    assert words in str(error)


def saying(*messages: bytes, then=None) -> Handler:
    async def handle(line: Line) -> None:
        websocket = await line.accept()
        for message in messages:
            await websocket.send_message(message)
        if then:
            await then(line)
        await trio.sleep_forever()

    return handle


async def test_no_slot_is_at_capacity(peer, autojump_clock):
    served = peer(saying(FULL, then=Line.close_without_code))
    error = await failure(engine(served))
    assert isinstance(error, EngineAtCapacity)
    assert error.retryable
    assert served.all_closed


async def test_never_ready_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    assert isinstance(await failure(engine(peer(saying())), 100), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(3)


async def test_silence_after_ready_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    error = await failure(engine(peer(Server(steps_until=0))), 100)
    assert isinstance(error, EngineTimeout)
    assert trio.current_time() - began == pytest.approx(2.06, abs=0.05)


async def test_falling_silent_in_mid_call_is_a_timeout(peer, autojump_clock):
    assert isinstance(await failure(engine(peer(Server(steps_until=30))), 100), EngineTimeout)


@pytest.mark.parametrize("end", [Line.drop, Line.reset, Line.close_without_code])
@pytest.mark.parametrize("before", [(), (READY,)])
async def test_an_end_in_mid_call_is_broken(peer, autojump_clock, end, before):
    served = peer(saying(*before, then=end))
    assert isinstance(await failure(engine(served), 10), EngineBroken)
    assert served.all_closed


@pytest.mark.parametrize("bad", [b"", b"\xc1", packed("Word", text=3), packed("Step"), b"\x91\x01"])
async def test_a_malformed_message_is_broken(peer, autojump_clock, bad):
    error = await failure(engine(peer(saying(READY, bad))))
    assert isinstance(error, EngineBroken)
    assert "malformed" in str(error)


async def test_unknown_messages_are_survived(peer, autojump_clock):
    word = packed("Word", text="yes", start_time=0.1)
    call = engine(peer(saying(READY, packed("News", of="tomorrow"), packed("Ready"), word)))
    heard = await listen(call, partial(trio.sleep, 1))
    assert heard == [WordHeard("yes", 0.1)]


async def test_an_error_instead_of_ready_is_broken(peer, autojump_clock):
    error = await failure(engine(peer(saying(packed("Error", message="no model")))))
    assert isinstance(error, EngineBroken)


async def test_an_error_in_mid_call_is_broken(peer, autojump_clock):
    error = await failure(engine(peer(saying(READY, packed("Error", message="CUDA")))))
    assert isinstance(error, EngineBroken)
    assert "CUDA" in str(error)


@pytest.mark.parametrize("stage", [0.0, 0.5, 1.5, 2.5])
async def test_cancelling_at_any_stage_closes_at_once(peer, autojump_clock, stage):
    async def slow(line: Line) -> None:
        await trio.sleep(1)
        websocket = await line.accept()
        await trio.sleep(1)
        await websocket.send_message(READY)
        await trio.sleep_forever()

    served = peer(slow)
    call = engine(served)
    began = trio.current_time()
    with trio.move_on_after(stage):
        await call.run(lambda event: None)
    assert trio.current_time() == pytest.approx(began + stage)
    assert served.all_closed
