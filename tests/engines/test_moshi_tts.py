"""moshi-server's TTS from the outside: words in, speech out, and each way it can fail."""

from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qs, urlsplit

import msgpack
import pytest
import trio
from attrs import define, field
from engine_peers import FULL, READY, Handler, Line, Peer, packed, pcm_frame

from voiced.config.engines import MoshiTts as Settings
from voiced.config.secrets import Secret
from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.engines.moshi_tts import MoshiTts, TtsTiming
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)

SETTINGS = Settings(
    url="ws://gpu:8080/api/tts_streaming", api_key=Secret("very-secret"), voice="fr/a b&c.wav"
)
PONG = 0xA
SENTENCE = ["The", "kitchen", "closes", "at", "ten."]


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Callable[[Handler], Peer]]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


@define
class Server:
    """Speaks each word in one frame of audio, all of them once the end is told."""

    ready_s: float = 0.05
    early: list[bytes] = field(factory=list)
    messages: list[dict] = field(factory=list)
    tail: Callable | None = Line.close_without_code

    async def __call__(self, line: Line) -> None:
        websocket = await line.accept()
        with trio.move_on_after(self.ready_s):
            self.early.append(await websocket.get_message())
        await websocket.send_message(READY)
        words: list[str] = []
        while not self.messages or self.messages[-1]["type"] != "Eos":
            self.messages.append(msgpack.unpackb(await websocket.get_message()))
            words += self.messages[-1].get("text", "").split()
        for index, word in enumerate(words):
            start_s = index * 0.08
            await websocket.send_message(
                packed("Text", text=word, start_s=start_s, stop_s=start_s + 0.08)
            )
            await websocket.send_message(pcm_frame(0.25))
        if self.tail:
            await self.tail(line)
        await trio.sleep_forever()


def saying(*messages: bytes, then=None) -> Handler:
    """Sends these messages, whatever it is told."""

    async def handle(line: Line) -> None:
        websocket = await line.accept()
        for message in messages:
            await websocket.send_message(message)
        if then:
            await then(line)
        await trio.sleep_forever()

    return handle


async def say(
    served: Peer,
    words: list[str],
    *,
    pause_s: float = 0.0,
    ends: bool = True,
    timing: TtsTiming | None = None,
) -> list[SpeechEvent]:
    """One reply, as a call makes it: a task that writes the words, one that takes the speech."""
    engine = MoshiTts("kyutai", SETTINGS, timing=timing, connect=served.connect)
    write, words_in = trio.open_memory_channel[str](8)
    speech_out, speech_in = trio.open_memory_channel[SpeechEvent](8)
    spoken: list[SpeechEvent] = []

    async def writer() -> None:
        for word in words:
            await write.send(word)
            await trio.sleep(pause_s)
        if ends:
            write.close()

    async def reader() -> None:
        while True:
            spoken.append(await speech_in.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer)
        nursery.start_soon(reader)
        try:
            await engine.speak(words_in, speech_out)
        finally:
            nursery.cancel_scope.cancel()
            while speech_in.statistics().current_buffer_used:
                spoken.append(speech_in.receive_nowait())
    return spoken


async def failure(served: Peer, words: list[str] = SENTENCE, **how) -> EngineError:
    with pytest.RaisesGroup(EngineError) as caught:
        await say(served, words, **how)
    (error,) = caught.value.exceptions
    assert "very-secret" not in str(error)
    assert served.all_closed
    return error


async def test_a_reply_comes_out_as_word_times_and_telephone_audio(peer, autojump_clock):
    server = Server()
    served = peer(server)
    spoken = await say(served, SENTENCE)
    words = [event for event in spoken if isinstance(event, SpokenWord)]
    assert [event.text for event in words] == SENTENCE
    assert words[1] == SpokenWord("kitchen", 0.08, 0.16)
    mulaw = b"".join(event.mulaw for event in spoken if isinstance(event, SpokenAudio))
    assert len(mulaw) == len(SENTENCE) * 640
    assert served.all_closed
    assert len(served.lines) == 1


