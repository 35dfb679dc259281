"""Webhooks as Twilio sends them, signed by Twilio's own library, and its TwiML as trees."""

import uuid
from collections.abc import Sequence
from urllib.parse import urlencode
from xml.etree import ElementTree

from guests import CALL, ENGLISH, PUBLIC, TOKEN, House
from twilio.request_validator import RequestValidator
from twilio.twiml import TwiML

Pairs = Sequence[tuple[str, str]]
Tree = tuple[str, dict[str, str], str, list["Tree"]]

ACCOUNT = "AC" + "1" * 32
CALLER = "+15550100001"

RINGS = {
    "CallSid": CALL, "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "CallStatus": "ringing",
    "Direction": "inbound", "From": CALLER, "To": ENGLISH, "Caller": CALLER, "Called": ENGLISH,
    "FromCity": "", "FromState": "CA", "FromZip": "", "FromCountry": "US", "ToCity": "",
    "ToState": "", "ToZip": "", "ToCountry": "US", "CallerCity": "", "CallerState": "CA",
    "CallerZip": "", "CallerCountry": "US", "CalledCity": "", "CalledState": "", "CalledZip": "",
    "CalledCountry": "US", "StirVerstat": "TN-Validation-Passed-A", "CallToken": '{"parent":null}',
}  # fmt: skip
"""What is posted about a call that rings."""


class Fields:
    """A form with repeated names, as twilio-python takes it from Django."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def __iter__(self) -> object:
        return iter([name for name, _ in self._pairs])

    def getlist(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]


def signature(url: str, pairs: Pairs, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, Fields(pairs) if pairs else {}))


def webhook(
    path: str,
    form: dict[str, str] | Pairs,
    *,
    token: str = TOKEN,
    public: str = PUBLIC,
    signed: str | None = None,
) -> bytes:
    """A request; `signed` is a signature of one's own, "" for none."""
    pairs = list(form.items()) if isinstance(form, dict) else list(form)
    given = signature(public + path, pairs, token) if signed is None else signed
    return raw(path, urlencode(pairs).encode(), given)


def raw(path: str, body: bytes, given: str, kind: str = "") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1", "Host: voice.example.com", "User-Agent: TwilioProxy/1.1",
        f"Content-Length: {len(body)}", "Accept: */*", "X-Home-Region: us1",
        f"Content-Type: {kind or 'application/x-www-form-urlencoded; charset=UTF-8'}",
        f"I-Twilio-Idempotency-Token: {uuid.UUID(int=7)}",
        *([f"X-Twilio-Signature: {given}"] if given else []),
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


async def told(open_house: House, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer."""
    status, _, body = await open_house.knock().ask(request)
    return status, body


async def twiml(open_house: House, request: bytes) -> Tree:
    """The document of the answer, which must be TwiML as Twilio takes it."""
    status, headers, body = await open_house.knock().ask(request)
    assert (status, headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert len(body) <= 64 * 1024
    return tree(body)


def tree(document: bytes | TwiML) -> Tree:
    """A document by a real XML parser; twilio-python's, written out, in the same way."""
    text = document if isinstance(document, bytes) else str(document).encode()
    return _branch(ElementTree.fromstring(text))


def _branch(element: ElementTree.Element) -> Tree:
    children = [_branch(each) for each in element]
    return element.tag, dict(element.attrib), element.text or "", children


def stream_url(answer: Tree) -> str:
    """The address of the media socket that a document connects to."""
    ((verb, _, _, [(noun, attributes, _, _)]),) = answer[3]
    assert (verb, noun) == ("Connect", "Stream")
    return attributes["url"]
