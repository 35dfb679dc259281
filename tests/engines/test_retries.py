"""How often a voice without room is asked again, without a voice."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.engines.retries import FIRST_PAUSE_S, GROWTH, Retries


def attempts(total_s: float, refused_in_s: float = 0.0, began: float = 0.0) -> list[float]:
    """When each attempt begins, the first at nought, if all are refused."""
    retries, now, at = Retries(total_s), began, []
    while True:
        at.append(now - began)
        now += refused_in_s
        pause_s = retries.pause_s(now)
        if pause_s is None:
            return at
        now += pause_s


def test_the_pauses_grow_and_the_last_attempt_is_at_the_end_of_the_time() -> None:
    assert attempts(0.3) == pytest.approx([0, 0.05, 0.125, 0.2375, 0.3])


@pytest.mark.parametrize(("total_s", "count"), [(0.0, 1), (0.0005, 1), (0.02, 2), (5.0, 11)])
def test_the_time_may_be_none_or_long(total_s: float, count: int) -> None:
    assert len(attempts(total_s)) == count


def test_it_counts_from_the_first_refusal() -> None:
    assert attempts(0.3, 0.1) == pytest.approx([0, 0.15, 0.325])


def test_an_attempt_that_outlasts_the_time_is_the_last() -> None:
    assert attempts(0.3, 1.0) == pytest.approx([0, 1.05])


@given(st.floats(0, 5), st.floats(0, 1), st.floats(0, 1e9))
def test_no_attempt_begins_later_than_that(total_s: float, slow_s: float, began: float) -> None:
    at = attempts(total_s, slow_s, began)
    assert at[-1] <= slow_s + total_s + 1e-3
    pauses = [b - a - slow_s for a, b in pairwise(at[:-1])]
    assert pauses == pytest.approx(
        [FIRST_PAUSE_S * GROWTH**index for index in range(len(pauses))], abs=1e-3
    )
