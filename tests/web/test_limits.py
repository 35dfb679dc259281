"""Token buckets for strangers, and the size of a crowd."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.web.limits import MAX_KEYS, Crowd, RateLimit


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    limit = RateLimit(60, burst=3)
    assert [limit.take("a", 100) for _ in range(4)] == [0, 0, 0, 1]
    assert limit.take("a", 100.25) == pytest.approx(0.75)
    assert limit.take("a", 101) == 0
    assert limit.take("a", 101) == 1


def test_a_whole_minutes_worth_may_come_at_once() -> None:
    limit = RateLimit(5)
    assert [limit.take("a", 0) for _ in range(6)] == [0, 0, 0, 0, 0, 12]


def test_asking_in_vain_costs_nothing() -> None:
    limit = RateLimit(60, burst=1)
    limit.take("a", 0)
    for _ in range(100):
        assert limit.take("a", 0.5) == pytest.approx(0.5)
    assert limit.take("a", 1) == 0


def test_guests_do_not_share() -> None:
    limit = RateLimit(1)
    assert limit.take("a", 0) == 0
    assert limit.take("a", 0) == 60
    assert limit.take("b", 0) == 0


@pytest.mark.parametrize("limit", [RateLimit(0), RateLimit(0, burst=5), RateLimit(5, burst=0)])
def test_a_limit_of_none_allows_none_ever(limit: RateLimit) -> None:
    assert limit.take("a", 1e9) == math.inf
    assert len(limit) == 0


def test_idle_guests_are_forgotten() -> None:
    limit = RateLimit(60, burst=10)
    limit.take("a", 0)
    limit.take("b", 5)
    limit.take("b", 9.9)
    assert len(limit) == 2
    limit.take("b", 10)  # a's bucket is full again
    assert len(limit) == 1
    assert limit.take("a", 10) == 0


def test_memory_is_bounded_and_the_least_recent_goes_first() -> None:
    limit = RateLimit(1)
    for n in range(MAX_KEYS):
        assert limit.take(str(n), 0) == 0
    assert limit.take("0", 1) > 0  # asked again: no longer the least recent
    for n in range(10):
        limit.take(f"new{n}", 1)
    assert len(limit) <= MAX_KEYS
    assert limit.take("0", 1) > 0
    assert limit.take("1", 1) == 0


@given(
    per_minute=st.integers(1, 1_000_000),
    burst=st.none() | st.integers(1, 100),
    start=st.floats(0, 1e7),
    pauses=st.lists(st.floats(0, 100), max_size=30),
)
def test_who_waits_as_told_is_allowed_and_nobody_exceeds_the_rate(
    per_minute: int, burst: int | None, start: float, pauses: list[float]
) -> None:
    limit = RateLimit(per_minute, burst)
    now, taken = start, 0
    for pause in pauses:
        now += pause
        wait = limit.take("a", now)
        if wait:
            now += wait + 1e-6
            assert limit.take("a", now) == 0
        taken += 1
    allowed = (burst or per_minute) + (now - start) * per_minute / 60
    assert taken <= allowed + 1e-3


def test_a_crowd_has_an_end_and_whoever_leaves_makes_room_once() -> None:
    crowd = Crowd(2)
    one, two = crowd.enter(), crowd.enter()
    assert one is not None
    assert two is not None
    assert crowd.enter() is None
    one.leave()
    one.leave()
    assert crowd.present == 1
    assert crowd.enter() is not None
    assert crowd.enter() is None
