"""Rounds and forms: what the stand-ins refuse of them, and that our engines keep to it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from voiced import config
from voiced.config import Secret
from voiced.dialog.history import Message, Role, Told
from voiced.dialog.tools import Round, Tool, ToolCall, Used
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.http import http_client
from voiced.engines.llm import HttpLlm
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import AsJson, Completion, Form, InWords
from voiced.lab.anthropic import AnthropicServer
from voiced.lab.anthropic_reply import ToolUse
from voiced.lab.llm import LlmServer, LlmTiming
from voiced.lab.llm_ask import parse_request
from voiced.lab.llm_model import Refused, as_json
from voiced.lab.server import serve

QUICK = LlmTiming(first_token_ms=1, tokens_per_s=5000)
HELLO = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def calls(*ids: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    asked = [{"id": each, "type": "function", "function": function} for each in ids]
    return {"role": "assistant", "content": None, "tool_calls": asked}


def result(call_id: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": call_id, "content": "done"}


def ask(*messages: dict[str, Any], **options: Any) -> bytes:
    return as_json({"model": "m", "messages": [HELLO, *messages], **options})


UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
    "'tool_call_id'. The following tool_call_ids did not have response messages: b"
)
UNASKED = (
    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
    "with 'tool_calls'."
)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([calls("a", "b"), result("a")], UNANSWERED),
        ([calls("a", "b"), result("a"), HELLO], UNANSWERED),
        ([calls("b"), HELLO, result("b")], UNANSWERED),
        ([calls("b"), calls("c"), result("c")], UNANSWERED),
        ([result("a")], UNASKED),
        ([calls("a"), result("a"), result("a")], UNASKED),
        ([calls("a"), result("b")], UNASKED),
        ([calls("a" * 41), result("a" * 41)], "'messages[1].tool_calls[0].id': string too long"),
        ([{"role": "assistant", "tool_calls": [{}]}], "malformed"),
    ],
)
def test_a_call_and_its_result_belong_together(messages: list, told: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_request(ask(*messages))
    assert told in str(caught.value)


def test_rounds_in_order_are_taken() -> None:
    first, second = [calls("a", "b"), result("b"), result("a")], [calls("a"), result("a")]
    assert len(parse_request(ask(*first, *second, HELLO, tools=[TOOL])).messages) == 7


def formed(*, strict: bool = True, name: str = "notes", **node: Any) -> dict[str, Any]:
    """A form of one property, `x`."""
    named = {"type": "string", **node}
    schema = {"type": "object", "properties": {"x": named}, "required": ["x"],
              "additionalProperties": False}  # fmt: skip
    wanted = {"name": name, "strict": strict, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": wanted}}


LOOSE = {"type": "object", "properties": {"y": {"type": "null"}}}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tool_choice": "none"}, "'tool_choice' is only allowed when 'tools' are specified."),
        (
            {"model": "gpt-4", **formed()},
            "'response_format' of type 'json_schema' is not supported",
        ),
        ({"model": "gpt-3.5-turbo", **formed()}, "is not supported with this model."),
        (formed(name="the notes"), "'response_format.json_schema.name'"),
        (
            formed(minLength=1),
            "Invalid schema for response_format 'notes': In context=('properties', 'x'), "
            "'minLength' is not permitted.",
        ),
        (formed(**LOOSE), "'additionalProperties' is required to be supplied and to be false."),
        (formed(**LOOSE, additionalProperties=False), "including every key in properties. Missing"),
        (formed(type="array", items={}), "('properties', 'x', 'items'), schema must have a 'type'"),
        (formed(anyOf=[{"type": "null", "default": 1}]), "'anyOf', '0'), 'default' is not"),
        ({"response_format": {"type": "json_schema"}}, "malformed"),
    ],
)
def test_a_form_that_openai_refuses_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_request(ask(**options))
    assert told in str(caught.value)


def test_the_root_of_a_schema_is_an_object() -> None:
    options = formed()
    options["response_format"]["json_schema"]["schema"] = {"type": "string"}
    with pytest.raises(Refused, match="In context=\\(\\), schema must have type 'object'"):
        parse_request(ask(**options))


@pytest.mark.parametrize(
    "options",
    [
        {"tools": [TOOL], "tool_choice": "none"},
        {"model": "gpt-4.1", **formed(pattern="a+")},
        {"model": "gpt-4o-mini", **formed(format="date")},
        formed(strict=False, minLength=1),
        {"response_format": {"type": "json_object"}},
    ],
)
def test_a_form_that_openai_takes_is_taken(options: dict[str, Any]) -> None:
    assert parse_request(ask(**options)).messages


# --- our engines against both -----------------------------------------------------------------

HANG_UP = Tool("hang_up", "Ends the call.")
CALLER = Message(Role.CALLER, "what time do you open")
NOTES = AsJson(
    "notes",
    {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date", "minLength": 10},
            "guests": {"type": "integer", "minimum": 1},
            "room": {"enum": ["inside", "terrace"]},
            "names": {"type": "array", "minItems": 2, "items": {"type": "string"}},
        },
        "required": ["day"],
    },
)


def made(*ids: str, text: str = "", arguments: str = "{}") -> Round:
    calls = [ToolCall(each, "hang_up", arguments) for each in ids]
    return Round(tuple(Used(call, "not yet") for call in calls), text)


@asynccontextmanager
async def talking(server: LlmServer | AnthropicServer, **settings: Any) -> AsyncIterator[HttpLlm]:
    async with trio.open_nursery() as nursery, http_client() as http:
        url = f"http://127.0.0.1:{await nursery.start(serve, server.handle, '127.0.0.1', 0)}"
        if isinstance(server, LlmServer):
            yield OpenAiLlm("lab", config.OpenAiLlm(base_url=f"{url}/v1", **settings), http)
        else:
            ours = config.AnthropicLlm(base_url=url, api_key=Secret("k"), **settings)
            yield AnthropicLlm("lab", ours, http)
        nursery.cancel_scope.cancel()


async def answer(
    llm: HttpLlm, told: Sequence[Told], form: Form | None = None
) -> tuple[str, Completion]:
    write, read = trio.open_memory_channel[str](1000)
    with write, read:
        completion = await llm.complete(told, write, [HANG_UP], form)
        write.close()
        return "".join([piece async for piece in read]), completion


@pytest.fixture(params=[LlmServer, AnthropicServer])
def server(request: pytest.FixtureRequest) -> LlmServer | AnthropicServer:
    return request.param(timing=QUICK)


@pytest.mark.parametrize(
    "told",
    [
        [CALLER, made("call_1")],
        [made("call_1"), CALLER],
        [made("call_1", text="Wait.")],
        [CALLER, made("call_1"), made("call_1", "call_1", text="And."), CALLER],
        [CALLER, made("", "functions.f:0", "chatcmpl-tool-" + "0" * 32, "x" * 65)],
        [CALLER, made("call_1", arguments='{"to": '), Message(Role.AGENT, "Sorry.")],
        [Message(Role.AGENT, "Hello."), Message(Role.AGENT, "Yes?"), made("a"), CALLER, CALLER],
    ],
    ids=str,
)
async def test_whatever_the_rounds_our_engines_tell_them_as_the_servers_want(
    server: LlmServer | AnthropicServer, told: list[Told]
) -> None:
    async with talking(server) as llm:
        assert (await answer(llm, told))[0]
        assert (await answer(llm, told, InWords()))[0]


async def test_a_round_of_one_api_is_gone_on_with_in_the_other() -> None:
    first = AnthropicServer(timing=QUICK, uses=(ToolUse("hang_up"), ToolUse("hang_up")))
    async with talking(first) as llm:
        text, completion = await answer(llm, [CALLER])
    used = tuple(Used(call, "not yet") for call in completion.tool_calls)
    spare = LlmServer(timing=QUICK)
    async with talking(spare) as llm:
        assert (await answer(llm, [CALLER, Round(used, text)]))[0]
    asked, *results = spare.requests[0].messages[1:]
    assert [call["id"] for call in asked["tool_calls"]] == [
        each["tool_call_id"] for each in results
    ]


async def test_the_form_of_our_engines_is_one_that_the_servers_take(
    server: LlmServer | AnthropicServer,
) -> None:
    async with talking(server) as llm:
        await answer(llm, [CALLER], NOTES)
    assert len(server.requests) == 1


async def test_a_model_that_takes_no_schema_is_asked_in_words() -> None:
    server = LlmServer(timing=QUICK)
    async with talking(server, model="gpt-4") as llm:
        for _ in range(2):
            assert (await answer(llm, [CALLER], NOTES))[0].startswith("We are open from noon")
    assert len(server.requests) == 2


async def test_a_model_that_may_not_hang_up_does_not() -> None:
    async with talking(AnthropicServer(timing=QUICK)) as llm:
        _, freely = await answer(llm, [Message(Role.CALLER, "goodbye")])
        _, in_words = await answer(llm, [Message(Role.CALLER, "goodbye")], InWords())
    assert len(freely.tool_calls) == 1
    assert not in_words.tool_calls


async def test_the_server_says_what_openai_would() -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, LlmServer(timing=QUICK).handle, "127.0.0.1", 0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1") as client:
            refused = await client.post("/chat/completions", content=ask(calls("b")))
        nursery.cancel_scope.cancel()
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "message": UNANSWERED,
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
