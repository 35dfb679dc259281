"""The bytes of the journal's native protocol."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journald import decoded

from voiced.ops.journal_wire import encode, field_name

NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,63}", fullmatch=True)


def test_a_value_on_one_line_stands_behind_an_equals_sign() -> None:
    assert encode([("MESSAGE", "a=b é"), ("TURN", "")]) == b"MESSAGE=a=b \xc3\xa9\nTURN=\n"


def test_lines_and_bytes_stand_behind_their_length() -> None:
    assert encode([("TRACEBACK", "a\nbé")]) == (
        b"TRACEBACK\n\x05\x00\x00\x00\x00\x00\x00\x00a\nb\xc3\xa9\n"
    )
    assert encode([("RAW", b"=\x00\xff")]) == b"RAW\n\x03\x00\x00\x00\x00\x00\x00\x00=\x00\xff\n"


def test_what_is_no_unicode_is_shown_and_stops_nothing() -> None:
    assert encode([("A", "x\udcff")]) == b"A=x\\udcff\n"


@given(st.lists(st.tuples(NAMES, st.text() | st.binary())))
def test_what_is_encoded_is_read_again(fields: list[tuple[str, str | bytes]]) -> None:
    expected = [
        (name, value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace"))
        for name, value in fields
    ]
    assert decoded(encode(fields)) == expected


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("turn_ended_ms", "TURN_ENDED_MS"),
        ("tts lab", "TTS_LAB"),
        ("_PID", "PID"),
        ("2nd", "X2ND"),
        ("", "X"),
        ("___", "X"),
        ("né", "N_"),
        ("x" * 70, "X" * 64),
    ],
)
def test_a_name_is_made_such_as_journald_takes(name: str, known: str) -> None:
    assert field_name(name) == known


@given(st.text())
def test_no_name_is_such_that_journald_would_drop_the_field(name: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", field_name(name))
