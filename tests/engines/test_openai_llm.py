"""An OpenAI-compatible LLM from the outside, over httpx's own connections in memory."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import trio
from attrs import define
from engine_peers import HttpBackend, Line, Peer, http_transport, refused, unknown_host

from voiced.config.engines import OpenAiLlm as Settings
from voiced.config.secrets import Secret
from voiced.dialog.history import Message, Role
from voiced.engines.llm_http import http_client
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Completion, ToolCall
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)

KEY = "sk-very-secret"
SETTINGS = Settings(base_url="http://llm:11434/v1/", api_key=Secret(KEY), model="llama3.2:3b")
MESSAGES = [Message(Role.SYSTEM, "Be brief."), Message(Role.CALLER, "Are you open?")]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(*, text: str | None = None, **choice: object) -> bytes:
    delta = {} if text is None else {"content": text}
    return sse(json.dumps({"choices": [{"index": 0, "delta": delta, **choice}]}))


def sse(data: str) -> bytes:
    line = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(line), line)


USAGE = sse('{"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 2}}')
DONE = sse("[DONE]") + b"0\r\n\r\n"
WHOLE = [HEAD, event(text="Yes, "), event(text="we are."), event(finish_reason="stop"), USAGE, DONE]

Exchange = Callable[[Line], Awaitable[None]]


@define(eq=False)
class House:
    """An LLM and the server it talks to."""

    llm: OpenAiLlm
    peer: Peer
    backend: HttpBackend
    requests: list[bytes]

    async def complete(self) -> tuple[str, Completion]:
        write, read = trio.open_memory_channel[str](100)
        completion = await self.llm.complete(MESSAGES, write)
        write.close()
        return "".join([piece async for piece in read]), completion

    async def failure(self) -> EngineError:
        with pytest.raises(EngineError) as caught:
            await self.complete()
        told = str(caught.value)
        assert KEY not in told
        assert "open" not in told  # the caller's words
        return caught.value


@pytest.fixture
async def house(nursery: trio.Nursery) -> AsyncIterator[Callable[..., House]]:
    clients: list[httpx.AsyncClient] = []

    def build(*exchanges: Exchange) -> House:
        """Each request gets the next of these answers, the last one again and again."""
        requests: list[bytes] = []

        async def handle(line: Line) -> None:
            while request := await line.read_request():
                requests.append(request)
                await exchanges[min(len(requests), len(exchanges)) - 1](line)

        peer = Peer(nursery, handle)
        backend = HttpBackend(peer)
        client = http_client(http_transport(backend))
        clients.append(client)
        return House(OpenAiLlm("local", SETTINGS, client), peer, backend, requests)

    yield build
    for client in clients:
        await client.aclose()
    nursery.cancel_scope.cancel()


def answering(*parts: bytes | float, then=None) -> Exchange:
    """Sends bytes, and waits where a number of seconds stands."""

    async def answer(line: Line) -> None:
        for part in parts:
            if isinstance(part, bytes):
                await line.stream.send_all(part)
            else:
                await trio.sleep(part)
        if then:
            await then(line)

    return answer


def failing(status: int, body: object = "", headers: str = "") -> Exchange:
    raw = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} No\r\n{headers}Content-Length: {len(raw)}\r\n\r\n"
    return answering(head.encode() + raw)


def error(code: str, message: str = "Are you open? sk-very-secret") -> dict:
    return {"error": {"message": message, "type": "some_error", "code": code}}


async def test_an_answer_comes_as_text_and_a_completion(house, autojump_clock):
    ours = house(answering(*WHOLE))
    assert await ours.complete() == ("Yes, we are.", Completion("stop", (), 12, 2))
    head = ours.requests[0].decode()
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}" in head


async def test_text_is_passed_on_as_it_comes(house, autojump_clock):
    parts = [part for piece in WHOLE for part in (piece, 1.0)]
    ours = house(answering(*parts))
    write, read = trio.open_memory_channel[str](0)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.llm.complete, MESSAGES, write)
        assert await read.receive() == "Yes, "
        assert trio.current_time() - began == pytest.approx(1)
        assert await read.receive() == "we are."
        assert trio.current_time() - began == pytest.approx(2)


async def test_a_character_split_between_packets_comes_whole(house, autojump_clock):
    raw = b"".join([HEAD, event(text="Très bien, à bientôt."), DONE])
    ours = house(answering(*(raw[i : i + 1] for i in range(len(raw)))))
    assert (await ours.complete())[0] == "Très bien, à bientôt."


async def test_the_connection_of_a_whole_answer_is_used_again(house, autojump_clock):
    ours = house(answering(*WHOLE))
    await ours.complete()
    await ours.complete()
    assert len(ours.peer.lines) == 1
    assert len(ours.requests) == 2


async def test_tool_calls_come_with_the_completion(house, autojump_clock):
    fragment = {"index": 0, "id": "call_1", "function": {"name": "hang_up", "arguments": "{}"}}
    delta = event(delta={"tool_calls": [fragment]}, finish_reason="tool_calls")
    _, completion = await house(answering(HEAD, delta, DONE)).complete()
    assert completion == Completion("tool_calls", (ToolCall("call_1", "hang_up", "{}"),))


async def test_an_empty_answer_is_an_answer(house, autojump_clock):
    ours = house(answering(HEAD, event(text=""), event(finish_reason="stop"), DONE))
    assert await ours.complete() == ("", Completion("stop"))


@pytest.mark.parametrize(
    ("status", "code", "kind", "words", "requests"),
    [
        (400, "context_length_exceeded", EngineRefused, "context_length_exceeded", 1),
        (401, "invalid_api_key", EngineRefused, "api_key", 1),
        (403, "", EngineRefused, "api_key", 1),
        (404, "model_not_found", EngineRefused, "ollama pull llama3.2:3b", 1),
        (429, "rate_limit_exceeded", EngineAtCapacity, "rate", 2),
        (429, "insufficient_quota", EngineRefused, "no credit", 1),
        (500, "server_error", EngineBroken, "500", 2),
        (503, "unavailable_error", EngineAtCapacity, "loading", 2),
    ],
)
async def test_a_refusal_says_what_to_mend(
    house, autojump_clock, status, code, kind, words, requests
):
    ours = house(failing(status, error(code)))
    failed = await ours.failure()
    assert type(failed) is kind
    assert words in str(failed)
    assert failed.retryable == (requests == 2)
    assert len(ours.requests) == requests


async def test_a_page_of_html_is_a_refusal_like_any_other(house, autojump_clock):
    ours = house(failing(404, "<html>"))
    assert isinstance(await ours.failure(), EngineRefused)


async def test_another_attempt_may_succeed(house, autojump_clock):
    ours = house(failing(500, error("server_error")), answering(*WHOLE))
    assert (await ours.complete())[0] == "Yes, we are."


@pytest.mark.parametrize(("header", "requests"), [("0.4", 2), ("20", 1)])
async def test_a_pause_is_granted_only_if_it_is_short(house, autojump_clock, header, requests):
    limited = failing(429, error("rate_limit_exceeded"), f"Retry-After: {header}\r\n")
    ours = house(limited)
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineAtCapacity)
    assert len(ours.requests) == requests
    assert trio.current_time() - began == pytest.approx(0.4 * (requests - 1))


async def test_connection_refused_names_the_address(house, autojump_clock):
    ours = house(answering())
    ours.backend.failures = [refused(), refused()]
    failed = await ours.failure()
    assert isinstance(failed, EngineBroken)
    assert "nothing listens at http://llm:11434/v1" in str(failed)


async def test_an_unknown_host_is_named(house, autojump_clock):
    ours = house(answering())
    ours.backend.failures = [unknown_host(), unknown_host()]
    assert "host name" in str(await ours.failure())


async def test_a_kept_connection_that_went_away_costs_only_another_attempt(house, autojump_clock):
    ours = house(answering(*WHOLE), answering(then=Line.drop), answering(*WHOLE))
    await ours.complete()
    assert (await ours.complete())[0] == "Yes, we are."
    assert len(ours.peer.lines) == 2


@pytest.mark.parametrize(
    "parts",
    [
        [60.0],
        [HEAD, 60.0],
        [HEAD, *[event(text=""), 1.0] * 60],
        [HEAD, *[b"3\r\n:\n\n\r\n", 1.0] * 60],
    ],
)
async def test_a_late_first_token_is_a_timeout(house, autojump_clock, parts):
    ours = house(answering(*parts))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(8)
    assert ours.peer.all_closed


async def test_a_stall_in_mid_answer_is_a_timeout(house, autojump_clock):
    ours = house(answering(HEAD, event(text="Yes, "), 60.0))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(5)
    assert ours.peer.all_closed


async def test_a_voice_that_lags_is_not_the_models_fault(house, autojump_clock):
    ours = house(answering(*WHOLE))
    write, read = trio.open_memory_channel[str](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.llm.complete, MESSAGES, write)
        for _ in range(2):
            await trio.sleep(30)
            await read.receive()


@pytest.mark.parametrize("end", [Line.drop, Line.reset])
async def test_a_cut_in_mid_answer_is_broken_and_not_tried_again(house, autojump_clock, end):
    ours = house(answering(HEAD, event(text="Yes, "), then=end))
    assert isinstance(await ours.failure(), EngineBroken)
    assert len(ours.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        [event(text="Yes, "), b"0\r\n\r\n"],
        [sse("{not json"), b"0\r\n\r\n"],
        [sse("[1, 2]"), b"0\r\n\r\n"],
        [sse('{"choices": 7}'), b"0\r\n\r\n"],
        [b"zz\r\n"],
        [b"0\r\n\r\n"],
    ],
)
async def test_a_malformed_or_truncated_stream_is_broken(house, autojump_clock, body):
    assert isinstance(await house(answering(HEAD, *body)).failure(), EngineBroken)


@pytest.mark.parametrize(
    ("code", "kind"), [("server_error", EngineBroken), ("rate_limit_exceeded", EngineAtCapacity)]
)
async def test_an_error_in_mid_answer_is_told_by_its_code(house, autojump_clock, code, kind):
    ours = house(answering(HEAD, event(text="Yes, "), sse(json.dumps(error(code)))))
    failed = await ours.failure()
    assert type(failed) is kind
    assert code in str(failed)


@pytest.mark.parametrize("stage_s", [0.5, 1.5, 2.5])
async def test_cancelling_closes_the_connection_at_once(house, autojump_clock, stage_s):
    parts = [1.0, HEAD, 1.0, event(text="Yes, "), 60.0]
    ours = house(answering(*parts), answering(*WHOLE))
    began = trio.current_time()
    with trio.move_on_after(stage_s):
        await ours.complete()
    assert trio.current_time() == pytest.approx(began + stage_s)
    assert ours.peer.all_closed
    assert (await ours.complete())[0] == "Yes, we are."  # on a connection of its own
    assert len(ours.peer.lines) == 2


async def test_cancelling_while_the_voice_lags_closes_the_connection(house, autojump_clock):
    ours = house(answering(*WHOLE[:3], 60.0))
    write, read = trio.open_memory_channel[str](0)
    with trio.move_on_after(1):
        await ours.llm.complete(MESSAGES, write)
    read.close()
    assert ours.peer.all_closed


def models(status: int = 200) -> Exchange:
    return failing(status, {"data": []})


async def test_warming_opens_the_connection_that_the_answer_uses(house, autojump_clock):
    ours = house(models(), answering(*WHOLE))
    await ours.llm.warm()
    await ours.complete()
    assert ours.requests[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert len(ours.peer.lines) == 1


async def test_warming_tells_of_a_wrong_key_but_not_of_a_missing_list(house, autojump_clock):
    ours = house(models(404), models(401))
    await ours.llm.warm()
    with pytest.raises(EngineRefused, match="api_key"):
        await ours.llm.warm()


async def test_warming_is_bounded(house, autojump_clock):
    ours = house(answering(60.0))
    with pytest.raises(EngineTimeout):
        await ours.llm.warm()


async def test_warming_a_server_that_is_not_there_says_so(house, autojump_clock):
    ours = house(models())
    ours.backend.failures = [refused()]
    with pytest.raises(EngineBroken, match="nothing listens"):
        await ours.llm.warm()
