"""The stand-in moshi-server's TTS, over real sockets and with a client that is not voiced's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import numpy as np
import pytest
import trio
from attrs import evolve
from lab_websocket import KEY, Headers, until, upgrade
from lab_websocket import connect as websocket
from trio_websocket import ConnectionClosed

from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.faults import Fault, Kind
from voiced.lab.moshi_tts import TtsTiming, decode, is_poison, pack
from voiced.lab.tts_stream import Said

QUICK = LabSettings(
    stt_port=0,
    tts_port=0,
    llm_port=0,
    tts_batch_size=2,
    tts_timing=TtsTiming(first_audio_ms=20, speed=0.02),
    voice="tone",
    ear="words",
)


@asynccontextmanager
async def running(settings: LabSettings = QUICK) -> AsyncIterator[Lab]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(run_lab, settings)
        nursery.cancel_scope.cancel()


QUERY = "format=PcmMessagePack"


def connect(lab: Lab, query: str = QUERY, headers: Headers = KEY) -> Any:
    return websocket(f"{lab.tts_url}?{query}", headers)


async def send(ws: Any, **message: Any) -> None:
    await ws.send_message(msgpack.packb(message))


async def receive(ws: Any) -> dict[str, Any]:
    message: dict[str, Any] = msgpack.unpackb(await ws.get_message())
    return message


async def receive_all(ws: Any) -> tuple[list[dict[str, Any]], int | None]:
    """Everything up to the end, and the code of the close."""
    messages = []
    try:
        while True:
            messages.append(await receive(ws))
    except ConnectionClosed as closed:
        return messages, closed.reason.code if closed.reason else None


async def test_an_utterance_is_ready_words_and_audio_and_a_close_without_a_code() -> None:
    async with running() as lab, connect(lab) as ws:
        await send(ws, type="Text", text="Good morning to you")
        await send(ws, type="Eos")
        messages, code = await receive_all(ws)
        assert code == 1005
        assert messages[0] == {"type": "Ready"}
        words = [m for m in messages if m["type"] == "Text"]
        audio = [m["pcm"] for m in messages if m["type"] == "Audio"]
        assert [word["text"] for word in words] == ["Good", "morning", "to", "you"]
        assert {len(pcm) for pcm in audio} == {1920}
        assert words[0]["start_s"] == 0.24
        assert words[-1]["stop_s"] == pytest.approx(len(audio) * 0.08 + 1.44)
        await until(lambda: lab.tts.used_slots == 0)


async def test_ready_comes_before_any_text_and_holds_a_slot() -> None:
    async with running() as lab, connect(lab) as ws:
        assert await receive(ws) == {"type": "Ready"}
        assert lab.tts.used_slots == 1


async def test_two_words_without_eos_make_no_sound() -> None:
    async with running() as lab, connect(lab) as ws:
        assert await receive(ws) == {"type": "Ready"}
        await send(ws, type="Text", text="two words")
        with trio.move_on_after(0.1) as quiet:
            await receive(ws)
        assert quiet.cancelled_caught


async def test_the_third_connection_of_two_slots_is_told_no_free_channels() -> None:
    async with running() as lab, connect(lab) as first, connect(lab) as second:
        await receive(first)
        await receive(second)
        async with connect(lab) as third:
            messages, code = await receive_all(third)
        assert messages == [{"type": "Error", "message": "no free channels"}]
        assert code == 1005


async def test_a_slot_is_free_again_after_the_client_has_gone() -> None:
    async with running() as lab:
        async with connect(lab) as ws:
            await receive(ws)
            await send(ws, type="Text", text="one two three four five six")
            await receive(ws)
        await until(lambda: lab.tts.used_slots == 0)


@pytest.mark.parametrize("headers", [[], [("kyutai-api-key", "wrong")]])
async def test_a_wrong_key_is_401_with_an_empty_body(headers: list[tuple[str, str]]) -> None:
    async with running() as lab:
        refused = await upgrade(f"{lab.tts_url}?{QUERY}", headers)
        assert (refused.status_code, refused.content) == (401, b"")


async def test_the_key_may_stand_in_the_query_but_a_header_decides() -> None:
    query = "format=PcmMessagePack&auth_id=public_token"
    async with running() as lab:
        async with connect(lab, query, []) as ws:
            assert await receive(ws) == {"type": "Ready"}
        refused = await upgrade(f"{lab.tts_url}?{query}", [("kyutai-api-key", "wrong")])
        assert refused.status_code == 401


@pytest.mark.parametrize(("format_", "status"), [("Nonsense", 400), ("OggOpus", 501)])
async def test_a_format_that_is_unknown_or_not_spoken_here_is_refused(
    format_: str, status: int
) -> None:
    async with running() as lab:
        assert (await upgrade(f"{lab.tts_url}?format={format_}", KEY)).status_code == status


async def test_a_message_that_cannot_be_decoded_ends_the_connection_without_an_error() -> None:
    async with running() as lab, connect(lab) as ws:
        await receive(ws)
        await ws.send_message(b"")
        assert await receive_all(ws) == ([], 1005)


@pytest.mark.parametrize(
    ("fault", "audio_frames", "code"),
    [
        (Fault(Kind.AT_CAPACITY), 0, 1005),
        (Fault(Kind.DROP, after=2), 2, 1006),
        (Fault(Kind.RESET, after=2), None, 1006),
        (Fault(Kind.RESET_ON_SEND), 0, 1006),
    ],
)
async def test_faults_cut_the_connection_as_they_say(
    fault: Fault, audio_frames: int | None, code: int
) -> None:
    async with running() as lab:
        lab.tts.fault = fault
        async with connect(lab) as ws:
            try:
                await send(ws, type="Text", text="one two three four five six")
                await send(ws, type="Eos")
            except ConnectionClosed:
                pass
            messages, seen = await receive_all(ws)
        assert seen == code
        audio = [m for m in messages if m["type"] == "Audio"]
        assert audio_frames in {None, len(audio)}


@pytest.mark.parametrize(
    ("kind", "hello"), [(Kind.NEVER_READY, []), (Kind.ZOMBIE, [{"type": "Ready"}])]
)
async def test_a_dead_loop_leaves_the_line_open_and_silent(kind: Kind, hello: list[Any]) -> None:
    async with running() as lab:
        lab.tts.fault = Fault(kind)
        got = []
        async with connect(lab) as ws:
            await send(ws, type="Text", text="one two")
            with trio.move_on_after(0.1) as silent:
                while True:
                    got.append(await receive(ws))
            assert silent.cancelled_caught
        assert got == hello


async def test_a_zombie_never_frees_a_slot() -> None:
    async with running() as lab:
        lab.tts.fault = Fault(Kind.ZOMBIE)
        for _attempt in range(2):
            async with connect(lab) as ws:
                assert await receive(ws) == {"type": "Ready"}
        async with connect(lab) as ws:
            assert (await receive(ws))["message"] == "no free channels"


async def test_a_word_without_a_visible_character_kills_the_loop() -> None:
    async with running() as lab, connect(lab) as ws:
        await receive(ws)
        await send(ws, type="Text", text="one \u200b two three")
        with trio.move_on_after(0.1) as silent:
            await receive(ws)
        assert silent.cancelled_caught
        assert is_poison("\u200b")
        assert not is_poison("a\u200b")


async def test_malformed_messages_are_no_msgpack() -> None:
    async with running() as lab:
        lab.tts.fault = Fault(Kind.MALFORMED)
        async with connect(lab) as ws:
            await receive(ws)
            await send(ws, type="Text", text="one two three")
            await send(ws, type="Eos")
            with pytest.raises(msgpack.FormatError):
                await receive_all(ws)


async def test_the_lab_stops_at_once_with_a_connection_open() -> None:
    with trio.fail_after(1):
        async with running() as lab, connect(lab) as ws:
            await receive(ws)
            lab.tts.timing = evolve(lab.tts.timing, speed=1.0)


def test_messages_are_the_real_servers_bytes() -> None:
    assert pack(Said("Hi", 0.08, 1.0)).hex() == (
        "84a474797065a454657874a474657874a24869a773746172745f73"
        "cb3fb47ae147ae147ba673746f705f73cb3ff0000000000000"
    )
    audio = pack(np.zeros(1920, np.float32))
    assert len(audio) == 9_619
    assert audio.hex().startswith("82a474797065a5417564696fa370636ddc0780ca00000000")
    assert msgpack.unpackb(pack(np.full(1920, 2, np.float32)))["pcm"][0] == np.float32(0.99)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"\x00", {"type": "Eos"}),
        ("plain text", {"type": "Text", "text": "plain text"}),
        (msgpack.packb({"text": "x", "type": "Text", "more": 1}), None),
        (msgpack.packb({"type": "Ping"}), False),
        (msgpack.packb({"type": "Text", "text": 7}), False),
        (msgpack.packb({"type": "Text"}), False),
        (b"", False),
    ],
)
def test_what_the_server_decodes(frame: bytes | str, message: Any) -> None:
    decoded = decode(frame)
    if message is False:
        assert decoded is None
    elif message is not None:
        assert decoded == message
    else:
        assert decoded is not None
        assert decoded["text"] == "x"
