"""The arguments that a model sends: an object that can be acted on, or nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.tools.arguments import MAX_ARGUMENTS, MAX_DEPTH, parse_arguments


@pytest.mark.parametrize(
    "text",
    [
        "{}", " {} \n", '{"a": 1, "b": [1.5, -0.0, null, true, "é"]}', '{"a": {"a": {"a": {}}}}',
        '{"\\u00e9": "\\ud83d\\ude00"}', '{"a": 1e308}', '{"secret": 1}',
    ],
)  # fmt: skip
def test_an_object_is_taken_as_it_is(text: str) -> None:
    assert parse_arguments(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", '{"a": 1', '{"a": 1,}', "{'a': 1}", "{a: 1}", '{"a": 1} {}', "nul",
        '{"a": "\n"}', "[]", "null", '"{}"', "1", "true",
        '{"a": NaN}', '{"a": [Infinity]}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": -1e999}',
        '{"a": 1, "a": 1}', '{"b": [{"a": 1, "c": 2, "a": 3}]}', '{"a": 1, "\\u0061": 2}',
        '{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": ["\ud800"]}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a":' * 50_000, '{"a":' + "[" * 3000 + "]" * 3000 + "}",
        "\ufeff{}",
    ],
)  # fmt: skip
def test_anything_else_is_not(text: str) -> None:
    assert parse_arguments(text) is None


def test_the_limits_are_what_they_say() -> None:
    longest = '{"a": "' + "x" * (MAX_ARGUMENTS - 9) + '"}'
    assert len(longest) == MAX_ARGUMENTS
    assert parse_arguments(longest) is not None
    assert parse_arguments(longest + " ") is None

    deepest = '{"a":' + "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1) + "}"
    assert parse_arguments(deepest) is not None
    assert parse_arguments(deepest.replace("1", '{"b": 1}')) is None


@given(st.text() | st.text('{}[]",:a1e.-\\nu '))
def test_any_text_may_come(text: str) -> None:
    found = parse_arguments(text)
    assert found is None or found == json.loads(text)
