"""The stand-in Cartesia over real sockets, with a client that is not voiced's."""

import json
from base64 import b64decode
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve
from cartesia_lab import HEADERS, QUICK, answer, ask, connect, kinds, running, told
from lab_websocket import until, upgrade
from trio_websocket import ConnectionClosed

from voiced.lab.cartesia_faults import CartesiaFault, Kind, OnCancel
from voiced.lab.voice import EspeakVoice

KEY, VERSION = HEADERS


def audio(messages: list[dict[str, Any]]) -> list[bytes]:
    return [b64decode(each["data"]) for each in messages if each["type"] == "chunk"]


# --- the door -------------------------------------------------------------------------------------


async def test_it_tells_that_it_lives() -> None:
    async with running() as lab, httpx.AsyncClient() as client:
        health = await client.get(lab.base.replace("ws", "http", 1) + "/")
        assert health.json()["ok"] is True


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/tts/websocket", [VERSION], 401),
        ("/tts/websocket", [("x-api-key", "wrong"), VERSION], 401),
        ("/tts/websocket", [KEY], 400),
        ("/elsewhere", [KEY, VERSION], 404),
    ],
)
async def test_the_door_wants_a_key_a_version_and_the_path(
    path: str, headers: list[tuple[str, str]], status: int
) -> None:
    async with running() as lab:
        assert (await upgrade(lab.base + path, headers)).status_code == status


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([KEY, VERSION], ""),
        ([("authorization", "Bearer lab-key"), VERSION], ""),
        ([], "?api_key=lab-key&cartesia_version=2026-03-01"),
        ([VERSION], "?access_token=lab-key"),
    ],
)
async def test_key_and_version_may_stand_in_headers_or_in_the_query(
    headers: list[tuple[str, str]], query: str
) -> None:
    async with running() as lab, connect(lab, headers, query) as ws:
        await ask(ws, "Yes.")
        assert kinds(await told(ws))[-1] == "done"


async def test_a_plain_get_is_no_upgrade() -> None:
    async with running() as lab, httpx.AsyncClient() as client:
        got = await client.get(lab.url.replace("ws", "http", 1), headers=dict(HEADERS))
        assert got.status_code == 400


@pytest.mark.parametrize("kind", [Kind.UNAUTHORISED, Kind.FORBIDDEN, Kind.TOO_MANY])
async def test_the_door_can_be_shut(kind: Kind) -> None:
    async with running(fault=CartesiaFault(kind)) as lab:
        assert (await upgrade(lab.url, HEADERS)).status_code == kind.value


async def test_connections_are_limited_too() -> None:
    async with running(concurrency=0) as lab:
        assert (await upgrade(lab.url, HEADERS)).status_code == 429


# --- a context ------------------------------------------------------------------------------------


async def test_a_context_is_words_audio_and_done() -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "Good morning to you.")
        messages = await told(ws)
    assert kinds(messages) == ["timestamps", "chunk", "flush_done", "done"]
    words = messages[0]["word_timestamps"]
    assert words["words"] == ["Good", "morning", "to", "you."]
    assert words["start"][0] == 0.0
    assert words["end"][-1] == pytest.approx(len(b"".join(audio(messages))) / 8000)
    assert len({len(piece) for piece in audio(messages)}) > 3
    assert messages[-1] == {"type": "done", "context_id": "a", "status_code": 200, "done": True}


async def test_it_speaks_with_a_voice() -> None:
    async with running(EspeakVoice()) as lab, connect(lab) as ws:
        await ask(ws, "Good morning.")
        assert len(b"".join(audio(await answer(ws)))) > 4000


async def test_times_go_on_in_the_context() -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One. ", **{"continue": True})
        first = await told(ws, 0.05)
        await ask(ws, "Two.")
        second = await told(ws)
    assert kinds(first) == ["timestamps", "chunk", "flush_done"]
    began = second[0]["word_timestamps"]["start"][0]
    assert began == pytest.approx(len(b"".join(audio(first))) / 8000)
    assert second[-2]["flush_id"] == 2


async def test_without_being_asked_it_tells_no_times() -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One.", add_timestamps=None)
        assert kinds(await told(ws)) == ["chunk", "flush_done", "done"]


async def test_transcripts_are_joined_letter_for_letter() -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "Bonjour,", max_buffer_delay_ms=500, **{"continue": True})
        await ask(ws, "comment", max_buffer_delay_ms=500)
        messages = await told(ws)
    assert messages[0]["word_timestamps"]["words"] == ["Bonjour,comment"]
    assert lab.server.contexts[0].transcript == "Bonjour,comment"


@pytest.mark.parametrize(("delay_ms", "waits"), [(None, True), (100, False), (0, False)])
async def test_it_waits_for_more_text_unless_told_otherwise(
    delay_ms: int | None, *, waits: bool
) -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One. ", max_buffer_delay_ms=delay_ms, **{"continue": True})
        assert (await told(ws) == []) is waits


