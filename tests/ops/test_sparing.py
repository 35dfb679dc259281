"""What a stranger can bring about is logged sparingly."""

from voiced.ops.sparing import Sparing


def test_the_first_is_told_at_once() -> None:
    assert Sparing().due(0) == 0


def test_the_others_are_counted_and_told_of_after_a_minute() -> None:
    sparing = Sparing()
    told = [sparing.due(now) for now in (5, 5, 30, 64.9, 65, 66, 200, 300)]
    assert told == [0, None, None, None, 3, None, 1, 0]


def test_events_that_are_rare_are_all_told() -> None:
    sparing = Sparing(10)
    assert [sparing.due(now) for now in (0, 10, 20)] == [0, 0, 0]
