"""Which agent answers: routes by the number called, the caller and the hour."""

from datetime import datetime
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from voiced.config.agent import DEFAULT_AGENT
from voiced.config.declare import NUMBER, key, matches
from voiced.config.hours import HOURS, ZONE, is_open

WITHHELD = "withheld"
"""The pattern of a caller who does not show a number."""

_WITHHELD_AS = frozenset(
    {"", "anonymous", "restricted", "unavailable", "unknown", "blocked",
     "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"}
)  # fmt: skip
"""What a carrier puts in the place of a withheld number: a word, or that word on a keypad.

Source: Twilio's request parameters, "From"."""

_PATTERN = rf"{NUMBER}|\+[1-9][0-9]{{0,14}}\*|(client|sip):([^\s*]+|[^\s*]*\*)"
_FAULT = "it is not a pattern of numbers"
_USE = "a number as in +33123456789, its beginning as in +331*, client:NAME, sip:ADDRESS, "
CALLED = matches(f"({_PATTERN})?", _FAULT, f'{_USE}or "" for any')
CALLER = matches(f"({_PATTERN}|{WITHHELD})?", _FAULT, f'{_USE}{WITHHELD}, or "" for any')


@frozen(kw_only=True)
class Route:
    """Which agent answers whom and when; the first route that matches decides."""

    called: str = field(default="", metadata=key("The number that was dialled.", CALLED))
    caller: str = field(
        default="",
        metadata=key(
            f"The number that calls; `{WITHHELD}`: one that does not show itself.", CALLER
        ),
    )
    hours: tuple[str, ...] = field(
        default=(),
        metadata=key("When the route is open; empty: always. Else the next one is tried.", HOURS),
    )
    time_zone: str = field(
        default="",
        metadata=key('The zone of the hours, as in `Europe/Paris`; `""`: the machine\'s.', ZONE),
    )
    agent: str = field(default=DEFAULT_AGENT, metadata=key("The agent, `[agent.*]`."))

    def matches(self, called: str, caller: str, at: datetime) -> bool:
        """Whether a call at this moment (an aware datetime) is this route's; takes any strings."""
        return (
            _fits(self.called, called) and _fits_caller(self.caller, caller) and self._is_open(at)
        )

    def answers_as(self, other: "Route") -> bool:
        """Whether the other one takes the same calls, word for word, and so is never reached."""
        return evolve(self, agent=other.agent) == other

    def _is_open(self, at: datetime) -> bool:
        if not self.hours:
            return True
        return is_open(
            self.hours, at.astimezone(ZoneInfo(self.time_zone) if self.time_zone else None)
        )


def is_withheld(number: str) -> bool:
    """Whether the carrier sent this in the place of a caller's number."""
    return number.strip().casefold() in _WITHHELD_AS


def _fits_caller(pattern: str, number: str) -> bool:
    # The keypad spellings look like numbers of some country, and must not match its pattern.
    if pattern and is_withheld(number):
        return pattern == WITHHELD
    return pattern != WITHHELD and _fits(pattern, number)


def _fits(pattern: str, number: str) -> bool:
    if pattern.endswith("*"):
        return number.startswith(pattern[:-1])
    return pattern in ("", number)
