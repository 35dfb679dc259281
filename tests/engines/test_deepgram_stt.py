"""Deepgram's Nova from the outside: what a call hears, and each way it can fail."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import trio
from attrs import define, evolve
from deepgram_peers import (
    SPEECH_STARTED,
    STEP,
    Deepgram,
    flushes_of,
    pauses_of,
    results,
    utterance_end,
    words_of,
)
from engine_peers import Handler, Line, Peer, refused
from trio_websocket import wrap_server_stream

from voiced.config.engines import DeepgramStt as Settings
from voiced.config.secrets import Secret
from voiced.dialog.endpointing import Endpointing, EndpointingRule
from voiced.dialog.events import Flushed, PauseScored, WordHeard
from voiced.engines.deepgram import DeepgramStt, DeepgramTiming
from voiced.engines.deepgram_call import DeepgramTranscription
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)

SETTINGS = Settings(url="wss://deepgram/", api_key=Secret("very-secret"))
PACKET = STEP[:160]


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Callable[[Handler], Peer]]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


def engine(peer: Peer, timing: DeepgramTiming | None = None) -> DeepgramTranscription:
    call = DeepgramStt("cloud", SETTINGS, timing, connect=peer.connect).transcription()
    assert isinstance(call, DeepgramTranscription)
    return call


async def speak(call: DeepgramTranscription, seconds: float, packet: bytes = PACKET) -> None:
    """The caller's audio at its own pace, 20 ms each."""
    for _ in range(round(seconds * 50)):
        call.put(packet)
        await trio.sleep(0.02)


async def listen(call: DeepgramTranscription, caller) -> list:
    """Runs the ear beside `caller` and returns what it heard."""
    heard: list = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, heard.append)
        await caller()
        nursery.cancel_scope.cancel()
    return heard


async def failure(call: DeepgramTranscription, seconds: float = 0.0) -> EngineError:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, call, seconds)
        with pytest.raises(EngineError) as caught:
            await call.run(lambda event: None)
        nursery.cancel_scope.cancel()
    assert "very-secret" not in str(caught.value)
    return caught.value


# --- what goes out -----------------------------------------------------------------------------


async def test_the_key_and_the_question_are_deepgrams(peer, autojump_clock):
    served = peer(Deepgram())
    await listen(engine(served), partial(trio.sleep, 0.1))
    assert served.lines[0].headers["authorization"] == "Token very-secret"
    assert served.lines[0].url.startswith("wss://deepgram/v1/listen?model=nova-3&language=fr&")
    assert served.all_closed


async def test_deepgram_is_asked_for_what_the_configuration_says(peer, autojump_clock):
    served = peer(Deepgram())
    settings = evolve(
        SETTINGS, keyterms=("Kyutai", "devis"), mip_opt_out=True, endpointing_ms=500,
        utterance_end_ms=1500,
    )  # fmt: skip
    call = DeepgramStt("cloud", settings, connect=served.connect).transcription()
    await listen(call, partial(trio.sleep, 0.1))
    assert served.lines[0].url.endswith(
        "&endpointing=500&utterance_end_ms=1500&vad_events=true"
        "&keyterm=Kyutai&keyterm=devis&mip_opt_out=true"
    )


async def test_without_a_key_none_is_sent(peer, autojump_clock):
    served = peer(Deepgram())
    settings = Settings(url="ws://deepgram")
    call = DeepgramStt("cloud", settings, connect=served.connect).transcription()
    await listen(call, partial(trio.sleep, 0.1))
    assert "authorization" not in served.lines[0].headers


async def test_mulaw_goes_out_as_it_comes_in_messages_of_40_ms(peer, autojump_clock):
    server = Deepgram()
    audio = bytes(n % 251 for n in range(8_000))
    call = engine(peer(server))

    async def caller() -> None:
        for start in range(0, len(audio), 160):
            call.put(audio[start : start + 160])
            await trio.sleep(0.02)

    await listen(call, caller)
    assert b"".join(data for _, data in server.audio) == audio
    assert {len(data) for _, data in server.audio} == {320}


async def test_audio_is_binary_and_commands_are_text(peer, autojump_clock):
    served = peer(Deepgram())
    call = engine(served)

    async def caller() -> None:
        await speak(call, 0.04)
        call.flush()
        await trio.sleep(0.1)

    await listen(call, caller)
    assert served.lines[0].client.opcodes[1:] == [0x2, 0x1, 0x1]  # the last says goodbye


