"""How Anthropic is asked; the `anthropic` package's own types judge the body."""

import json

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, with_config

from voiced.wire.anthropic import SILENCE, MessagesOptions, conversation, messages_request

HAIKU = MessagesOptions("claude-haiku-4-5", 90)
TOOL = {"name": "hang_up", "description": "Ends the call.", "input_schema": {"type": "object"}}
ASKED = [("system", "Be brief."), ("user", "Ça va ?")]


def sent(options=HAIKU, said=ASKED, tools=()) -> dict:
    body = messages_request(options, said, tools)
    return json.loads(body)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def agent(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


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
    strict = with_config(ConfigDict(extra="forbid"))(MessageCreateParamsStreaming)
    body = sent(MessagesOptions("claude-haiku-5-5", 90, None, thinking, effort), tools=[TOOL])
    TypeAdapter(strict).validate_python(body)
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


ROLES = st.sampled_from(["system", "user", "assistant"])


@given(st.lists(st.tuples(ROLES, st.text(max_size=4))))
def test_whatever_was_said_the_api_can_take_it(said) -> None:
    messages = sent(said=said)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2) + ["user"]
    assert all(message["content"].strip() for message in messages)
