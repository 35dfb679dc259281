"""A log record as the journal's fields."""

import logging
from collections.abc import Iterator, Mapping
from traceback import format_exception
from typing import Any, Final

from voiced.errors import CallRefused, CarrierError, EngineError
from voiced.ops.catalog import event_of
from voiced.ops.catalog_kinds import Priority
from voiced.ops.journal_wire import field_name
from voiced.ops.metrics_kinds import PARTS
from voiced.ops.redact import mask_numbers

KNOWN: Final = {"call": "CALL_SID", "stream": "STREAM_SID", "answer_ms": "LATENCY_MS"}
"""Fields of ours that the journal knows by another name than their own in capitals."""

IDENTIFIER: Final = "voiced"
DAEMON: Final = "3"  # syslog's facility
RESERVED: Final = frozenset(
    {"MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "SYSLOG_FACILITY", "LOGGER"}
    | {"CODE_FILE", "CODE_LINE", "CODE_FUNC", "EXCEPTION", "TRACEBACK"}
)

_LEVELS: Final = (
    (logging.CRITICAL, Priority.CRIT),
    (logging.ERROR, Priority.ERR),
    (logging.WARNING, Priority.WARNING),
    (logging.INFO, Priority.INFO),
)

Field = tuple[str, str | bytes]


def priority_of(record: logging.LogRecord) -> Priority:
    """The event's, as the catalog has it; else that of the record's level."""
    if event := event_of(record.name, record.msg):
        return event.priority
    return next((each for level, each in _LEVELS if record.levelno >= level), Priority.DEBUG)


def fields_of(record: logging.LogRecord, message: str, *, redact: bool) -> Iterator[Field]:
    """All of a record. `message` is its text, masked already; the rest is masked here."""
    yield "MESSAGE", message
    yield "PRIORITY", str(priority_of(record).value)
    if event := event_of(record.name, record.msg):
        yield "MESSAGE_ID", event.id
    yield "SYSLOG_IDENTIFIER", IDENTIFIER
    yield "SYSLOG_FACILITY", DAEMON
    yield "LOGGER", record.name
    if record.pathname:
        yield "CODE_FILE", record.pathname
        yield "CODE_LINE", str(record.lineno)
        yield "CODE_FUNC", record.funcName or ""
    for name, value in [*_of_exception(record), *_told(record, redact=redact)]:
        yield name, _masked(value) if redact else value


def shown(value: object) -> str:
    """A field's value as text."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _of_exception(record: logging.LogRecord) -> Iterator[Field]:
    if record.exc_info and record.exc_info[0]:
        yield "EXCEPTION", record.exc_info[0].__qualname__
        yield "TRACEBACK", "".join(format_exception(*record.exc_info)).rstrip("\n")


def _told(record: logging.LogRecord, *, redact: bool) -> Iterator[Field]:
    """What our own code says beside the message."""
    fields: dict[str, Any] = _of_faults(record)
    for name in ("call", "stream"):
        if sid := getattr(record, f"{name}_sid", ""):
            fields[name] = sid
    fields.update(getattr(record, "fields", {}))
    if slowest := _slowest(fields):
        fields.setdefault("stage", slowest)
    for name, value in fields.items():
        yield _name(name), value if isinstance(value, bytes) else shown(value)
    if not redact:
        for name, text in getattr(record, "speech", {}).items():
            yield f"SPEECH_{field_name(name)}", shown(text)


def _of_faults(record: logging.LogRecord) -> dict[str, Any]:
    """What the error knows that the message quotes."""
    for fault in record.args if isinstance(record.args, tuple) else ():
        match fault:
            case EngineError():
                return {"engine": fault.engine, "role": fault.role, "reason": fault.reason}
            case CallRefused():
                return {"reason": fault.reason}
            case CarrierError(code=code) if code:
                return {"code": code}
    return {}


def _slowest(fields: Mapping[str, Any]) -> str:
    """The stage of an answer that took longest; "" where the record tells of none."""
    lengths = {part: fields[f"{part}_ms"] for part in PARTS if f"{part}_ms" in fields}
    return max(lengths, key=lengths.__getitem__, default="")


def _name(given: str) -> str:
    name = KNOWN.get(given) or field_name(given)
    return f"FIELD_{name}" if name in RESERVED else name


def _masked(value: str | bytes) -> str | bytes:
    if isinstance(value, str):
        return mask_numbers(value)
    # Latin-1 takes and gives back any byte, and a number is the same in it.
    return mask_numbers(value.decode("latin-1")).encode("latin-1")