async def test_what_was_said_while_connecting_is_sent_and_not_faster_than_allowed(
    peer, autojump_clock
):
    server = Deepgram({float(n): [results("", (n - 1, n))] for n in range(1, 17)})

    async def late(line: Line) -> None:
        await trio.sleep(2.5)
        await server(line)

    call = engine(peer(late))
    await listen(call, partial(speak, call, 16))
    assert call.statistics().dropped_ms == 0
    first = server.audio[0][0]
    sent_s = 0.0
    for at, data in server.audio:
        sent_s += len(data) / 8000
        assert sent_s <= (at - first) * 1.25 + 0.7
    assert server.heard_s == pytest.approx(16, abs=0.1)  # it has caught up


async def test_no_empty_message_is_ever_sent(peer, autojump_clock):
    server = Deepgram()
    call = engine(peer(server))

    async def caller() -> None:
        call.put(b"")
        call.flush()
        await trio.sleep(30)

    await listen(call, caller)
    assert all(data for _, data in server.audio)


async def test_a_silent_line_is_kept_alive_by_text_after_some_real_audio(peer, autojump_clock):
    server = Deepgram()
    began = trio.current_time()
    await listen(engine(peer(server)), partial(trio.sleep, 21))
    assert [(round(at - began), data) for at, data in server.audio] == [(4, b"\xff" * 320)]
    alive = [round(at - began) for at, kind in server.commands if kind == "KeepAlive"]
    assert alive == [8, 12, 16, 20]


async def test_no_sign_of_life_is_sent_while_audio_flows(peer, autojump_clock):
    server = Deepgram()
    call = engine(peer(server))

    async def caller() -> None:
        await speak(call, 9)
        await trio.sleep(9)

    began = trio.current_time()
    server.script[9.0] = [results("", (0, 9))]
    await listen(call, caller)
    assert [round(at - began) for at, kind in server.commands if kind == "KeepAlive"] == [13, 17]


async def test_leaving_says_goodbye_and_waits_for_nothing(peer, autojump_clock):
    server = Deepgram()
    served = peer(server)
    began = trio.current_time()
    with trio.move_on_after(1):
        await engine(served).run(lambda event: None)
    assert trio.current_time() == began + 1
    assert served.all_closed
    await trio.testing.wait_all_tasks_blocked()
    assert server.kinds() == ["CloseStream"]


@pytest.mark.parametrize(("sent", "shown"), [(b"7d0f-42", "7d0f-42"), (b"not an id", "")])
async def test_the_log_names_the_request(peer, autojump_clock, caplog, sent, shown):
    async def handle(line: Line) -> None:
        request = await wrap_server_stream(line.nursery, line.stream)
        await request.accept(extra_headers=[(b"dg-project", b"x"), (b"dg-request-id", sent)])
        await trio.sleep_forever()

    caplog.set_level("INFO", "voiced.engines.deepgram_call")
    await listen(engine(peer(handle)), partial(trio.sleep, 0.1))
    fields = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert fields == [{"engine": "cloud", "request_id": shown}]


# --- what comes in -----------------------------------------------------------------------------


async def test_words_and_the_end_of_the_utterance_are_heard(peer, autojump_clock):
    script = {
        1.0: [results("bonjour je vou", (0, 1.0))],
        2.4: [results("bonjour je voudrais", (0, 2.4), "is_final")],
        3.52: [results("un café.", (2.4, 3.5), "is_final", "speech_final")],
    }
    call = engine(peer(Deepgram(script)))
    heard = await listen(call, partial(speak, call, 4))
    assert words_of(heard) == "bonjour je voudrais un café."
    assert heard[3] == WordHeard("un", 2.4)
    assert heard[5] == PauseScored(1.0, pytest.approx(3.52, abs=0.05))
    assert call.statistics().steps == 3


async def test_a_verdict_is_repeated_with_the_audio_for_two_seconds(peer, autojump_clock):
    script = {0.4: [results("allô", (0, 0.4), "is_final", "speech_final")]}
    call = engine(peer(Deepgram(script)))
    pauses = pauses_of(await listen(call, partial(speak, call, 6)))
    assert {pause.score for pause in pauses} == {1.0}
    assert pauses[0].stream_s == pytest.approx(0.4, abs=0.05)
    assert pauses[-1].stream_s == pytest.approx(2.4, abs=0.05)
    assert len(pauses) == pytest.approx(51, abs=1)


