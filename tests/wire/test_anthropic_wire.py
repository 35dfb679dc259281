"""How Anthropic is asked; the `anthropic` package's own types judge the body."""

import json

import pytest
from anthropic.types import TextBlockParam, ToolResultBlockParam, ToolUseBlockParam
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, with_config

from voiced.wire.anthropic import SILENCE, MessagesOptions, conversation, messages_request
from voiced.wire.json_schema import NamedSchema
from voiced.wire.rounds import Called, Use

HAIKU = MessagesOptions("claude-haiku-4-5", 90)
TOOL = {"name": "hang_up", "description": "Ends the call.", "input_schema": {"type": "object"}}
STRICT = with_config(ConfigDict(extra="forbid"))(MessageCreateParamsStreaming)
ASKED = [("system", "Be brief."), ("user", "Ça va ?")]


def sent(options=HAIKU, said=ASKED, tools=(), **form) -> dict:
    body = messages_request(options, said, tools, **form)
    return json.loads(body)


def user(*content: object) -> dict[str, object]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else [*content]}


def agent(*content: object) -> dict[str, object]:
    return user(*content) | {"role": "assistant"}


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def tool_use(use_id: str) -> dict[str, object]:
    return {"type": "tool_use", "id": use_id, "name": "f", "input": {"a": 1}}


def result(use_id: str) -> dict[str, str]:
    return {"type": "tool_result", "tool_use_id": use_id, "content": "done"}


def called(*ids: str, says: str = "") -> Called:
    return Called(tuple(Use(each, "f", '{"a": 1}', "done") for each in ids), says)


def test_a_request_holds_only_what_was_set() -> None:
    assert sent(said=[("user", "Ça va ?")]) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 90,
        "messages": [user("Ça va ?")],
        "stream": True,
    }


def test_a_request_holds_all_that_was_set() -> None:
    options = MessagesOptions("claude-haiku-4-5", 90, 0.6)
    assert sent(options, tools=[TOOL]) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 90,
        "system": "Be brief.",
        "messages": [user("Ça va ?")],
        "stream": True,
        "temperature": 0.6,
        "tools": [TOOL],
    }


@pytest.mark.parametrize("thinking", ["disabled", "between_tools", "adaptive", None])
@pytest.mark.parametrize("effort", ["low", "max", None])
def test_the_request_is_one_to_anthropics_own_types(
    thinking: str | None, effort: str | None
) -> None:
    options = MessagesOptions("claude-haiku-5-5", 90, None, thinking, effort)
    body = sent(options, tools=[TOOL], may_call=False)
    TypeAdapter(STRICT).validate_python(body)
    assert body.get("thinking") == (thinking and {"type": thinking})
    assert body.get("output_config") == (effort and {"effort": effort})


@pytest.mark.parametrize(
    ("said", "messages"),
    [
        ([], [user(SILENCE)]),
        ([("user", "a"), ("assistant", "b"), ("user", "c")], [user("a"), agent("b"), user("c")]),
        ([("assistant", "a"), ("user", "b")], [user(SILENCE), agent("a"), user("b")]),
        ([("user", "a"), ("assistant", "b")], [user("a"), agent("b"), user(SILENCE)]),
        ([("assistant", "a")], [user(SILENCE), agent("a"), user(SILENCE)]),
        ([("user", "a"), ("user", "b")], [user("a b")]),
        ([("user", "a"), ("assistant", " \n"), ("user", "b")], [user("a b")]),
        ([("user", " "), ("assistant", "")], [user(SILENCE)]),
        ([("user", "\ud83d")], [user(SILENCE)]),
        ([("user", " a\n")], [user("a")]),
        ([("user", "a"), ("system", "s"), ("user", "b")], [user("a b")]),
    ],
    ids=str,
)
def test_the_two_parties_speak_by_turns_and_the_caller_first_and_last(said, messages) -> None:
    assert conversation(said).messages == messages


def test_system_prompts_stand_apart_and_together() -> None:
    told = conversation([("system", "Be brief."), ("user", "a"), ("system", "It is noon.")])
    assert told.system == "Be brief.\n\nIt is noon."
    assert conversation([("system", " "), ("user", "a")]).system == ""


A, B = tool_use("a"), tool_use("b")


