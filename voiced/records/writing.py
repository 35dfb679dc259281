"""Puts records into the tables, and what webhooks are owed of them beside: one transaction."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import singledispatchmethod
from typing import Any, Final

from voiced.records import reading
from voiced.records.envelope import envelope, stamp
from voiced.records.model import (
    CallClosed,
    CallOpened,
    CallStatus,
    Direction,
    EngineFailed,
    Extracted,
    Happened,
    Record,
    Said,
    TurnEnded,
)

FAULTS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What a record raises that cannot be written, however often that is tried: a time that is no
number, a text where a number belongs, a mapping that JSON has no way to hold."""

LIVE: Final = "live"
ENDED: Final = "ended"


class Writer:
    """Writes single records; the transaction around them is its owner's."""

    def __init__(self, db: sqlite3.Connection, subscriptions: Mapping[str, Sequence[str]]) -> None:
        """`subscriptions`: the webhooks that want to be told of `call.started` and so on."""
        self._db = db
        self._subscriptions = subscriptions

    def write(self, record: Record) -> None:
        """Writes one. A record of a call that is not known makes it known.

        Raises:
            One of `FAULTS`: it cannot be written, and may have been in part.
            sqlite3.Error: any other; it may well be written later.
        """
        stamp(record.at)  # whoever reads it will need that
        self._write(record)

    @singledispatchmethod
    def _write(self, record: Record) -> None:
        raise TypeError(f"{type(record).__name__} is no record")

    @_write.register
    def _(self, record: CallOpened) -> None:
        self._db.execute(
            "INSERT INTO calls"
            " (sid, direction, agent, caller, called, status, opened_at, variables)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sid) DO UPDATE SET direction ="
            " excluded.direction, agent = excluded.agent, caller = excluded.caller, called ="
            " excluded.called, opened_at = min(opened_at, excluded.opened_at), variables ="
            " excluded.variables",
            (
                record.sid,
                record.direction.value,
                record.agent,
                clean(record.caller),
                clean(record.called),
                record.status,
                record.at,
                dumps(record.variables),
            ),
        )

    @_write.register
    def _(self, record: CallStatus) -> None:
        self._know(record.sid, record.at)
        before = self._db.execute(
            "SELECT 1 FROM events WHERE sid = ? AND kind = 'live'", (record.sid,)
        ).fetchone()
        going_on = self._db.execute(
            "UPDATE calls SET status = ? WHERE sid = ? AND closed_at IS NULL",
            (record.status, record.sid),
        )
        self._event(record.sid, record.at, record.status, {})
        if record.status == LIVE and before is None and going_on.rowcount:
            self._owe("call.started", record.sid, record.at, {})

    @_write.register
    def _(self, record: TurnEnded) -> None:
        self._know(record.sid, record.at)
        whole = {
            role: " ".join(each.text for each in record.said if each.role == role)
            for role in ("caller", "agent")
        }
        self._db.execute(
            "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                record.sid,
                record.number,
                record.at_s,
                record.ending,
                dumps(record.stages_ms),
                clean(whole["caller"]),
                clean(whole["agent"]),
            ),
        )
        _say(self._db, record.sid, record.said)
        shown = reading.latest_turn(self._db, record.sid)
        self._owe("turn.ended", record.sid, record.at, {"turn": shown})

    @_write.register
    def _(self, record: Happened) -> None:
        self._know(record.sid, record.at)
        self._event(record.sid, record.at, record.kind, record.detail)

    @_write.register
    def _(self, record: EngineFailed) -> None:
        self._know(record.sid, record.at)
        self._db.execute(
            "INSERT INTO engine_failures (sid, at, role, engine, reason, message)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.sid,
                record.at,
                record.role,
                record.engine,
                record.reason,
                clean(record.message),
            ),
        )

    @_write.register
    def _(self, record: CallClosed) -> None:
        self._know(record.sid, record.at)
        closed = self._db.execute(
            "UPDATE calls SET status = ?, closed_at = ?, duration_s = ?, reason = ?, summary = ?,"
            " recording = ? WHERE sid = ? AND closed_at IS NULL",
            (
                ENDED,
                record.at,
                record.duration_s,
                record.reason,
                dumps(record.summary),
                record.recording,
                record.sid,
            ),
        )
        if closed.rowcount:
            _say(self._db, record.sid, record.said)
            told = {
                "transcript": reading.transcript(self._db, record.sid),
                "extraction": reading.extraction(self._db, record.sid),
            }
            self._owe("call.ended", record.sid, record.at, told, record.awaits_s)

    @_write.register
    def _(self, record: Extracted) -> None:
        """A call that is not known, or any more, has none; a failure replaces nothing better."""
        lists = (dumps(record.missing), dumps(record.faults))
        self._db.execute(
            "INSERT INTO extractions SELECT sid, ?, ?, ?, ?, ? FROM calls WHERE sid = ? ON CONFLICT"
            " (sid) DO UPDATE SET at = excluded.at, status = excluded.status, fields ="
            " excluded.fields, missing = excluded.missing, faults = excluded.faults"
            " WHERE excluded.status != 'failed' OR extractions.status = 'failed'",
            (record.at, record.status, dumps(record.fields), *lists, record.sid),
        )
        told = reading.extraction(self._db, record.sid)
        waiting = self._db.execute(
            "SELECT id, body FROM deliveries WHERE awaits = ? AND state = 'due'", (record.sid,)
        ).fetchall()
        for row in waiting:
            body = json.loads(row["body"]) | {"extraction": told}
            self._db.execute(
                "UPDATE deliveries SET body = ?, due_at = min(due_at, ?), awaits = NULL"
                " WHERE id = ?",
                (json.dumps(body, ensure_ascii=False), record.at, row["id"]),
            )

    def _know(self, sid: str, at: float) -> None:
        """Its opening was lost: what comes later is kept all the same."""
        self._db.execute(
            "INSERT OR IGNORE INTO calls (sid, direction, agent, caller, called, status, opened_at)"
            " VALUES (?, ?, '', '', '', 'ringing', ?)",
            (sid, Direction.INBOUND.value, at),
        )

    def _event(self, sid: str, at: float, kind: str, detail: Mapping[str, object]) -> None:
        self._db.execute(
            "INSERT INTO events (sid, at, kind, detail) VALUES (?, ?, ?, ?)",
            (sid, at, kind, dumps(detail)),
        )

    def _owe(
        self, event: str, sid: str, at: float, content: Mapping[str, Any], awaits_s: float = 0.0
    ) -> None:
        """A delivery for each webhook that wants to know. It is put off for `awaits_s`, unless an
        `Extracted` comes before."""
        for webhook in self._subscriptions.get(event, ()):
            call = reading.public_call(self._db, sid)
            event_id, body = envelope(event, at, {"call": call, **content})
            self._db.execute(
                "INSERT INTO deliveries (webhook, event_id, event, body, created_at, due_at,"
                " awaits) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (webhook, event_id, event, body, at, at + awaits_s, sid if awaits_s else None),
            )


def _say(db: sqlite3.Connection, sid: str, said: Sequence[Said]) -> None:
    db.executemany(
        "INSERT INTO said (sid, role, text, at_s, ending) VALUES (?, ?, ?, ?, ?)",
        [(sid, each.role, clean(each.text), each.at_s, each.ending) for each in said],
    )


def clean(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def dumps(value: Mapping[str, Any] | Sequence[str]) -> str:
    """As JSON; what JSON does not know is written as text, a number that is none as null.

    Raises:
        TypeError, ValueError, RecursionError: a key is no text, or it holds itself.
    """
    plain = dict(value) if isinstance(value, Mapping) else list(value)
    try:
        text = json.dumps(plain, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(plain, default=str), parse_constant=_null)
        text = json.dumps(finite, ensure_ascii=False)
    return clean(text)


def _null(_constant: str) -> None:
    """Stands for NaN and the infinities."""
