"""Hours of a week, as a person writes them: `mon-fri 09:00-18:00`."""

import re
from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from attrs import frozen

from voiced.config.declare import Check, nearest

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAILY = "daily"
_TIME = r"([0-9]{1,2}:[0-9]{2})"
_HOURS = re.compile(rf"(\S.*?)\s+{_TIME}\s*-\s*{_TIME}")
_DAY_MINUTES = 24 * 60


@frozen
class Span:
    """The same hours on some days; minutes since midnight by the clock on the wall.

    With `end` not after `start` it goes on into the next day, and belongs to the day it starts.
    """

    days: frozenset[int]
    start: int
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether it is on at this minute of this day (0: Monday); the end is outside."""
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        begun = weekday in self.days and minute >= self.start
        goes_on = (weekday - 1) % 7 in self.days and minute < self.end
        return begun or goes_on


def is_open(hours: Iterable[str], at: datetime) -> bool:
    """Whether the wall clock `at` is within one of the hours, which have been checked.

    The clock on the wall decides: where a time comes twice in autumn both are in, and a span is
    shorter in spring by the hour that is not there.
    """
    minute = at.hour * 60 + at.minute
    return any(span(text).holds(at.weekday(), minute) for text in hours)


@cache
def span(text: str) -> Span:
    """The meaning of `mon-fri 09:00-18:00`, `sat,sun 10:00-12:00`, `daily 22:00-06:00`.

    Raises:
        ValueError: a sentence on what is wrong.
    """
    found = _HOURS.fullmatch(text.strip().lower())
    if not found:
        raise ValueError("it is not days and hours")
    days, start, end = _days(found[1]), _minute(found[2]), _minute(found[3])
    if start == _DAY_MINUTES:
        raise ValueError("24:00 is an end; a day begins at 00:00")
    if start == end:
        raise ValueError("it ends when it begins; a whole day is 00:00-24:00")
    return Span(days, start, end)


def _minute(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY_MINUTES:
        raise ValueError(f"{text} is not a time of day")
    return hour * 60 + minute


def _days(text: str) -> frozenset[int]:
    if text == DAILY:
        return frozenset(range(7))
    return frozenset(day for part in text.split(",") for day in _range(part))


def _range(text: str) -> list[int]:
    """`mon`, or `sat-mon`, which goes on over the end of the week."""
    ends = [_day(name.strip()) for name in text.split("-", 1)]
    return [(ends[0] + ahead) % 7 for ahead in range((ends[-1] - ends[0]) % 7 + 1)]


def _day(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"{name or 'nothing'} is not a day{nearest(name, (*DAYS, DAILY))}")
    return DAYS.index(name)


def _hours_fault(text: str) -> str:
    try:
        span(text)
    except ValueError as error:
        return str(error)
    return ""


def _zone_fault(name: str) -> str:
    if not name:
        return ""
    zones = available_timezones()
    if not zones:
        return "this machine knows no time zones; install the package tzdata"
    # All six hundred as a hint would help nobody, so `nearest` gets the close ones only.
    close = nearest(name, get_close_matches(name, zones, n=1, cutoff=0.5))
    return "" if name in zones else f"it is not a time zone{close}"


HOURS = Check(
    'days and hours, as in "mon-fri 09:00-18:00", "sat,sun 10:00-12:00" or "daily 22:00-06:00"',
    _hours_fault,
)
ZONE = Check("the name of a zone, as in Europe/Paris", _zone_fault)
