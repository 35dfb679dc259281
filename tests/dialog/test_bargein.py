"""Does the caller want the floor? Words, assent and noise over a reply."""

import pytest

from voiced.dialog.bargein import BargeIn, is_backchannel

ASSENT = ["mm-hm", "Mm-hmm.", "uh-huh", "uh huh", "OUI,", "d'accord", "D’accord !", "d'accord oui",
    "'yeah'", "Okay...", "oui-oui", "voilà", "Voilà.", "...", "—", ""]  # fmt: skip
MEANT = ["no", "Non.", "attendez", "oui mais", "stop!", "yes-man", "l'accord", "42"]


@pytest.mark.parametrize("text", ASSENT)
def test_assent_is_assent_however_it_is_written(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", MEANT)
def test_anything_else_is_meant(text: str) -> None:
    assert not is_backchannel(text)


def test_two_words_end_a_reply() -> None:
    bargein = BargeIn(2)
    assert [bargein.word(word) for word in ("wait", "please")] == [False, True]


def test_assent_does_not_end_a_reply_however_often_it_comes() -> None:
    bargein = BargeIn(1)
    assert not any(bargein.word(word) for word in ASSENT * 3)
    assert bargein.word("but")


def test_assent_between_two_words_does_not_hide_them() -> None:
    bargein = BargeIn(2)
    assert [bargein.word(word) for word in ("no", "uh-huh", "no")] == [False, False, True]


@pytest.mark.parametrize("words", [0, -1])
def test_at_least_one_word_is_needed(words: int) -> None:
    bargein = BargeIn(words)
    assert not bargein.word("oui")
    assert bargein.word("non")


def test_words_over_the_last_reply_do_not_count_against_this_one() -> None:
    bargein = BargeIn(2)
    bargein.word("wait")
    bargein.begin(5.0)
    assert not bargein.word("please")


def test_a_quiet_line_ends_no_reply() -> None:
    bargein = BargeIn(2)
    assert bargein.deadline() is None
    bargein.loud(1.0)
    bargein.quiet(1.2)
    assert bargein.deadline() is None


def test_noise_without_a_word_is_worth_a_pause_after_a_second_and_a_half() -> None:
    bargein = BargeIn(2)
    bargein.begin(1.0)
    bargein.loud(3.0)
    assert bargein.deadline() == 4.5
    assert not bargein.is_worded


def test_one_word_and_a_second_of_speech_end_a_reply() -> None:
    bargein = BargeIn(2)
    bargein.loud(3.0)
    bargein.word("mm-hm")
    assert bargein.deadline() == 4.5
    bargein.word("wait")
    assert bargein.deadline() == 4.0
    assert bargein.is_worded


def test_a_line_that_was_loud_before_the_reply_does_not_cut_it_off_at_its_first_frame() -> None:
    bargein = BargeIn(2)
    bargein.loud(3.0)
    bargein.begin(60.0)
    assert bargein.deadline() == 61.5


def doubting(*, at: float = 4.5) -> BargeIn:
    bargein = BargeIn(3)
    bargein.begin(1.0)
    bargein.loud(3.0)
    bargein.doubt(at)
    return bargein


def test_while_in_doubt_a_single_word_is_enough() -> None:
    bargein = doubting()
    assert not bargein.word("mm-hm")
    assert bargein.word("wait")


def test_a_noise_is_only_a_noise_if_no_word_comes_within_a_second_of_its_end() -> None:
    bargein = doubting(at=4.5)
    assert bargein.deadline() == 8.5  # or if it does not end
    bargein.quiet(5.0)
    assert bargein.deadline() == 6.0
    bargein.loud(5.5)
    assert bargein.deadline() == 8.5


def test_a_noise_that_was_over_long_ago_leaves_no_doubt() -> None:
    bargein = doubting(at=4.5)
    bargein.quiet(3.2)
    assert bargein.deadline() == 4.5


def test_each_false_alarm_of_a_call_makes_the_next_harder() -> None:
    bargein = doubting()
    bargein.begin(10.0)
    assert bargein.deadline() == 13.0
    bargein.doubt(13.0)
    bargein.begin(20.0)
    assert bargein.deadline() == 26.0
