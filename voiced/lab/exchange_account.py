"""The account's books: each call's resource, as Twilio's REST API shows it.

Source: Twilio's "Call resource": texts where one expects numbers, nulls where nothing is known,
dates of RFC 2822.
"""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum

import trio
from attrs import define, field

from voiced.lab.phone_record import Kind
from voiced.lab.phone_reins import Reins

VERSION = "2010-04-01"
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
Resource = dict[str, object]


class Status(Enum):
    """A call's status; from BUSY on it is over."""

    QUEUED = "queued"
    INITIATED = "initiated"  # callbacks only
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"


LIVE = frozenset({Status.QUEUED, Status.INITIATED, Status.RINGING, Status.IN_PROGRESS})


def date(at: datetime | None) -> str | None:
    """As Twilio writes it: `Fri, 20 Nov 2026 10:00:00 +0000`."""
    return format_datetime(at) if at else None


def new_sid(prefix: str) -> str:
    """A fresh SID: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


@define(eq=False)
class Entry:
    """A call in the books: one leg."""

    sender: str
    to: str
    direction: str
    parent: str | None = None
    sid: str = field(factory=lambda: new_sid("CA"))
    status: Status = Status.QUEUED
    answered_by: str | None = None
    queue_ms: int = 0
    reins: Reins = field(factory=Reins)
    note: Callable[[Kind, str], None] = field(default=lambda kind, text: None)
    """Where what happens to the call is told."""
    created: datetime = field(factory=lambda: datetime.now(UTC))
    answered_at: float | None = None
    ended_at: float | None = None

    @property
    def is_over(self) -> bool:
        return self.status not in LIVE

    @property
    def duration_s(self) -> float:
        """Since it was answered."""
        if self.answered_at is None:
            return 0.0
        end = trio.current_time() if self.ended_at is None else self.ended_at
        return end - self.answered_at

    def answer(self) -> None:
        """Somebody took it."""
        self.answered_at = trio.current_time()
        self.status = Status.IN_PROGRESS

    def finish(self, status: Status) -> None:
        """It is over; the first word on this stands."""
        if self.ended_at is None:
            self.ended_at = trio.current_time()
        if not self.is_over:
            self.status = status

    def limit(self, seconds: float) -> None:
        """It may last so long from its answer (from now, if it has none)."""
        start = trio.current_time() if self.answered_at is None else self.answered_at
        self.reins.limit(start + seconds)


@define(eq=False)
class Account:
    """An account's calls and its number, as resources."""

    sid: str
    number: str
    voice_url: str
    status_callback: str = ""
    entries: dict[str, Entry] = field(factory=dict, init=False)

    def open(self, entry: Entry) -> Entry:
        """Enters a call."""
        self.entries[entry.sid] = entry
        return entry

    def call(self, entry: Entry) -> Resource:
        """A call's resource."""
        uri = f"/{VERSION}/Accounts/{self.sid}/Calls/{entry.sid}"
        answered = entry.answered_at is not None
        start, end = _moment(entry.answered_at), _moment(entry.ended_at)
        return {
            "sid": entry.sid, "account_sid": self.sid, "api_version": VERSION,
            "to": entry.to, "to_formatted": entry.to,
            "from": entry.sender, "from_formatted": entry.sender,
            "phone_number_sid": None, "parent_call_sid": entry.parent,
            "status": entry.status.value, "direction": entry.direction,
            "start_time": date(start), "end_time": date(end),
            "duration": str(round(entry.duration_s)) if answered and entry.is_over else None,
            "price": None, "price_unit": "USD", "answered_by": entry.answered_by,
            "annotation": None, "caller_name": None, "forwarded_from": None, "group_sid": None,
            "queue_time": str(entry.queue_ms), "trunk_sid": None,
            "date_created": date(entry.created), "date_updated": date(end or start),
            "uri": f"{uri}.json", "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
        }  # fmt: skip

    def account(self) -> Resource:
        """The account's own resource."""
        uri = f"/{VERSION}/Accounts/{self.sid}"
        return {
            "sid": self.sid, "friendly_name": "The lab's exchange", "status": "active",
            "type": "Full", "auth_token": None, "owner_account_sid": self.sid,
            "date_created": None, "date_updated": None, "uri": f"{uri}.json",
            "subresource_uris": {"calls": f"{uri}/Calls.json"},
        }  # fmt: skip

    def numbers(self, wanted: str) -> Resource:
        """The list of the account's numbers that contain `wanted`, on one page."""
        uri = f"/{VERSION}/Accounts/{self.sid}/IncomingPhoneNumbers.json"
        found = wanted.strip("*") in self.number
        return {
            "incoming_phone_numbers": [self._number()] if found else [],
            "page": 0, "page_size": 50, "start": 0, "end": 0, "uri": uri, "first_page_uri": uri,
            "next_page_uri": None, "previous_page_uri": None,
        }  # fmt: skip

    def _number(self) -> Resource:
        return {
            "sid": "PN" + "2".zfill(32), "account_sid": self.sid, "phone_number": self.number,
            "friendly_name": self.number, "voice_url": self.voice_url, "voice_method": "POST",
            "voice_fallback_url": "", "voice_fallback_method": "POST",
            "voice_application_sid": "", "status_callback": self.status_callback,
            "status_callback_method": "POST", "trunk_sid": None, "status": "in-use",
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "api_version": VERSION, "origin": "twilio", "beta": False,
        }  # fmt: skip


def _moment(at: float | None) -> datetime | None:
    """A time of Trio's clock as a date."""
    if at is None:
        return None
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - trio.current_time() + at, UTC)


def is_number(text: str) -> bool:
    """Whether this may be dialled: E.164, or a client or SIP address."""
    return bool(E164.fullmatch(text)) or text.startswith(("client:", "sip:"))
