"""The stand-in moshi-server's STT, over real sockets and with a client that is not voiced's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgpack
import numpy as np
import pytest
import trio
from lab_websocket import connect as websocket
from lab_websocket import until, upgrade
from trio_websocket import ConnectionClosed

from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.faults import Fault, Kind
from voiced.lab.moshi_stt import SttTiming, decode, pack

QUICK = LabSettings(
    stt_port=0,
    tts_port=0,
    llm_port=0,
    stt_batch_size=2,
    stt_timing=SttTiming(step_ms=1),
    voice="tone",
    ear="words",
    sentences=("good morning",),
)
LOUD, QUIET = np.full(1920, 0.1, np.float32), np.zeros(1920, np.float32)


@asynccontextmanager
async def running() -> AsyncIterator[Lab]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(run_lab, QUICK)
        nursery.cancel_scope.cancel()


def connect(lab: Lab) -> Any:
    return websocket(lab.stt_url)


async def send_audio(ws: Any, *frames: Any) -> None:
    for frame in frames:
        message = {"type": "Audio", "pcm": frame.tolist()}
        await ws.send_message(msgpack.packb(message, use_single_float=True))


async def receive(ws: Any) -> dict[str, Any]:
    message: dict[str, Any] = msgpack.unpackb(await ws.get_message())
    return message


async def receive_steps(ws: Any, steps: int) -> list[dict[str, Any]]:
    """All messages up to the last of so many steps, and what comes with it."""
    messages: list[dict[str, Any]] = []
    with trio.fail_after(2):
        while True:
            messages.append(await receive(ws))
            if sum(m["type"] == "Step" for m in messages) == steps:
                break
    with trio.move_on_after(0.02):
        while True:
            messages.append(await receive(ws))
    return messages


async def close_code(ws: Any) -> int | None:
    try:
        with trio.fail_after(2):
            while True:
                await ws.get_message()
    except ConnectionClosed as closed:
        return closed.reason.code if closed.reason else None


async def test_one_step_per_frame_with_four_scores() -> None:
    async with running() as lab, connect(lab) as ws:
        assert await receive(ws) == {"type": "Ready"}
        await send_audio(ws, np.zeros(4800, np.float32))
        steps = await receive_steps(ws, 2)
        assert [m["step_idx"] for m in steps] == [3, 4]
        assert [m["buffered_pcm"] for m in steps] == [2880, 960]
        assert {len(m["prs"]) for m in steps} == {4}


async def test_eight_zero_frames_at_once_bring_the_words_that_are_owed() -> None:
    async with running() as lab, connect(lab) as ws:
        await receive(ws)
        await send_audio(ws, *[QUIET] * 12, *[LOUD] * 6)
        before = await receive_steps(ws, 18)
        assert not [m for m in before if m["type"] == "Word"]
        began = trio.current_time()
        await send_audio(ws, *[QUIET] * 10)
        after = await receive_steps(ws, 10)
        assert [m["text"] for m in after if m["type"] == "Word"] == ["good", "morning"]
        assert trio.current_time() - began < 0.5  # 0.8 s of stream
        scores = [m["prs"][2] for m in after if m["type"] == "Step"]
        assert scores[0] < 0.01
        assert scores[-1] > 0.9


async def test_the_step_counter_is_everybodys() -> None:
    async with running() as lab, connect(lab) as one, connect(lab) as two:
        await receive(one)
        await receive(two)
        await send_audio(one, QUIET)
        await receive_steps(one, 1)
        await send_audio(two, QUIET)
        assert (await receive_steps(two, 1))[0]["step_idx"] == 4


async def test_a_marker_comes_back_after_the_delay() -> None:
    async with running() as lab, connect(lab) as ws:
        await receive(ws)
        await ws.send_message(msgpack.packb({"type": "Marker", "id": 7}))
        await send_audio(ws, *[QUIET] * 8)
        kinds = [m["type"] for m in await receive_steps(ws, 8)]
        assert kinds == ["Step"] * 6 + ["Marker"] + ["Step"] * 2


async def test_init_starts_the_stream_afresh_with_another_ready() -> None:
    async with running() as lab, connect(lab) as ws:
        await receive(ws)
        await ws.send_message(msgpack.packb({"type": "Init"}))
        assert await receive(ws) == {"type": "Ready"}


async def test_the_third_connection_of_two_slots_is_told_no_free_channels() -> None:
    async with running() as lab, connect(lab) as one, connect(lab) as two:
        await receive(one)
        await receive(two)
        async with connect(lab) as third:
            assert (await receive(third))["message"] == "no free channels"
            assert await close_code(third) == 1005


async def test_an_undecodable_message_drops_tcp_without_a_close_and_frees_the_slot() -> None:
    async with running() as lab, connect(lab) as ws:
        await receive(ws)
        await ws.send_message(b"\x00")
        assert await close_code(ws) == 1006
        await until(lambda: lab.stt.used_slots == 0)


async def test_a_wrong_key_is_401() -> None:
    async with running() as lab:
        assert (await upgrade(lab.stt_url, [])).status_code == 401


@pytest.mark.parametrize("kind", [Kind.DROP, Kind.RESET])
async def test_faults_cut_the_stream_after_so_many_steps(kind: Kind) -> None:
    async with running() as lab:
        lab.stt.fault = Fault(kind, after=3)
        async with connect(lab) as ws:
            await send_audio(ws, *[QUIET] * 3)
            await receive_steps(ws, 3)
            await send_audio(ws, QUIET)
            assert await close_code(ws) == 1006


@pytest.mark.parametrize(("kind", "hello"), [(Kind.NEVER_READY, 0), (Kind.ZOMBIE, 1)])
async def test_a_dead_loop_leaves_the_line_open_and_silent(kind: Kind, hello: int) -> None:
    async with running() as lab:
        lab.stt.fault = Fault(kind)
        async with connect(lab) as ws:
            await send_audio(ws, QUIET, QUIET)
            got = []
            with trio.move_on_after(0.1) as silent:
                while True:
                    got.append(await receive(ws))
            assert silent.cancelled_caught
            assert len(got) == hello


async def test_slots_are_told_as_strings_without_a_key() -> None:
    async with running() as lab, connect(lab) as ws, httpx.AsyncClient() as client:
        await receive(ws)
        base = lab.stt_url.replace("ws://", "http://").removesuffix("/api/asr-streaming")
        modules = (await client.get(f"{base}/api/modules_info")).json()
        assert modules[0]["used_slots"] == "1"
        assert modules[0]["total_slots"] == "2"
        assert modules[0]["path"] == "/api/asr-streaming"
        assert (await client.get(f"{base}/api/build_info")).status_code == 200
        assert (await client.get(lab.stt_url.replace("ws", "http", 1))).status_code == 400
        assert (await client.get(f"{base}/nothing")).status_code == 404


def test_messages_are_the_real_servers_bytes() -> None:
    golden = {
        "83a474797065a4576f7264a474657874a2796faa73746172745f74696d65cb3fdeb851eb851eb8": {
            "type": "Word", "text": "yo", "start_time": 0.48},
        "82a474797065a7456e64576f7264a973746f705f74696d65cb3ff0000000000000": {
            "type": "EndWord", "stop_time": 1.0},
        "82a474797065a64d61726b6572a26964cd03e8": {"type": "Marker", "id": 1000},
        "84a474797065a453746570a8737465705f696478cd012ca370727391ca3e800000"
        "ac62756666657265645f70636dcd5640": {
            "type": "Step", "step_idx": 300, "prs": [0.25], "buffered_pcm": 22080},
    }  # fmt: skip
    for wire, message in golden.items():
        assert pack(message).hex() == wire


def test_audio_as_msgpack_bin_is_refused() -> None:
    assert decode(msgpack.packb({"type": "Audio", "pcm": b"\x00" * 8})) is None
    assert decode(msgpack.packb({"type": "Audio", "pcm": [0.5, 1]})) is not None
