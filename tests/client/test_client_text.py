"""Plain text for a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.client.text import WIDTH, clock, cut, length, pairs, paragraph, shown, table


@given(st.text())
def test_nothing_that_is_shown_obeys(text: str) -> None:
    assert all(char.isprintable() or not char.isascii() for char in shown(text))
    assert not any(char in shown(text) for char in "\x1b\x9b\r\n\x7f\u202e\u2066")


def test_a_control_character_is_shown_as_what_it_is() -> None:
    assert shown("a\x1b[31mb\nc\u202ed") == r"a\x1b[31mb\x0ac\u202ed"


@given(st.lists(st.lists(st.text(max_size=60), min_size=4, max_size=4), max_size=6))
def test_a_table_has_a_line_for_each_row_and_keeps_to_its_width(rows: list[list[str]]) -> None:
    rows = [[row[0][:5], *row[1:]] for row in rows]
    lines = table(("A", "B", "C", "D"), rows)
    assert len(lines) == len(rows) + 1
    assert all(len(line) <= WIDTH for line in lines)


def test_the_widest_column_is_cut_and_never_the_first() -> None:
    lines = table(("ID", "TEXT"), [("x" * 20, "y" * 20), ("z", "short")], 32)
    assert lines == [
        "ID" + " " * 20 + "TEXT",
        "x" * 20 + "  " + "y" * 9 + "…",
        "z" + " " * 21 + "short",
    ]


def test_columns_are_not_cut_to_nothing() -> None:
    (_, line) = table(("ID", "TEXT"), [("x" * 20, "y" * 20)], 10)
    assert line == "x" * 20 + "  yyyyy…"


def test_a_paragraph_is_wrapped_below_itself() -> None:
    assert paragraph("who: ", "one two three four five", 25) == [
        "who: one two three four",
        "     five",
    ]
    assert paragraph("who: ", "") == ["who: "]


@pytest.mark.parametrize(("text", "width", "expected"), [("abc", 3, "abc"), ("abcd", 3, "ab…")])
def test_cut(text: str, width: int, expected: str) -> None:
    assert cut(text, width) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "-"), (0, "0:00"), (65.4, "1:05"), (3725, "1:02:05"), (-1, "0:00")],
)
def test_length(seconds: float | None, expected: str) -> None:
    assert length(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "00:00.0"), (64.26, "01:04.3"), (-2, "00:00.0")]
)
def test_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


def test_pairs_quote_what_has_spaces() -> None:
    values = {"a": 1, "b": "x y", "c": None, "d": "", "e": "\n"}
    assert pairs(values) == 'a=1 b="x y" c=- d="" e=\\x0a'
