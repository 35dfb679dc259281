"""Twilio Media Streams: the messages of the WebSocket, both ways.

All messages are text frames with one JSON object each. The parser takes what look-alikes send
as well: ids that are no Twilio SIDs, messages without `streamSid` or `sequenceNumber` (both are
then None), numbers as strings or as integers. Whether a `stream_sid` is the caller's own is for
the caller to judge.

Source: Twilio's "Media Streams - WebSocket Messages"; SignalWire's cXML `<Stream>` reference.
"""

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from attrs import define, field, frozen

from voiced.errors import WireError
from voiced.wire.fields import (
    JsonObject,
    as_object,
    child,
    json_value,
    optional_child,
    optional_text,
    optional_whole,
    text,
)

MAX_MESSAGE = 64 * 1024
"""The longest message that is read, in characters (bytes, where it came as bytes)."""

_STREAM_SID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@frozen
class Connected:
    """The first message; it says nothing of the call."""


@frozen
class Start:
    """The second message: which call this is. `parameters` are the TwiML's `<Parameter>`s."""

    stream_sid: str
    call_sid: str
    account_sid: str
    parameters: Mapping[str, str] = field(factory=dict)
    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8000
    sequence: int | None = None


@frozen
class Media:
    """Caller audio, any length. `timestamp_ms` counts from the start of the stream."""

    payload: bytes
    stream_sid: str | None = None
    sequence: int | None = None
    timestamp_ms: int | None = None
    track: str = "inbound"


@frozen
class Dtmf:
    """A key was pressed: one of 0-9 * # A-D."""

    digit: str
    stream_sid: str | None = None
    sequence: int | None = None


@frozen
class MarkEcho:
    """A mark of ours was played, or dropped by a `clear`."""

    name: str
    stream_sid: str | None = None
    sequence: int | None = None


@frozen
class Stop:
    """The stream is over. It may never come: a closed socket means the same."""

    stream_sid: str | None = None
    sequence: int | None = None


@frozen
class Unknown:
    """An event that this parser does not know, to be ignored."""

    event: str


TwilioMessage: TypeAlias = Connected | Start | Media | Dtmf | MarkEcho | Stop | Unknown


def parse(message: str | bytes) -> TwilioMessage:
    """Reads one message.

    Raises:
        WireError: too long, not a JSON object in UTF-8, a required field missing or of the
            wrong type, audio that is not base64.
    """
    if len(message) > MAX_MESSAGE:
        raise WireError("message too long")
    data = as_object(json_value(message))
    event = text(data, "event")
    if event == "media":  # 50 a second and call: first
        return _media(data)
    read = _READERS.get(event)
    return read(data) if read else Unknown(event)


def _media(data: JsonObject) -> Media:
    media = child(data, "media")
    try:
        payload = a2b_base64(text(media, "payload"), strict_mode=True)
    except ValueError:
        raise WireError("payload: not base64") from None
    return Media(
        payload,
        optional_text(data, "streamSid"),
        optional_whole(data, "sequenceNumber"),
        optional_whole(media, "timestamp"),
        optional_text(media, "track") or "inbound",
    )


def _connected(_data: JsonObject) -> Connected:
    return Connected()


def _start(data: JsonObject) -> Start:
    start = child(data, "start")
    parameters = optional_child(start, "customParameters")
    audio = optional_child(start, "mediaFormat")
    rate = optional_whole(audio, "sampleRate")
    return Start(
        optional_text(data, "streamSid") or text(start, "streamSid"),
        text(start, "callSid"),
        text(start, "accountSid"),
        {name: text(parameters, name) for name in parameters},
        optional_text(audio, "encoding") or "audio/x-mulaw",
        8000 if rate is None else rate,
        optional_whole(data, "sequenceNumber"),
    )


def _dtmf(data: JsonObject) -> Dtmf:
    return Dtmf(text(child(data, "dtmf"), "digit"), *_origin(data))


def _mark(data: JsonObject) -> MarkEcho:
    return MarkEcho(text(child(data, "mark"), "name"), *_origin(data))


def _stop(data: JsonObject) -> Stop:
    return Stop(*_origin(data))


def _origin(data: JsonObject) -> tuple[str | None, int | None]:
    return optional_text(data, "streamSid"), optional_whole(data, "sequenceNumber")


_READERS: Final[Mapping[str, Callable[[JsonObject], TwilioMessage]]] = {
    "connected": _connected,
    "start": _start,
    "dtmf": _dtmf,
    "mark": _mark,
    "stop": _stop,
}


@define
class SequenceMonitor:
    """Counts irregular sequence numbers; one numbering runs over all messages of a stream."""

    jumps: int = 0
    """How often numbers were skipped."""

    out_of_order: int = 0
    """How often a number came again, or late."""

    _last: int | None = field(default=None, init=False)

    def note(self, sequence: int | None) -> None:
        """Takes the next message's number; None, where it has none, is passed over."""
        if sequence is None:
            return
        if self._last is not None and sequence <= self._last:
            self.out_of_order += 1
            return
        if self._last is not None and sequence > self._last + 1:
            self.jumps += 1
        self._last = sequence


class Outgoing:
    """Writes the messages to Twilio for one stream.

    They have exactly the fields that Twilio accepts: one too many is warning 31951.

    Raises:
        WireError: a `stream_sid` that could not stand in the templates as it is.
    """

    def __init__(self, stream_sid: str) -> None:
        if not _STREAM_SID.fullmatch(stream_sid):
            raise WireError("streamSid: malformed")
        self.stream_sid = stream_sid
        tail = f'","streamSid":"{stream_sid}"'
        self._media = f'{{"event":"media{tail},"media":{{"payload":"'
        self._mark = f'{{"event":"mark{tail},"mark":{{"name":'
        self._clear = f'{{"event":"clear{tail}}}'

    def media(self, mulaw: bytes) -> str:
        """Audio to append to what is being played: mu-law, 8 kHz, any length."""
        return self._media + b2a_base64(mulaw, newline=False).decode("ascii") + '"}}'

    def mark(self, name: str) -> str:
        """A mark behind all audio sent so far; its echo is a `MarkEcho`."""
        return self._mark + json.dumps(name) + "}}"

    def clear(self) -> str:
        """Drops what is not yet played; every mark in it is echoed at once."""
        return self._clear