@pytest.mark.parametrize(
    "resumes", [SPEECH_STARTED, results("et", (0.4, 1.2), "is_final", begins=0.9)]
)
async def test_a_verdict_falls_when_the_caller_goes_on(peer, autojump_clock, resumes):
    script = {
        0.4: [results("allô", (0, 0.4), "is_final", "speech_final")],
        1.2: [resumes],
    }
    call = engine(peer(Deepgram(script)))
    pauses = pauses_of(await listen(call, partial(speak, call, 4)))
    assert pauses[-1].stream_s < 1.3


async def test_the_conversation_ends_the_turn_at_the_first_verdict_it_can(peer, autojump_clock):
    script = {
        0.4: [results("allô", (0, 0.4), "is_final", "speech_final")],
        3.2: [results("c'est moi", (0.4, 3.2), "is_final", "speech_final", begins=2.5)],
    }
    call = engine(peer(Deepgram(script)))
    judge = Endpointing(EndpointingRule())
    ended_s: list[float] = []

    def hear(event) -> None:
        if isinstance(event, WordHeard):
            judge.word(trio.current_time())
        elif judge.scored(event):
            ended_s.append(event.stream_s)
            judge.reset()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, hear)
        await speak(call, 4)
        nursery.cancel_scope.cancel()
    # Of a stream's first second it believes no score, so the verdict is heard when that is over.
    assert ended_s == [pytest.approx(0.98, abs=0.05), pytest.approx(3.2, abs=0.05)]


async def test_in_noise_the_gap_between_words_ends_the_utterance_once(peer, autojump_clock):
    script = {
        1.0: [results("oui merci", (0, 1.0), "is_final")],
        2.0: [utterance_end(0.6)],
        3.0: [utterance_end(0.6)],
    }
    call = engine(peer(Deepgram(script)))
    pauses = pauses_of(await listen(call, partial(speak, call, 6)))
    assert pauses[0].stream_s == pytest.approx(2.0, abs=0.05)
    assert pauses[-1].stream_s == pytest.approx(4.0, abs=0.05)


async def test_a_long_final_leaves_the_conductor_time_to_read(peer, autojump_clock):
    """The call's queue holds 64 events, and a full one ends the call."""
    text = " ".join(f"w{n}" for n in range(200))
    call = engine(peer(Deepgram({0.4: [results(text, (0, 60.0), "is_final")]})))
    send, receive = trio.open_memory_channel[object](64)
    heard: list[object] = []

    async def conductor() -> None:
        while len(heard) < 200:
            heard.append(await receive.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, send.send_nowait)
        nursery.start_soon(speak, call, 1)
        await conductor()
        nursery.cancel_scope.cancel()
    assert heard[-1] == WordHeard("w199", pytest.approx(59.7))


async def test_unknown_messages_and_complaints_are_survived(peer, autojump_clock, caplog):
    complaint = '{"type":"Error","variant":"SchemaError","message":"bonjour"}'
    script = {0.2: ['{"type":"Forecast"}', complaint, results("oui", (0, 1), "is_final")]}
    call = engine(peer(Deepgram(script)))
    assert words_of(await listen(call, partial(speak, call, 1))) == "oui"
    assert [r.fields for r in caplog.records if r.levelname == "WARNING"] == [
        {"engine": "cloud", "code": "SchemaError"}
    ]


# --- flush -------------------------------------------------------------------------------------


async def test_a_flush_sends_the_rest_and_brings_the_last_words(peer, autojump_clock):
    server = Deepgram({0.4: [results("un rendez", (0, 0.4))]})
    server.answers["Finalize"] = [
        results("un rendez-vous", (0, 0.5), "is_final", "from_finalize"),
    ]
    call = engine(peer(server))

    async def caller() -> None:
        await speak(call, 0.46)
        began = trio.current_time()
        call.flush()
        await trio.sleep(0.01)
        assert trio.current_time() - began < 0.02
        assert server.heard_s == pytest.approx(0.46)

    heard = await listen(call, caller)
    assert words_of(heard) == "un rendez-vous"
    assert heard[-1] == Flushed()
    assert server.kinds() == ["Finalize", "CloseStream"]


