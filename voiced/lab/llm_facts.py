"""What a stand-in model understands of a booking: from words to values, and back. Pure.

It knows a few topics. A field of a schema, be it a tool's parameter or something to take down of a
call, is about one of them by its name; what it gets is by the field's own type and format.
"""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from enum import Enum
from typing import Any, Final

from attrs import frozen

from voiced.lab.llm_talk import Line, Party, Schema

NUMBERS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve")  # fmt: skip
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBER: Final = "|".join((*NUMBERS, "[1-9]|1[0-2]"))
_DAY: Final = "|".join((*DAYS, "today", "tomorrow"))


class Topic(Enum):
    """What a field can be about; the values are patterns for its name."""

    GUESTS = r"guest|people|persons|party|covers"
    DAY = r"day|date"
    TIME = r"time|hour"
    REFERENCE = r"reference|booking_?(id|number)"
    BOOKED = r"booked|confirmed"
    WANTS_PERSON = r"person|human|transfer"
    NAME = r"name"

    @classmethod
    def of(cls, name: str) -> "Topic | None":
        """The topic of a field of this name; None: it is none of them."""
        return next((each for each in cls if re.search(each.value, name, re.I)), None)


@frozen
class Fact:
    """What is known of a topic: in the speaker's own words for it, the value as it would be said,
    and the words around it that prove it."""

    said: str
    words: str


@frozen
class Pattern:
    """How a topic is spoken of. The group that matches is the value."""

    topic: Topic
    who: Party
    form: str


_PATTERNS: Final = (
    Pattern(Topic.GUESTS, Party.CALLER,
            rf"\b(?:for )?({_NUMBER}) (?:people|persons|guests|of us)\b"
            rf"|\bfor ({_NUMBER})\b(?! o'?clock)"),
    Pattern(Topic.DAY, Party.CALLER, rf"\b({_DAY})\b"),
    Pattern(Topic.TIME, Party.CALLER, rf"\bat (noon|{_NUMBER})\b|\b({_NUMBER}) o'?clock\b"),
    Pattern(Topic.NAME, Party.CALLER, r"\bmy name is ([\w'-]+)"),
    Pattern(Topic.WANTS_PERSON, Party.CALLER,
            r"\b(?:speak|talk) (?:to|with) ((?:a|the) (?:person|human|manager)|somebody|someone)\b"
            r"|\b(put me through)\b"),
    Pattern(Topic.BOOKED, Party.AGENT, r"\b(is booked)\b"),
    Pattern(Topic.REFERENCE, Party.AGENT, r"\breference is (R\d+)\b"),
)  # fmt: skip
_OFFER: Final = re.compile(rf"\boffer you (noon|{_NUMBER})\b", re.I)
_YES: Final = re.compile(r"\b(yes|yeah|please do|that is right|sounds great)\b")
_TODAY: Final = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")


def agrees(question: str) -> bool:
    """Whether the caller says yes."""
    return bool(_YES.search(question))


def facts_in(lines: Sequence[Line]) -> dict[Topic, Fact]:
    """What was said of each topic; the last word counts. Who says yes to another time has said
    it."""
    known: dict[Topic, Fact] = {}
    offered: Fact | None = None
    for line in lines:
        if line.who is Party.CALLER and offered and agrees(line.text.lower()):
            known[Topic.TIME] = offered
        for pattern in _PATTERNS:
            if pattern.who is line.who:
                for found in re.finditer(pattern.form, line.text, re.I):
                    said = next(group for group in found.groups() if group)
                    known[pattern.topic] = Fact(said, found[0])
        offer = _OFFER.search(line.text) if line.who is Party.AGENT else None
        offered = Fact(offer[1].lower(), offer[1]) if offer else None
    return known


def today_in(text: str) -> date | None:
    """The day that a prompt says it is: the first date in it."""
    found = _TODAY.search(text)
    if found is None:
        return None
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


# --- values -------------------------------------------------------------------------------------


def value_of(topic: Topic, fact: Fact, schema: Schema, today: date | None) -> Any:
    """The fact as the field wants it."""
    node = plain_schema(schema)
    said = fact.said.lower()
    match topic:
        case Topic.GUESTS if node.get("type") in {"integer", "number"}:
            return _number(said)
        case Topic.DAY if node.get("format") == "date" and today:
            return _date(said, today).isoformat()
        case Topic.TIME if "format" in node or "pattern" in node:
            return _clock(said)
        case Topic.BOOKED | Topic.WANTS_PERSON:
            return True
        case Topic.REFERENCE | Topic.NAME:
            return fact.said
    return said


def plain_schema(schema: Schema) -> Schema:
    """The schema, of one that may be null instead the one that it is else."""
    kinds = (each for each in schema.get("anyOf", ()) if each.get("type") != "null")
    return next(kinds, schema)


def _number(said: str) -> int:
    return int(said) if said.isdigit() else NUMBERS.index(said) + 1


def _date(said: str, today: date) -> date:
    """The next day of this name; one that is today's is a week from today."""
    if said in {"today", "tomorrow"}:
        return today + timedelta(days=("today", "tomorrow").index(said))
    ahead = (DAYS.index(said) - today.weekday() - 1) % 7 + 1
    return today + timedelta(days=ahead)


def _clock(said: str) -> str:
    """A restaurant's hours: noon, then the hours of the afternoon and evening."""
    hour = 0 if said == "noon" else _number(said) % 12
    return f"{12 + hour:02}:00"


# --- and back -----------------------------------------------------------------------------------


def spoken_guests(value: Any) -> str:
    """`4` as "four"."""
    known = isinstance(value, int) and 1 <= value <= len(NUMBERS)
    return NUMBERS[value - 1] if known else str(value)


def spoken_day(value: Any, today: date | None) -> str:
    """`2026-11-22` as "tomorrow" or "on Sunday"; of a day that is further away the date."""
    said = str(value)
    if said in DAYS:
        return f"on {said.capitalize()}"
    try:
        day = date.fromisoformat(said)
    except ValueError:
        return said
    ahead = (day - today).days if today else -1
    if ahead in {0, 1}:
        return ("today", "tomorrow")[ahead]
    return f"on {DAYS[day.weekday()].capitalize()}" if 0 < ahead <= 7 else f"on {said}"


def spoken_time(value: Any) -> str:
    """`20:00` as "eight"."""
    found = re.fullmatch(r"(\d\d):00(:00)?", str(value))
    if not found:
        return str(value)
    return "noon" if found[1] == "12" else NUMBERS[(int(found[1]) - 1) % 12]