@pytest.mark.parametrize("change", [{"flush": True}, {"continue": False}])
async def test_a_flush_or_the_end_waits_for_nothing(change: dict[str, bool]) -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One. ", max_buffer_delay_ms=3000, **{"continue": True})
        await ask(ws, "", max_buffer_delay_ms=3000, **{"continue": True, **change})
        assert audio(await told(ws))


async def test_a_context_expires_and_its_name_may_be_taken_again() -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One. ", **{"continue": True})
        assert kinds(await told(ws, 0.3))[-1] == "done"
        await ask(ws, "Two. ", language="fr")
        assert kinds(await told(ws))[-1] == "done"
        assert len(lab.server.contexts) == 2
        assert lab.server.generating == 0


async def test_an_empty_context_is_done_without_audio() -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "")
        assert kinds(await told(ws)) == ["done"]


async def test_two_contexts_are_spoken_at_once() -> None:
    timing = evolve(QUICK, speed=0.1)
    async with running(timing=timing) as lab, connect(lab) as ws:
        await ask(ws, "One two three.", "a")
        await ask(ws, "Four five six.", "b")
        messages = await told(ws)
    order = [each["context_id"] for each in messages if each["type"] == "chunk"]
    assert order != sorted(order)
    assert kinds(messages, "a")[-1] == kinds(messages, "b")[-1] == "done"


# --- what it does not take ------------------------------------------------------------------------


async def test_all_requests_of_a_context_must_agree() -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One. ", **{"continue": True})
        await ask(ws, "Two. ", language="fr", **{"continue": True})
        (error,) = [each for each in await told(ws) if each["type"] == "error"]
        assert (error["context_id"], error["status_code"]) == ("a", 400)
        assert "language" in error["message"]
        await until(lambda: lab.server.generating == 0)


@pytest.mark.parametrize(
    "change",
    [
        {"model_id": None},
        {"voice": "x"},
        {"transcript": None},
        {"context_id": None},
        {"output_format": {"container": "wav"}},
        {"generation_config": "fast"},
        {"generation_config": {"speed": 0.5}},
        {"generation_config": {"volume": "loud"}},
        {"generation_config": {"emotion": 7}},
    ],
)
async def test_a_request_that_lacks_something_is_an_error(change: dict[str, Any]) -> None:
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One.", **change)
        (error,) = await told(ws)
        assert error["status_code"] == 400
        assert ("context_id" in error) is ("context_id" not in change)


@pytest.mark.parametrize("frame", ["{", "[]", b"\xff"])
async def test_what_is_no_request_is_an_error_of_nobody(frame: str | bytes) -> None:
    async with running() as lab, connect(lab) as ws:
        await ws.send_message(frame)
        (error,) = await told(ws)
        assert "context_id" not in error


async def test_more_contexts_than_the_plan_has_are_refused() -> None:
    async with running(concurrency=1) as lab, connect(lab) as ws:
        await ask(ws, "One. ", "a", **{"continue": True})
        await ask(ws, "Two. ", "b")
        messages = await told(ws)
        assert kinds(messages, "b") == ["error"]
        assert kinds(messages, "a")[:2] == ["timestamps", "chunk"]


@pytest.mark.parametrize(
    ("version", "fields"),
    [("2026-03-01", {"title", "message", "error_code"}), ("2025-04-16", {"error"})],
)
async def test_errors_have_the_shape_of_the_version(version: str, fields: set[str]) -> None:
    fault = CartesiaFault(Kind.UNKNOWN_VOICE)
    async with (
        running(fault=fault) as lab,
        connect(lab, [KEY], f"?cartesia_version={version}") as ws,
    ):
        await ask(ws, "One.")
        (error,) = await told(ws)
        assert fields <= error.keys()
        assert ("error" in fields) is ("error" in error)


@pytest.mark.parametrize(
    ("header", "query", "fields"),
    [("2025-04-16", "2026-03-01", "error_code"), ("2026-03-01", "2025-04-16", "error")],
)
async def test_of_two_versions_that_of_the_query_counts(
    header: str, query: str, fields: str
) -> None:
    headers = [KEY, ("cartesia-version", header)]
    async with running() as lab, connect(lab, headers, f"?cartesia_version={query}") as ws:
        await ws.send_message("{}")
        (error,) = await told(ws)
        assert fields in error


@pytest.mark.parametrize("version", ["2026-03-01", "2025-04-16"])
@pytest.mark.parametrize("kind", [Kind.AT_CAPACITY, Kind.AT_CAPACITY_NAMELESS])
async def test_the_limit_is_told_in_both_shapes_with_and_without_a_context(
    kind: Kind, version: str
) -> None:
    headers = [KEY, ("cartesia-version", version)]
    async with running(fault=CartesiaFault(kind)) as lab, connect(lab, headers) as ws:
        await ask(ws, "One.")
        (error,) = await told(ws)
        assert error["status_code"] == 429
        assert ("error_code" in error) is (version == "2026-03-01")
        assert ("context_id" in error) is (kind is Kind.AT_CAPACITY)


