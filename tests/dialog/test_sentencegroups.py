"""How the words of a reply are grouped for a voice that speaks at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.sentencegroups import FIRST_WORDS, LONGEST_WORDS, SentenceGroups


def pieces(text: str) -> list[str]:
    groups = SentenceGroups()
    taken = []
    for word in text.split():
        groups.put(word)
        taken.append(groups.take())
    return [piece for piece in [*taken, groups.end()] if piece]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Yes. Of course.", ["Yes.", "Of course."]),
        ('He said "go!" and went', ['He said "go!"', "and went"]),
        ("Well, then we have a table, for two", ["Well, then we have a table,", "for two"]),
        ("one, two, three, four", ["one, two, three, four"]),
        ("a b c d e f g h i j", ["a b c d e f g h", "i j"]),
        ("Attendez… je regarde", ["Attendez…", "je regarde"]),
        ("", []),
    ],
)
def test_a_piece_ends_with_the_sentence_or_where_one_may_breathe(
    text: str, told: list[str]
) -> None:
    assert pieces(text) == told


def test_pieces_without_a_pause_grow_up_to_the_longest() -> None:
    lengths = [len(piece.split()) for piece in pieces("word " * 130)]
    assert lengths == [8, 16, 32, 32, 32, 10]


def test_words_that_are_there_at_once_go_together_up_to_the_last_end() -> None:
    groups = SentenceGroups()
    for word in ["Good.", "Day.", "And", "then"]:
        groups.put(word)
    assert groups.take() == "Good. Day."
    assert groups.take() is None
    assert groups.end() == "And then"
    assert groups.end() is None


@given(st.lists(st.text("ab.,", min_size=1, max_size=5)))
def test_no_word_is_lost_or_held_for_long(words: list[str]) -> None:
    told = pieces(" ".join(words))
    assert " ".join(told).split() == words
    assert all(len(piece.split()) <= LONGEST_WORDS for piece in told)
    assert len("".join(told[:1]).split()) <= FIRST_WORDS
