"""The restaurant's book: a small booking system, for agents that have tools.

    GET  /tables?guests=4&day=2026-11-22&time=20:00    {"free": true, "times": [...]}
    POST /bookings                                     201 {"reference": "R7", ...}
    GET  /bookings                                     all of it, for who wants to know

It lets in who has the key. At noon there is never a table left: 409, with the times at which there
is one. The same `Idempotency-Key` gives the same booking, however often it is sent.

Source: RFC 6750 for the key, RFC 9110 for the statuses, and the IETF's draft of the header
`Idempotency-Key` for what becomes of a key that comes again, with the same booking or another.
"""

import json
import re
import time
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from attrs import asdict, define, field, frozen

from voiced.lab.llm_model import as_json
from voiced.lab.server import Exchange, Request

TIMES: Final = ("12:00", "13:00", "20:00")
FULL: Final = frozenset({"12:00"})
MOST_GUESTS: Final = 12
MOST_BOOKINGS: Final = 1_000
FIRST: Final = 7
"""The number of the first reference: the book is not new."""

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Refused(Exception):
    """A request is answered with this status and sentence, and `more` beside it."""

    def __init__(self, status: int, told: str, **more: Any) -> None:
        super().__init__(told)
        self.status = status
        self.body = {"error": told, **more}


@frozen
class Wish:
    """A table that somebody wants: `day` is a date and `time` hours and minutes, as ISO 8601 has
    them."""

    guests: int
    day: str
    time: str


@define
class Booking:
    """A table that is booked. `at` is when, in Unix seconds; `requests` counts how often it was
    asked for under its key."""

    reference: str
    wish: Wish
    at: float
    requests: int = 1

    def shown(self) -> dict[str, Any]:
        """As its owner is told of it."""
        return {"reference": self.reference, **asdict(self.wish)}


@define
class Bookings:
    """The server. `keys` are those that are let in."""

    keys: frozenset[str]
    book: list[Booking] = field(factory=list)
    _by_key: dict[str, Booking] = field(factory=dict)

    async def handle(self, exchange: Exchange) -> None:
        """Answers one HTTP request."""
        try:
            status, body = self.answer(exchange.request)
        except Refused as refused:
            status, body = refused.status, refused.body
        headers = (("www-authenticate", "Bearer"),) if status == 401 else ()
        await exchange.respond(status, as_json(body), headers=headers)

    def answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        """The status and the body.

        Raises:
            Refused: there is another answer than was wanted.
        """
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key not in self.keys:
            raise Refused(401, "a key is needed: Authorization: Bearer ...")
        match request.method, request.path:
            case "GET", "/tables":
                return 200, self._look(_wish_in(_numbered(request.query)))
            case "POST", "/bookings":
                wish = _wish_in(_object(request.body))
                return 201, self._book(wish, request.headers.get("idempotency-key", ""))
            case "GET", "/bookings":
                return 200, {"bookings": [_kept(each) for each in self.book]}
            case _, ("/tables" | "/bookings"):
                raise Refused(405, "this is not how it is asked")
        raise Refused(404, "there is nothing here; there are /tables and /bookings")

    def _look(self, wish: Wish) -> dict[str, Any]:
        return {"free": wish.time not in FULL, "times": _times()}

    def _book(self, wish: Wish, key: str) -> dict[str, Any]:
        """Books a table, unless this key has one."""
        known = self._by_key.get(key)
        if known:
            if known.wish != wish:
                raise Refused(422, "this Idempotency-Key was used for another booking")
            known.requests += 1
            return known.shown()
        if wish.time in FULL:
            raise Refused(409, "no table left", times=_times())
        if len(self.book) >= MOST_BOOKINGS:
            raise Refused(503, "the book is full; start the lab again")
        booking = Booking(f"R{FIRST + len(self.book)}", wish, time.time())
        self.book.append(booking)
        if key:
            self._by_key[key] = booking
        return booking.shown()


def tools(url: str, key: str, agent: str = "default") -> str:
    """TOML: the tools of an agent that can use this server."""
    properties = (
        "guests = { type = 'integer', minimum = 1 }, day = { type = 'string', format = 'date' }, "
        "time = { type = 'string', format = 'time', description = 'as in 20:00' }"
    )
    shared = (
        f'headers = {{ Authorization = "Bearer {{secret}}" }}\nsecret = "{key}"\n'
        f"parameters = {{ type = 'object', required = ['guests', 'day', 'time'], "
        f"additionalProperties = false, properties = {{ {properties} }} }}\n"
        f"allow_private = true\n"
    )
    return (
        f'[[agent.{agent}.tool]]\nname = "find_table"\n'
        f'description = "Tells whether there is a table, and at which times there is one."\n'
        f'method = "GET"\nurl = "{url}/tables"\n{shared}\n'
        f'[[agent.{agent}.tool]]\nname = "book_table"\n'
        f'description = "Books a table. Say in the same answer what you are booking."\n'
        f'url = "{url}/bookings"\n{shared}commit = true\nsay = "I am booking that table."\n'
    )


def _times() -> list[str]:
    """At which there is a table."""
    return [each for each in TIMES if each not in FULL]


def _kept(booking: Booking) -> dict[str, Any]:
    return {**booking.shown(), "at": booking.at, "requests": booking.requests}


def _numbered(query: Mapping[str, str]) -> dict[str, object]:
    """A query's fields, of which one is a number."""
    guests = query.get("guests", "")
    number = int(guests) if re.fullmatch("[0-9]{1,3}", guests) else guests
    return {**query, "guests": number}


def _object(body: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Refused(400, "the body is not a JSON object")
    return value


def _wish_in(fields: Mapping[str, object]) -> Wish:
    """The table that is wanted.

    Raises:
        Refused: a field is missing, or cannot be used.
    """
    guests, day, at = fields.get("guests"), fields.get("day"), fields.get("time")
    if type(guests) is not int or not 1 <= guests <= MOST_GUESTS:
        raise Refused(422, f"guests: must be a number from 1 to {MOST_GUESTS}")
    if not isinstance(day, str) or not _is_date(day):
        raise Refused(422, "day: must be a date, as in 2026-11-22")
    if not isinstance(at, str) or not _TIME.fullmatch(at):
        raise Refused(422, "time: must be hours and minutes, as in 20:00")
    return Wish(guests, day, at)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
