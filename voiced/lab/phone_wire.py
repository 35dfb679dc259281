"""Twilio's half of the wire: signatures, TwiML as Twilio reads it, and a stream's messages.

Written apart from `voiced.wire` and sharing nothing with it, so that each judges the other.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from enum import Enum
from urllib.parse import urljoin, urlsplit, urlunsplit
from xml.etree import ElementTree

from attrs import define, field, frozen

from voiced.errors import WireError

MAX_DOCUMENT_BYTES = 65_536
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def sign(token: str, url: str, form: Mapping[str, str] | None = None) -> str:
    """X-Twilio-Signature of a request to `url`, spelled as Twilio calls it (twilio-python)."""
    text = url + "".join(name + value for name, value in sorted((form or {}).items()))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


@frozen
class Line:
    """Where the daemon stands, and by which public address it thinks it is called."""

    url: str
    public_url: str

    def public(self, url: str) -> str:
        """An address out of a document, made absolute."""
        return urljoin(f"{self.public_url.rstrip('/')}/twilio/voice", url)

    def reachable(self, url: str) -> str:
        """Where to connect for a public address: its own path, on the daemon's host."""
        target, here = urlsplit(url), urlsplit(self.url)
        if target.netloc != urlsplit(self.public_url).netloc:
            return url
        secure = here.scheme == "https"
        scheme = {"ws": "wss" if secure else "ws", "wss": "wss" if secure else "ws"}
        return urlunsplit(
            (scheme.get(target.scheme, here.scheme), here.netloc, target.path, target.query, "")
        )


# --- TwiML --------------------------------------------------------------------------------------


@frozen
class Connect:
    """`<Connect><Stream>`: `url` is absolute, `action` replaces what follows."""

    url: str
    parameters: Mapping[str, str]
    action: str | None
    status_callback: str = ""


@frozen
class Announce:
    """`<Say>`."""

    text: str


@frozen
class Redirect:
    """`<Redirect>`: the call goes on with another document."""

    url: str


@frozen
class Leave:
    """`<Hangup>`, `<Reject>`: the call ends; `verb` says which."""

    verb: str


@frozen
class Unplayed:
    """A verb that a software telephone has no use for."""

    verb: str


Verb = Connect | Announce | Redirect | Leave | Unplayed


def read_response(document: bytes) -> ElementTree.Element:
    """The `<Response>` of a document.

    Raises:
        WireError: longer than 64 KB, not XML, not TwiML.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise WireError("11750: the document is longer than 64 KB")
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        raise WireError("12100: the answer is not XML") from None
    if root.tag != "Response":
        raise WireError("12100: the document is not a <Response>")
    return root


def read_verb(element: ElementTree.Element, line: Line) -> Verb:
    """Reads one as Twilio does, as far as a telephone without an exchange can play it.

    Raises:
        WireError: a stream that Twilio would not open (a query string, `ws:` to another host, no
            url).
    """
    match element.tag:
        case "Connect":
            return _connect(element, line)
        case "Say":
            return Announce("".join(element.itertext()).strip())
        case "Redirect":
            return Redirect(line.public((element.text or "").strip()))
        case "Hangup" | "Reject":
            return Leave(element.tag.lower())
    return Unplayed(element.tag)


def _connect(element: ElementTree.Element, line: Line) -> Connect:
    stream = element.find("Stream")
    if stream is None or not stream.get("url"):
        raise WireError("12200: <Connect> without <Stream url>")
    url = line.public(stream.get("url", ""))
    parts = urlsplit(url.replace("https:", "wss:", 1).replace("http:", "ws:", 1))
    if parts.query or parts.fragment:
        raise WireError("31920: a stream's url has no query string")
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in LOCAL_HOSTS):
        raise WireError("31922: a stream's url begins with wss://")
    if stream.get("track", "inbound_track") != "inbound_track":
        raise WireError("31941: a connected stream has the inbound track only")
    parameters = {p.get("name", ""): p.get("value", "") for p in stream.iter("Parameter")}
    action, callback = element.get("action"), stream.get("statusCallback", "")
    return Connect(parts.geturl(), parameters, line.public(action) if action else None, callback)


# --- a stream's messages --------------------------------------------------------------------------


class Quirk(Enum):
    """What real streams have been seen to do."""

    NO_PARAMETERS = "no customParameters in start"
    UNKNOWN_EVENT = "an event that nobody knows, after start"
    SEQUENCE_JUMP = "sequenceNumber leaps by seven in mid-stream"


@define
class StreamMessages:
    """Writes a stream's messages, with their counters (Media Streams, "messages from Twilio")."""

    stream_sid: str
    call_sid: str
    account_sid: str
    quirks: frozenset[Quirk] = frozenset()
    _sequence: int = field(default=0, init=False)
    _chunk: int = field(default=0, init=False)
    _samples: int = field(default=0, init=False)

    def prelude(self, parameters: Mapping[str, str]) -> list[str]:
        """Everything before the first audio."""
        start: dict[str, object] = {
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        if Quirk.NO_PARAMETERS not in self.quirks:
            start["customParameters"] = dict(parameters)
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        messages = [json.dumps(connected), self._message("start", start=start)]
        if Quirk.UNKNOWN_EVENT in self.quirks:
            messages.append(self._message("weather", weather={"sky": "clear"}))
        return messages

    def media(self, mulaw: bytes) -> str:
        """The next audio of the caller, any length."""
        self._chunk += 1
        if self._chunk == 50 and Quirk.SEQUENCE_JUMP in self.quirks:
            self._sequence += 7
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(self._samples // 8),
            "payload": base64.b64encode(mulaw).decode(),
        }
        self._samples += len(mulaw)
        return self._message("media", media=media)

    def digit(self, digit: str) -> str:
        """A key that was pressed."""
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def mark(self, name: str) -> str:
        """The echo of a mark."""
        return self._message("mark", mark={"name": name})

    def stop(self) -> str:
        """The end of the call."""
        return self._message(
            "stop", stop={"accountSid": self.account_sid, "callSid": self.call_sid}
        )

    def _message(self, event: str, **body: object) -> str:
        self._sequence += 1
        number = {"event": event, "sequenceNumber": str(self._sequence)}
        return json.dumps(number | body | {"streamSid": self.stream_sid}, separators=(",", ":"))
