"""Templates of requests: what a value may become, and above all what it may not."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.filling import (
    NotFilled,
    fill_body,
    fill_header,
    fill_text,
    fill_url,
    placeholders,
    text_of,
)

SITE = "https://book.example.test:8443"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Zoé", "Zoé"), ("", ""), (None, ""), (True, "true"), (False, "false"), (4, "4"),
        (4.5, "4.5"), (["a", 1], '["a",1]'), ({"é": None}, '{"é":null}'), ("a\ud800b", "ab"),
        (["\udfff"], '[""]'),
    ],
)  # fmt: skip
def test_a_value_in_a_text(value: object, text: str) -> None:
    assert text_of(value) == text
    assert fill_text("<{x}>", {"x": value}) == f"<{text}>"


def test_a_template_has_values_braces_and_gaps() -> None:
    template = "{{{name}}} for {number}{gone} at {{noon}}"
    assert fill_text(template, {"name": "Ada", "number": 2}) == "{Ada} for 2 at {noon}"
    assert placeholders(template) == ("name", "number", "gone")
    assert placeholders("{a}{{b}}{a}") == ("a", "a")


def test_a_value_is_no_template() -> None:
    values = {"a": "{b}", "b": "{a}", "c": "{b.__class__} }{"}
    assert fill_text("{a}{b}{c}", values) == "{b}{a}{b.__class__} }{"
    assert fill_body({"x": "{a}"}, values) == {"x": "{b}"}


@pytest.mark.parametrize("fill", [fill_text, fill_header])
def test_a_stray_brace_is_told(fill: object) -> None:
    with pytest.raises(ValueError, match="Single '}' encountered"):
        fill("a } b", {})  # type: ignore[operator]


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "values", "url"),
    [
        ("/t/{id}", {"id": "a b/ü?x=1&y#z"}, "/t/a%20b%2F%C3%BC%3Fx%3D1%26y%23z"),
        ("/t/{id}", {"id": 7}, "/t/7"),
        ("/{a}-{b}/x", {"a": "1"}, "/1-/x"),
        ("/f{ext}", {}, "/f"),
        ("/f{ext}", {"ext": "."}, "/f."),
        ("/t/{id}", {"id": "..."}, "/t/..."),
        ("/t/{id}", {"id": "a..b"}, "/t/a..b"),
        ("/t/{id}", {"id": "%2e%2e"}, "/t/%252e%252e"),
        ("/t?from={f}&to={t}", {"f": "1&to=9", "t": None}, "/t?from=1%26to%3D9&to="),
        ("/t?q={q}", {"q": "../.."}, "/t?q=..%2F.."),
        ("/t#{q}", {"q": "x"}, "/t"),
        ("?q={q}", {"q": "é"}, "?q=%C3%A9"),
        ("", {}, ""),
        ("/a//b/./{x}", {"x": 1}, "/a//b/./1"),
        ("/{{x}}/{x}", {"x": 1}, "/{x}/1"),
        ("/t/{id}", {"id": "a\r\nHost: b"}, "/t/a%0D%0AHost%3A%20b"),
        ("/t/{id}", {"id": "a\ud800"}, "/t/a"),
    ],
)
def test_an_address_takes_values_as_values(
    template: str, values: dict[str, object], url: str
) -> None:
    assert fill_url(SITE + template, values) == SITE + url


@pytest.mark.parametrize(
    "value", ["", None, ".", "..", "../admin", "a/../b", "a/..", "..\\x", "./x", "/.."]
)
def test_a_value_cannot_lead_to_another_path(value: object) -> None:
    with pytest.raises(NotFilled) as refused:
        fill_url(SITE + "/bookings/{id}/cancel", {"id": value})
    assert refused.value.name == "id"
    assert str(refused.value) == (
        "the value of id cannot stand in the path of an address; send another one"
    )


def test_neither_can_two_of_them_or_one_with_what_stands_beside() -> None:
    for template, values in [
        ("/{a}{b}", {"a": ".", "b": "."}),
        ("/.{a}", {"a": "."}),
        ("/{gone}", {}),
    ]:
        with pytest.raises(NotFilled):
            fill_url(SITE + template, values)


@pytest.mark.parametrize(
    "template",
    ["https://{host}/x", "{scheme}://a/x", "https://a.{tld}", "ftp://a/x", "https://", "/x", "",
     "http:///x"],
)  # fmt: skip
def test_only_the_path_and_the_query_have_placeholders(template: str) -> None:
    with pytest.raises(ValueError, match="http"):
        fill_url(template, {"host": "evil.test", "scheme": "http", "tld": "com"})


@given(st.text() | st.from_regex(r"[./\\%2eEfF]{1,12}", fullmatch=True), st.text())
def test_whatever_the_values_the_address_keeps_its_shape(first: str, second: str) -> None:
    try:
        url = fill_url(SITE + "/v1/{a}/end?q={b}&z=1", {"a": first, "b": second})
    except NotFilled:
        return
    assert url.isascii()
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "book.example.test:8443", "")
    assert parts.path.count("/") == 3
    assert parts.path.startswith("/v1/")
    assert parts.path.endswith("/end")
    assert {"..", "."}.isdisjoint(unquote(parts.path).replace("\\", "/").split("/"))
    assert [field.partition("=")[0] for field in parts.query.split("&")] == ["q", "z"]


# --- headers -------------------------------------------------------------------------------------


def test_a_header_takes_values() -> None:
    values = {"secret": "s3cret", "name": "Zoé", "n": 2}
    assert fill_header("Bearer {secret}", values) == "Bearer s3cret"
    assert fill_header(" {name}/{n}/{gone} ", values) == "Zoé/2/"


@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "\t", "\x7f", "\x85", "Łukasz", "日本", ["Ł"], "😀"],
)
def test_a_value_cannot_end_a_header_or_be_what_none_can_carry(value: object) -> None:
    with pytest.raises(NotFilled) as refused:
        fill_header("for {whom}", {"whom": value})
    assert refused.value.name == "whom"
    assert str(value) not in str(refused.value)


@given(st.text())
def test_whatever_the_value_a_header_is_one_line(value: str) -> None:
    try:
        filled = fill_header("x {v} y", {"v": value})
    except NotFilled:
        return
    assert filled.encode("latin-1").splitlines() == [filled.encode("latin-1")]


# --- bodies --------------------------------------------------------------------------------------


def test_a_body_takes_values_with_their_own_types() -> None:
    table = {
        "guests": "{guests}",
        "vegan": "{vegan}",
        "dishes": "{dishes}",
        "none": "{none}",
        "text": "for {guests} ({vegan})",
        "who": {"phone": "{caller}", "inner": {"dishes": ["{dishes}", "{guests}", "x", 1.5]}},
        "fixed": 3,
        "literal": "{{guests}}",
        "spaced": " {guests}",
        "twice": "{guests}{guests}",
        "empty": "",
    }
    values = {
        "guests": 4, "vegan": True, "dishes": ["a", {"b": 1}], "none": None, "caller": "+331",
    }  # fmt: skip
    assert fill_body(table, values) == {
        "guests": 4,
        "vegan": True,
        "dishes": ["a", {"b": 1}],
        "none": None,
        "text": "for 4 (true)",
        "who": {"phone": "+331", "inner": {"dishes": [["a", {"b": 1}], 4, "x", 1.5]}},
        "fixed": 3,
        "literal": "{guests}",
        "spaced": " 4",
        "twice": "44",
        "empty": "",
    }


def test_what_is_not_there_is_left_out_of_a_body() -> None:
    table = {
        "a": "{gone}", "b": {"c": "{gone}"}, "d": ["{gone}", "{there}", ("{gone}",)],
        "e": "for {gone}", "{there}": 1,
    }  # fmt: skip
    assert fill_body(table, {"there": 1}) == {
        "b": {}, "d": [1, []], "e": "for ", "{there}": 1,
    }  # fmt: skip