async def test_a_flush_after_the_verdict_is_answered_at_once_without_asking(peer, autojump_clock):
    server = Deepgram({0.4: [results("allô", (0, 0.4), "is_final", "speech_final")]})
    call = engine(peer(server))

    async def caller() -> None:
        await speak(call, 0.5)
        call.flush()
        await trio.sleep(0.001)

    heard = await listen(call, caller)
    assert heard[-1] == Flushed()
    assert "Finalize" not in server.kinds()


async def test_a_flush_that_is_not_answered_ends_by_its_deadline_with_the_words_so_far(
    peer, autojump_clock
):
    server = Deepgram({0.4: [results("un rendez-vous", (0, 0.4))]})
    call = engine(peer(server))
    heard: list = []
    moments: list[float] = []

    def hear(event) -> None:
        heard.append(event)
        moments.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, hear)
        await speak(call, 0.5)
        asked = trio.current_time()
        call.flush()
        await trio.sleep(3)
        nursery.cancel_scope.cancel()
    assert heard == [WordHeard("un", 0.0), WordHeard("rendez-vous", 0.3), Flushed()]
    assert moments[-1] - asked == pytest.approx(0.8)


async def test_an_answer_after_the_deadline_answers_nobody(peer, autojump_clock):
    script = {1.6: [results("oui", (0, 1.6), "is_final", "from_finalize")]}
    call = engine(peer(Deepgram(script)))

    async def caller() -> None:
        await speak(call, 0.2)
        call.flush()
        await speak(call, 2)

    heard = await listen(call, caller)
    assert flushes_of(heard) == 1
    assert words_of(heard) == "oui"


async def test_a_verdict_answers_a_flush_too(peer, autojump_clock):
    server = Deepgram()
    server.answers["Finalize"] = [results("oui", (0, 0.4), "is_final", "speech_final")]
    call = engine(peer(server))

    async def caller() -> None:
        await speak(call, 0.4)
        call.flush()
        await trio.sleep(0.1)

    assert flushes_of(await listen(call, caller)) == 1


async def test_overlapping_flushes_get_one_answer_and_later_ones_their_own(peer, autojump_clock):
    call = engine(peer(Deepgram()))

    async def caller() -> None:
        await speak(call, 0.2)
        call.flush()
        await trio.sleep(0.1)
        call.flush()
        await trio.sleep(2)
        call.flush()
        await trio.sleep(2)

    assert flushes_of(await listen(call, caller)) == 2


async def test_a_flush_asked_for_before_the_connection_is_answered(peer, autojump_clock):
    call = engine(peer(Deepgram()))
    call.flush()
    assert flushes_of(await listen(call, partial(trio.sleep, 2))) == 1


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, EngineRefused, "check model and language"),
        (401, EngineRefused, "api_key"),
        (402, EngineRefused, "credit"),
        (403, EngineRefused, "access to this model"),
        (404, EngineRefused, "check url"),
        (429, EngineAtCapacity, "429"),
        (503, EngineBroken, "503"),
    ],
)
async def test_a_refusal_is_told_in_deepgrams_terms(peer, autojump_clock, status, kind, words):
    async def handle(line: Line) -> None:
        await line.read_request()
        await line.stream.send_all(b"HTTP/1.1 %d No\r\ndg-error: x\r\n\r\n" % status)

    error = await failure(engine(peer(handle)))
    assert type(error) is kind
    assert words in str(error)
    assert error.retryable == (status in {429, 503})
    assert "model=" not in str(error)