async def test_how_it_is_to_speak_is_a_field_like_the_others() -> None:
    calm = {"speed": 1.2, "volume": 2, "emotion": "calm"}
    async with running() as lab, connect(lab) as ws:
        await ask(ws, "One. ", generation_config=calm, **{"continue": True})
        await ask(ws, "Two.", generation_config=calm)
        assert kinds(await told(ws))[-1] == "done"
        await ask(ws, "One. ", "b", generation_config=calm, **{"continue": True})
        await ask(ws, "Two.", "b")
        (error,) = [each for each in await told(ws) if each["type"] == "error"]
        assert "generation_config" in error["message"]


# --- cancelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("on_cancel", OnCancel)
async def test_a_cancelled_context_stops_or_says_what_it_has_begun(on_cancel: OnCancel) -> None:
    async with (
        running(on_cancel=on_cancel, timing=evolve(QUICK, speed=0.1)) as lab,
        connect(lab) as ws,
    ):
        await ask(ws, "One two three four five.", **{"continue": True})
        while kinds([json.loads(await ws.get_message())]) != ["chunk"]:
            pass
        await ws.send_message('{"context_id": "a", "cancel": true}')
        messages = await told(ws, 0.3)
        assert ("done" in kinds(messages)) is (on_cancel is OnCancel.FINISH)
        assert list(lab.server.cancelled) == ["a"]
        assert lab.server.generating == 0


async def test_cancelling_what_is_not_there_is_an_error() -> None:
    async with running() as lab, connect(lab) as ws:
        await ws.send_message('{"context_id": "x", "cancel": true}')
        assert kinds(await told(ws), "x") == ["error"]


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "named"),
    [
        (Kind.AT_CAPACITY, 429, True),
        (Kind.AT_CAPACITY_NAMELESS, 429, False),
        (Kind.NO_CREDIT, 402, True),
        (Kind.UNKNOWN_VOICE, 400, True),
        (Kind.SERVER_ERROR, 500, True),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
async def test_errors_come_when_they_are_told_to(
    kind: Kind, status: int, after: int, *, named: bool
) -> None:
    async with running(fault=CartesiaFault(kind, after)) as lab, connect(lab) as ws:
        await ask(ws, "One two three four.")
        messages = await told(ws)
    assert len(audio(messages)) == after
    assert messages[-1]["status_code"] == status
    assert ("context_id" in messages[-1]) is named


@pytest.mark.parametrize(
    ("kind", "code"), [(Kind.DROP, 1006), (Kind.RESET, 1006), (Kind.CLOSE, 1001)]
)
async def test_faults_cut_the_connection_as_they_say(kind: Kind, code: int) -> None:
    async with running(fault=CartesiaFault(kind, 2)) as lab, connect(lab) as ws:
        await ask(ws, "One two three four.")
        await told(ws)
        with pytest.raises(ConnectionClosed) as ended:
            await ws.get_message()
    assert ended.value.reason.code == code


async def test_a_context_that_hangs_says_nothing() -> None:
    async with running(fault=CartesiaFault(Kind.HANG)) as lab, connect(lab) as ws:
        await ask(ws, "One.")
        assert await told(ws) == []


async def test_malformed_is_no_json() -> None:
    async with running(fault=CartesiaFault(Kind.MALFORMED)) as lab, connect(lab) as ws:
        await ask(ws, "One.")
        assert await ws.get_message() == "{oops"


async def test_stale_frames_are_of_another_context() -> None:
    async with running(fault=CartesiaFault(Kind.STALE)) as lab, connect(lab) as ws:
        await ask(ws, "One.")
        messages = await told(ws)
    assert kinds(messages, "gone") == ["chunk", "done"]
    assert kinds(messages, "a")[-1] == "done"


async def test_it_can_be_done_too_early() -> None:
    async with running(fault=CartesiaFault(Kind.EARLY_DONE, 2)) as lab, connect(lab) as ws:
        await ask(ws, "One two three four.", **{"continue": True})
        assert kinds(await told(ws)) == ["timestamps", "chunk", "done"]


async def test_slow_is_slower_than_real_time() -> None:
    began = trio.current_time()
    async with running(fault=CartesiaFault(Kind.SLOW)) as lab, connect(lab) as ws:
        await ask(ws, "a")
        messages = await answer(ws)
    assert trio.current_time() - began > len(b"".join(audio(messages))) / 8000


async def test_a_ping_is_answered_and_no_request() -> None:
    async with running() as lab, connect(lab) as ws:
        with trio.fail_after(2):
            await ws.ping()
        await ask(ws, "One.")
        assert kinds(await told(ws))[-1] == "done"


async def test_an_idle_connection_is_closed() -> None:
    async with running(timing=evolve(QUICK, idle_s=0.05)) as lab, connect(lab) as ws:
        with pytest.raises(ConnectionClosed) as ended, trio.fail_after(2):
            await ws.get_message()
        assert ended.value.reason.code == 1001
        await until(lambda: lab.server.connections == 0)


async def test_a_connection_that_speaks_is_not_idle() -> None:
    timing = evolve(QUICK, idle_s=0.05, speed=0.3)
    async with running(timing=timing) as lab, connect(lab) as ws:
        await ask(ws, "One two three.")
        assert kinds(await told(ws))[:4] == ["timestamps", "chunk", "flush_done", "done"]
