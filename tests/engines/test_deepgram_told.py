"""Guesses that change, and words that may be reported once only."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from voiced.engines.deepgram_told import Told
from voiced.wire.deepgram import Word


def said(text: str, at_s: float = 0.0, confidence: float = 0.5) -> list[Word]:
    """Words of 0.3 s, one behind the other."""
    return [
        Word(word, at_s + 0.3 * n, at_s + 0.3 * n + 0.3, confidence)
        for n, word in enumerate(text.split())
    ]


def untimed(text: str) -> list[Word]:
    return [Word(word) for word in text.split()]


def texts(words: object) -> str:
    return " ".join(word.text for word in words)  # type: ignore[attr-defined]


def test_a_doubtful_word_waits_for_a_second_guess_that_agrees() -> None:
    told = Told()
    assert texts(told.guess(said("bonjour je vou"), 0.9)) == ""
    assert told.is_waiting
    assert texts(told.guess(said("bonjour je voudrais un"), 1.2)) == "bonjour je"


def test_a_sure_word_that_is_not_the_newest_is_told_at_once() -> None:
    told = Told()
    assert texts(told.guess(said("attendez je veux dire", confidence=0.95), 1.2)) == (
        "attendez je veux"
    )


def test_words_are_told_in_order_so_one_in_doubt_holds_the_next() -> None:
    words = [*said("attendez", 0, 0.5), *said("une minute", 0.3, 0.99)]
    assert texts(Told().guess(words, 2.0)) == ""


def test_without_times_only_agreement_counts() -> None:
    told = Told()
    assert texts(told.guess([Word("oui", confidence=0.99)], 5.0)) == ""
    assert texts(told.guess([Word("Oui,", confidence=0.99)], 5.0)) == "Oui,"


def test_what_is_settled_brings_the_rest_once() -> None:
    told = Told()
    told.guess(said("bonjour je"), 0.6)
    told.guess(said("bonjour je vou"), 0.9)
    assert texts(told.settle(said("Bonjour, je voudrais"))) == "voudrais"
    assert texts(told.settle(said("Bonjour, je voudrais"))) == ""
    assert not told.is_waiting


def test_a_word_that_changes_after_it_was_told_stays_and_comes_no_second_time() -> None:
    told = Told()
    assert texts(told.settle(said("je vou"))) == "je vou"
    assert texts(told.settle(said("je voudrais un"))) == "un"
    assert texts(told.settle(said("je voudrais un rendez-vous"))) == "rendez-vous"


def test_a_word_that_appears_among_those_told_repeats_none_of_them() -> None:
    told = Told()
    told.settle(said("bonjour je"))
    assert texts(told.settle(said("bonjour alors je voudrais"))) == "voudrais"


def test_a_guess_that_forgets_words_does_not_bring_them_back_as_new() -> None:
    told = Told()
    told.settle(said("je voudrais un"))
    assert texts(told.settle(said("je"))) == ""
    assert texts(told.settle(said("je voudrais un café"))) == "café"


def test_a_word_said_twice_is_told_twice() -> None:
    told = Told()
    told.settle(said("oui"))
    assert texts(told.settle(said("oui oui"))) == "oui"


def test_times_may_move_a_little() -> None:
    told = Told()
    told.settle(said("je voudrais"))
    assert texts(told.settle(said("je voudrais un", 0.2))) == "un"


def test_the_tail_of_a_guess_that_a_final_leaves_to_the_next_window_is_not_told_again() -> None:
    told = Told()
    told.settle(said("un deux trois quatre"))
    told.settle(said("un deux"))
    told.advance(0.6)
    assert texts(told.settle(said("trois quatre cinq", 0.6))) == "cinq"


def test_the_same_word_in_the_next_window_is_new() -> None:
    told = Told()
    told.settle(said("oui"))
    told.advance(1.0)
    assert texts(told.settle(said("oui", 1.5))) == "oui"


def test_a_told_word_that_the_next_window_lacks_hides_no_later_one() -> None:
    told = Told()
    told.settle(said("un deux trois"))
    told.settle(said("un deux"))
    told.advance(0.6)
    assert texts(told.settle(said("jeudi", 2.0))) == "jeudi"


def test_words_without_times_belong_to_the_window_they_came_in() -> None:
    told = Told()
    told.settle(untimed("un deux"))
    told.advance(1.0)
    assert texts(told.settle(untimed("deux"))) == "deux"


def test_the_rest_of_a_guess_can_be_had_when_time_is_up() -> None:
    told = Told()
    told.guess(said("un rendez-vous"), 0.6)
    assert texts(told.rest()) == "un rendez-vous"
    assert texts(told.rest()) == ""
    assert texts(told.settle(said("un rendez-vous lundi"))) == "lundi"


def test_it_knows_where_the_last_word_begins() -> None:
    told = Told()
    assert told.last_start_s == 0.0
    told.guess(said("un deux", 3.0), 3.6)
    assert told.last_start_s == 3.3


@given(st.data(), st.integers(0, 12), st.sampled_from([said, untimed]))
def test_however_wrong_the_guesses_each_word_said_is_told_once(
    data: st.DataObject, length: int, make: Callable[[str], list[Word]]
) -> None:
    truth = [f"w{n}" for n in range(length)]
    told, heard = Told(), []
    for _ in range(data.draw(st.integers(0, 6))):
        garbled = [data.draw(st.sampled_from("wxy")) + word[1:] for word in truth]
        end = data.draw(st.integers(0, length))
        heard += [word.text for word in told.guess(make(" ".join(garbled[:end])), 99.0)]
    heard += [word.text for word in told.settle(make(" ".join(truth)))]
    assert len(heard) == length
    assert [word[1:] for word in heard] == [word[1:] for word in truth]


@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.integers(0, 12))
def test_guesses_that_only_grow_tell_every_word_once_in_order(words: list[str], cut: int) -> None:
    told = Told()
    heard: list[str] = []
    for end in range(cut, len(words) + 1):
        heard += [word.text for word in told.guess(said(" ".join(words[:end])), end * 0.3)]
    heard += [word.text for word in told.settle(said(" ".join(words)))]
    assert heard == words
