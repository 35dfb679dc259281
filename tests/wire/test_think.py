"""Reasoning tags in a model's text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.wire.think import ThinkFilter


def spoken(*pieces: str) -> str:
    think = ThinkFilter()
    return "".join([think.feed(piece) for piece in pieces] + [think.flush()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Bonjour.", "Bonjour."),
        ("<think>hm</think>Bonjour.", "Bonjour."),
        ("A<think>1</think>B<think>2</think>C", "ABC"),
        ("A<think>never closed", "A"),
        ("A</think>B", "AB"),
        ("1 < 2 and <thin ice>", "1 < 2 and <thin ice>"),
        ("<<think>x</think>", "<"),
        ("ends with <thin", "ends with <thin"),
        ("<think>x</thin", ""),
        ("<think>a<think>b</think>c", "c"),
    ],
)
def test_thoughts_are_removed_however_the_text_is_split(text: str, expected: str) -> None:
    assert spoken(text) == expected
    assert spoken(*text) == expected


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "a", " ", "</th", "ink>", "é"])))
def test_splits_never_change_what_is_spoken(pieces: list[str]) -> None:
    whole = "".join(pieces)
    judge = re.sub(r"<think>.*?(?:</think>|\Z)|</think>", "", whole)
    assert spoken(*pieces) == judge


def test_only_what_may_be_a_tag_is_held_back() -> None:
    think = ThinkFilter()
    assert think.feed("Oui <") == "Oui "
    assert think.feed("3 </") == "<3 "
    assert think.feed("b> x") == "</b> x"
