"""What is OpenAI's own in its dialect: how its models are asked, and what its servers refuse."""

from collections.abc import AsyncIterator

import pytest
import trio
from llm_forms import ASKED, NOTES, TRANSFER, answered
from llm_house import HEAD, LAST, OPENAI, Street, answering, choice, failing, openai_end, sse

from voiced.config.models import ReasoningEffort
from voiced.dialog.tools import Tool, ToolCall
from voiced.engines.roles import Completion, InWords
from voiced.errors import EngineRefused, RequestRefused

HANG_UP = Tool("hang_up", "Ends the call.")


@pytest.fixture
async def house(nursery: trio.Nursery) -> AsyncIterator[Street]:
    street = Street(OPENAI, nursery)
    yield street
    await street.close()


async def test_a_model_elsewhere_is_asked_as_all_servers_understand(house, autojump_clock):
    ours = house(answering(*OPENAI.whole))
    await ours.complete(tools=[HANG_UP])
    function = {"name": "hang_up", "description": "Ends the call."}
    function |= {"parameters": dict(HANG_UP.parameters)}
    assert ours.body() == {
        "model": "llama3.2:3b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Are you open?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 90,
        "temperature": 0.6,
        "tools": [{"type": "function", "function": function}],
    }


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"model": "gpt-5.4-mini"}, {"max_completion_tokens": 90, "reasoning_effort": "none"}),
        (
            {"model": "gpt-5.4-mini", "reasoning_effort": ReasoningEffort.LOW, "temperature": 1},
            {"max_completion_tokens": 90, "reasoning_effort": "low", "temperature": 1},
        ),
        ({"model": "gpt-4.1"}, {"max_completion_tokens": 90, "temperature": 0.6}),
        (
            {"model": "qwen3:8b", "reasoning_effort": ReasoningEffort.NONE, "temperature": 0.2},
            {"max_tokens": 90, "reasoning_effort": "none", "temperature": 0.2},
        ),
        (
            {"model": "ours", "base_url": "http://x.openai.azure.com/openai/v1"},
            {"max_completion_tokens": 90, "temperature": 0.6},
        ),
    ],
    ids=str,
)
async def test_each_model_is_sent_what_it_takes(house, autojump_clock, settings, sent):
    ours = house(answering(*OPENAI.whole), **settings)
    await ours.complete()
    body = ours.body()
    always = {"model", "messages", "stream", "stream_options"}
    assert {name: body[name] for name in body if name not in always} == sent


async def test_tool_calls_come_with_the_completion(house, autojump_clock):
    fragment = {"index": 0, "id": "call_1", "function": {"name": "hang_up", "arguments": "{}"}}
    ours = house(answering(HEAD, choice(tool_calls=[fragment]), openai_end("tool_calls")))
    _, completion = await ours.complete()
    call = ToolCall("call_1", "hang_up", "{}")
    assert completion == Completion("tool_calls", (call,), 12, 2)


async def test_a_server_may_end_without_done_and_without_usage(house, autojump_clock):
    ours = house(answering(HEAD, choice(content="Yes."), choice("stop"), LAST))
    assert await ours.complete() == ("Yes.", Completion("stop"))


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "words"),
    [
        (400, "context_length_exceeded", "", RequestRefused, "too long for the model"),
        (400, "exceed_context_size_error", "", RequestRefused, "too long for the model"),
        (
            400, "BadRequestError",
            "This model's maximum context length is 4096 tokens. However, ...",
            RequestRefused, "too long for the model",
        ),
        (400, "content_filter", "", RequestRefused, "its filter objects"),
        (
            400, "unsupported_value",
            "Unsupported value: 'temperature' does not support 0.6 with this model.",
            EngineRefused, "set temperature = 1",
        ),
        (
            400, "unsupported_parameter",
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
            EngineRefused, "by OpenAI's own name",
        ),
        (
            400, "", "Unrecognized request argument supplied: reasoning_effort",
            EngineRefused, "another reasoning_effort",
        ),
        (
            400, "", "Function tools with reasoning_effort are not supported for gpt-6-sol in ...",
            EngineRefused, 'set reasoning_effort = "none"',
        ),
        (429, "insufficient_quota", "", EngineRefused, "no credit"),
        (404, "model_not_found", "", EngineRefused, "ollama pull llama3.2:3b"),
    ],
)  # fmt: skip
async def test_what_its_servers_refuse_is_told_in_our_words(
    house, autojump_clock, status, code, message, kind, words
):
    ours = house(failing(status, OPENAI.error(code, message)))
    failed = await ours.failure()
    assert type(failed) is kind
    assert words in str(failed)
    assert not failed.retryable
    assert len(ours.requests) == 1


async def test_a_call_that_the_model_malformed_is_asked_for_once_more(house, autojump_clock):
    malformed = OPENAI.error("tool_use_failed")
    ours = house(failing(400, malformed), answering(*OPENAI.whole))
    assert (await ours.complete())[0] == "Yes, we are."
    failed = await house(answering(HEAD, sse(malformed))).failure()
    assert type(failed) is RequestRefused
    assert "malformed call" in str(failed)


async def test_a_malformed_answer_as_json_is_told(house, autojump_clock):
    malformed = OPENAI.error("json_validate_failed")
    ours = house(answering(HEAD, choice(content='{"da'), sse(malformed)))
    with pytest.raises(RequestRefused, match="malformed JSON"):
        await answered(ours, NOTES)
    assert len(ours.requests) == 1


async def test_a_round_is_the_answer_and_a_message_of_each_result(house, autojump_clock):
    ours = house(answering(*OPENAI.whole))
    await answered(ours, messages=[ASKED], tools=[TRANSFER])
    function = {"name": "transfer", "arguments": '{"to": "kitchen"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    assert ours.body()["messages"] == [
        {"role": "assistant", "content": "Wait.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "nobody there"},
    ]


async def test_a_server_that_calls_all_the_same_is_told_of(house, autojump_clock):
    fragment = {"index": 0, "id": "call_1", "function": {"name": "hang_up", "arguments": "{}"}}
    ours = house(answering(HEAD, choice(tool_calls=[fragment]), openai_end("tool_calls")))
    _, completion = await answered(ours, InWords(), tools=[HANG_UP])
    assert completion.tool_calls == (ToolCall("call_1", "hang_up", "{}"),)


async def test_the_form_is_a_strict_schema(house, autojump_clock):
    ours = house(answering(*OPENAI.whole))
    await answered(ours, NOTES)
    schema = {**NOTES.schema, "additionalProperties": False}
    assert ours.body()["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "notes", "schema": schema, "strict": True},
    }
