"""The heard ledger: marks and word times -> the words in the caller's ear."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.events import SpokenWord
from voiced.dialog.heard import Heard, Reached


def ledger(words: str, *times: SpokenWord, turn: int = 3) -> Heard:
    heard = Heard(turn)
    for word in words.split():
        heard.expect(word)
    for time in times:
        heard.word(time)
    return heard


def play(heard: Heard, seconds: float) -> dict[str, float]:
    """Queues frames; returns where each mark stands, in seconds of what was queued just now."""
    return {
        name: round((frame + 1) * 0.02, 2)
        for frame in range(round(seconds / 0.02))
        for name in heard.put()
    }


GOOD_MORNING = (
    SpokenWord("Good", 0.24, 0.56),
    SpokenWord("morning", 0.56, 1.1),
    SpokenWord("sir.", 1.12, 3.0),  # the last: its stop_s counts the drain
)


def test_a_mark_stands_at_the_end_of_each_word_and_names_its_turn() -> None:
    heard = ledger("Good morning sir.", *GOOD_MORNING)
    assert play(heard, 2.0) == {"3.1": 0.56, "3.2": 1.1, "3.3": 1.48}
    assert heard.finish() == "3.4"


def test_a_word_is_heard_when_its_mark_is_echoed() -> None:
    heard = ledger("Good morning sir.", *GOOD_MORNING)
    play(heard, 2.0)
    assert heard.text == ""
    assert heard.reached("3.1") is Reached.WORD
    assert heard.text == "Good"
    assert heard.reached("3.2") is Reached.WORD
    assert (heard.text, heard.heard_s) == ("Good morning", 1.1)
    assert heard.said == "Good morning sir."
    assert not heard.is_whole


def test_the_final_mark_proves_the_whole_reply() -> None:
    heard = ledger("Good morning sir. Unreported", *GOOD_MORNING)
    play(heard, 2.0)
    final = heard.finish()
    assert heard.reached("3.3") is Reached.WORD
    assert heard.text == "Good morning sir."
    assert heard.reached(final) is Reached.END
    assert heard.is_whole
    assert (heard.text, heard.heard_s) == (heard.said, 2.0)
    heard.cut()
    assert heard.is_whole


def test_echoes_after_a_clear_prove_nothing() -> None:
    heard = ledger("Good morning sir.", *GOOD_MORNING)
    play(heard, 2.0)
    final = heard.finish()
    heard.reached("3.1")
    heard.cut()
    assert [heard.reached(name) for name in ("3.2", "3.3", final)] == [Reached.NOTHING] * 3
    assert heard.text == "Good"
    assert not heard.is_whole


def test_a_reply_that_was_cut_takes_no_more_audio() -> None:
    heard = ledger("Good morning sir.", *GOOD_MORNING)
    heard.cut()
    assert play(heard, 2.0) == {}
    assert heard.reached(heard.finish()) is Reached.NOTHING
    assert heard.text == ""


def test_marks_of_others_and_echoes_seen_before_are_nothing() -> None:
    heard = ledger("Good morning sir.", *GOOD_MORNING)
    play(heard, 2.0)
    heard.reached("3.1")
    assert [heard.reached(name) for name in ("3.1", "2.2", "3.9", "")] == [Reached.NOTHING] * 4


def test_an_echo_out_of_order_takes_nothing_back() -> None:
    heard = ledger("Good morning sir.", *GOOD_MORNING)
    play(heard, 2.0)
    heard.reached("3.2")
    assert heard.reached("3.1") is Reached.WORD
    assert heard.text == "Good morning"


def test_a_pause_is_no_part_of_the_word_before_it() -> None:
    heard = ledger("Yes. Well", SpokenWord("Yes.", 0.0, 4.0), SpokenWord("Well", 4.0, None))
    assert play(heard, 5.0) == {"3.1": 0.36, "3.2": 4.44}


def test_a_time_that_comes_after_its_audio_is_marked_at_once() -> None:
    heard = ledger("Good morning sir.", GOOD_MORNING[0])
    assert play(heard, 2.0) == {"3.1": 0.56}
    heard.word(GOOD_MORNING[1])
    heard.word(GOOD_MORNING[2])
    assert heard.put() == ["3.2"]
    heard.reached("3.2")
    assert heard.text == "Good morning sir."


def test_words_that_end_in_one_frame_share_a_mark() -> None:
    heard = ledger("a b", SpokenWord("a", 0.1, 0.101), SpokenWord("b", 0.101, 0.11))
    assert play(heard, 1.0) == {"3.1": 0.12}


ABSURD = (math.nan, -5.0, math.inf, -math.inf, 1e300)


@pytest.mark.parametrize("absurd", ABSURD)
def test_an_absurd_time_does_not_harm_the_words_after_it(absurd: float) -> None:
    heard = ledger(
        "one two three",
        SpokenWord("one", 0.0, 0.3),
        SpokenWord("two", absurd, absurd),
        SpokenWord("three", 0.6, 0.9),
    )
    marks = play(heard, 1.0)
    assert list(marks.values()) == sorted(marks.values())
    assert marks["3.3"] == 0.9
    heard.reached("3.3")
    assert heard.text == "one two three"


@pytest.mark.parametrize(
    "reported",
    [
        ("9", "30", "or", "ten"),  # cut
        ("9 30", "or", "ten"),
        ("nine thirty", "or", "ten"),  # spelled out
        ("(9:30)", "OR", "ten..."),
        ("", "9:30", "—", "or", "ten"),
    ],
)
def test_words_are_matched_however_the_voice_reports_them(reported: tuple[str, ...]) -> None:
    times = [SpokenWord(word, float(n), None) for n, word in enumerate(reported)]
    heard = ledger("9:30 or ten please", *times)
    for name in play(heard, len(reported) + 1.0):
        heard.reached(name)
    assert heard.text == "9:30 or ten"


def test_a_word_never_sent_is_never_heard() -> None:
    heard = ledger("one", SpokenWord("table", 0.0, 0.2), SpokenWord("one", 0.2, 0.4))
    assert play(heard, 1.0) == {"3.1": 0.4}
    heard.reached("3.1")
    assert heard.text == "one"


def test_without_times_marks_stand_every_half_second_and_words_go_by_a_customary_rate() -> None:
    heard = ledger("abcdefg hijklm nopqrst uvwxyz")
    assert play(heard, 1.6) == {"3.1": 0.5, "3.2": 1.0, "3.3": 1.5}
    heard.reached("3.2")
    assert heard.text == "abcdefg hijklm"  # 13 letters a second
    heard.cut()
    assert heard.text == "abcdefg hijklm"


def test_without_times_words_go_by_their_share_once_the_length_is_known() -> None:
    heard = ledger("aaaa bbbb cccc dddd")
    play(heard, 4.0)
    final = heard.finish()
    heard.reached("3.4")
    assert (heard.heard_s, heard.text) == (2.0, "aaaa bbbb")
    assert heard.reached(final) is Reached.END
    assert heard.text == "aaaa bbbb cccc dddd"


def test_an_empty_reply_is_whole_when_its_final_mark_comes_back() -> None:
    heard = Heard(0)
    assert heard.reached(heard.finish()) is Reached.END
    assert (heard.text, heard.said, heard.is_whole) == ("", "", True)


def test_the_final_mark_is_the_last() -> None:
    heard = ledger("Good morning sir.", *GOOD_MORNING)
    final = heard.finish()
    assert heard.put() == []
    assert heard.finish() == final


SPOKEN = st.builds(
    SpokenWord,
    st.sampled_from(["one", "two", "three", "other", ""]),
    st.floats(),
    st.none() | st.floats(),
)


@given(words=st.lists(SPOKEN, max_size=20), echoes=st.integers(0, 40))
def test_whatever_the_times_the_words_heard_are_a_beginning_of_the_words_said(
    words: list[SpokenWord], echoes: int
) -> None:
    heard = ledger("one two three one two three")
    names = []
    for word in words:
        heard.word(word)
        names += [*heard.put(), *heard.put(1_600)]
    names.append(heard.finish())
    before = 0
    for name in names[:echoes]:
        heard.reached(name)
        assert heard.said.startswith(heard.text)
        assert len(heard.text) >= before
        before = len(heard.text)
    assert heard.is_whole == (echoes >= len(names))
    assert not heard.is_whole or heard.text == heard.said
