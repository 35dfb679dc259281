"""The log: one line per record on standard error, `message key=value ...`; the journal's own
records where standard error leads to the journal.

Fields come by `extra={"fields": {...}}`, what was said by `extra={"speech": {...}}`, which is
shown only with `log.redact = false`. The call that a record belongs to comes from the context,
which every task inherits from the one that started it.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, TextIO

from voiced.config import Log
from voiced.ops.journal import JournalHandler, is_journal
from voiced.ops.journal_fields import shown
from voiced.ops.redact import mask_numbers

call_sid: ContextVar[str] = ContextVar("call_sid", default="")
"""The call that this task works for; empty outside of calls."""

stream_sid: ContextVar[str] = ContextVar("stream_sid", default="")
"""The media stream of that call, if it has one."""

STDERR = 2
OURS = "voiced"
# Messages come from outside as well: a control character must not begin a line of its own.
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
LAYOUT = {ord("\t"), ord("\n")}
# A traceback has lines, and ends with a message that may be anybody's.
TRACE_CONTROLS = {code: text for code, text in CONTROLS.items() if code not in LAYOUT}
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_.:/*@%()")


@contextmanager
def bound_call(sid: str, stream: str = "") -> Iterator[None]:
    """Puts the call on every record of this task, and of the tasks that it starts; for the journal
    and JSON its media stream too."""
    tokens = call_sid.set(sid), stream_sid.set(stream)
    try:
        yield
    finally:
        call_sid.reset(tokens[0])
        stream_sid.reset(tokens[1])


class CallFilter(logging.Filter):
    """Puts `call_sid` and `stream_sid` on each record; it takes none away."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.call_sid, record.stream_sid = call_sid.get(), stream_sid.get()
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
            **({"stream": stream} if (stream := getattr(record, "stream_sid", "")) else {}),
            **fields_of(record, redact=self._redact),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(content, default=str)
        return mask_numbers(text) if self._redact else text


class WordsFormatter(logging.Formatter):
    """`message call=CA12 key=value`, traceback below; the journal knows time and level itself."""

    def __init__(self, *, redact: bool) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; with redaction, without the telephone numbers in it."""
        fields = fields_of(record, redact=self._redact)
        message = record.getMessage().translate(CONTROLS)
        text = " ".join([*self.head(record), message, *key_values(fields)])
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info).translate(TRACE_CONTROLS)}"
        return mask_numbers(text) if self._redact else text

    def head(self, record: logging.LogRecord) -> Iterator[str]:
        """What stands before the message."""
        yield from ()


class LineFormatter(WordsFormatter):
    """`2026-01-31 12:00:00 info voiced.call: message call=CA12 key=value`, traceback below."""

    def head(self, record: logging.LogRecord) -> Iterator[str]:
        """The time in the machine's zone, the level, the logger."""
        yield self.formatTime(record, self.datefmt)
        yield record.levelname.lower()
        yield f"{record.name}:"


def key_values(fields: Mapping[str, Any]) -> Iterator[str]:
    """`key=value` for each field; a value with anything unusual in it is quoted as in JSON."""
    for name, value in fields.items():
        text = shown(value)
        yield f"{name}={text if text and PLAIN.issuperset(text) else json.dumps(text)}"


def set_up(settings: Log, form: LogFormat = LogFormat.TEXT, stream: TextIO | None = None) -> None:
    """Directs all logging to a stream, standard error unless another is given; as text to the
    journal's own socket, if standard error is the journal's.

    Our own messages are shown from `log.level` up. Libraries' are shown from warning up, whatever
    the level: some of them log what they send and receive.
    """
    handler = _handler(form, stream, redact=settings.redact)
    handler.addFilter(CallFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(settings.level.name)


def _handler(form: LogFormat, stream: TextIO | None, *, redact: bool) -> logging.Handler:
    wants_journal = form is LogFormat.TEXT and stream is None
    if wants_journal and is_journal(os.environ.get("JOURNAL_STREAM", ""), STDERR):
        journal = JournalHandler(redact=redact, stderr=STDERR)
        journal.setFormatter(WordsFormatter(redact=redact))
        return journal
    lines = logging.StreamHandler(stream or sys.stderr)
    formatter = LineFormatter if form is LogFormat.TEXT else JsonFormatter
    lines.setFormatter(formatter(redact=redact))
    return lines
