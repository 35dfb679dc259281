"""Hours of a week: what is within them, and what is wrong with them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.config.hours import DAYS, is_open, span
from voiced.config.routing import Route

PARIS = ZoneInfo("Europe/Paris")
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def at(day: str, time: str) -> datetime:
    """A moment of one week, on the clock on the wall."""
    hour, minute = map(int, time.split(":"))
    return MONDAY + timedelta(days=DAYS.index(day), hours=hour, minutes=minute)


def days_open(text: str) -> list[str]:
    """The days on which it is open at noon."""
    return [day for day in DAYS if is_open([text], at(day, "12:00"))]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri 09:00-18:00", "mon tue wed thu fri"),
        ("sat-mon 09:00-18:00", "mon sat sun"),
        ("sun-sun 09:00-18:00", "sun"),
        ("mon,wed 10:00-13:00", "mon wed"),
        ("mon, fri-sat 10:00-13:00", "mon fri sat"),
        ("daily 09:00-18:00", "mon tue wed thu fri sat sun"),
        ("  Tue  9:00 - 18:00 ", "tue"),
        ("tue-mon 09:00-18:00", "mon tue wed thu fri sat sun"),
    ],
)
def test_days_are_named_by_themselves_in_ranges_and_in_lists(text: str, days: str) -> None:
    assert days_open(text) == days.split()


@pytest.mark.parametrize(
    ("text", "day", "time", "expected"),
    [
        ("mon 09:00-18:00", "mon", "08:59", False),
        ("mon 09:00-18:00", "mon", "09:00", True),
        ("mon 09:00-18:00", "mon", "17:59", True),
        ("mon 09:00-18:00", "mon", "18:00", False),
        ("mon 18:00-24:00", "mon", "23:59", True),
        ("mon 18:00-24:00", "tue", "00:00", False),
        ("mon 00:00-24:00", "mon", "00:00", True),
        ("mon 00:00-24:00", "sun", "23:59", False),
        ("mon 22:00-00:00", "mon", "23:59", True),
        ("mon 22:00-00:00", "tue", "00:00", False),
        ("fri 22:00-06:00", "fri", "05:59", False),
        ("fri 22:00-06:00", "fri", "22:00", True),
        ("fri 22:00-06:00", "sat", "05:59", True),
        ("fri 22:00-06:00", "sat", "06:00", False),
        ("fri 22:00-06:00", "sat", "22:00", False),
        ("sun 22:00-06:00", "mon", "03:00", True),
        ("daily 22:00-06:00", "wed", "03:00", True),
        ("daily 22:00-06:00", "wed", "12:00", False),
        ("sat-mon 22:00-06:00", "tue", "03:00", True),
        ("sat-mon 22:00-06:00", "sat", "03:00", False),
    ],
)
def test_the_start_is_in_the_end_is_not_and_a_night_belongs_to_its_evening(
    text: str, day: str, time: str, *, expected: bool
) -> None:
    assert is_open([text], at(day, time)) is expected


def test_seconds_before_the_end_are_in() -> None:
    assert is_open(["mon 09:00-18:00"], MONDAY + timedelta(hours=17, minutes=59, seconds=59.9))


def test_one_of_several_spans_is_enough() -> None:
    hours = ["mon 09:00-12:00", "mon 14:00-18:00"]
    assert [is_open(hours, at("mon", time)) for time in ("11:00", "13:00", "15:00")] == [
        True,
        False,
        True,
    ]


def paris(utc: datetime, *hours: str) -> bool:
    return Route(hours=hours, time_zone="Europe/Paris").matches("", "", utc)


def test_the_hour_that_comes_twice_in_autumn_is_in_twice() -> None:
    for hour in (0, 1):  # 25 October 2026: 02:30 in summer time, and 02:30 in winter time
        utc = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        assert utc.astimezone(PARIS).hour == 2
        assert paris(utc, "sun 02:00-03:00")
        assert not paris(utc, "sun 03:00-04:00")
    assert paris(datetime(2026, 10, 25, 2, 0, tzinfo=UTC), "sun 03:00-04:00")


def test_the_hour_that_is_not_there_in_spring_shortens_the_night() -> None:
    before = datetime(2027, 3, 28, 0, 59, tzinfo=UTC)  # 01:59 in Paris
    after = before + timedelta(minutes=1)  # 03:00
    assert (before.astimezone(PARIS).hour, after.astimezone(PARIS).hour) == (1, 3)
    assert not any(paris(moment, "sun 02:00-03:00") for moment in (before, after))
    night = "sat 22:00-06:00"
    assert paris(before, night)
    assert paris(after, night)
    assert paris(datetime(2027, 3, 28, 3, 59, tzinfo=UTC), night)  # 05:59
    assert not paris(datetime(2027, 3, 28, 4, 0, tzinfo=UTC), night)


def test_office_hours_follow_the_change_of_the_clock() -> None:
    summer, winter = (
        datetime(2026, 7, 1, 7, 30, tzinfo=UTC),
        datetime(2026, 12, 2, 7, 30, tzinfo=UTC),
    )
    assert paris(summer, "mon-fri 09:00-18:00")
    assert not paris(winter, "mon-fri 09:00-18:00")


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), st.sampled_from(DAYS))
def test_a_day_and_the_rest_of_the_week_are_never_open_together(moment: datetime, day: str) -> None:
    after = DAYS[(DAYS.index(day) + 1) % 7]
    before = DAYS[DAYS.index(day) - 1]
    here = paris(moment.replace(tzinfo=UTC), f"{day} 00:00-24:00")
    rest = paris(moment.replace(tzinfo=UTC), f"{after}-{before} 00:00-24:00")
    assert here != rest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is not days and hours"),
        ("mon", "it is not days and hours"),
        ("09:00-18:00", "it is not days and hours"),
        ("mon 9-18", "it is not days and hours"),
        ("mon 09:00-18:00 and later", "it is not days and hours"),
        ("mon ٠٩:00-18:00", "it is not days and hours"),
        ("mun 09:00-18:00", "mun is not a day; did you mean "),
        ("mon- 09:00-18:00", "nothing is not a day"),
        ("mon,,tue 09:00-18:00", "nothing is not a day"),
        ("mon-wed-fri 09:00-18:00", "wed-fri is not a day"),
        ("mon 25:00-26:00", "25:00 is not a time of day"),
        ("mon 09:00-24:01", "24:01 is not a time of day"),
        ("mon 09:60-18:00", "09:60 is not a time of day"),
        ("mon 24:00-06:00", "24:00 is an end; a day begins at 00:00"),
        ("mon 09:00-09:00", "it ends when it begins; a whole day is 00:00-24:00"),
    ],
)
def test_what_is_no_hours_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the words are compared below
        span(text)
    assert words in str(caught.value)
