"""What is Anthropic's own in its dialect: how its models are asked, and what they refuse."""

from collections.abc import AsyncIterator

import pytest
import trio
from llm_forms import ASKED, NOTES, TRANSFER, answered
from llm_house import (
    ANTHROPIC,
    HEAD,
    START,
    TEXT,
    THOUGHT,
    Street,
    answering,
    anthropic_end,
    delta,
    failing,
    start,
    text,
)

from voiced.config.models import Effort, Thinking
from voiced.dialog.history import Message, Role
from voiced.dialog.tools import Tool, ToolCall
from voiced.engines.roles import Completion
from voiced.errors import EngineBroken, EngineRefused, RequestRefused


@pytest.fixture
async def house(nursery: trio.Nursery) -> AsyncIterator[Street]:
    street = Street(ANTHROPIC, nursery)
    yield street
    await street.close()


async def test_it_is_asked_in_its_own_form(house, autojump_clock):
    ours = house(answering(*ANTHROPIC.whole))
    await ours.complete()
    head = ours.requests[0].decode().lower()
    assert "anthropic-version: 2023-06-01\r\n" in head
    assert "authorization" not in head
    assert ours.body() == {
        "model": "claude-haiku-5-5",
        "max_tokens": 90,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Are you open?"}],
        "stream": True,
        "thinking": {"type": "disabled"},
    }


@pytest.mark.parametrize(
    ("settings", "thinking", "effort", "temperature"),
    [
        ({"model": "claude-sonnet-5-5"}, "between_tools", None, None),
        ({"model": "claude-opus-5-5"}, None, "low", None),
        ({"model": "claude-opus-5-5", "effort": Effort.HIGH}, None, "high", None),
        ({"thinking": Thinking.ADAPTIVE}, "adaptive", None, None),
        ({"effort": Effort.MEDIUM}, "disabled", "medium", None),
        ({"model": "claude-haiku-4-5", "temperature": 0.4}, None, None, 0.4),
    ],
    ids=str,
)
async def test_each_model_is_sent_what_it_takes(
    house, autojump_clock, settings, thinking, effort, temperature
):
    ours = house(answering(*ANTHROPIC.whole), **settings)
    await ours.complete()
    body = ours.body()
    assert body.get("thinking") == (thinking and {"type": thinking})
    assert body.get("output_config") == (effort and {"effort": effort})
    assert body.get("temperature") == temperature


async def test_a_call_that_began_with_a_greeting_begins_with_a_silent_caller(house, autojump_clock):
    ours = house(answering(*ANTHROPIC.whole))
    await ours.complete([Message(Role.AGENT, "Chez Sesame, hello."), Message(Role.CALLER, "Hi.")])
    said = [(each["role"], each["content"]) for each in ours.body()["messages"]]
    assert said == [("user", "…"), ("assistant", "Chez Sesame, hello."), ("user", "Hi.")]


async def test_tools_are_told_in_the_apis_form_and_come_with_the_completion(house, autojump_clock):
    schema = {"type": "object", "properties": {"to": {"type": "string"}}}
    tool = Tool("transfer", "Connects the caller.", schema)
    use = start(1, "tool_use", id="toolu_01", name="transfer", input={})
    parts = [delta(1, "input_json_delta", partial_json=p) for p in ("", '{"to": ', '"kitchen"}')]
    end = anthropic_end("tool_use")
    ours = house(answering(HEAD, START, TEXT, text("Wait."), use, *parts, end))
    call = ToolCall("toolu_01", "transfer", '{"to": "kitchen"}')
    told = await ours.complete(tools=[tool])
    assert told == ("Wait.", Completion("tool_calls", (call,), 12, 2))
    assert ours.body()["tools"] == [
        {"name": "transfer", "description": "Connects the caller.", "input_schema": schema}
    ]


async def test_thoughts_are_not_spoken(house, autojump_clock):
    answer = start(1, "text") + text("Yes.", 1) + anthropic_end()
    assert (await house(answering(HEAD, START, THOUGHT, answer)).complete())[0] == "Yes."


async def test_a_call_alone_within_the_limit_is_an_answer(house, autojump_clock):
    use = start(0, "tool_use", id="toolu_01", name="hang_up", input={})
    end = anthropic_end("max_tokens")
    _, completion = await house(answering(HEAD, START, use, end)).complete()
    assert completion.tool_calls == (ToolCall("toolu_01", "hang_up", "{}"),)


async def test_text_outside_its_block_is_broken(house, autojump_clock):
    assert isinstance(await house(answering(HEAD, text("Yes, "))).failure(), EngineBroken)


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        ("temperature: Extra inputs are not permitted", EngineRefused, "remove temperature"),
        ("`temperature` is deprecated for this model.", EngineRefused, "remove temperature"),
        ('"thinking.type.disabled" is not supported.', EngineRefused, "another thinking"),
        ('output_config.effort: "max" needs thinking', EngineRefused, "another effort"),
        ("max_tokens: 500000 > 128000, the maximum", EngineRefused, "mend max_tokens"),
        ("Your credit balance is too low.", EngineRefused, "no credit left"),
        ("prompt is too long: 210000 tokens > 200000", RequestRefused, "too long for the model"),
        ("Output blocked by content filtering policy", RequestRefused, "its filter objects"),
        ("messages.1: my temperature is 38", EngineRefused, "(HTTP 400, invalid_request_error)"),
        ("", EngineRefused, "does not take the request (HTTP 400, invalid_request_error)"),
    ],
)
async def test_what_it_refuses_is_told_in_our_words(house, autojump_clock, message, kind, words):
    ours = house(failing(400, ANTHROPIC.error("invalid_request_error", message)))
    failed = await ours.failure()
    assert type(failed) is kind
    assert words in str(failed)
    assert not message or message not in str(failed)


async def test_an_unknown_model_is_named_with_what_to_check(house, autojump_clock):
    failed = await house(failing(404, ANTHROPIC.error("not_found_error"))).failure()
    assert "no model claude-haiku-5-5" in str(failed)
    assert "stands without /v1" in str(failed)


async def test_a_round_is_the_answer_and_the_results_alone(house, autojump_clock):
    ours = house(answering(*ANTHROPIC.whole))
    await answered(ours, messages=[ASKED], tools=[TRANSFER])
    use = {"type": "tool_use", "id": "call_1", "name": "transfer", "input": {"to": "kitchen"}}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "nobody there"}
    assert ours.body()["messages"] == [
        {"role": "user", "content": "…"},
        {"role": "assistant", "content": [{"type": "text", "text": "Wait."}, use]},
        {"role": "user", "content": [result]},
    ]


async def test_the_form_stands_beside_the_effort(house, autojump_clock):
    ours = house(answering(*ANTHROPIC.whole), effort=Effort.HIGH)
    await answered(ours, NOTES)
    schema = {**NOTES.schema, "additionalProperties": False}
    form = {"type": "json_schema", "schema": schema}
    assert ours.body()["output_config"] == {"effort": "high", "format": form}


async def test_an_effort_that_is_refused_is_told_also_where_the_form_was(house, autojump_clock):
    refusal = ANTHROPIC.error("invalid_request_error", "output_config: Extra inputs are not ...")
    ours = house(failing(400, refusal), effort=Effort.HIGH)
    with pytest.raises(EngineRefused, match="another effort or none"):
        await answered(ours, NOTES)
    assert [list(ours.body(n)["output_config"]) for n in range(2)] == [
        ["effort", "format"],
        ["effort"],
    ]
