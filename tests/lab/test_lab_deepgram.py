"""The stand-in Deepgram over real sockets, with a client that is not voiced's."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
import trio
from attrs import frozen
from lab_websocket import connect as websocket
from lab_websocket import until, upgrade
from trio_websocket import ConnectionClosed

from voiced.audio import g711
from voiced.lab.deepgram import DeepgramServer
from voiced.lab.deepgram_audio import STEP_S, Step
from voiced.lab.deepgram_faults import DeepgramFault, Kind
from voiced.lab.deepgram_nova import NovaStream
from voiced.lab.deepgram_query import ListenQuery
from voiced.lab.ear import EarFactory, scripted_ears, sphinx_ears
from voiced.lab.restaurant import GRAMMAR
from voiced.lab.server import serve
from voiced.lab.sphinx import EarWord
from voiced.lab.voice import speak_text

LOUD, QUIET = (b"\xa0" * 4 + b"\x20" * 4) * 80, b"\xff" * 640
"""Steps of 80 ms."""
PATIENCE_S = 0.5

NOVA = {
    "model": "nova-3",
    "language": "en",
    "encoding": "mulaw",
    "sample_rate": "8000",
    "interim_results": "true",
    "endpointing": "300",
    "utterance_end_ms": "1000",
    "vad_events": "true",
}
FLUX = {"model": "flux-general-en", "encoding": "mulaw", "sample_rate": "8000"}
KEY = [("authorization", "Token lab-key")]


@frozen
class Lab:
    server: DeepgramServer
    base: str

    def nova(self, **changes: str | None) -> str:
        return self._url("/v1/listen", NOVA, changes)

    def flux(self, **changes: str | None) -> str:
        return self._url("/v2/listen", FLUX, changes)

    def _url(self, path: str, query: dict[str, str], changes: dict[str, str | None]) -> str:
        asked = {key: value for key, value in (query | changes).items() if value is not None}
        return f"{self.base}{path}?{urlencode(asked)}"


@asynccontextmanager
async def running(
    fault: DeepgramFault | None = None, ears: EarFactory | None = None
) -> AsyncIterator[Lab]:
    server = DeepgramServer(
        frozenset({"lab-key"}),
        ears or scripted_ears(["good morning to you"]),
        PATIENCE_S,
        fault or DeepgramFault(),
    )
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, server.handle, "127.0.0.1", 0)
        yield Lab(server, f"ws://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()


def connect(url: str) -> Any:
    return websocket(url, KEY)


PROBE = '{"type":"Configure","keyterms":["that is all"]}'
"""Everything is answered in order, so its answer comes behind all others."""


async def told(ws: Any, within_s: float = 2) -> list[dict[str, Any]]:
    """What came so far."""
    await ws.send_message(PROBE)
    messages: list[dict[str, Any]] = []
    with trio.fail_after(within_s):
        while True:
            message = json.loads(await ws.get_message())
            if message.get("keyterms") == ["that is all"]:
                return messages
            messages.append(message)


async def end_of(ws: Any) -> tuple[list[dict[str, Any]], int, str | None]:
    """All messages to the end, and how it ended."""
    messages: list[dict[str, Any]] = []

    async def read() -> None:
        while True:
            messages.append(json.loads(await ws.get_message()))

    with pytest.raises(ConnectionClosed) as ended, trio.fail_after(2):
        await read()
    reason = ended.value.reason
    assert reason is not None
    return messages, reason.code, reason.reason


def transcript(message: dict[str, Any]) -> str:
    return str(message["channel"]["alternatives"][0]["transcript"])


def kinds(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


# --- the door ----------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, "Token wrong", "Basic lab-key", "lab-key"])
async def test_a_wrong_key_is_told_in_body_and_headers(authorization: str | None) -> None:
    async with running() as lab:
        headers = [("authorization", authorization)] if authorization else []
        answer = await upgrade(lab.nova(), headers)
        assert answer.status_code == 401
        assert answer.json()["err_code"] == "INVALID_AUTH"
        assert answer.headers["dg-error"] == "Invalid credentials."
        assert answer.headers["dg-request-id"]


@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
async def test_the_upgrade_names_the_request(scheme: str) -> None:
    async with running() as lab:
        async with websocket(lab.nova(), [("authorization", f"{scheme} lab-key")]) as ws:
            assert dict(ws.handshake_headers)[b"dg-request-id"]
            await until(lambda: lab.server.streams == 1)
        await until(lambda: lab.server.streams == 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"interim_results": "True"},
        {"model": "whisper"},
        {"model": "flux-general-en"},
        {"language": "xx"},
        {"encoding": "mp3"},
        {"sample_rate": None},
        {"interim_results": None},
        {"endpointing": "soon"},
        {"keywords": "table:2"},
        {"model": "nova-2", "keyterm": "table"},
        {"mip_opt_out": "1"},
    ],
)
async def test_a_bad_question_to_nova_is_400(changes: dict[str, str | None]) -> None:
    async with running() as lab:
        answer = await upgrade(lab.nova(**changes), KEY)
        assert answer.status_code == 400
        assert answer.headers["dg-error"]


@pytest.mark.parametrize(
    "changes",
    [
        {"language": "fr"},
        {"punctuate": "true"},
        {"smart_format": "true"},
        {"interim_results": "true"},
        {"endpointing": "300"},
        {"utterance_end_ms": "1000"},
        {"vad_events": "true"},
        {"channels": "1"},
        {"numerals": "True"},
        {"model": "nova-3"},
        {"language_hint": "fr"},
        {"model": "flux-general-multi", "language_hint": "fr-CA"},
        {"eager_eot_threshold": "0.8"},
        {"eager_eot_threshold": "0.2"},
        {"eot_threshold": "high"},
        {"eot_threshold": "0.4"},
        {"eot_timeout_ms": "400"},
        {"eot_timeout_ms": "60001"},
    ],
)
async def test_a_bad_question_to_flux_is_400(changes: dict[str, str | None]) -> None:
    async with running() as lab:
        assert (await upgrade(lab.flux(**changes), KEY)).status_code == 400


@pytest.mark.parametrize("path", ["nova", "flux"])
async def test_a_hundred_keyterms_are_taken_and_no_more(path: str) -> None:
    async with running() as lab:
        url = getattr(lab, path)() + "".join(f"&keyterm=term+{n}" for n in range(100))
        async with connect(url):
            assert lab.server.questions[-1].keyterms == tuple(f"term {n}" for n in range(100))
        answer = await upgrade(f"{url}&keyterm=more", KEY)
        assert answer.status_code == 400
        assert answer.headers["dg-error"] == "Keyterm limit exceeded"


async def test_other_paths_and_plain_requests_are_refused() -> None:
    async with running() as lab:
        assert (await upgrade(f"{lab.base}/v3/listen", KEY)).status_code == 404
        assert (await upgrade(lab.nova(), [*KEY, ("upgrade", "h2c")])).status_code == 400


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.UNAUTHORISED, 401),
        (Kind.NO_CREDIT, 402),
        (Kind.FORBIDDEN, 403),
        (Kind.AT_CAPACITY, 429),
        (Kind.OVERLOADED, 503),
    ],
)
async def test_refusals_on_demand(kind: Kind, status: int) -> None:
    async with running(DeepgramFault(kind)) as lab:
        assert (await upgrade(lab.nova(), KEY)).status_code == status


# --- Nova --------------------------------------------------------------------------------------


async def test_an_utterance_is_guessed_then_told_then_over() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        await ws.send_message(QUIET * 2 + LOUD * 12 + QUIET * 20)
        messages = await told(ws)
        results = [message for message in messages if message["type"] == "Results"]
        assert kinds(messages)[0] == "SpeechStarted"
        assert next(transcript(r) for r in results if not r["is_final"]) == "good morning to"
        ends = [r for r in results if r["speech_final"]]
        assert [transcript(r) for r in ends] == ["good morning to you"]
        assert ends[0]["start"] + ends[0]["duration"] == pytest.approx(14 * 0.08 + 0.32, abs=0.09)
        assert kinds(messages).count("UtteranceEnd") == 1


async def test_the_newest_word_of_a_guess_is_cut_off() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        await ws.send_message(LOUD * 13)
        guess = (await told(ws))[-1]
        assert transcript(guess) in {"good morning to you", "good morning to", "good mor"}
        await ws.send_message(LOUD * 12)


async def test_times_are_those_of_the_audio_however_fast_it_comes() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        for _ in range(50):
            await ws.send_message(QUIET)
        windows = [(m["start"], m["duration"]) for m in await told(ws) if m["is_final"]]
        assert windows == [(0.0, pytest.approx(4.0))]


async def test_in_noise_only_the_gap_ends_an_utterance() -> None:
    async with running(DeepgramFault(Kind.NO_SPEECH_FINAL)) as lab, connect(lab.nova()) as ws:
        await ws.send_message(LOUD * 12 + QUIET * 30)
        messages = await told(ws)
        assert not any(message.get("speech_final") for message in messages)
        assert "UtteranceEnd" in kinds(messages)


def nova_stream() -> NovaStream:
    return NovaStream(ListenQuery(0.3, 1.0, interims=True, vad_events=False))


def ends(stream: NovaStream, steps: int, silence_s: float, *said: tuple[int, EarWord]) -> list[int]:
    """Hears so many steps, the words at theirs; the numbers of those that bring UtteranceEnd."""
    words = {number: (word,) for number, word in said}
    found = []
    for number in range(1, steps + 1):
        step = Step(number * STEP_S, words.get(number, ()), silence_s)
        if "UtteranceEnd" in kinds(stream.step(step)):
            found.append(number)
    return found


def test_no_utterance_ends_in_mid_sentence_because_the_ear_is_late() -> None:
    """A word of a second is told when the one before has been over for longer than the gap."""
    have, vegetarian = EarWord("have", 0.0, 0.4), EarWord("vegetarian", 0.4, 1.5)
    assert ends(nova_stream(), 30, 0.0, (10, have), (24, vegetarian)) == []


def test_an_utterance_ends_once_after_a_second_without_a_word() -> None:
    assert ends(nova_stream(), 60, 0.5, (5, EarWord("oui", 0.0, 0.4))) == [18]


def test_in_sound_without_words_an_utterance_ends_too() -> None:
    # 2 s for a word that the ear may hold back, and then the gap.
    assert ends(nova_stream(), 60, 0.0, (5, EarWord("oui", 0.0, 0.4))) == [43]


def test_without_a_word_nothing_ends() -> None:
    assert ends(nova_stream(), 60, 5.0) == []


def test_words_that_a_finalize_has_told_end_too() -> None:
    stream = nova_stream()
    stream.finalize([EarWord("oui", 0.0, 0.4)], 0.4)
    assert ends(stream, 30, 5.0) == [18]


async def test_a_sentence_of_long_words_is_one_utterance() -> None:
    said = g711.encode_float(await speak_text("wait do you have vegetarian dishes", "en-us+f3"))
    async with running(ears=sphinx_ears(GRAMMAR)) as lab, connect(lab.nova()) as ws:
        await ws.send_message(QUIET * 4 + said + QUIET * 20)
        messages = await told(ws, 10)
    finals = [m for m in messages if m.get("speech_final")]
    assert [transcript(m) for m in finals] == ["wait do you have vegetarian dishes"]
    assert kinds(messages).count("UtteranceEnd") == 1
    assert messages.index(finals[0]) < kinds(messages).index("UtteranceEnd")


async def test_after_a_finalize_the_times_go_on() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        await ws.send_message(LOUD * 4)
        await ws.send_message('{"type":"Finalize"}')
        await ws.send_message(QUIET * 50)
        windows = [(m["start"], m["duration"]) for m in await told(ws) if m.get("is_final")]
        assert windows[0] == (0.0, pytest.approx(0.32))
        assert windows[-1][0] >= 0.32


async def test_a_keep_alive_before_the_answer_to_finalize_does_no_harm() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        await ws.send_message(LOUD * 4)
        await ws.send_message('{"type":"Finalize"}')
        await ws.send_message('{"type":"KeepAlive"}')
        messages = await told(ws)
        assert [m["from_finalize"] for m in messages if m["type"] == "Results"] == [True]


async def test_finalize_tells_what_is_held_back_or_nothing_at_all() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        await ws.send_message(LOUD * 4)
        await ws.send_message('{"type":"Finalize"}')
        messages = await told(ws)
        assert messages[-1]["from_finalize"]
        assert transcript(messages[-1]) == "good morning to you"
        lab.server.fault = DeepgramFault(Kind.NO_FINALIZE)
        await ws.send_message('{"type":"Finalize"}')
        assert await told(ws) == []


@pytest.mark.parametrize("goodbye", ['{"type":"CloseStream"}', b""])
async def test_the_end_of_the_stream_brings_the_rest_and_metadata(goodbye: str | bytes) -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        await ws.send_message(LOUD * 4)
        await ws.send_message(goodbye)
        messages, code, _ = await end_of(ws)
        assert kinds(messages)[-2:] == ["Results", "Metadata"]
        assert not messages[-2]["from_finalize"]
        assert messages[-1]["duration"] == pytest.approx(0.32)
        assert code == 1000


async def test_without_audio_and_keep_alive_it_closes_and_a_ping_does_not_help() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        for _ in range(3):
            await ws.send_message('{"type":"KeepAlive"}')
            await trio.sleep(0.3)
        began = trio.current_time()
        await ws.ping()
        assert (await end_of(ws))[1:] == (1011, "NET-0001")
        assert trio.current_time() - began < PATIENCE_S


async def test_a_keep_alive_in_a_binary_frame_is_audio() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        for _ in range(80):
            await ws.send_message(b'{"type":"KeepAlive"}')
        await told(ws)
        await ws.send_message('{"type":"CloseStream"}')
        assert (await end_of(ws))[0][-1]["duration"] > 0.15
        assert "KeepAlive" not in lab.server.commands


async def test_configure_and_nonsense_are_answered() -> None:
    async with running() as lab, connect(lab.nova()) as ws:
        await ws.send_message('{"type":"Configure","keyterms":["table"]}')
        for nonsense in ('{"type":"Keepalive"}', "[]", "{", '{"type":3}'):
            await ws.send_message(nonsense)
        messages = await told(ws)
        assert kinds(messages) == ["ConfigureSuccess"] + ["Error"] * 4
        assert messages[0]["keyterms"] == ["table"]
        assert messages[1]["variant"] == "SchemaError"


# --- Flux --------------------------------------------------------------------------------------


def events(messages: Sequence[dict[str, Any]]) -> list[str]:
    """Turn events without repetition of updates."""
    all_events = [message["event"] for message in messages if message["type"] == "TurnInfo"]
    return [event for event in all_events if event != "Update"]


async def test_a_turn_begins_grows_and_ends() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(QUIET * 4 + LOUD * 12 + QUIET * 12)
        messages = await told(ws)
        assert messages[0]["type"] == "Connected"
        assert [m["sequence_id"] for m in messages] == list(range(len(messages)))
        assert events(messages) == ["StartOfTurn", "EndOfTurn"]
        end = next(m for m in messages if m.get("event") == "EndOfTurn")
        assert (end["transcript"], end["trigger"]) == ("good morning to you", "model")
        assert end["end_of_turn_confidence"] >= 0.7
        assert [m["turn_index"] for m in messages if m["type"] == "TurnInfo"][-1] == 1


async def test_an_eager_end_is_told_only_where_it_was_asked_for_and_can_be_withdrawn() -> None:
    async with running() as lab, connect(lab.flux(eager_eot_threshold="0.3")) as ws:
        await ws.send_message(LOUD * 9 + QUIET * 5 + LOUD * 3 + QUIET * 12)
        messages = await told(ws)
        assert events(messages) == [
            "StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EagerEndOfTurn", "EndOfTurn",
        ]  # fmt: skip
        eager, end = (
            next(m["transcript"] for m in reversed(messages) if m.get("event") == event)
            for event in ("EagerEndOfTurn", "EndOfTurn")
        )
        assert eager == end == "good morning to you good morning to you"


async def test_by_default_no_eager_end_is_told() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(LOUD * 9 + QUIET * 5 + LOUD * 3 + QUIET * 12)
        assert events(await told(ws)) == ["StartOfTurn", "EndOfTurn"]


async def test_an_eager_end_never_lacks_the_words_of_the_end() -> None:
    said = g711.encode_float(await speak_text("what is on the menu", "en-us+f3"))
    flux = {"eager_eot_threshold": "0.3", "eot_threshold": "0.9"}
    async with running(ears=sphinx_ears(GRAMMAR)) as lab, connect(lab.flux(**flux)) as ws:
        await ws.send_message(QUIET * 4 + said + QUIET * 12)
        messages = await told(ws, 10)
    ends = [m["transcript"] for m in messages if str(m.get("event")).endswith("EndOfTurn")]
    assert ends == ["what is on the menu"] * 2


async def test_silence_is_reported_four_times_a_second_without_words() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(QUIET * 25)
        updates = (await told(ws))[1:]
        assert {(m["event"], m["transcript"]) for m in updates} == {("Update", "")}
        assert [m["audio_window_end"] for m in updates] == pytest.approx(
            [0.24 * n for n in range(1, 9)]
        )


async def test_a_turn_begins_with_a_word() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(LOUD * 6)
        start = next(m for m in await told(ws) if m.get("event") == "StartOfTurn")
        assert start["transcript"] == "good"


async def test_a_turn_forced_in_silence_is_empty() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(QUIET * 4)
        await ws.send_message('{"type":"ForceEndTurn"}')
        end = (await told(ws))[-1]
        assert (end["event"], end["transcript"], end["words"]) == ("EndOfTurn", "", [])


async def test_without_audio_no_time_passes() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(LOUD * 12)
        await trio.sleep(PATIENCE_S + 0.2)
        assert events(await told(ws)) == ["StartOfTurn"]


async def test_a_turn_ends_by_its_timeout() -> None:
    asked = {"eot_threshold": "1.0", "eot_timeout_ms": "1000"}
    async with running() as lab, connect(lab.flux(**asked)) as ws:
        await ws.send_message(LOUD * 4 + QUIET * 16)
        end = next(m for m in await told(ws) if m.get("event") == "EndOfTurn")
        assert end["trigger"] == "timeout"
        assert end["end_of_turn_confidence"] < 1.0


async def test_a_turn_can_be_forced_to_end() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(LOUD * 4)
        await ws.send_message('{"type":"ForceEndTurn"}')
        end = (await told(ws))[-1]
        assert (end["event"], end["trigger"]) == ("EndOfTurn", "manual")
        assert end["transcript"] == "good morning to you"
        lab.server.fault = DeepgramFault(Kind.NO_FINALIZE)
        await ws.send_message('{"type":"ForceEndTurn"}')
        assert await told(ws) == []


async def test_other_thresholds_hold_from_then_on() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message('{"type":"Configure","thresholds":{"eot_threshold":0.5}}')
        await ws.send_message(LOUD * 4 + QUIET * 6)
        messages = await told(ws)
        assert messages[1]["type"] == "ConfigureSuccess"
        assert events(messages) == ["StartOfTurn", "EndOfTurn"]


async def test_the_end_of_a_flux_stream_is_a_close_without_a_code() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message(LOUD * 4)
        await ws.send_message('{"type":"CloseStream"}')
        messages, code, _ = await end_of(ws)
        assert "EndOfTurn" not in events(messages)
        assert code == 1005


async def test_flux_forgives_no_nonsense_and_no_keep_alive() -> None:
    async with running() as lab, connect(lab.flux()) as ws:
        await ws.send_message('{"type":"KeepAlive"}')
        messages, code, _ = await end_of(ws)
        assert kinds(messages) == ["Connected", "Error"]
        assert code == 1005


# --- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (Kind.DROP, 1006, None),
        (Kind.RESET, 1006, None),
        (Kind.NET_0000, 1011, "NET-0000"),
        (Kind.DATA_0000, 1008, "DATA-0000"),
        (Kind.GOODBYE, 1000, None),
        (Kind.FATAL, 1005, None),
    ],
)
async def test_faults_end_a_stream_after_so_many_messages(
    kind: Kind, code: int, reason: str | None
) -> None:
    async with running(DeepgramFault(kind, 2)) as lab, connect(lab.nova()) as ws:
        await ws.send_message(QUIET * 60)
        messages, ended, why = await end_of(ws)
        assert kinds(messages)[:2] == ["Results"] * 2
        assert (ended, why or None) == (code, reason)


@pytest.mark.parametrize(
    ("kind", "code", "last"),
    [
        (Kind.DROP, 1006, "TurnInfo"),
        (Kind.NET_0000, 1011, "TurnInfo"),
        (Kind.DATA_0000, 1008, "TurnInfo"),
        (Kind.GOODBYE, 1000, "TurnInfo"),
        (Kind.FATAL, 1005, "Error"),
    ],
)
async def test_faults_end_a_stream_of_flux_too(kind: Kind, code: int, last: str) -> None:
    async with running(DeepgramFault(kind, 2)) as lab, connect(lab.flux()) as ws:
        await ws.send_message(QUIET * 60)
        messages, ended, _ = await end_of(ws)
        assert kinds(messages)[:2] == ["Connected", "TurnInfo"]
        assert (kinds(messages)[-1], ended) == (last, code)


async def test_connected_may_never_come() -> None:
    async with running(DeepgramFault(Kind.SILENT)) as lab, connect(lab.flux()) as ws:
        with trio.move_on_after(0.2) as silent:
            await ws.get_message()
        assert silent.cancelled_caught


async def test_a_stream_may_fall_silent() -> None:
    async with running(DeepgramFault(Kind.SILENT, 1)) as lab, connect(lab.nova()) as ws:
        await ws.send_message(QUIET * 60)
        await ws.get_message()
        with trio.move_on_after(0.2) as silent:
            await ws.get_message()
        assert silent.cancelled_caught


@pytest.mark.parametrize(("kind", "extra"), [(Kind.ERROR, "Error"), (Kind.STRANGE, "Forecast")])
async def test_strangers_may_come_between(kind: Kind, extra: str) -> None:
    async with running(DeepgramFault(kind)) as lab, connect(lab.nova()) as ws:
        await ws.send_message(QUIET * 13)
        messages = await told(ws)
        assert kinds(messages) == [extra, "Results", extra]
        assert ("is_final" in messages[1]) == (kind is Kind.ERROR)


async def test_flux_may_warn() -> None:
    async with running(DeepgramFault(Kind.WARNING, 1)) as lab, connect(lab.flux()) as ws:
        await ws.send_message(QUIET * 3)
        messages = await told(ws)
        assert kinds(messages)[:3] == ["Connected", "Warning", "TurnInfo"]
        assert messages[1]["code"]


async def test_nonsense_may_come() -> None:
    async with running(DeepgramFault(Kind.MALFORMED)) as lab, connect(lab.nova()) as ws:
        await ws.send_message(QUIET * 13)
        with pytest.raises(ValueError, match="property name"):
            json.loads(await ws.get_message())