async def test_an_address_where_nothing_listens_is_told(autojump_clock):
    async def connect(url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise refused()

    call = DeepgramStt("cloud", SETTINGS, connect=connect).transcription()
    with pytest.raises(EngineBroken, match="is Deepgram running"):
        await call.run(lambda event: None)


async def test_no_message_while_audio_flows_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    error = await failure(engine(peer(Deepgram())), 60)
    assert isinstance(error, EngineTimeout)
    assert "nothing has come back for more than 8 s" in str(error)
    assert trio.current_time() - began == pytest.approx(10, abs=0.1)


async def test_falling_silent_in_mid_call_is_a_timeout(peer, autojump_clock):
    script = {float(n): [results("", (n - 1, n))] for n in range(1, 6)}
    began = trio.current_time()
    assert isinstance(await failure(engine(peer(Deepgram(script))), 60), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(15, abs=0.1)


async def test_a_silent_line_owes_no_message(peer, autojump_clock):
    call = engine(peer(Deepgram({0.2: [results("", (0, 0.2))]})))

    async def caller() -> None:
        await speak(call, 0.2)
        await trio.sleep(60)

    assert await listen(call, caller) == []


async def close_with(code: int, reason: str | None, line: Line) -> None:
    await line.websocket.aclose(code, reason)


async def cut_off(line: Line) -> None:
    """Half a message, and then nothing more."""
    await line.stream.send_all(b'\x81\x20{"type":"Results","sta')
    await line.drop()


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Line.drop, "dropped"),
        (Line.reset, "dropped"),
        (cut_off, "dropped"),
        (Line.close_without_code, "closed the connection in mid-call"),
        (partial(close_with, 1000, None), "closed the connection in mid-call"),
        (partial(close_with, 1008, "DATA-0000"), "decode"),
        (partial(close_with, 1011, "NET-0000"), "no transcript in time"),
        (partial(close_with, 1011, "NET-0001"), "no audio for ten seconds"),
        (partial(close_with, 1011, "bonjour, je"), "(1011)"),
    ],
)
async def test_an_end_in_mid_call_is_broken_and_told(peer, autojump_clock, ending, words):
    served = peer(Deepgram(hello=[SPEECH_STARTED], ending=ending))
    error = await failure(engine(served), 1)
    assert isinstance(error, EngineBroken)
    assert words in str(error)
    assert "bonjour" not in str(error)
    assert served.all_closed


@pytest.mark.parametrize("bad", ["", "{", "[]", '{"type":"Results"}', "null"])
async def test_a_malformed_message_is_broken(peer, autojump_clock, bad):
    error = await failure(engine(peer(Deepgram(hello=[bad]))))
    assert isinstance(error, EngineBroken)
    assert "malformed" in str(error)


async def test_a_binary_message_is_broken(peer, autojump_clock):
    error = await failure(engine(peer(Deepgram(hello=[b"{}"]))))
    assert isinstance(error, EngineBroken)
    assert "binary" in str(error)


@define(eq=False)
class Jam(trio.abc.Stream):
    """A way to the far end that takes nothing for a while."""

    stream: trio.abc.Stream
    opens: trio.Event
    from_s: float

    async def send_all(self, data: bytes) -> None:
        if trio.current_time() >= self.from_s:
            await self.opens.wait()
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


async def test_what_it_says_is_heard_while_nothing_can_be_sent(peer, autojump_clock):
    async def talkative(line: Line) -> None:
        websocket = await line.accept()
        await trio.sleep(3)
        await websocket.send_message(results("oui", (0, 1), "is_final"))
        await trio.sleep_forever()

    served = peer(talkative)

    async def connect(url: str) -> trio.abc.Stream:
        return Jam(await served.connect(url), trio.Event(), trio.current_time() + 0.1)

    call = DeepgramStt("cloud", SETTINGS, connect=connect).transcription()
    assert words_of(await listen(call, partial(speak, call, 4))) == "oui"


async def test_a_message_beyond_all_measure_is_broken(peer, autojump_clock):
    text = "x" * (2**20 + 1)
    error = await failure(engine(peer(Deepgram(hello=[results(text, (0, 1))]))))
    assert isinstance(error, EngineBroken)
    assert len(str(error)) < 200


async def test_a_jam_loses_the_oldest_audio_only(peer, autojump_clock):
    served = peer(Deepgram({float(n): [results("", (n - 1, n))] for n in range(1, 12)}))
    opens, jammed_at = trio.Event(), trio.current_time() + 2

    async def connect(url: str) -> trio.abc.Stream:
        return Jam(await served.connect(url), opens, jammed_at)

    call = DeepgramStt("cloud", SETTINGS, connect=connect).transcription()
    assert isinstance(call, DeepgramTranscription)

    async def caller() -> None:
        await speak(call, 6)
        opens.set()
        await speak(call, 6)

    await listen(call, caller)
    assert call.statistics().dropped_ms == pytest.approx(3000, abs=100)


@pytest.mark.parametrize("stage", [0.0, 0.5, 1.5])
async def test_cancelling_at_any_stage_closes_at_once(peer, autojump_clock, stage):
    async def slow(line: Line) -> None:
        await trio.sleep(1)
        await line.accept()
        await trio.sleep_forever()

    served = peer(slow)
    began = trio.current_time()
    with trio.move_on_after(stage):
        await engine(served).run(lambda event: None)
    assert trio.current_time() == pytest.approx(began + stage)
    assert served.all_closed
