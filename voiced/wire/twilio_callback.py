"""Twilio's callbacks about a call, from their decoded forms.

Four kinds come to the same address: the steps of a call, the verdict of an asynchronous machine
detection, the life of a media stream, and what became of a transfer. Each is signed, but none is
worth a failure: what we do not know is None.

Source: Twilio's "Call resource, StatusCallback parameters", "Answering Machine Detection",
"TwiML <Stream>, statusCallback" and "TwiML <Dial>, action".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from voiced.wire.twilio_rest import OVER, SID

Form: TypeAlias = Mapping[str, Sequence[str]]
"""A decoded form body: all values of each name. Of several the first counts."""

HUMAN: Final = "human"
MACHINE_START: Final = "machine_start"
MACHINE_END_BEEP: Final = "machine_end_beep"
MACHINE_END_SILENCE: Final = "machine_end_silence"
MACHINE_END_OTHER: Final = "machine_end_other"
FAX: Final = "fax"
UNKNOWN: Final = "unknown"
ANSWERED_BY: Final = frozenset(
    {HUMAN, MACHINE_START, MACHINE_END_BEEP, MACHINE_END_SILENCE, MACHINE_END_OTHER, FAX, UNKNOWN}
)
"""Who took a call; a word that is not among them is read as `UNKNOWN`."""

STATUSES: Final = OVER | {"queued", "initiated", "ringing", "in-progress"}
DIAL_STATUSES: Final = OVER | {"answered"}
STREAM_EVENTS: Final = frozenset({"stream-started", "stream-stopped", "stream-error"})
MAX_ERROR: Final = 200
"""What a stream's error says is cut to this many characters."""

_COUNT: Final = re.compile(r"[0-9]{1,9}")


@frozen
class CallProgress:
    """A step of a call. `status` is one of `STATUSES`.

    Callbacks may overtake each other: `sequence` is their order, from 0. `duration_s` comes with
    the end of a call that was taken, `sip_code` where a telephone network answered.
    `answered_by` is "" without machine detection.
    """

    call_sid: str
    status: str
    sequence: int | None
    duration_s: int | None
    sip_code: int | None
    answered_by: str


@frozen
class MachineVerdict:
    """Who took the call, one of `ANSWERED_BY`, found after `detected_ms`."""

    call_sid: str
    answered_by: str
    detected_ms: int | None


@frozen
class StreamEvent:
    """A media stream began, ended or failed: one of `STREAM_EVENTS`.

    `error` is in Twilio's words. It may quote the stream's address, so it is not for logs.
    """

    call_sid: str
    stream_sid: str
    event: str
    error: str


@frozen
class DialResult:
    """What became of a `<Dial>`: one of `DIAL_STATUSES`."""

    status: str
    duration_s: int | None

    @property
    def was_taken(self) -> bool:
        """Whether somebody took the call at the other end."""
        return self.status in ("completed", "answered")


def parse_callback(form: Form) -> CallProgress | MachineVerdict | StreamEvent | None:
    """Reads a callback; None where it is none that we know, or its ids are malformed.

    A number that is malformed is None in its place.
    """
    call_sid = _sid(form, "CallSid")
    if not call_sid:
        return None
    if "StreamEvent" in form:
        return _stream_event(form, call_sid)
    if "CallStatus" in form:
        return _progress(form, call_sid)
    if answered_by := _answered_by(form):
        return MachineVerdict(call_sid, answered_by, _count(form, "MachineDetectionDuration"))
    return None


def parse_dial(form: Form) -> DialResult | None:
    """Reads what a `<Dial>` reports to its `action`; None where it reports nothing that we know."""
    status = _first(form, "DialCallStatus")
    if status not in DIAL_STATUSES:
        return None
    return DialResult(status, _count(form, "DialCallDuration"))


def _stream_event(form: Form, call_sid: str) -> StreamEvent | None:
    stream_sid, event = _sid(form, "StreamSid"), _first(form, "StreamEvent")
    if not stream_sid or event not in STREAM_EVENTS:
        return None
    error = " ".join(_first(form, "StreamError").split())
    return StreamEvent(call_sid, stream_sid, event, error[:MAX_ERROR])


def _progress(form: Form, call_sid: str) -> CallProgress | None:
    status = _first(form, "CallStatus")
    if status not in STATUSES:
        return None
    return CallProgress(
        call_sid,
        status,
        _count(form, "SequenceNumber"),
        _count(form, "CallDuration"),  # `Duration` is in minutes, as billed
        _count(form, "SipResponseCode"),
        _answered_by(form),
    )


def _answered_by(form: Form) -> str:
    word = _first(form, "AnsweredBy")
    return word if word in ANSWERED_BY or not word else UNKNOWN


def _sid(form: Form, name: str) -> str:
    value = _first(form, name)
    return value if SID.fullmatch(value) else ""


def _count(form: Form, name: str) -> int | None:
    value = _first(form, name)
    return int(value) if _COUNT.fullmatch(value) else None


def _first(form: Form, name: str) -> str:
    return next(iter(form.get(name, ())), "")