async def test_the_request_names_format_and_voice(peer, autojump_clock):
    served = peer(Server())
    await say(served, SENTENCE)
    parts = urlsplit(served.lines[0].path)
    assert parts.path == "/api/tts_streaming"
    assert parse_qs(parts.query) == {"format": ["PcmMessagePack"], "voice": ["fr/a b&c.wav"]}
    assert served.lines[0].headers["kyutai-api-key"] == "very-secret"


async def test_all_words_are_sent_whole_and_in_order_with_the_end_behind(peer, autojump_clock):
    server = Server()
    words = [f"word{n}" for n in range(300)]
    await say(peer(server), words, pause_s=0.01)
    assert " ".join(message["text"] for message in server.messages[:-1]).split() == words
    assert server.messages[-1] == {"type": "Eos"}
    assert len(server.messages[0]["text"].split()) >= 3


async def test_the_end_is_told_also_where_few_words_came(peer, autojump_clock):
    server = Server()
    await say(peer(server), ["Yes."])
    assert [message["type"] for message in server.messages] == ["Text", "Eos"]


async def test_nothing_is_sent_before_ready(peer, autojump_clock):
    server = Server(ready_s=1.0)
    assert await say(peer(server), SENTENCE)
    assert server.early == []


async def test_an_empty_reply_sends_nothing_and_closes(peer, autojump_clock):
    server = Server()
    served = peer(server)
    assert await say(served, []) == []
    assert server.messages == []
    assert served.all_closed


async def test_a_long_pause_of_the_model_is_no_fault_of_the_voice(peer, autojump_clock):
    assert await say(peer(Server()), ["One", "two", "three."], pause_s=20)


async def test_signs_of_life_go_out_while_there_is_nothing_to_say(peer, autojump_clock):
    served = peer(saying(READY))
    with trio.move_on_after(35):
        await say(served, [], ends=False)
    assert served.lines[0].client.opcodes.count(PONG) == 3


@pytest.mark.parametrize("refusals", [1, 3])
async def test_a_slot_that_comes_free_in_time_is_taken(peer, autojump_clock, refusals):
    server = Server()

    async def handle(line: Line) -> None:
        if len(served.lines) <= refusals:
            await saying(FULL, then=Line.close_without_code)(line)
        await server(line)

    served = peer(handle)
    began = trio.current_time()
    assert await say(served, SENTENCE)
    assert trio.current_time() - began < 0.4
    assert len(served.lines) == refusals + 1


async def test_no_slot_is_at_capacity_after_a_few_tries(peer, autojump_clock):
    served = peer(saying(FULL, then=Line.close_without_code))
    began = trio.current_time()
    error = await failure(served)
    assert isinstance(error, EngineAtCapacity)
    assert trio.current_time() - began == pytest.approx(0.3)
    assert len(served.lines) == 5


@pytest.mark.parametrize(("slot_s", "tries"), [(0.0, 1), (0.04, 2), (0.3, 5), (1.0, 7)])
async def test_how_long_a_slot_is_waited_for_can_be_set(peer, autojump_clock, slot_s, tries):
    served = peer(saying(FULL, then=Line.close_without_code))
    began = trio.current_time()
    error = await failure(served, timing=TtsTiming(slot_s=slot_s))
    assert isinstance(error, EngineAtCapacity)
    assert trio.current_time() - began == pytest.approx(slot_s)
    assert len(served.lines) == tries


async def test_refusals_that_take_their_time_are_fewer(peer, autojump_clock):
    async def slow(line: Line) -> None:
        await trio.sleep(0.1)
        await saying(FULL, then=Line.close_without_code)(line)

    served = peer(slow)
    began = trio.current_time()
    assert isinstance(await failure(served), EngineAtCapacity)
    assert trio.current_time() - began == pytest.approx(0.1 + 0.05 + 0.1 + 0.075 + 0.1)
    assert len(served.lines) == 3


