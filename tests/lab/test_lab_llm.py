"""The stand-in model, judged by httpx and OpenAI's own shapes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from lab_websocket import until
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from voiced.config import OpenAiLlm as Settings
from voiced.config.models import ReasoningEffort
from voiced.dialog.history import Message, Role
from voiced.dialog.tools import Tool
from voiced.engines.http import http_client
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Completion
from voiced.errors import EngineBroken, EngineError, EngineRefused
from voiced.lab.faults import LlmFault
from voiced.lab.llm import LlmServer, LlmTiming, Outcome
from voiced.lab.llm_ask import parse_request
from voiced.lab.llm_mind import answer
from voiced.lab.llm_model import Refused
from voiced.lab.llm_reply import split_tokens
from voiced.lab.llm_talk import Talk, from_chat
from voiced.lab.server import serve

QUICK = LlmTiming(first_token_ms=1, tokens_per_s=5000)


@asynccontextmanager
async def running(server: LlmServer) -> AsyncIterator[httpx.AsyncClient]:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, server.handle, "127.0.0.1", 0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1") as client:
            yield client
        nursery.cancel_scope.cancel()


def ask(*said: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text} for text in said]
    return {"model": "voiced-lab", "messages": messages, **options}


async def stream(client: httpx.AsyncClient, body: dict[str, Any]) -> list[str]:
    """The data of each event."""
    async with client.stream("POST", "/chat/completions", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return [line[6:] async for line in response.aiter_lines() if line]


async def test_chunks_are_what_openai_sends() -> None:
    server = LlmServer(timing=QUICK)
    body = ask("what time do you open", stream=True, stream_options={"include_usage": True})
    async with running(server) as client:
        events = await stream(client, body)
    assert events[-1] == "[DONE]"
    chunks = [ChatCompletionChunk.model_validate_json(event) for event in events[:-1]]
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("We are open from noon")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(chunks) - 3
    assert server.requests[0].outcome is Outcome.COMPLETE


async def test_an_answer_may_come_whole_and_be_cut_at_max_tokens() -> None:
    async with running(LlmServer(timing=QUICK)) as client:
        response = await client.post("/chat/completions", json=ask("hello", max_tokens=1))
    completion = ChatCompletion.model_validate(response.json())
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == "Hello,"


async def test_a_client_that_leaves_stops_the_model() -> None:
    server = LlmServer(timing=LlmTiming(first_token_ms=1, tokens_per_s=20))
    async with running(server) as client:
        body = ask("tell me about the menu", stream=True)
        async with client.stream("POST", "/chat/completions", json=body) as response:
            assert response.status_code == 200
        await until(lambda: server.requests[0].outcome is not Outcome.RUNNING)
    assert server.requests[0].outcome is Outcome.CANCELLED
    assert server.requests[0].tokens_sent < 10


async def test_one_connection_serves_many_answers() -> None:
    server = LlmServer(timing=QUICK)
    async with running(server) as client:
        for _turn in range(3):
            assert (await stream(client, ask("hello", stream=True)))[-1] == "[DONE]"
    assert [request.outcome for request in server.requests] == [Outcome.COMPLETE] * 3


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (LlmFault.UNAUTHORISED, "invalid_api_key"),
        (LlmFault.NOT_FOUND, "model_not_found"),
        (LlmFault.RATE_LIMITED, "rate_limit_exceeded"),
        (LlmFault.SERVER_ERROR, None),
    ],
)
async def test_refusals_have_openais_error_object(fault: LlmFault, code: str | None) -> None:
    async with running(LlmServer(fault=fault)) as client:
        response = await client.post("/chat/completions", json=ask("hello", stream=True))
    assert response.status_code == fault.value
    assert response.json()["error"]["code"] == code


async def test_a_cut_stream_ends_without_done() -> None:
    async with running(LlmServer(timing=QUICK, fault=LlmFault.CUT)) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await stream(client, ask("hello", stream=True))


async def test_a_truncated_stream_ends_in_order_without_done() -> None:
    async with running(LlmServer(timing=QUICK, fault=LlmFault.TRUNCATED)) as client:
        events = await stream(client, ask("hello", stream=True))
    assert json.loads(events[-1])["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("fault", [LlmFault.MALFORMED, LlmFault.STREAM_ERROR])
async def test_mid_stream_faults_stand_between_tokens(fault: LlmFault) -> None:
    async with running(LlmServer(timing=QUICK, fault=fault)) as client:
        events = await stream(client, ask("hello", stream=True))
    if fault is LlmFault.STREAM_ERROR:
        assert json.loads(events[5])["error"]["type"] == "server_error"
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(events[5])


async def test_a_hanging_model_sends_headers_only() -> None:
    async with running(LlmServer(timing=QUICK, fault=LlmFault.HANG)) as client:
        with trio.move_on_after(0.1) as hung:
            await stream(client, ask("hello", stream=True))
        assert hung.cancelled_caught


async def test_an_empty_and_a_long_reply() -> None:
    server = LlmServer(timing=LlmTiming(0, 1e6), fault=LlmFault.EMPTY)
    async with running(server) as client:
        response = await client.post("/chat/completions", json=ask("hello"))
        assert response.json()["choices"][0]["message"]["content"] == ""
        server.fault = LlmFault.LONG
        response = await client.post("/chat/completions", json=ask("hello"))
        assert len(response.json()["choices"][0]["message"]["content"].split()) == 2_000


async def test_keys_models_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "llm.jsonl"
    server = LlmServer(keys=frozenset({"k"}), timing=QUICK, log=log)
    async with running(server) as client:
        assert (await client.get("/models")).status_code == 401
        client.headers["authorization"] = "Bearer k"
        assert (await client.get("/models")).json()["data"][0]["id"] == "voiced-lab"
        await stream(client, ask("goodbye", stream=True))
        bad = await client.post("/chat/completions", content=b"{")
        assert bad.status_code == 400
        assert (await client.get("/oddities")).status_code == 404
        await client.get("/models")  # the log line of the answer before is written by now
    line = json.loads(log.read_text().splitlines()[0])
    assert line["messages"][0]["content"] == "goodbye"
    assert line["outcome"] == "complete"


TOOL = {"type": "function", "function": {"name": "hang_up", "parameters": {}}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": "gpt-5.4", "max_tokens": 9}, "Unsupported parameter: 'max_tokens'"),
        ({"model": "o3", "max_tokens": 9}, "Unsupported parameter: 'max_tokens'"),
        ({"model": "gpt-5-mini", "temperature": 0.6}, "Unsupported value: 'temperature'"),
        ({"model": "gpt-5.6-sol", "temperature": 0.6}, "Unsupported value: 'temperature'"),
        ({"model": "gpt-5.6-sol", "tools": [TOOL]}, "Function tools with reasoning_effort"),
        (
            {"model": "gpt-5.4", "tools": [TOOL], "reasoning_effort": "low"},
            "Function tools with reasoning_effort",
        ),
        ({"model": "gpt-5", "reasoning_effort": "none"}, "'reasoning_effort' does not support"),
        ({"model": "gpt-5.4", "reasoning_effort": "minimal"}, "does not support 'minimal'"),
        ({"model": "o3", "reasoning_effort": "minimal"}, "does not support 'minimal'"),
        ({"model": "gpt-4.1", "reasoning_effort": "none"}, "Unrecognized request argument"),
    ],
    ids=str,
)
async def test_what_openais_models_refuse_is_refused(body: dict[str, Any], message: str) -> None:
    async with running(LlmServer(timing=QUICK)) as client:
        answer = await client.post("/chat/completions", json={**ask("hello"), **body})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert message in error["message"]
    assert (error["code"] or "unsupported").startswith("unsupported")


@pytest.mark.parametrize(
    "body",
    [
        {"model": "gpt-5.6-sol", "tools": [TOOL], "reasoning_effort": "none"},
        {"model": "gpt-5.4", "tools": [TOOL], "temperature": 0.6},
        {"model": "gpt-5", "tools": [TOOL], "reasoning_effort": "minimal", "temperature": 1},
        {"model": "gpt-4.1", "max_tokens": 9, "temperature": 0.6},
        {"model": "gpt-oss:20b", "max_tokens": 9, "temperature": 0.6, "reasoning_effort": "low"},
    ],
    ids=str,
)
async def test_what_they_take_is_taken(body: dict[str, Any]) -> None:
    async with running(LlmServer(timing=QUICK)) as client:
        answer = await client.post("/chat/completions", json={**ask("hello"), **body})
    assert answer.status_code == 200


# --- our engine against it ---------------------------------------------------------------------

HANG_UP = Tool("hang_up", "Ends the call.")
SAID = [Message(Role.SYSTEM, "Be brief."), Message(Role.CALLER, "hello")]


async def ask_engine(server: LlmServer, **keys: Any) -> tuple[str, Completion | EngineError]:
    """What was said, and how it ended, on a connection that was warmed."""
    async with running(server) as ours, http_client() as http:
        llm = OpenAiLlm("lab", Settings(base_url=str(ours.base_url), **keys), http)
        write, read = trio.open_memory_channel[str](5000)
        with write, read:
            try:
                await llm.warm()
                ending = await llm.complete(SAID, write, [HANG_UP])
            except EngineError as error:
                ending = error
            write.close()
            return "".join([piece async for piece in read]), ending


@pytest.mark.parametrize(
    "model",
    ["gpt-4.1", "gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.4-mini", "gpt-5.6-sol", "gpt-6.1-terra",
     "o3", "gpt-oss:20b", "llama3.2:3b"],
)  # fmt: skip
async def test_our_engine_is_answered_by_every_model(model: str) -> None:
    text, completion = await ask_engine(LlmServer(timing=QUICK), model=model)
    assert text == "Hello, this is Chez Sesame. How can I help you?"
    assert isinstance(completion, Completion)
    assert completion.finish_reason == "stop"
    assert completion.prompt_tokens


async def test_our_engine_is_told_of_the_trap_and_tells_how_to_leave_it() -> None:
    effort = ReasoningEffort.LOW
    _, failed = await ask_engine(LlmServer(timing=QUICK), model="gpt-5.4", reasoning_effort=effort)
    assert 'set reasoning_effort = "none"' in str(failed)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (LlmFault.CUT, EngineBroken, "dropped the connection"),
        (LlmFault.TRUNCATED, EngineBroken, "cut short"),
        (LlmFault.MALFORMED, EngineBroken, "not JSON"),
        (LlmFault.STREAM_ERROR, EngineBroken, "server_error"),
        (LlmFault.UNAUTHORISED, EngineRefused, "api_key"),
        (LlmFault.NOT_FOUND, EngineRefused, "no model"),
        (LlmFault.SERVER_ERROR, EngineBroken, "HTTP 500"),
    ],
)
async def test_our_engine_is_not_fooled(
    fault: LlmFault, kind: type[EngineError], words: str
) -> None:
    _, failed = await ask_engine(LlmServer(timing=QUICK, fault=fault))
    assert type(failed) is kind
    assert words in str(failed)


async def test_a_barge_in_is_seen_by_the_server_and_costs_the_connection() -> None:
    server = LlmServer(timing=LlmTiming(first_token_ms=1, tokens_per_s=50))
    write, read = trio.open_memory_channel[str](0)
    async with running(server) as ours, http_client() as http:
        llm = OpenAiLlm("lab", Settings(base_url=str(ours.base_url)), http)
        with write, read:
            async with trio.open_nursery() as nursery:
                said = [Message(Role.CALLER, "tell me about the menu")]
                nursery.start_soon(llm.complete, said, write)
                assert await read.receive() == "With"
                nursery.cancel_scope.cancel(reason="barge-in")
        await until(lambda: server.requests[0].outcome is Outcome.CANCELLED)
        assert http._transport._pool.connections == []
    assert server.requests[0].tokens_sent < 10


# --- what it says ------------------------------------------------------------------------------


def said(*texts: str) -> str:
    messages = [{"role": "user", "content": text} for text in texts]
    return answer(Talk(from_chat(messages))).text


def test_the_booking_is_remembered_from_earlier_turns() -> None:
    texts = ["i would like to book a table for four people", "on saturday at eight", "goodbye"]
    assert said(*texts[:1]) == "With pleasure. For four people, at what time?"
    assert "A table for four, Saturday at eight," in said(*texts[:2])
    assert "four of you at eight" in said(*texts)


def test_an_unknown_question_is_met_politely() -> None:
    assert said("xyzzy").startswith("I am sorry")
    assert said("").startswith("I am sorry")


def test_tokens_join_to_the_text() -> None:
    text = "We open at noon, every day but Sunday."
    assert "".join(split_tokens(text)) == text
    assert len(split_tokens("extraordinary")) == 3


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model":"m","messages":[]}', b'{"messages":[{}]}'])
def test_malformed_requests_are_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="malformed"):
        parse_request(body)
