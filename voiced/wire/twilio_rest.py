"""Twilio's REST API, version 2010-04-01: forms to send, JSON and errors that come back.

Numbers come as strings (`"duration": "49"`) or as null, and look-alikes send integers; all are
taken. A text of an answer that is not there is "".

Source: Twilio's "Call resource", "Account resource", "IncomingPhoneNumber resource" and "Error
and warning dictionary"; names as in twilio-python.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeAlias

from attrs import frozen

from voiced.errors import WireError
from voiced.wire.fields import (
    JsonObject,
    array,
    as_object,
    encodable,
    json_value,
    optional_text,
    optional_whole,
    text,
)

Form: TypeAlias = list[tuple[str, str]]
"""A form in order; a name may come again."""

MAX_BODY: Final = 64 * 1024
"""The longest answer that is read, in bytes."""

MAX_TEXT: Final = 200
"""Twilio's own words about an error are cut to this many characters."""

OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""The statuses of a call that has ended, or never was."""

EVENTS: Final = ("initiated", "ringing", "answered", "completed")
"""Each step of a call that its status callback is asked for."""

COMPLETE: Final = (("Status", "completed"),)
"""Ends a call, also one in progress."""

CANCEL: Final = (("Status", "canceled"),)
"""Ends a call that is queued or rings, and no other."""

CALL_NOT_IN_PROGRESS: Final = 21220
NOT_FOUND: Final = 20404

SID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""An id, as it may stand in a path; Twilio's own are two letters and 32 hexadecimal digits."""

_MAX_VALUE: Final = 1024
_MAX_NUMBER: Final = 10**9
_NUMBER: Final = re.compile(r"\+?[0-9]{7,}")
_GONE: Final = frozenset({(404, NOT_FOUND), (400, CALL_NOT_IN_PROGRESS)})

_NOT_OURS: Final = (
    "twilio.phone_number is neither a number of this account nor verified by it: "
    "correct the key, or verify the number in Twilio's console"
)
_NO_NUMBER: Final = "the number to call is not valid: write it with its country, as in +33123456789"
_SLOWER: Final = "the account asks for too much at once: try again later"
_HINTS: Final[Mapping[int, str]] = {
    10004: "the account has too many calls at once: wait until one ends, or raise its limit",
    20003: "Twilio does not accept the account's keys: "
    "check twilio.account_sid and twilio.auth_token",
    NOT_FOUND: "Twilio does not have it: it is gone, or twilio.account_sid is another account's",
    20429: _SLOWER,
    21201: "the number to call is missing",
    21205: "Twilio cannot use our address: check server.public_url",
    21210: _NOT_OURS,
    21211: _NO_NUMBER,
    21212: _NOT_OURS,
    21214: "the number to call cannot be reached: check it",
    21215: "the account may not call that country: "
    "enable it in Twilio's console under Voice, Geographic permissions",
    21216: "the account may not call that number: Twilio blocks it, ask its support why",
    21217: _NO_NUMBER,
    21219: "a trial account calls verified numbers only: "
    "verify the number in Twilio's console, or upgrade the account",
    CALL_NOT_IN_PROGRESS: "the call cannot be changed any more: it has ended",
    22005: "the call waited too long for its turn: place fewer, or have the account's calls per "
    "second raised",
}


class Machine(Enum):
    """Whether Twilio tells a person from an answering machine, and when it says so."""

    NONE = ""
    DETECT = "Enable"
    MESSAGE_END = "DetectMessageEnd"


@frozen
class NewCall:
    """A call to place.

    `to` and `sender` are E.164 numbers; `url` answers with the TwiML once the call is taken;
    `time_limit_s` is the longest call, `ring_s` the longest ringing.
    """

    to: str
    sender: str
    url: str
    status_callback: str
    time_limit_s: int
    ring_s: int
    machine: Machine = Machine.NONE


@frozen
class CallResource:
    """A call as Twilio knows it. `queue_ms`: how long it is expected to wait for its turn."""

    sid: str
    status: str
    to: str
    sender: str
    direction: str
    answered_by: str | None
    duration_s: int | None
    queue_ms: int | None

    @property
    def is_over(self) -> bool:
        return self.status in OVER


@frozen
class Account:
    """`status` is active, suspended or closed; `type` is Full or Trial."""

    sid: str
    status: str
    type: str