@pytest.mark.parametrize(
    ("said", "messages"),
    [
        ([("user", "x"), called("a")], [user("x"), agent(A), user(result("a"))]),
        (
            [("user", "x"), called("a", "b", says=" Wait.\n")],
            [user("x"), agent(text("Wait."), A, B), user(result("a"), result("b"))],
        ),
        ([called("a")], [user(SILENCE), agent(A), user(result("a"))]),
        (
            [("user", "x"), called("a"), called("b", says="More.")],
            [user("x"), agent(A), user(result("a")), agent(text("More."), B), user(result("b"))],
        ),
        (
            [("user", "x"), called("a"), ("assistant", "y"), ("user", "z")],
            [user("x"), agent(A), user(result("a")), agent("y"), user("z")],
        ),
        (
            [("user", "x"), called("a"), ("user", "y"), ("user", "z")],
            [user("x"), agent(A), user(result("a"), text("y z"))],
        ),
        (
            [("user", "x"), ("assistant", "y"), called("a", says="z"), ("system", "s")],
            [user("x"), agent(text("y z"), A), user(result("a"))],
        ),
        (
            [("user", "x"), called("a"), ("assistant", "y")],
            [user("x"), agent(A), user(result("a")), agent("y"), user(SILENCE)],
        ),
    ],
    ids=str,
)
def test_results_stand_at_the_beginning_of_the_users_next_message(said, messages) -> None:
    assert conversation(said).messages == messages


def test_ids_are_the_same_on_both_sides_and_of_the_apis_form() -> None:
    odd = called("functions.f:0", "", "x" * 65, "call_0")
    asked, answered = [], []
    for message in conversation([odd, odd]).messages[1:]:
        for block in message["content"]:
            (asked if block["type"] == "tool_use" else answered).append(block)
    ids = [block["id"] for block in asked]
    assert ids == [block["tool_use_id"] for block in answered]
    assert len(set(ids)) == 8
    assert ids[3] == "call_0"
    assert all(each.replace("_", "").isalnum() and len(each) <= 64 for each in ids)


def test_arguments_that_are_broken_are_none() -> None:
    told = conversation([Called((Use("a", "f", '{"a": ', "no"),))]).messages
    assert told[1] == agent({"type": "tool_use", "id": "a", "name": "f", "input": {}})


def test_tools_that_were_used_and_are_gone_are_declared_and_may_not_be_called() -> None:
    """Another agent has taken over, which has no tools, or others."""
    said = [*ASKED, Called((Use("1", "look", "{}", "done"), Use("2", "hang_up", "{}", "done")))]
    alone = sent(said=said)
    assert [tool["name"] for tool in alone["tools"]] == ["look", "hang_up"]
    assert alone["tool_choice"] == {"type": "none"}
    beside = sent(said=said, tools=[TOOL])
    assert [tool["name"] for tool in beside["tools"]] == ["hang_up", "look"]
    assert "tool_choice" not in beside


def test_tools_that_may_not_be_called_are_declared_all_the_same() -> None:
    body = sent(tools=[TOOL], may_call=False)
    assert (body["tools"], body["tool_choice"]) == ([TOOL], {"type": "none"})
    assert "tool_choice" not in sent(may_call=False)


SCHEMA = {"type": "object", "properties": {"note": {"type": "string", "maxLength": 9}}}
KEPT = {"type": "object", "properties": {"note": {"type": "string"}}, "required": []}
FORMAT = {"type": "json_schema", "schema": {**KEPT, "additionalProperties": False}}


@pytest.mark.parametrize("effort", ["low", None])
def test_a_schema_stands_beside_the_effort(effort: str | None) -> None:
    options = MessagesOptions("claude-opus-5-5", 90, effort=effort)
    body = sent(options, schema=NamedSchema("notes", SCHEMA))
    assert body["output_config"] == ({"effort": effort} if effort else {}) | {"format": FORMAT}
    TypeAdapter(STRICT).validate_python(body)


def test_a_schema_that_cannot_be_promised_is_left_to_the_prompt() -> None:
    assert "output_config" not in sent(schema=NamedSchema("notes", {"type": "object"}))


ROLES = st.sampled_from(["system", "user", "assistant"])
USES = st.builds(Use, st.text(max_size=2), st.text(max_size=2), st.text(max_size=2), st.text())
ROUNDS = st.builds(Called, st.lists(USES, min_size=1, max_size=2).map(tuple), st.text(max_size=2))
BLOCKS = TypeAdapter(TextBlockParam | ToolUseBlockParam | ToolResultBlockParam)


@given(st.lists(st.tuples(ROLES, st.text(max_size=4)) | ROUNDS))
def test_whatever_was_said_the_api_can_take_it(said) -> None:
    messages = sent(said=said)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2) + ["user"]
    owed: list[str] = []
    for content in (message["content"] for message in messages):
        blocks = [text(content)] if isinstance(content, str) else content
        for block in blocks:
            BLOCKS.validate_python(block)
        kinds = [block["type"] for block in blocks]
        assert kinds == sorted(kinds, key=["tool_result", "text", "tool_use"].index)
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")
        assert owed == [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        owed = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert not owed
