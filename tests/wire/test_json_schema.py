"""Schemas as the APIs promise them; the helpers of their own SDKs judge what comes out."""

from copy import deepcopy

import anthropic
import pytest
from openai.lib._pydantic import _ensure_strict_json_schema

from voiced.schema import Validator, faults
from voiced.wire.json_schema import ANTHROPIC, OPENAI, promised

BOOKING = {
    "type": "object",
    "title": "A booking",
    "properties": {
        "day": {"type": "string", "format": "date", "description": "the day"},
        "guests": {"type": "integer", "minimum": 1, "maximum": 12, "default": 2},
        "room": {"enum": ["inside", "terrace"]},
        "names": {
            "type": "array", "minItems": 2, "maxItems": 3,
            "items": {"type": "string", "minLength": 2, "pattern": "[A-Z].*"},
        },
        "contact": {
            "type": "object",
            "properties": {"mail": {"type": "string"}, "phone": {"type": "string"}},
            "required": ["mail"],
        },
    },
    "required": ["day", "names", "contact"],
}  # fmt: skip
NULL = {"type": "null"}


def test_openai_wants_all_properties_so_those_left_out_are_null() -> None:
    assert promised(BOOKING, OPENAI) == {
        "type": "object",
        "title": "A booking",
        "properties": {
            "day": {"type": "string", "format": "date", "description": "the day"},
            "guests": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 12}, NULL]},
            "room": {"anyOf": [{"type": "string", "enum": ["inside", "terrace"]}, NULL]},
            "names": {
                "type": "array",
                "minItems": 2,
                "maxItems": 3,
                "items": {"type": "string", "pattern": "[A-Z].*"},
            },
            "contact": {
                "type": "object",
                "properties": {
                    "mail": {"type": "string"},
                    "phone": {"anyOf": [{"type": "string"}, NULL]},
                },
                "required": ["mail", "phone"],
                "additionalProperties": False,
            },
        },
        "required": ["day", "guests", "room", "names", "contact"],
        "additionalProperties": False,
    }


def test_anthropic_leaves_properties_out_and_takes_no_bounds() -> None:
    assert promised(BOOKING, ANTHROPIC) == {
        "type": "object",
        "title": "A booking",
        "properties": {
            "day": {"type": "string", "format": "date", "description": "the day"},
            "guests": {"type": "integer", "default": 2},
            "room": {"type": "string", "enum": ["inside", "terrace"]},
            "names": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "contact": {
                "type": "object",
                "properties": {"mail": {"type": "string"}, "phone": {"type": "string"}},
                "required": ["mail"],
                "additionalProperties": False,
            },
        },
        "required": ["day", "names", "contact"],
        "additionalProperties": False,
    }


def test_the_schema_that_was_given_stays_as_it_is() -> None:
    before = deepcopy(BOOKING)
    promised(BOOKING, OPENAI)
    assert before == BOOKING
    assert not faults(BOOKING)


def test_openais_own_helper_has_nothing_to_add() -> None:
    strict = promised(BOOKING, OPENAI)
    assert _ensure_strict_json_schema(deepcopy(strict), path=(), root=strict) == strict


def test_anthropics_own_helper_has_nothing_to_take_away() -> None:
    kept = promised(BOOKING, ANTHROPIC)
    del kept["properties"]["guests"]["default"]  # which the API takes, and its helper does not
    judged = anthropic.transform_schema(deepcopy(kept))
    room = judged["properties"]["room"]
    assert room.pop("enum") == kept["properties"]["room"].pop("enum")
    judged["properties"]["room"] = room | {"type": "string"}
    assert judged == kept


def test_an_answer_with_nulls_fits_what_was_asked() -> None:
    answer = {"day": "2026-11-30", "guests": None, "room": None, "names": ["Anna", "Bert"],
              "contact": {"mail": "a@b.fr", "phone": None}}  # fmt: skip
    assert not Validator(BOOKING).faults(answer)


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ({"enum": ["a", "b"]}, "string"),
        ({"const": "a"}, "string"),
        ({"enum": [1, 2]}, "integer"),
        ({"const": True}, "boolean"),
        ({"enum": [0.5]}, "number"),
        ({"type": "number", "enum": [1, 0.5]}, "number"),
    ],
)
def test_a_type_is_that_of_the_values_named(named: dict, kind: str) -> None:
    schema = {"type": "object", "properties": {"x": named}, "required": ["x"]}
    for subset in (OPENAI, ANTHROPIC):
        assert promised(schema, subset)["properties"]["x"] == {"type": kind, **named}


def test_a_format_that_an_api_does_not_know_is_left_out() -> None:
    schema = {"type": "object", "required": ["x"],
              "properties": {"x": {"type": "string", "format": "uri"}}}  # fmt: skip
    assert promised(schema, OPENAI)["properties"]["x"] == {"type": "string"}
    assert promised(schema, ANTHROPIC)["properties"]["x"] == {"type": "string", "format": "uri"}


def test_a_list_may_be_of_nothing() -> None:
    some = {"type": "array", "items": {"type": "string"}}
    schema = {"type": "object", "properties": {"x": some}, "required": ["x"]}
    for subset in (OPENAI, ANTHROPIC):
        assert promised(schema, subset)["properties"]["x"] == some


def test_an_object_may_be_of_nothing() -> None:
    empty = {"type": "object", "additionalProperties": False}
    nothing = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert promised(empty, OPENAI) == nothing == promised(empty, ANTHROPIC)


@pytest.mark.parametrize(
    "open_shape",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
        {"type": "array"},
        {"type": "array", "items": {}},
        {"description": "anything"},
        {"enum": ["a", 1]},
        {"type": ["string", "null"]},
        {"$ref": "#/$defs/x"},
    ],
    ids=str,
)
def test_a_shape_that_is_left_open_cannot_be_promised(open_shape: dict) -> None:
    inside = {"type": "object", "properties": {"x": open_shape}}
    for subset in (OPENAI, ANTHROPIC):
        assert promised(inside, subset) is None
        assert promised(open_shape, subset) is None


def test_an_answer_is_an_object() -> None:
    assert promised({"type": "string"}, OPENAI) is None