async def test_another_failure_ends_the_wait_for_a_slot(peer, autojump_clock):
    async def handle(line: Line) -> None:
        await (refusing if len(served.lines) > 1 else full)(line)

    async def refusing(line: Line) -> None:
        await line.read_request()
        await line.stream.send_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    full = saying(FULL, then=Line.close_without_code)
    served = peer(handle)
    assert isinstance(await failure(served), EngineRefused)
    assert len(served.lines) == 2


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_is_not_tried_again(peer, autojump_clock, status):
    async def handle(line: Line) -> None:
        await line.read_request()
        await line.stream.send_all(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)

    served = peer(handle)
    assert isinstance(await failure(served), EngineRefused)
    assert len(served.lines) == 1


async def test_never_ready_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    assert isinstance(await failure(peer(saying())), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(2)


async def test_ready_but_no_audio_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    error = await failure(peer(saying(READY)))
    assert isinstance(error, EngineTimeout)
    assert "no audio" in str(error)
    assert trio.current_time() - began == pytest.approx(4)


async def test_four_words_without_an_end_are_enough_to_owe_audio(peer, autojump_clock):
    error = await failure(peer(saying(READY)), [*SENTENCE, "And"], ends=False)
    assert isinstance(error, EngineTimeout)


async def test_audio_that_stalls_in_mid_reply_is_a_timeout(peer, autojump_clock):
    served = peer(saying(READY, packed("Text", text="The", start_s=0, stop_s=1), pcm_frame()))
    began = trio.current_time()
    assert isinstance(await failure(served), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(2)


async def test_a_listener_that_lags_is_not_the_voices_fault(peer, autojump_clock):
    served = peer(Server())
    engine = MoshiTts("kyutai", SETTINGS, connect=served.connect)
    write, words_in = trio.open_memory_channel[str](8)
    for word in SENTENCE:
        write.send_nowait(word)
    write.close()
    speech_out, speech_in = trio.open_memory_channel[SpeechEvent](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.speak, words_in, speech_out)
        for _ in range(2 * len(SENTENCE) + 1):  # words, frames, and the resampler's last samples
            await trio.sleep(30)
            await speech_in.receive()


@pytest.mark.parametrize("end", [Line.drop, Line.reset])
@pytest.mark.parametrize("before", [(), (READY,), (READY, pcm_frame())])
async def test_a_drop_at_any_stage_is_broken(peer, autojump_clock, end, before):
    assert isinstance(await failure(peer(saying(*before, then=end))), EngineBroken)


@pytest.mark.parametrize("before", [(), (READY,), (READY, pcm_frame())])
async def test_a_close_before_the_end_was_told_is_broken(peer, autojump_clock, before):
    served = peer(saying(*before, then=Line.close_without_code))
    assert isinstance(await failure(served, ends=False), EngineBroken)


async def test_a_close_without_any_audio_is_broken(peer, autojump_clock):
    async def handle(line: Line) -> None:
        websocket = await line.accept()
        await websocket.send_message(READY)
        while msgpack.unpackb(await websocket.get_message())["type"] != "Eos":
            pass
        await line.close_without_code()

    assert isinstance(await failure(peer(handle)), EngineBroken)


@pytest.mark.parametrize(
    "bad", [b"", b"\xc1", packed("Text", text=1), packed("Audio"), b"\x82\xa4type\xa5Audio\xa3pcm"]
)
async def test_a_malformed_message_is_broken(peer, autojump_clock, bad):
    error = await failure(peer(saying(READY, bad)))
    assert isinstance(error, EngineBroken)
    assert "malformed" in str(error)


async def test_an_error_in_mid_reply_is_broken(peer, autojump_clock):
    error = await failure(peer(saying(READY, FULL)))
    assert isinstance(error, EngineBroken)


@pytest.mark.parametrize("stage_s", [0.0, 0.5, 1.5, 2.5, 3.5])
async def test_cancelling_at_any_stage_closes_at_once(peer, autojump_clock, stage_s):
    async def slow(line: Line) -> None:
        await trio.sleep(1)
        websocket = await line.accept()
        await trio.sleep(1)
        await websocket.send_message(READY)
        await trio.sleep(1)
        await websocket.send_message(pcm_frame())
        await trio.sleep_forever()

    served = peer(slow)
    began = trio.current_time()
    with trio.move_on_after(stage_s):
        await say(served, SENTENCE)
    assert trio.current_time() == pytest.approx(began + stage_s)
    assert served.all_closed