@frozen
class IncomingNumber:
    """A number of the account, and what it does with a call. "" is what is not set."""

    phone_number: str
    voice_url: str
    voice_method: str
    status_callback: str
    voice_fallback_url: str
    voice_application_sid: str


@frozen
class RestError:
    """Twilio's refusal.

    `code` is Twilio's own number, 0 where it gave none. `message` is in Twilio's words, without
    telephone numbers; `hint` is ours and says what to do, "" where we know of nothing.
    `retryable`: the same request may succeed later. `is_gone`: the call that was asked about has
    ended, or is none.
    """

    status: int
    code: int
    message: str
    hint: str
    retryable: bool
    is_gone: bool


def create_form(new: NewCall) -> Form:
    """The form that places a call.

    Machine detection is asynchronous: the caller is not left in silence while Twilio listens.
    """
    form = [
        ("To", new.to),
        ("From", new.sender),
        ("Url", new.url),
        ("Method", "POST"),
        ("StatusCallback", new.status_callback),
        *(("StatusCallbackEvent", event) for event in EVENTS),
        ("Timeout", str(new.ring_s)),
        ("TimeLimit", str(new.time_limit_s)),
    ]
    if new.machine is not Machine.NONE:
        form += [
            ("MachineDetection", new.machine.value),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", new.status_callback),
        ]
    return form


def redirect_form(url: str) -> Form:
    """The form that has a call in progress go on with the TwiML at `url`."""
    return [("Url", url), ("Method", "POST")]


def limit_form(seconds: int) -> Form:
    """The form that ends a call when it has lasted so long."""
    return [("TimeLimit", str(seconds))]


def parse_call(body: bytes) -> CallResource:
    """Reads a call.

    Raises:
        WireError: too long, not a JSON object, a field missing or of the wrong type.
    """
    call = _object(body)
    return CallResource(
        _sid(call),
        _bounded("status", text(call, "status")),
        _text(call, "to"),
        _text(call, "from"),
        _text(call, "direction"),
        _text(call, "answered_by") or None,
        _count(call, "duration"),
        _count(call, "queue_time"),
    )


def parse_account(body: bytes) -> Account:
    """Reads an account; raises as `parse_call`."""
    account = _object(body)
    return Account(_sid(account), _text(account, "status"), _text(account, "type"))


def parse_numbers(body: bytes) -> tuple[IncomingNumber, ...]:
    """Reads a page of the account's numbers; raises as `parse_call`."""
    numbers = map(as_object, array(_object(body), "incoming_phone_numbers"))
    return tuple(
        IncomingNumber(
            _bounded("phone_number", text(number, "phone_number")),
            _text(number, "voice_url"),
            _text(number, "voice_method"),
            _text(number, "status_callback"),
            _text(number, "voice_fallback_url"),
            _text(number, "voice_application_sid"),
        )
        for number in numbers
    )


def error_of(status: int, body: bytes) -> RestError:
    """The error in an answer that is not 2xx. Never raises: the body may be anything."""
    try:
        answer = _object(body)
    except WireError:
        answer = {}  # a proxy's page
    code, message = answer.get("code"), answer.get("message")
    code = code if type(code) is int and 0 <= code <= _MAX_NUMBER else 0
    one_line = " ".join(encodable(message).split()) if isinstance(message, str) else ""
    return RestError(
        status,
        code,
        _NUMBER.sub("(number)", one_line)[:MAX_TEXT],
        _HINTS.get(code) or (_SLOWER if status == 429 else ""),
        retryable=status == 429 or status >= 500,
        is_gone=(status, code) in _GONE,
    )


def _object(body: bytes) -> JsonObject:
    if len(body) > MAX_BODY:
        raise WireError("answer too long")
    return as_object(json_value(body))


def _sid(parent: JsonObject) -> str:
    sid = text(parent, "sid")
    if not SID.fullmatch(sid):
        raise WireError("sid: malformed")
    return sid


def _text(parent: JsonObject, key: str) -> str:
    return _bounded(key, optional_text(parent, key) or "")


def _bounded(key: str, value: str) -> str:
    if len(value) > _MAX_VALUE:
        raise WireError(f"{key}: too long")
    return value


def _count(parent: JsonObject, key: str) -> int | None:
    value = optional_whole(parent, key)
    if value is not None and not 0 <= value <= _MAX_NUMBER:
        raise WireError(f"{key}: out of range")
    return value
