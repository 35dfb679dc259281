"""The stand-in for Anthropic's Messages, as httpx and our own engine find it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from lab_websocket import until

from voiced.config.engines import AnthropicLlm as Settings
from voiced.config.secrets import Secret
from voiced.dialog.history import Message, Role
from voiced.dialog.tools import Tool, ToolCall
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.http import http_client
from voiced.engines.roles import Completion
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused, RequestRefused
from voiced.lab.anthropic import ERRORS, AnthropicFault, AnthropicServer
from voiced.lab.anthropic_reply import ToolUse
from voiced.lab.llm import LlmTiming, Outcome
from voiced.lab.server import serve
from voiced.wire.anthropic_stream import MessageStream

QUICK = LlmTiming(first_token_ms=1, tokens_per_s=5000)
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
HANG_UP = Tool("hang_up", "Ends the call.")


@asynccontextmanager
async def running(server: AnthropicServer) -> AsyncIterator[httpx.AsyncClient]:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, server.handle, "127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base_url, headers=HEADERS) as client:
            yield client
        nursery.cancel_scope.cancel()


def ask(*said: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text} for text in said]
    return {"model": "claude-haiku-5-5", "max_tokens": 99, "messages": messages, **options}


async def stream(client: httpx.AsyncClient, *said: str, **options: Any) -> list[dict[str, Any]]:
    """The data of each event."""
    body = ask(*said, stream=True, **options)
    async with client.stream("POST", "/v1/messages", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in response.aiter_lines() if line]
    events = [json.loads(line.removeprefix("data: ")) for line in lines[1::2]]
    assert [line.removeprefix("event: ") for line in lines[::2]] == [e["type"] for e in events]
    return events


def told(events: list[dict[str, Any]]) -> str:
    return "".join(e["delta"].get("text", "") for e in events if "index" in e and "delta" in e)


async def test_events_come_in_their_order_with_pings_between() -> None:
    server = AnthropicServer(timing=QUICK)
    async with running(server) as client:
        events = await stream(client, "what time do you open", system="Be brief.")
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert "ping" in kinds[4:-4]
    assert told(events).startswith("We are open from noon")
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[-2]["usage"]["output_tokens"] == kinds.count("content_block_delta")
    assert server.requests[0].outcome is Outcome.COMPLETE


async def test_one_connection_serves_many_answers() -> None:
    server = AnthropicServer(timing=QUICK)
    async with running(server) as client:
        for _turn in range(3):
            assert (await stream(client, "hello"))[-1]["type"] == "message_stop"
    assert [request.outcome for request in server.requests] == [Outcome.COMPLETE] * 3


async def test_a_client_that_leaves_stops_the_model() -> None:
    server = AnthropicServer(timing=LlmTiming(first_token_ms=1, tokens_per_s=20))
    async with running(server) as client:
        body = ask("tell me about the menu", stream=True)
        async with client.stream("POST", "/v1/messages", json=body) as response:
            assert response.status_code == 200
        await until(lambda: server.requests[0].outcome is not Outcome.RUNNING)
    assert server.requests[0].outcome is Outcome.CANCELLED
    assert server.requests[0].tokens_sent < 10


async def test_goodbye_hangs_up_where_that_is_offered() -> None:
    tool = {"name": "hang_up", "input_schema": {"type": "object"}}
    async with running(AnthropicServer(timing=QUICK)) as client:
        offered = await stream(client, "goodbye", tools=[tool])
        without = await stream(client, "goodbye")
    assert offered[-2]["delta"]["stop_reason"] == "tool_use"
    assert [e["content_block"]["type"] for e in offered if "content_block" in e] == [
        "text", "tool_use"]  # fmt: skip
    assert [e["delta"]["partial_json"] for e in offered if "partial_json" in e.get("delta", ())]
    assert without[-2]["delta"]["stop_reason"] == "end_turn"


F = {"name": "f", "input_schema": {"type": "object"}}
GET = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "noon"}
THANKS = {"type": "text", "text": "thank you"}


def turns(*contents: object) -> list[dict[str, object]]:
    roles = ["user", "assistant"] * len(contents)
    return [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]


async def test_a_tools_result_may_follow_it_and_text_the_result() -> None:
    asked = ask(messages=turns("hello", [GET], [RESULT, THANKS]), tools=[F])
    async with running(AnthropicServer(timing=QUICK)) as client:
        answer = await client.post("/v1/messages", json=asked)
    assert answer.json()["content"][0]["text"].startswith("You are welcome.")


OLD = "claude-haiku-4-5-20251001"


def formed(named: dict[str, Any]) -> dict[str, Any]:
    """A request for JSON with one property."""
    properties = {"x": {"type": "string", **named}}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Input"),
        ({"max_tokens": 0}, "max_tokens: Input"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "system", "content": "s"}]}, "role 'system' is not supported"),
        ({"messages": [{"role": "agent", "content": "s"}]}, "messages.0.role"),
        ({"messages": ["hello"]}, "messages.0.role"),
        ({"messages": [{"role": "assistant", "content": "s"}]}, "first message"),
        ({"messages": turns("a", "b")}, "prefill"),
        ({"messages": turns(" ")}, "text content blocks must be non-empty"),
        ({"messages": turns([])}, "content must be non-empty"),
        ({"messages": turns([7])}, "content should be"),
        (
            {"messages": turns("a", [GET], "b")},
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: "
            "t1. Each",
        ),
        ({"messages": turns("a", [GET])}, "without `tool_result` blocks immediately after: t1."),
        (
            {"messages": turns([RESULT])},
            "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t1.",
        ),
        (
            {"messages": turns("a", [GET], [RESULT]), "tools": []},
            "Requests which include `tool_use` or `tool_result` blocks must define tools.",
        ),
        (
            {"messages": turns("a", [GET], [RESULT], [GET], [RESULT])},
            "messages.3.content.0: `tool_use` ids must be unique",
        ),
        ({"messages": turns("a", [GET, GET], [RESULT])}, "ids must be unique"),
        (
            {"messages": turns("a", [{**GET, "id": "functions.f:0"}], [RESULT])},
            "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        ),
        (
            {"messages": turns("a", [{**GET, "input": "{}"}], [RESULT])},
            "messages.1.content.0.tool_use.input: Input should be a valid dictionary",
        ),
        ({"tool_choice": {"type": "none"}}, "tool_choice may only be specified while"),
        ({"tool_choice": {"type": "no"}, "tools": [F]}, "tool_choice.type: Input should be"),
        ({"output_config": {"format": {"type": "json"}}}, "output_config.format.type: Input"),
        (formed({"minLength": 1}), "For 'string' type, property 'minLength' is not supported"),
        (formed({"type": "array", "minItems": 2}), "'minItems' values other than 0 or 1"),
        (formed({"type": "object"}), "'additionalProperties' must be explicitly set to false"),
        ({"messages": turns("a", [GET], [THANKS, RESULT])}, "before any text"),
        ({"system": 7}, "content should be"),
        ({"tools": [{"type": "function"}]}, "tools.0"),
        ({"temperature": 1}, "`temperature` is not supported"),
        ({"model": "claude-opus-4-8", "top_p": 1}, "`top_p` is not supported"),
        ({"thinking": 7}, "thinking: Input"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type.between_tools"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.type.enabled"),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, "effort"),
        ({"model": "claude-sonnet-5-5", "thinking": {"type": "disabled"}}, "thinking.type"),
        ({"model": "claude-opus-5-5", "thinking": {"type": "disabled"}}, "thinking.type"),
    ],
    ids=str,
)
async def test_what_anthropic_refuses_is_refused(change: dict[str, Any], message: str) -> None:
    async with running(AnthropicServer(timing=QUICK)) as client:
        answer = await client.post("/v1/messages", json={**ask("hello"), **change})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "change",
    [
        {"model": OLD, "temperature": 1},
        {"model": OLD, "messages": turns("a", "b")},
        {"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
        {"model": "claude-opus-5-5", "output_config": {"effort": "low"}},
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
        {"system": [{"type": "text", "text": "Be brief."}]},
        {"tools": []},
        {"tools": [F], "tool_choice": {"type": "none"}},
        formed({"format": "date"}),
        formed({"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "null"}]}}),
    ],
    ids=str,
)
async def test_what_anthropic_takes_is_taken(change: dict[str, Any]) -> None:
    async with running(AnthropicServer(timing=QUICK)) as client:
        answer = await client.post("/v1/messages", json={**ask("hello"), **change})
    assert answer.status_code == 200


async def test_the_results_of_a_tool_are_no_words_of_the_callers() -> None:
    asked = ask(messages=turns("what time do you open", [GET], [RESULT]), tools=[F])
    async with running(AnthropicServer(timing=QUICK)) as client:
        answer = await client.post("/v1/messages", json=asked)
    assert answer.json()["content"][0]["text"].startswith("We are open from noon")


async def test_a_tool_that_may_not_be_asked_for_is_not() -> None:
    options: dict[str, Any] = {"tools": [F], "tool_choice": {"type": "none"}}
    async with running(AnthropicServer(timing=QUICK, uses=(ToolUse("f"),))) as client:
        events = await stream(client, "hello", **options)
    assert events[-2]["delta"]["stop_reason"] == "end_turn"


async def test_what_is_missing_is_named() -> None:
    server = AnthropicServer(keys=frozenset({"k"}), timing=QUICK)
    async with running(server) as client:
        for name in ("model", "max_tokens", "messages"):
            body = {key: value for key, value in ask("hello").items() if key != name}
            answer = await client.post("/v1/messages", json=body)
            assert answer.json()["error"]["message"] == f"{name}: Field required"
        for raw in (b"{", b"[]"):
            assert (await client.post("/v1/messages", content=raw)).status_code == 400
        del client.headers["anthropic-version"]
        assert (await client.post("/v1/messages", json=ask("hello"))).status_code == 400
        del client.headers["x-api-key"]
        assert (await client.get("/v1/models")).status_code == 401
        client.headers["authorization"] = "Bearer k"
        assert (await client.get("/v1/models")).json()["data"]
        assert (await client.get("/v1/oddities")).status_code == 404


async def test_sampling_is_refused_by_the_newest_version_even_for_old_models() -> None:
    async with running(AnthropicServer(timing=QUICK)) as client:
        client.headers["anthropic-version"] = "2026-10-21"
        answer = await client.post("/v1/messages", json=ask("hello", model=OLD, temperature=1))
    assert answer.json()["error"]["message"] == "temperature: Extra inputs are not permitted"


# --- our engine against it ---------------------------------------------------------------------


async def ask_engine(
    server: AnthropicServer, *said: str, key: str = "k", model: str = "claude-haiku-5-5"
) -> tuple[str, Completion | EngineError]:
    """What was said, and how it ended, on a connection that was warmed."""
    server.keys = frozenset({"k"})
    messages = [Message(Role.SYSTEM, "Be brief."), Message(Role.AGENT, "Chez Sesame, hello.")]
    messages += [Message(Role.CALLER, text) for text in said]
    async with running(server) as ours, http_client() as http:
        settings = Settings(base_url=str(ours.base_url), api_key=Secret(key), model=model)
        llm = AnthropicLlm("lab", settings, http)
        write, read = trio.open_memory_channel[str](5000)
        with write, read:
            try:
                await llm.warm()
                ending = await llm.complete(messages, write, [HANG_UP])
            except EngineError as error:
                ending = error
            write.close()
            return "".join([piece async for piece in read]), ending


async def complete(server: AnthropicServer, *said: str, **options: str) -> tuple[str, Completion]:
    text, ending = await ask_engine(server, *said, **options)
    assert isinstance(ending, Completion)
    return text, ending


async def failure(server: AnthropicServer, **options: str) -> EngineError:
    _, ending = await ask_engine(server, "hello", **options)
    assert isinstance(ending, EngineError)
    return ending


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5",
    "claude-fable-5-2", "claude-sonnet-5", "claude-opus-4-8", OLD, "voiced-lab"])  # fmt: skip
async def test_our_engine_is_answered_by_every_model(model: str) -> None:
    server = AnthropicServer(timing=QUICK)
    text, completion = await complete(server, "hello", model=model)
    assert text == "Hello, this is Chez Sesame. How can I help you?"
    assert completion.finish_reason == "stop"
    assert completion.prompt_tokens
    assert server.requests[0].messages[0] == {"role": "user", "content": "…"}


async def test_our_engine_hears_of_the_tools() -> None:
    text, completion = await complete(AnthropicServer(timing=QUICK), "goodbye")
    assert text == "Thank you for calling Chez Sesame. Goodbye."
    assert [(call.name, call.arguments) for call in completion.tool_calls] == [("hang_up", "{}")]
    server = AnthropicServer(timing=QUICK, uses=(ToolUse("hang_up", {"why": "«fini»"}),))
    _, completion = await complete(server, "hello")
    assert completion.tool_calls == (ToolCall("toolu_msg_lab_1_0", "hang_up", '{"why": "«fini»"}'),)


@pytest.mark.parametrize(
    ("fault", "spoken"),
    [
        (AnthropicFault.EMPTY, ""),
        (AnthropicFault.THINKING, "Hello, this is Chez Sesame. How can I help you?"),
        (AnthropicFault.UNKNOWN, "Hello, this is Chez Sesame. How can I help you?"),
    ],
)
async def test_our_engine_takes_what_is_odd(fault: AnthropicFault, spoken: str) -> None:
    assert (await complete(AnthropicServer(timing=QUICK, fault=fault), "hello"))[0] == spoken


async def test_our_engine_is_held_to_its_limit() -> None:
    server = AnthropicServer(timing=QUICK, fault=AnthropicFault.LONG)
    text, completion = await complete(server, "goodbye")
    assert completion.finish_reason == "length"
    assert len(text.split()) == completion.completion_tokens == 200


@pytest.mark.parametrize("fault", ERRORS)
async def test_our_engine_understands_each_error(fault: AnthropicFault) -> None:
    failed = await failure(AnthropicServer(timing=QUICK, fault=fault, retry_after="0.01"))
    assert f"HTTP {fault.value}" in str(failed)
    full = fault in {AnthropicFault.RATE_LIMITED, AnthropicFault.OVERLOADED}
    assert isinstance(failed, EngineAtCapacity) == full
    assert isinstance(failed, EngineRefused) == (not full and fault.value < 500)


async def test_our_engine_tells_a_wrong_key_and_an_unknown_model() -> None:
    assert "api_key" in str(await failure(AnthropicServer(timing=QUICK), key="wrong"))
    assert "no model gpt-6" in str(await failure(AnthropicServer(timing=QUICK), model="gpt-6"))


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (AnthropicFault.CUT, EngineBroken, "dropped the connection"),
        (AnthropicFault.TRUNCATED, EngineBroken, "cut short"),
        (AnthropicFault.MALFORMED, EngineBroken, "not JSON"),
        (AnthropicFault.STREAM_ERROR, EngineAtCapacity, "overloaded_error"),
        (AnthropicFault.REFUSAL, RequestRefused, "declines"),
        (AnthropicFault.WORDLESS, EngineRefused, "max_tokens"),
    ],
)
async def test_our_engine_is_not_fooled(
    fault: AnthropicFault, kind: type[EngineError], words: str
) -> None:
    failed = await failure(AnthropicServer(timing=QUICK, fault=fault))
    assert type(failed) is kind
    assert words in str(failed)


async def test_a_barge_in_is_seen_by_the_server_and_costs_the_connection() -> None:
    server = AnthropicServer(timing=LlmTiming(first_token_ms=1, tokens_per_s=50))
    write, read = trio.open_memory_channel[str](0)
    async with running(server) as ours, http_client() as http:
        llm = AnthropicLlm("lab", Settings(base_url=str(ours.base_url)), http)
        with write, read:
            async with trio.open_nursery() as nursery:
                said = [Message(Role.CALLER, "tell me about the menu")]
                nursery.start_soon(llm.complete, said, write)
                assert await read.receive() == "With"
                nursery.cancel_scope.cancel(reason="barge-in")
        await until(lambda: server.requests[0].outcome is Outcome.CANCELLED)
        assert http._transport._pool.connections == []
    assert server.requests[0].tokens_sent < 10


async def test_a_model_that_hangs_sends_its_headers_only() -> None:
    server = AnthropicServer(timing=QUICK, fault=AnthropicFault.HANG)
    async with running(server) as client:
        with trio.move_on_after(0.1) as hung:
            await stream(client, "hello")
        assert hung.cancelled_caught


@pytest.mark.parametrize("fault", [AnthropicFault.NONE, AnthropicFault.THINKING])
async def test_whole_and_streamed_answers_are_the_same(fault: AnthropicFault) -> None:
    server = AnthropicServer(timing=QUICK, fault=fault, uses=(ToolUse("hang_up", {"a": 1}),))
    tools = [{"name": "hang_up", "input_schema": {"type": "object"}}]
    async with running(server) as client:
        whole = (await client.post("/v1/messages", json=ask("hello", tools=tools))).json()
        body = ask("hello", tools=tools, stream=True)
        raw = (await client.post("/v1/messages", json=body)).content
    heard = MessageStream()
    text = "".join(map(str, heard.feed(raw)))
    result = heard.close()
    assert [b["text"] for b in whole["content"] if b["type"] == "text"] == [text]
    assert [b["input"] for b in whole["content"] if b["type"] == "tool_use"] == [
        json.loads(call.arguments) for call in result.tool_calls
    ]
    assert (whole["stop_reason"], result.finish_reason) == ("tool_use", "tool_calls")
    assert (whole["content"][0]["type"] == "thinking") == (fault is AnthropicFault.THINKING)
