"""Two models' texts as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.engines.fallback_seam import Seam


def joined(said: str, text: str, size: int = 3) -> str:
    seam = Seam(said)
    pieces = [seam.feed(text[at : at + size]) for at in range(0, len(text), size)]
    return said + "".join(pieces) + seam.flush()


@pytest.mark.parametrize(
    ("said", "text", "whole"),
    [
        ("We open ", "at nine.", "We open at nine."),
        ("We open", "at nine.", "We open at nine."),
        ("We open", " at nine.", "We open at nine."),
        ("We open", ", at nine.", "We open, at nine."),
        ("We open", "(at nine).", "We open (at nine)."),
        ("We open ", "open at nine.", "We open at nine."),
        ("We open at ", "Open at nine.", "We open at nine."),
        ("We open at", "We open at nine.", "We open at nine."),
        ("We open, at", "...we open at nine.", "We open, at nine."),
        ("We open at ", "\u2014 open at nine.", "We open at nine."),
        ("We open at ", "open \u2014 at nine.", "We open at nine."),
        ("We open at ", "\u2014 nine.", "We open at \u2014 nine."),
        ("We open at ni", "at nine in the morning", "We open at nine in the morning"),
        ("We open at ni", "nine in", "We open at ni nine in"),
        ("We open tomor", "We open tomorrow.", "We open tomorrow."),
        ("We open tomor", "tomorrow.", "We open tomorrow."),
        ("We open to", "tomorrow.", "We open to tomorrow."),
        ("We open at nine", "nine, sir", "We open at nine, sir"),
        ("We open at Nine,", "nine in the", "We open at Nine, in the"),
        ("We open at nine", "", "We open at nine"),
        ("We open", "We", "We open We"),
        ("", "We open", "We open"),
        ("\u2014", "We open", "\u2014 We open"),
        ("We open ", "We close at nine", "We open We close at nine"),
        ("on and on ", "and on and on", "on and on and on"),
        ("open ", "... ", "open ... "),
    ],
)
def test_the_seam(said: str, text: str, whole: str) -> None:
    for size in (1, 3, 100):
        assert joined(said, text, size) == whole


def test_what_is_new_does_not_wait_longer_than_for_its_first_word() -> None:
    seam = Seam("We open at nine ")
    assert seam.feed("in") == ""
    assert seam.feed(" the") == "in the"
    assert seam.feed(" morning") == " morning"
    assert seam.flush() == ""


WORDS = st.lists(st.text("abcdefghijkl", min_size=1, max_size=6), min_size=2, unique=True)


@given(WORDS, st.data())
def test_however_much_is_repeated_no_word_is_lost_or_said_twice(
    words: list[str], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(words) - 1))
    again = data.draw(st.integers(0, cut))
    said = " ".join(words[:cut]) + " "
    text = " ".join(words[again:])
    assert joined(said, text, data.draw(st.integers(1, 20))).split() == words
