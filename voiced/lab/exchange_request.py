"""What the REST API is asked, checked as Twilio checks it, and its refusals.

Source: Twilio's "Call resource" (create, update) and its "Error and warning dictionary".
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import frozen

from voiced.errors import VoicedError
from voiced.lab.exchange_account import Resource, is_number

MAX_TWIML = 4_000
MAX_RING_S = 600
EVENTS = ("initiated", "ringing", "answered", "completed")
Form = Mapping[str, Sequence[str]]
Chosen = TypeVar("Chosen", bound=Enum)


class ApiError(VoicedError):
    """A request is refused: HTTP status, Twilio's code, and its sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status}/{code}: {message}")
        self.status = status
        self.body: Resource = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }


class Detection(Enum):
    """What the API is asked to detect."""

    OFF = ""
    START = "Enable"
    MESSAGE_END = "DetectMessageEnd"


class Waiting(Enum):
    """Whether the call waits for the verdict."""

    SYNC = "false"
    ASYNC = "true"


@frozen
class NewCall:
    """A call to be placed."""

    to: str
    sender: str
    url: str
    twiml: str = ""
    status_callback: str = ""
    events: tuple[str, ...] = ("completed",)
    ring_s: float = 60.0
    time_limit_s: float = 14_400.0
    detection: Detection = Detection.OFF
    waiting: Waiting = Waiting.SYNC
    verdict_callback: str = ""


@frozen
class Update:
    """A change of a call; what is empty stays as it is."""

    status: str = ""
    url: str = ""
    twiml: str = ""
    time_limit_s: float | None = None


def read_new_call(form: Form, own_number: str) -> NewCall:
    """A creation's form.

    Raises:
        ApiError: what Twilio refuses.
    """
    url, twiml = _document(form)
    if not url and not twiml:
        raise ApiError(400, 21205, "Url parameter is required")
    callback = _callback(form, "StatusCallback", 21609)
    return NewCall(
        to=_to(form),
        sender=_sender(form, own_number),
        url=url,
        twiml=twiml,
        status_callback=callback,
        events=_events(form),
        ring_s=min(_integer(form, "Timeout", 60), MAX_RING_S),
        time_limit_s=_integer(form, "TimeLimit", 14_400),
        detection=_choice(form, "MachineDetection", Detection, Detection.OFF),
        waiting=_choice(form, "AsyncAmd", Waiting, Waiting.SYNC),
        verdict_callback=_callback(form, "AsyncAmdStatusCallback", 21609),
    )


def read_update(form: Form) -> Update:
    """An update's form; raises as `read_new_call` does."""
    url, twiml = _document(form)
    if url and twiml:
        raise ApiError(400, 20001, "Url and Twiml exclude each other")
    status = one(form, "Status")
    if status not in {"", "completed", "canceled"}:
        raise ApiError(400, 20001, "Status must be completed or canceled")
    limit = _integer(form, "TimeLimit", 0) if "TimeLimit" in form else None
    return Update(status, url, twiml, limit)


def one(form: Form, name: str) -> str:
    """A field's value: the last one, empty where there is none."""
    return form.get(name, [""])[-1]


def _to(form: Form) -> str:
    to = one(form, "To")
    if not to:
        raise ApiError(400, 21201, "No 'To' number is specified")
    if not is_number(to):
        raise ApiError(400, 21211, f"Invalid 'To' Phone Number: {to}")
    return to


def _sender(form: Form, own_number: str) -> str:
    sender = one(form, "From")
    if not is_number(sender):
        raise ApiError(400, 21212, f"Invalid From Number (caller ID): {sender}")
    if sender != own_number:
        raise ApiError(400, 21210, f"From phone number not verified: {sender}")
    return sender


def _document(form: Form) -> tuple[str, str]:
    url, twiml = one(form, "Url"), one(form, "Twiml")
    if url and not is_web_address(url):
        raise ApiError(400, 21205, f"Url is not a valid URL: {url}")
    if len(twiml) > MAX_TWIML:
        raise ApiError(400, 20001, f"Twiml is longer than {MAX_TWIML} characters")
    return url, twiml


def _callback(form: Form, name: str, code: int) -> str:
    url = one(form, name)
    if url and (not is_web_address(url) or "_" in (urlsplit(url).hostname or "")):
        raise ApiError(400, code, f"{name} is not a valid URL: {url}")
    return url


def _events(form: Form) -> tuple[str, ...]:
    events = tuple(form.get("StatusCallbackEvent", ["completed"]))
    if unknown := set(events) - set(EVENTS):
        raise ApiError(400, 21626, f"Invalid StatusCallbackEvent: {', '.join(sorted(unknown))}")
    return events


def _integer(form: Form, name: str, default: int) -> int:
    text = one(form, name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise ApiError(400, 20001, f"{name} must be an integer")
    return int(text)


def _choice(form: Form, name: str, kind: type[Chosen], default: Chosen) -> Chosen:
    text = one(form, name)
    if not text:
        return default
    if text not in {each.value for each in kind}:
        raise ApiError(400, 20001, f"{name} has an unknown value")
    return kind(text)


def is_web_address(url: str) -> bool:
    """Whether this is an absolute address of the web."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
