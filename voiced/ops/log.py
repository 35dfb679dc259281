"""The log: one line per record on standard error, `message key=value ...`.

Fields come by `extra={"fields": {...}}`, what was said by `extra={"speech": {...}}`, which is
shown only with `log.redact = false`. The call that a record belongs to comes from the context,
which every task inherits from the one that started it.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, TextIO

from voiced.config import Log
from voiced.ops.redact import mask_numbers

call_sid: ContextVar[str] = ContextVar("call_sid", default="")
"""The call that this task works for; empty outside of calls."""

OURS = "voiced"
# Messages come from outside as well: a control character must not begin a line of its own.
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_.:/*@%()")


@contextmanager
def bound_call(sid: str) -> Iterator[None]:
    """Puts the call on every record of this task, and of the tasks that it starts."""
    token = call_sid.set(sid)
    try:
        yield
    finally:
        call_sid.reset(token)


class CallFilter(logging.Filter):
    """Puts `call_sid` on each record; it takes none away."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.call_sid = call_sid.get()
        return True


class LogFormat(Enum):
    """How a record is written."""

    TEXT = "text"
    JSON = "json"


def fields_of(record: logging.LogRecord, *, redact: bool) -> dict[str, Any]:
    """What a record carries beside its message."""
    fields: dict[str, Any] = {}
    if sid := getattr(record, "call_sid", ""):
        fields["call"] = sid
    fields.update(getattr(record, "fields", {}))
    if not redact:
        fields.update(getattr(record, "speech", {}))
    return fields


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (Unix seconds), level, logger, message, the fields."""

    def __init__(self, *, redact: bool) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line; with redaction, without the telephone numbers in it."""
        content: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record, redact=self._redact),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(content, default=str)
        return mask_numbers(text) if self._redact else text


class LineFormatter(logging.Formatter):
    """`2026-01-31 12:00:00 info voiced.call: message call=CA12 key=value`, traceback below."""

    def __init__(self, *, redact: bool) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; with redaction, without the telephone numbers in it."""
        fields = fields_of(record, redact=self._redact)
        message = record.getMessage().translate(CONTROLS)
        head = f"{self.formatTime(record, self.datefmt)} {record.levelname.lower()} {record.name}:"
        text = " ".join([head, message, *key_values(fields)])
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return mask_numbers(text) if self._redact else text


def key_values(fields: Mapping[str, Any]) -> Iterator[str]:
    """`key=value` for each field; a value with anything unusual in it is quoted as in JSON."""
    for name, value in fields.items():
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        yield f"{name}={text if text and PLAIN.issuperset(text) else json.dumps(text)}"


def set_up(settings: Log, form: LogFormat = LogFormat.TEXT, stream: TextIO | None = None) -> None:
    """Directs all logging to a stream, standard error unless another is given.

    Our own messages are shown from `log.level` up. Libraries' are shown from warning up, whatever
    the level: some of them log what they send and receive.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(CallFilter())
    formatter = LineFormatter if form is LogFormat.TEXT else JsonFormatter
    handler.setFormatter(formatter(redact=settings.redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(settings.level.name)
