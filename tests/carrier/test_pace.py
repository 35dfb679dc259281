"""Spacing: the times at which each may go."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voiced.carrier.pace import Pace


def test_the_first_goes_at_once_and_the_rest_in_their_turn() -> None:
    pace = Pace(2.0)
    assert [pace.next(100.0) for _ in range(4)] == [100.0, 100.5, 101.0, 101.5]


def test_a_place_that_nobody_took_is_not_saved_up() -> None:
    pace = Pace(1.0)
    assert pace.next(0.0) == 0.0
    assert [pace.next(60.0), pace.next(60.0)] == [60.0, 61.0]


def test_looking_takes_no_place() -> None:
    pace = Pace(1.0)
    assert pace.due(5.0) == 5.0
    assert pace.next(5.0) == 5.0
    assert pace.due(5.0) == pace.due(5.5) == 6.0
    assert pace.due(7.0) == 7.0


@given(st.floats(0.1, 100), st.lists(st.floats(0, 10), min_size=2, max_size=50))
def test_two_are_never_closer_than_the_interval(per_s: float, pauses: list[float]) -> None:
    pace, now, times = Pace(per_s), 0.0, []
    for pause in pauses:
        now += pause
        times.append(pace.next(now))
        assert times[-1] >= now
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 1 / per_s - 1e-9
