"""Tool calls from fragments, with the habits of several servers."""

import pytest

from voiced.errors import WireError
from voiced.wire import tool_calls
from voiced.wire.tool_calls import ToolCall, ToolCalls


def fragment(index: object = None, call_id: object = None, **function: object) -> dict[str, object]:
    fields = {"index": index, "id": call_id, "function": function or None}
    return {name: value for name, value in fields.items() if value is not None}


def result(*fragments: dict[str, object]) -> tuple[ToolCall, ...]:
    calls = ToolCalls()
    for each in fragments:
        calls.add(each)
    return calls.result()


def test_fragments_join_by_index_whatever_their_order() -> None:
    assert result(
        fragment(1, "b", name="g", arguments="[1"),
        fragment(0, "a", name="f"),
        fragment(1, arguments="]"),
        fragment(0, arguments="{}"),
    ) == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "[1]"))


def test_repeated_and_changing_ids_and_names_are_not_joined() -> None:
    assert result(
        fragment(0, "a", name="f", arguments="{"),
        fragment(0, "a", name="f", arguments="}"),
        fragment(0, "other", name="f", arguments=" "),
    ) == (ToolCall("a", "f", "{} "),)


def test_without_an_index_a_new_id_begins_a_new_call() -> None:
    assert result(
        fragment(None, "a", name="f", arguments="{"),
        fragment(None, arguments="}"),
        fragment(None, "b", name="g"),
        fragment(None, "b", arguments="[]"),
    ) == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "[]"))


def test_missing_ids_and_arguments_are_made_up() -> None:
    assert result(fragment(0, "", name="f", arguments=None), fragment(2, name="g")) == (
        ToolCall("call_0", "f", "{}"),
        ToolCall("call_2", "g", "{}"),
    )


def test_an_id_may_come_late() -> None:
    assert result(fragment(0, "", name="f"), fragment(0, "a")) == (ToolCall("a", "f", "{}"),)


@pytest.mark.parametrize(
    "bad",
    [
        fragment(0, 7, name="f"),
        fragment("x", "a", name="f"),
        fragment(0, "a", name=["f"]),
        fragment(0, "a", name="f", arguments={}),
        {"index": 0, "function": "f"},
        fragment(0, "a", name="f", arguments="x" * (tool_calls.MAX_ARGUMENTS + 1)),
        fragment(0, "a", arguments="{}"),
    ],
    ids=["id", "index", "name", "arguments", "function", "too long", "no name"],
)
def test_a_malformed_call_is_a_wire_error(bad: dict[str, object]) -> None:
    with pytest.raises(WireError):
        result(bad)


def test_endless_calls_are_refused() -> None:
    with pytest.raises(WireError, match="too long"):
        result(*(fragment(i, name="f") for i in range(tool_calls.MAX_CALLS + 1)))
