"""JSON Schema's subset: what is wrong in a schema, and whether a value fits one."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from voiced.schema import MAX_PROPERTIES, Validator, faults, is_json
from voiced.schema.keywords import KEYWORDS

BOOKING = {
    "type": "object",
    "title": "A booking",
    "description": "what a guest wants",
    "properties": {
        "day": {"type": "string", "format": "date", "description": "the day"},
        "time": {"type": "string", "format": "time"},
        "guests": {"type": "integer", "minimum": 1, "maximum": 12, "default": 2},
        "room": {"enum": ["inside", "terrace"]},
        "names": {"type": "array", "maxItems": 3, "items": {"type": "string", "minLength": 2}},
        "contact": {
            "type": "object",
            "properties": {"mail": {"type": "string", "format": "email"}},
            "required": ["mail"],
        },
    },
    "required": ["day", "guests"],
    "additionalProperties": False,
}
DAY = {"day": "2026-11-30", "guests": 2}


def schema(**keywords: object) -> dict[str, object]:
    """One property `x` with these keywords."""
    return {"type": "object", "properties": {"x": keywords}}


def told(**keywords: object) -> list[str]:
    """What is wrong with the property `x`, by its path below it."""
    found = faults(schema(**keywords))
    assert all(path[:2] == ("properties", "x") for path, _ in found)
    return [f"{'.'.join(map(str, path[2:]))} {what}" for path, what in found]


def nested(levels: int) -> dict[str, object]:
    inner: dict[str, object] = {"type": "object"}
    for _ in range(levels - 1):
        inner = {"type": "object", "properties": {"a": inner}}
    return inner


def test_a_good_schema_has_no_faults() -> None:
    assert faults(BOOKING) == []
    assert faults({"type": "object"}) == []


@pytest.mark.parametrize(
    ("wrong", "path", "sentence"),
    [
        ({}, ("type",), 'is missing; use type = "object"'),
        ({"type": "string"}, ("type",), 'is not that of a table with names; use "object"'),
        ({"type": "objct"}, ("type",), 'has a wrong value; use "object" or "array" or '),
        ({"type": ["object"]}, ("type",), 'has a wrong value; use "object"'),
        ({"type": "object", "required": ["b"], "properties": {"ab": {}}}, ("required",),
         "b is not one of its properties; did you mean ab?"),
        ({"type": "object", "required": ["b"]}, ("required",), "b is not one of its "
         "properties; it has none"),
        ({"type": "object", "properties": {"a": 3}}, ("properties", "a"), "is not a schema; use"),
        ({"type": "object", "properties": {"a b": {}}}, ("properties", "a b"), "is not a name; "),
        ({"type": "object", "properties": {"9": {}}}, ("properties", "9"), "is not a name; use "),
        ({"type": "object", "properties": 3}, ("properties",), "has a wrong value; use a table"),
        ({"type": "object", "$ref": "x"}, ("$ref",), "is not a keyword of a schema here; known: "),
        ({"type": "object", "oneOf": []}, ("oneOf",), "is not a keyword of a schema here"),
        ({"type": "object", "additionalProperties": {}}, ("additionalProperties",),
         "has a wrong value; use true or false"),
        (nested(6), ("properties", "a") * 5, "is too deep; use 5 levels at most"),
    ],
)  # fmt: skip
def test_a_fault_of_the_whole_is_told_with_its_place(
    wrong: dict[str, object], path: tuple[str, ...], sentence: str
) -> None:
    ((where, what),) = faults(wrong)
    assert where == path
    assert what.startswith(sentence)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"maxLenght": 3}, "maxLenght is not a keyword of a schema here; did you mean maxLength?"),
        ({"type": "text"}, 'type has a wrong value; use "object" or "array" or "string" or '),
        ({"title": 3}, "title has a wrong value; use text in quotes"),
        ({"description": None}, "description has a wrong value; use text in quotes"),
        ({"required": [3]}, "required has a wrong value; use a list of names in quotes"),
        ({"items": True}, "items has a wrong value; use a schema, which is a table"),
        ({"enum": []}, "enum has a wrong value; use a list of texts, numbers, true or false"),
        ({"enum": [{}]}, "enum has a wrong value; use a list of texts, numbers, true or false"),
        ({"enum": "a"}, "enum has a wrong value; use a list of texts, numbers, true or false"),
        ({"const": [1]}, "const has a wrong value; use a text, a number, true or false"),
        ({"minimum": True}, "minimum has a wrong value; use a number"),
        ({"maximum": float("inf")}, "maximum has a wrong value; use a number"),
        ({"exclusiveMinimum": "1"}, "exclusiveMinimum has a wrong value; use a number"),
        ({"exclusiveMaximum": float("nan")}, "exclusiveMaximum has a wrong value; use a number"),
        ({"minLength": -1}, "minLength has a wrong value; use a whole number from 0"),
        ({"maxLength": 1.0}, "maxLength has a wrong value; use a whole number from 0"),
        ({"minItems": True}, "minItems has a wrong value; use a whole number from 0"),
        ({"maxItems": "3"}, "maxItems has a wrong value; use a whole number from 0"),
        ({"pattern": 3}, "pattern has a wrong value; use a regular expression of Python's"),
        ({"pattern": "("}, "pattern has a wrong value; use a regular expression of Python's"),
        ({"pattern": "[$]"}, "pattern has a wrong value; use a regular expression of Python's"),
        ({"pattern": "[[a]]"}, "pattern has a wrong value; use a regular expression of Python's"),
        ({"pattern": "a{99999999999}"}, "pattern has a wrong value; use a regular expression"),
        ({"format": "uri"}, 'format has a wrong value; use "date" or "time" or "date-time" or "em'),
        ({"default": {1}}, "default has a wrong value; use what JSON has"),
        ({"default": [float("nan")]}, "default has a wrong value; use what JSON has"),
        ({"type": "integer", "pattern": "a"}, "pattern is not for this type, but for string; del"),
        ({"type": "string", "minimum": 1}, "minimum is not for this type, but for number and int"),
        ({"type": "string", "items": {}}, "items is not for this type, but for array; delete it"),
        ({"minimum": 3, "maximum": 2}, "minimum is above maximum; lower the one or raise the oth"),
        ({"minLength": 3, "maxLength": 2}, "minLength is above maxLength"),
        ({"minItems": 3, "maxItems": 2}, "minItems is above maxItems"),
        ({"type": "string", "enum": ["a", 1]}, "enum does not fit what stands beside it; change"),
        ({"type": "integer", "const": "a"}, "const does not fit what stands beside it"),
        ({"type": "string", "format": "date", "default": "today"}, "default does not fit what sta"),
        ({"type": "string", "enum": ["a"], "default": "b"}, "default does not fit what stands"),
    ],
)
def test_a_fault_of_a_keyword_is_told_with_what_is_right(
    keywords: dict[str, object], sentence: str
) -> None:
    (found,) = told(**keywords)
    assert found.startswith(sentence)


def test_every_fault_is_told_at_once_below_the_place_that_is_given() -> None:
    wrong = {
        "type": "object",
        "properties": {"a": {"typ": "string"}, "b": {"type": "array", "items": {"minimum": "1"}}},
        "required": 3,
    }
    assert [path for path, _ in faults(wrong, ("tool", 0))] == [
        ("tool", 0, "required"),
        ("tool", 0, "properties", "a", "typ"),
        ("tool", 0, "properties", "b", "items", "minimum"),
    ]


def test_a_schema_may_have_so_many_properties_in_all() -> None:
    many = {f"a{n}": {"type": "string"} for n in range(MAX_PROPERTIES - 1)}
    fine = {"type": "object", "properties": {"o": {"type": "object", "properties": many}}}
    assert faults(fine) == []
    many["z"] = {}
    ((path, what),) = faults(fine)
    assert (path, what) == (("properties",), "are 101 in all; use 100 at most")


def test_long_names_are_not_shown_whole() -> None:
    ((path, _),) = faults({"type": "object", "k" * 500: 1})
    assert path == ("k" * 64,)
    assert faults(schema(type="string")) == []
    found = faults({"type": "object", "properties": {"n" * 500: {}}, "required": ["m" * 500]})
    assert len(repr(found)) < 500


def test_a_default_that_is_too_deep_is_not_json() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    assert not is_json(deep)
    assert is_json({"a": [1, 2.5, "x", True, {}]})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"day": 3}, "day: must be a text"),
        ({"day": "2026-02-30"}, "day: must be a date that there is, as in 2026-11-30"),
        ({"day": "0000-01-01"}, "day: must be a date that there is, as in 2026-11-30"),
        ({"day": "tomorrow"}, "day: must be a date that there is, as in 2026-11-30"),
        ({"time": "25:00"}, "time: must be a time, as in 19:30"),
        ({"guests": True}, "guests: must be a whole number"),
        ({"guests": "2"}, "guests: must be a whole number"),
        ({"guests": 0}, "guests: must be at least 1"),
        ({"guests": 13}, "guests: must be at most 12"),
        ({"guests": None}, "guests: must be a whole number"),
        ({"room": "outside"}, 'room: must be one of "inside", "terrace"'),
        ({"names": "Ann"}, "names: must be a list"),
        ({"names": ["Ann", "B"]}, "names[1]: must have at least 2 characters"),
        ({"names": ["Ann"] * 4}, "names: must have at most 3 items"),
        ({"contact": {}}, "contact: must have mail"),
        ({"contact": {"mail": "a b@c.d"}}, "contact.mail: must be an e-mail address"),
        ({"hush": 1}, "must have day, time, guests, room, names, contact and nothing else"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(change: dict[str, object], sentence: str) -> None:
    assert Validator(BOOKING).faults({**DAY, **change}) == [sentence]


@pytest.mark.parametrize(
    ("keywords", "value", "what"),
    [
        ({"const": True}, 1, "must be true"),
        ({"type": "boolean"}, "yes", "must be true or false"),
        ({"type": "number"}, "1", "must be a number"),
        ({"type": "object"}, [], "must be an object"),
        ({"exclusiveMinimum": 1}, 1, "must be more than 1"),
        ({"exclusiveMaximum": 1.5}, 1.5, "must be less than 1.5"),
        ({"maxLength": 1}, "ab", "must have at most 1 characters"),
        ({"minItems": 1}, [], "must have at least 1 items"),
        ({"pattern": "^[a-z{}]+$"}, "a\n", "must match the pattern ^[a-z{}]+$"),
        ({"format": "date-time"}, "2026-11-30", "must be a date and a time, as in 2026-11-30T19:3"),
    ],
)
def test_every_keyword_is_held_against_the_value(
    keywords: dict[str, object], value: object, what: str
) -> None:
    assert faults(schema(**keywords)) == []
    (sentence,) = Validator(schema(**keywords)).faults({"x": value})
    assert sentence.startswith(f"x: {what}")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("date", "2024-02-29"),
        ("time", "07:05"),
        ("time", "23:59:59.5Z"),
        ("time", "07:05:00+02:00"),
        ("date-time", "2026-11-30T19:30"),
        ("email", "ann.o@mail.example.com"),
    ],
)
def test_people_s_dates_and_times_will_do(form: str, text: str) -> None:
    assert Validator(schema(type="string", format=form)).faults({"x": text}) == []


def test_all_that_does_not_fit_is_told_at_once_and_quotes_nothing_of_it() -> None:
    found = Validator(BOOKING).faults({"guests": "hush", "names": ["hush", 7], "hush": "hush"})
    assert found == [
        "must have day",
        "guests: must be a whole number",
        "names[1]: must be a text",
        "must have day, time, guests, room, names, contact and nothing else",
    ]
    assert Validator(BOOKING).faults([]) == ["must be an object"]


def test_what_has_no_properties_is_to_be_empty() -> None:
    nothing = {"type": "object", "properties": {}, "additionalProperties": False}
    assert Validator(nothing).faults({}) == []
    assert Validator(nothing).faults({"hush": 1}) == ["must be empty"]


def test_a_model_is_told_ten_things_at_most() -> None:
    many = {f"a{n}": {"type": "string"} for n in range(20)}
    value = dict.fromkeys(many, 1)
    assert len(Validator({"type": "object", "properties": many}).faults(value)) == 10


def test_a_null_that_is_not_required_counts_as_left_out() -> None:
    validator = Validator(BOOKING)
    value = {**DAY, "room": None, "names": None, "contact": {"mail": "a@b.c", "x": None}}
    assert validator.faults(value) == []
    assert validator.tidy(value) == {**DAY, "contact": {"mail": "a@b.c"}}
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    lists = Validator(schema(type="array", items=inner))
    assert lists.tidy({"x": [{"a": None}, {"a": "b"}]}) == {"x": [{}, {"a": "b"}]}
    assert validator.tidy("hush") == "hush"


def test_a_value_is_left_as_it_is_and_gets_no_defaults() -> None:
    value = {"day": "2026-11-30", "guests": 2, "room": None}
    before = json.dumps(value)
    assert Validator(schema(default=3)).tidy({}) == {}
    assert Validator(BOOKING).faults(value) == []
    assert json.dumps(value) == before


def test_properties_may_be_called_like_keywords() -> None:
    named = {name: {"type": "string"} for name in (*KEYWORDS, "id", "ref")}
    odd = {"type": "object", "properties": named, "required": list(named)}
    assert faults(odd) == []
    assert Validator(odd).faults(dict.fromkeys(named, "x")) == []
    assert Validator(odd).faults({}) == [f"must have {', '.join(named)}"]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.sampled_from([*KEYWORDS, "typ", "string", "integer", "object", "array", "date", "x"])
SCHEMAS = st.recursive(
    WORDS | st.integers(-1, 3) | st.booleans() | st.text(max_size=6) | st.lists(WORDS, max_size=2),
    lambda inner: st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


@hypothesis(deadline=None)  # the machine may be busy
@given(st.dictionaries(WORDS, SCHEMAS, max_size=4), ANY)
def test_whatever_has_no_faults_can_be_held_against_any_value(
    keywords: dict[str, object], value: object
) -> None:
    whole = schema(**keywords)
    if not faults(whole):
        assert all(isinstance(each, str) for each in Validator(whole).faults({"x": value}))


@hypothesis(deadline=None)  # the machine may be busy
@given(ANY.filter(lambda value: isinstance(value, dict)))
def test_any_table_gives_faults_or_none(table: dict[str, object]) -> None:
    assert all(isinstance(what, str) for _, what in faults(table))


@hypothesis(deadline=None)  # the machine may be busy
@given(st.text(max_size=20), st.text(max_size=5))
def test_any_pattern_is_refused_or_works(pattern: str, text: str) -> None:
    whole = schema(type="string", pattern=pattern)
    if not faults(whole):
        Validator(whole).faults({"x": text})


@hypothesis(deadline=None)  # the machine may be busy
@given(st.lists(st.text(max_size=20), min_size=1), st.text())
def test_any_texts_may_be_the_choice(choice: list[str], text: str) -> None:
    whole = schema(enum=choice)
    assert faults(whole) == []
    assert bool(Validator(whole).faults({"x": text})) == (text not in choice)
