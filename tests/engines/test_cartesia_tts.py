"""Cartesia from the outside, on a reply's own connection: words in, speech out, every failure."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from cartesia_peers import (
    SENTENCE,
    SETTINGS,
    VOICE,
    WORD_BYTES,
    WORD_S,
    Cartesia,
    Serve,
    Spoken,
    chunk,
    closing,
    deaf,
    done,
    dropping,
    engine,
    error,
    resetting,
    say,
    saying,
    times,
)
from engine_peers import Line, Peer, refused

from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.engines.cartesia import CartesiaTiming, CartesiaTts
from voiced.engines.cartesia_line import UNREAD_MESSAGES
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)

NEVER = float("inf")
FULL = error("?", status_code=429, error_code="concurrency_limited", title="Too many", message="x")


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Serve]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


async def failure(served: Peer, words: list[Any] = SENTENCE) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await say(engine(served), words)
    assert "very-secret" not in str(caught.value)
    assert served.all_closed
    return caught.value


# --- a reply --------------------------------------------------------------------------------------


async def test_a_reply_comes_out_as_word_times_and_telephone_audio(peer, autojump_clock):
    server = Cartesia()
    served = peer(server)
    spoken = await say(engine(served), SENTENCE)
    assert [word.text for word in spoken.words] == SENTENCE
    assert spoken.words[1] == SpokenWord("kitchen", WORD_S, 1.5 * WORD_S)
    assert len(spoken.mulaw) == len(SENTENCE) * WORD_BYTES
    assert spoken.letters == "Tkcat"
    assert served.all_closed
    assert len(served.lines) == 1


async def test_the_connection_is_opened_with_key_and_version_in_headers(peer, autojump_clock):
    served = peer(Cartesia())
    await say(engine(served, url="wss://cartesia.test/"), SENTENCE)
    (line,) = served.lines
    assert line.url == "wss://cartesia.test/tts/websocket"
    assert line.path == "/tts/websocket"
    assert line.headers["x-api-key"] == "very-secret"
    assert line.headers["cartesia-version"] == "2026-03-01"


async def test_without_a_key_no_header_tells_one(peer, autojump_clock):
    served = peer(Cartesia())
    await say(engine(served, api_key=None), SENTENCE)
    assert "x-api-key" not in served.lines[0].headers


async def test_the_first_audio_does_not_wait_for_the_end_of_the_text(peer, autojump_clock):
    server = Cartesia()
    spoken = Spoken()
    with trio.move_on_after(1):
        await say(engine(peer(server)), ["One", "moment,", "please.", "I", NEVER], spoken)
    assert spoken.letters == "Omp"
    assert server.requests[0]["max_buffer_delay_ms"] == 0


async def test_pieces_have_their_spaces_and_the_last_ends_the_context(peer, autojump_clock):
    server = Cartesia()
    await say(engine(peer(server)), ["One.", "Two.", 0.01, "Three.", 0.01, "Four"])
    (context,) = server.contexts
    assert server.transcript(context) == "One. Two. Three. Four"
    assert [request["continue"] for request in server.requests][-2:] == [True, False]


async def test_where_all_is_sent_an_empty_piece_ends_the_context(peer, autojump_clock):
    server = Cartesia()
    await say(engine(peer(server)), [*SENTENCE, 0.01])
    assert [(each["transcript"], each["continue"]) for each in server.requests] == [
        ("The kitchen closes at ten. ", True),
        ("", False),
    ]


async def test_all_pieces_of_a_context_have_the_same_fields(peer, autojump_clock):
    server = Cartesia()
    await say(engine(peer(server)).in_language("fr"), ["One.", 0.01, "Two.", 0.01])
    for request in server.requests:
        del request["transcript"], request["continue"]
        assert request == server.requests[0]
    assert server.requests[0]["voice"] == {"mode": "id", "id": VOICE}
    assert server.requests[0]["language"] == "fr"


async def test_how_it_speaks_is_told_in_every_piece(peer, autojump_clock):
    server = Cartesia()
    tts = engine(peer(server), speed=1.2, volume=0.8, emotion="calm").in_language("fr")
    await say(tts, ["One.", 0.01, "Two.", 0.01])
    manner = {"speed": 1.2, "volume": 0.8, "emotion": "calm"}
    assert [each["generation_config"] for each in server.requests] == [manner] * 3


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, None),
        ({"speed": 1.0, "volume": 1.0, "emotion": ""}, None),
        ({"speed": 0.6}, {"speed": 0.6}),
        ({"volume": 2.0}, {"volume": 2.0}),
        ({"emotion": "calm"}, {"emotion": "calm"}),
    ],
)
async def test_what_is_not_set_is_left_to_the_voice(peer, autojump_clock, settings, told):
    server = Cartesia()
    await say(engine(peer(server), **settings), SENTENCE)
    assert server.requests[0].get("generation_config") == told


async def test_every_reply_has_a_context_of_its_own(peer, autojump_clock):
    server = Cartesia()
    tts = engine(peer(server))
    await say(tts, SENTENCE)
    await say(tts, SENTENCE)
    assert len(server.contexts) == 2
    assert all(context.isalnum() for context in server.contexts)


async def test_an_empty_reply_connects_and_sends_nothing(peer, autojump_clock):
    server = Cartesia()
    served = peer(server)
    assert (await say(engine(served), [])).events == []
    assert server.requests == []
    assert served.all_closed


async def test_times_may_come_behind_their_audio_or_not_at_all(peer, autojump_clock):
    late = saying(chunk("?", b"a" * WORD_BYTES), times("?", "yes", 0.0), done("?"))
    spoken = await say(engine(peer(Cartesia(faults=[late]))), ["yes"])
    assert [type(event) for event in spoken.events] == [SpokenAudio, SpokenWord]
    none = saying(chunk("?", b"a"), {"type": "timestamps", "context_id": "?"}, done("?"))
    spoken = await say(engine(peer(Cartesia(faults=[none]))), ["yes"])
    assert spoken.events == [SpokenAudio(b"a")]


async def test_neither_an_empty_chunk_nor_a_chunk_that_says_done_is_the_end(peer, autojump_clock):
    odd = saying(chunk("?", b""), {**chunk("?", b"a"), "done": True}, chunk("?", b"b"), done("?"))
    spoken = await say(engine(peer(Cartesia(faults=[odd]))), ["yes"])
    assert spoken.mulaw == b"ab"


async def test_messages_of_other_contexts_are_not_heard(peer, autojump_clock):
    stale = saying(
        chunk("gone", b"z"), done("gone"), error("gone", status_code=400), chunk("?", b"a"),
        {"type": "weather"}, done("?"),
    )  # fmt: skip
    spoken = await say(engine(peer(Cartesia(faults=[stale]))), ["yes"])
    assert spoken.mulaw == b"a"


# --- a model that stops in mid-reply ----------------------------------------------------------


async def test_a_context_is_ended_before_it_expires_and_another_says_the_rest(peer, autojump_clock):
    server = Cartesia()
    spoken = await say(engine(peer(server)), [*SENTENCE, 4.0, "Please", "come."])
    first, second = server.contexts
    assert server.transcript(first) == "The kitchen closes at ten. "
    assert server.transcript(second).strip() == "Please come."
    assert server.said_at[1] - server.said_at[0] == pytest.approx(0.1 + 0.5)
    assert spoken.letters == "TkcatPc"
    assert spoken.words[5] == SpokenWord("Please", 5 * WORD_S, 5.5 * WORD_S)


async def test_a_short_pause_stays_in_the_context(peer, autojump_clock):
    server = Cartesia()
    await say(engine(peer(server)), ["One.", 0.4, "Two.", 0.4, "Three.", 0.4])
    assert len(server.contexts) == 1


async def test_words_that_are_half_a_sentence_wait_for_the_rest(peer, autojump_clock):
    server = Cartesia()
    await say(engine(peer(server)), ["One.", "And", "then", 4.0, "two."])
    assert [server.transcript(each).strip() for each in server.contexts] == [
        "One.",
        "And then two.",
    ]


async def test_a_slow_voice_is_no_reason_to_end_its_context(peer, autojump_clock):
    server = Cartesia(first_s=1.6)
    await say(engine(peer(server)), ["One.", 1.5, "Two."])
    assert len(server.contexts) == 1


async def test_what_crossed_the_end_of_a_context_is_said_again(peer, autojump_clock):
    """The context expires while the next piece is on its way: `Done` without its audio."""
    expired = saying(done("?"))
    server = Cartesia()
    server.faults = [saying(chunk("?", b"O" * WORD_BYTES)), expired]
    spoken = await say(engine(peer(server)), ["One.", 0.3, "Two.", 0.3, "Three."])
    assert spoken.letters == "OTT"
    assert [server.transcript(each) for each in server.contexts] == ["One. Two. ", "Two. Three. "]


async def test_a_piece_without_a_sound_is_not_said_for_ever(peer, autojump_clock):
    server = Cartesia(faults=[saying(done("?"))])
    spoken = await say(engine(peer(server)), ["Hm.", 0.3, "Two."])
    assert spoken.letters == "T"


async def test_a_reply_without_any_audio_is_broken(peer, autojump_clock):
    error = await failure(peer(Cartesia(faults=[saying(done("?"))])), ["Yes."])
    assert isinstance(error, EngineBroken)
    assert "without any audio" in str(error)


# --- refusals -------------------------------------------------------------------------------------


def refusing(status: int):
    async def handle(line: Line) -> None:
        await line.read_request()
        await line.stream.send_all(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)

    return handle


@pytest.mark.parametrize(
    ("status", "told"),
    [(400, "version"), (401, "api_key"), (402, "credit"), (403, "plan"), (404, "host alone")],
)
async def test_a_refused_upgrade_says_why_and_is_not_tried_again(
    peer, autojump_clock, status, told
):
    served = peer(refusing(status))
    error = await failure(served)
    assert isinstance(error, EngineRefused)
    assert told in str(error)
    assert len(served.lines) == 1


async def test_too_many_connections_are_at_capacity_after_a_few_tries(peer, autojump_clock):
    served = peer(refusing(429))
    began = trio.current_time()
    assert isinstance(await failure(served), EngineAtCapacity)
    assert len(served.lines) == 5
    assert trio.current_time() - began == pytest.approx(0.3)


async def test_room_that_comes_free_in_time_is_taken(peer, autojump_clock):
    server = Cartesia(faults=[saying(FULL), saying(FULL)])
    spoken = await say(engine(peer(server)), [*SENTENCE, 0.01, "Bye."])
    assert spoken.letters == "TkcatB"
    assert len(server.contexts) == 3


@pytest.mark.parametrize("named", ["?", None])
async def test_no_room_is_at_capacity_after_a_few_tries(peer, autojump_clock, named):
    full = saying(error(named, status_code=429, error="Too many concurrent requests"))
    server = Cartesia(faults=[full] * 9)
    assert isinstance(await failure(peer(server)), EngineAtCapacity)
    assert len(server.contexts) == 5


async def test_no_room_for_the_rest_of_a_reply_is_tried_again_too(peer, autojump_clock):
    server = Cartesia()
    server.faults = [saying(chunk("?", b"O" * WORD_BYTES)), saying(FULL)]
    spoken = await say(engine(peer(server)), ["One.", 3.0, "Two."])
    assert spoken.letters == "OT"


async def test_each_context_of_a_reply_is_waited_for_as_long(peer, autojump_clock):
    server = Cartesia()
    full = saying(FULL)
    server.faults = [full] * 4 + [saying(chunk("?", b"O" * WORD_BYTES))] + [full] * 4
    spoken = await say(engine(peer(server)), ["One.", 3.0, "Two."])
    assert spoken.letters == "OT"
    assert server.faults == []


async def test_how_long_room_is_waited_for_can_be_set(peer, autojump_clock):
    server = Cartesia(faults=[saying(FULL)] * 9)
    served = peer(server)
    tts = CartesiaTts("cartesia", SETTINGS, CartesiaTiming(slot_s=0.0), connect=served.connect)
    with pytest.raises(EngineAtCapacity):
        await say(tts, SENTENCE)
    assert len(server.contexts) == 1


async def test_at_capacity_in_mid_speech_is_not_tried_again(peer, autojump_clock):
    server = Cartesia(faults=[saying(chunk("?", b"a"), FULL)])
    assert isinstance(await failure(peer(server)), EngineAtCapacity)
    assert len(server.contexts) == 1


@pytest.mark.parametrize(
    ("fields", "kind", "told"),
    [
        ({"status_code": 400, "error_code": "invalid_voice"}, EngineRefused, "check voice"),
        ({"status_code": 402, "message": "credits"}, EngineRefused, "no credit"),
        ({"status_code": 400, "error": "Invalid model: x"}, EngineRefused, "check model"),
        ({"status_code": 500, "title": "Oops"}, EngineBroken, "status 500"),
        ({}, EngineBroken, "it failed"),
    ],
)
@pytest.mark.parametrize("named", ["?", None])
async def test_an_error_ends_the_reply(peer, autojump_clock, fields, kind, told, named):
    server = Cartesia(faults=[saying(error(named, **fields))])
    caught = await failure(peer(server))
    assert type(caught) is kind
    assert told in str(caught)
    assert len(server.contexts) == 1


# --- a connection that fails ------------------------------------------------------------------


async def test_nobody_there_is_broken(autojump_clock):
    async def nobody(url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise refused()

    with pytest.raises(EngineBroken, match="nothing listens"):
        await say(CartesiaTts("cartesia", SETTINGS, connect=nobody), SENTENCE)


async def test_no_audio_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    caught = await failure(peer(Cartesia(faults=[deaf])))
    assert isinstance(caught, EngineTimeout)
    assert trio.current_time() - began == pytest.approx(3)


async def test_a_model_that_waits_owes_the_voice_nothing_and_the_voice_nothing_it(
    peer, autojump_clock
):
    assert (await say(engine(peer(Cartesia())), [20.0, "One.", 20.0, "Two."])).letters == "OT"


async def test_audio_that_stalls_before_the_end_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    served = peer(Cartesia(faults=[saying(chunk("?", b"a"))]))
    assert isinstance(await failure(served, ["yes"]), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(2)


async def test_an_end_that_is_never_confirmed_is_a_timeout(peer, autojump_clock):
    server = Cartesia(expires_s=NEVER)
    began = trio.current_time()
    server.faults = [saying(chunk("?", b"a")), deaf]
    assert isinstance(await failure(peer(server), ["One.", 0.2, "Two.", 0.2]), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(0.2 + 3)


@pytest.mark.parametrize("end", [dropping, resetting, closing])
@pytest.mark.parametrize("before", [(), (times("?", "The", 0.0), chunk("?", b"a"))])
async def test_an_end_at_any_stage_is_broken(peer, autojump_clock, end, before):
    async def fault(server: Cartesia, context: str) -> None:
        await saying(*before)(server, context)
        await end(server, context)

    server = Cartesia(faults=[fault])
    assert isinstance(await failure(peer(server)), EngineBroken)
    assert len(server.contexts) == 1


@pytest.mark.parametrize("end", [dropping, resetting, closing])
async def test_an_end_while_the_model_still_thinks_is_broken(peer, autojump_clock, end):
    server = Cartesia()

    async def handle(line: Line) -> None:
        await line.accept()
        server.lines.append(line)
        await trio.sleep(0.5)
        await end(server, "")

    assert isinstance(await failure(peer(handle), [1.0, *SENTENCE]), EngineBroken)


@pytest.mark.parametrize(
    "bad",
    ["", "{", b"{}", '{"type": 1}', {"type": "chunk", "context_id": "?", "data": "no base64"}],
)
async def test_a_malformed_message_is_broken(peer, autojump_clock, bad):
    caught = await failure(peer(Cartesia(faults=[saying(bad)])))
    assert isinstance(caught, EngineBroken)
    assert "malformed" in str(caught) or "only text" in str(caught)


async def test_a_lag_of_the_listener_is_not_the_voices_fault(peer, autojump_clock):
    write, words_in = trio.open_memory_channel[str](8)
    speech_out, speech_in = trio.open_memory_channel[SpeechEvent](0)
    with write:
        for word in SENTENCE:
            write.send_nowait(word)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine(peer(Cartesia())).speak, words_in, speech_out)
        for _ in range(2 * len(SENTENCE)):
            await trio.sleep(30)
            await speech_in.receive()


async def test_a_listener_that_does_not_listen_cannot_fill_the_memory(peer, autojump_clock):
    flood = saying(*[chunk("?", b"a")] * (UNREAD_MESSAGES + 2))
    server = Cartesia(faults=[flood])
    write, words_in = trio.open_memory_channel[str](8)
    speech_out, speech_in = trio.open_memory_channel[SpeechEvent](0)
    write.send_nowait("Yes.")
    heard = 0
    with pytest.RaisesGroup(EngineBroken):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine(peer(server)).speak, words_in, speech_out)
            await trio.sleep(10)
            while True:
                await speech_in.receive()
                heard += 1
    assert heard == UNREAD_MESSAGES + 1
    assert server.cancelled == server.contexts


@pytest.mark.parametrize("stage_s", [0.0, 0.5, 1.05, 1.5, 3.0])
async def test_cancelling_at_any_stage_closes_at_once(peer, autojump_clock, stage_s):
    server = Cartesia()

    async def slow(line: Line) -> None:
        await trio.sleep(1)
        await server(line)

    served = peer(slow)
    began = trio.current_time()
    with trio.move_on_after(stage_s):
        await say(engine(served), [*SENTENCE, NEVER])
    assert trio.current_time() == pytest.approx(began + stage_s)
    assert served.all_closed


def test_what_shapes_the_sound_is_in_the_identity() -> None:
    served = Peer(None, None)
    voices = [
        engine(served),
        engine(served, voice="another"),
        engine(served, model="sonic-3.5"),
        engine(served, url="wss://elsewhere.test"),
        engine(served).in_language("fr"),
        engine(served, speed=1.2),
        engine(served, volume=1.2),
        engine(served, emotion="calm"),
        engine(served).in_language("en"),
    ]
    assert len({voice.identity for voice in voices}) == len(voices)
    assert engine(served).identity == engine(served, api_key=None, concurrency=5).identity
    # As it has been: phrases are kept under it.
    assert engine(served).identity == (
        f"cartesia wss://cartesia.test/tts/websocket sonic-3 {VOICE} own-language"
    )
    assert voices[-1].name == "cartesia"
