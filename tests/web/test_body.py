"""What operators send: read strictly, and every fault names its field."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.web.body import MAX_TEXT, MAX_VARIABLE, MAX_VARIABLES, Body
from voiced.web.problem import Fault


def body(value: object, *known: str) -> Body:
    return Body(json.dumps(value).encode(), known)


def fault(deed: object) -> tuple[int, str, str]:
    with pytest.raises(Fault) as refused:
        deed()  # type: ignore[operator]
    told = refused.value
    assert set(told.body()["error"]) - {"field"} == {"code", "message"}
    return told.status, told.code, told.field


@pytest.mark.parametrize("data", [b"", b" \r\n\t", b"{}"])
def test_an_empty_body_is_an_empty_object(data: bytes) -> None:
    assert Body(data, ("a",)).text("a", "none") == "none"


@pytest.mark.parametrize(
    "data",
    [
        b"{", b"to=1", b"{'a': 1}", b'{"a": 1} x', b"\xff", b'{"a": "\xff"}', b"\0",
        b'{"a":' * 100_000, b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"nul",
        b"[]", b"null", b'"a"', b"1", b"true", b"NaN",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_a_bad_request(data: bytes) -> None:
    assert fault(lambda: Body(data, ("a",))) == (400, "bad-json", "")


def test_a_field_that_nobody_asks_for_is_refused_and_the_known_ones_are_named() -> None:
    assert fault(lambda: body({"a": 1, "tO": 1}, "a", "to")) == (422, "invalid", "tO")
    with pytest.raises(Fault, match="known: a, to"):
        body({"tO": 1}, "a", "to")
    with pytest.raises(Fault, match="known: none"):
        body({"tO": 1})


def test_the_name_of_a_stray_field_is_cut() -> None:
    assert fault(lambda: body({"x" * 5000: 1})) == (422, "invalid", "x" * 100)


@pytest.mark.parametrize("value", [1, 1.5, True, None, [], {}, "", " \n", "x" * (MAX_TEXT + 1)])
def test_a_text_is_a_text_with_something_in_it(value: object) -> None:
    assert fault(lambda: body({"a": value}, "a").text("a")) == (422, "invalid", "a")


def test_a_text_that_must_be_there_is_missed() -> None:
    with pytest.raises(Fault, match="a: is missing"):
        body({}, "a").text("a")


def test_a_text_has_its_own_bound() -> None:
    assert body({"a": "x" * 5}, "a").text("a", most=5) == "x" * 5
    assert fault(lambda: body({"a": "x" * 6}, "a").text("a", most=5))[0] == 422


def test_a_default_may_be_empty_and_so_may_what_stands_for_it() -> None:
    assert body({}, "a").text("a", "") == ""
    assert body({"a": ""}, "a").text("a", "") == ""


@pytest.mark.parametrize("half", ["\\ud83d", "x\\udcffy"])
def test_half_a_character_is_refused_and_a_whole_one_is_not(half: str) -> None:
    data = f'{{"a": "{half}", "v": {{"x": "{half}"}}}}'.encode()
    assert fault(lambda: Body(data, ("a", "v")).text("a")) == (422, "invalid", "a")
    assert fault(lambda: Body(data, ("a", "v")).texts("v", ["x"])) == (422, "invalid", "v.x")
    assert Body(b'{"a": "\\ud83d\\ude00"}', ("a",)).text("a") == "😀"


def test_a_flag_is_true_or_false() -> None:
    assert body({"a": True}, "a").flag("a", default=False) is True
    assert body({}, "a").flag("a", default=True) is True
    for value in (1, 0, "true", None, []):
        sent = body({"a": value}, "a")
        assert fault(lambda sent=sent: sent.flag("a", default=True)) == (422, "invalid", "a")


def test_variables_are_texts_of_known_names() -> None:
    given_ = {"x": "", "y": "é" * MAX_VARIABLE}
    assert body({"v": given_}, "v").texts("v", ("x", "y", "z")) == given_
    assert body({}, "v").texts("v", ("x",)) == {}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, "v"), ("x", "v"), (["x"], "v"), (1, "v"),
        ({f"x{n}": "" for n in range(MAX_VARIABLES + 1)}, "v"),
        ({"unknown": "1"}, "v.unknown"), ({"X": "1"}, "v.X"), ({"": "1"}, "v."),
        ({"__class__": "1"}, "v.__class__"), ({"u" * 5000: "1"}, f"v.{'u' * 40}"),
        ({"x": 1}, "v.x"), ({"x": None}, "v.x"), ({"x": ["1"]}, "v.x"),
        ({"x": "a" * (MAX_VARIABLE + 1)}, "v.x"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named(value: object, field: str) -> None:
    sent = body({"v": value}, "v")
    assert fault(lambda: sent.texts("v", ("x", "X", ""))) == (422, "invalid", field)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    status = 0
    try:
        Body(data, ("a",))
    except Fault as refused:
        status = refused.status
    assert status in (0, 400, 422)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda each: st.lists(each), max_leaves=5
)


@given(_json)
def test_a_text_that_passes_can_be_sent_on(value: object) -> None:
    with suppress(Fault):
        assert body({"a": value}, "a").text("a", most=50).encode() != b""
