"""Keypad input: when it is over, and that no key is lost or doubled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.digits import KEYS, DigitRule, Digits


def presses(digits: Digits, keys: str, now: float = 0.0) -> list[str]:
    """Presses the keys at one moment; returns the inputs that were over."""
    inputs = [digits.press(key, now) for key in keys]
    return [each for each in inputs if each is not None]


def test_the_terminator_ends_an_input_and_is_no_part_of_it() -> None:
    digits = Digits(DigitRule())
    assert presses(digits, "12") == []
    assert digits.pending == "12"
    assert digits.press("#", 0.5) == "12"
    assert digits.pending == ""
    assert digits.deadline() is None


def test_a_terminator_alone_is_the_input() -> None:
    assert presses(Digits(DigitRule()), "##1#") == ["#", "#", "1"]


def test_another_key_may_be_the_terminator() -> None:
    assert presses(Digits(DigitRule(end="*")), "1#2*") == ["1#2"]


def test_without_a_terminator_every_key_belongs_to_the_input() -> None:
    digits = Digits(DigitRule(end=""))
    assert presses(digits, "1#*") == []
    assert digits.expire(2.0) == "1#*"


def test_a_pause_ends_an_input() -> None:
    digits = Digits(DigitRule(timeout_s=2.0))
    assert digits.deadline() is None
    assert digits.expire(100.0) is None
    digits.press("1", 10.0)
    assert digits.deadline() == 12.0
    digits.press("2", 11.0)
    assert digits.deadline() == 13.0
    assert digits.expire(12.9) is None
    assert digits.expire(13.0) == "12"
    assert digits.expire(99.0) is None
    assert digits.deadline() is None


def test_the_longest_input_is_over_at_once() -> None:
    digits = Digits(DigitRule(most=4))
    assert presses(digits, "12345678#") == ["1234", "5678", "#"]


@pytest.mark.parametrize("other", ["", "E", "a", "12", "##", " ", "+", "\ud800", "١"])
def test_what_is_no_key_is_ignored(other: str) -> None:
    digits = Digits(DigitRule())
    digits.press("1", 0.0)
    assert digits.press(other, 1.0) is None
    assert digits.pending == "1"
    assert digits.deadline() == 2.0


def test_all_sixteen_keys_are_known() -> None:
    digits = Digits(DigitRule(end=""))
    for key in "1234567890*#ABCD":
        digits.press(key, 0.0)
    assert digits.take() == "1234567890*#ABCD"


def test_what_is_taken_is_forgotten() -> None:
    digits = Digits(DigitRule())
    digits.press("7", 0.0)
    assert digits.take() == "7"
    assert digits.take() == ""
    assert digits.pending == ""
    assert digits.deadline() is None


def test_a_key_after_the_deadline_begins_the_next_input() -> None:
    digits = Digits(DigitRule(timeout_s=2.0))
    digits.press("1", 0.0)
    assert digits.press("2", 2.0) == "1"
    assert digits.pending == "2"
    assert digits.deadline() == 4.0


def test_a_late_key_that_is_an_input_of_its_own_is_due_at_once() -> None:
    digits = Digits(DigitRule(timeout_s=2.0))
    digits.press("1", 0.0)
    assert digits.press("#", 5.0) == "1"
    assert digits.deadline() == 5.0
    assert digits.expire(5.0) == "#"

    digits.press("1", 0.0)
    assert presses(digits, "##", 5.0) == ["1", "#"]
    assert digits.expire(5.0) == "#"


rules = st.builds(
    DigitRule,
    end=st.sampled_from(["", *sorted(KEYS)]),
    timeout_s=st.floats(0.5, 30),
    most=st.integers(1, 6),
)
steps = st.lists(
    st.tuples(
        st.sampled_from([*sorted(KEYS), "x", ""]),
        st.floats(0, 10),
        st.sampled_from(["", "expire", "take"]),
    ),
    max_size=60,
)


@given(rules, steps)
def test_no_key_is_lost_or_doubled(rule: DigitRule, steps: list[tuple[str, float, str]]) -> None:
    """Every key comes out once and in order; only a terminator behind other keys goes."""
    digits, now, inputs, pressed = Digits(rule), 0.0, [], ""
    for key, pause, between in steps:
        now += pause
        if between == "expire":
            inputs.append(digits.expire(now))
        elif between == "take":
            inputs.append(digits.take())
        before, due = digits.pending, digits.deadline()
        inputs.append(digits.press(key, now))
        if key in KEYS:
            fresh = not before or (due is not None and now >= due)
            pressed += key if key != rule.end or fresh else ""
        assert len(digits.pending) <= rule.most
        assert (digits.deadline() is None) == (not digits.pending)
    inputs.append(digits.take())
    assert "".join(each for each in inputs if each is not None) == pressed
    assert all(len(each) <= rule.most for each in inputs if each is not None)


@given(rules, st.lists(st.tuples(st.sampled_from(sorted(KEYS)), st.floats(0, 10)), max_size=40))
def test_inputs_are_the_same_whether_or_not_the_deadline_is_watched(
    rule: DigitRule, keys: list[tuple[str, float]]
) -> None:
    watched, unwatched, now = Digits(rule), Digits(rule), 0.0
    seen: list[str | None] = []
    asked: list[str | None] = []
    for key, pause in keys:
        now += pause
        seen += [watched.expire(now), watched.press(key, now), watched.expire(now)]
        asked.append(unwatched.press(key, now))
    for digits, inputs in ((watched, seen), (unwatched, asked)):
        inputs.append(digits.expire(now + rule.timeout_s))
        assert digits.pending == ""
    assert [each for each in seen if each] == [each for each in asked if each]
