"""What can be asked of the records. Everything here reads; nothing writes."""

import json
import math
import sqlite3
from typing import Any

from voiced.records.envelope import (
    shown_call,
    shown_event,
    shown_extraction,
    shown_failure,
    shown_said,
    shown_turn,
)
from voiced.records.model import Direction, Extracted, OpenCall, Said

_CALL = (
    "SELECT *, (SELECT count(*) FROM turns WHERE turns.sid = calls.sid AND turns.caller != '')"
    " AS turns FROM calls"
)
"""Of the turns, those count in which the caller said something, as in the call's summary."""


def calls(
    db: sqlite3.Connection, state: str | None, limit: int, before: str | None
) -> dict[str, Any]:
    """A page of calls, the latest first, and the cursor of the next page (None: there is none).

    `state`: `live`, `ended` or None for both. `before`: a cursor; one that is not ours begins
    at the latest.
    """
    clause = {"live": "closed_at IS NULL", "ended": "closed_at IS NOT NULL"}.get(state or "", "1")
    rows = db.execute(
        f"{_CALL} WHERE {clause} AND (opened_at, sid) < (?, ?)"
        " ORDER BY opened_at DESC, sid DESC LIMIT ?",
        (*edge(before or ""), limit + 1),
    ).fetchall()
    page = rows[:limit]
    more = len(rows) > limit
    return {
        "calls": [shown_call(row, row["turns"]) for row in page],
        "next": cursor(page[-1]["opened_at"], page[-1]["sid"]) if more else None,
    }


def cursor(at: float, sid: str) -> str:
    """Says that a page ended with this call."""
    return f"{at!r}_{sid}"


def edge(cursor: str) -> tuple[float, str]:
    """The time and SID that the calls of the next page are before."""
    at, _, sid = cursor.partition("_")
    try:
        sid.encode()
        time = float(at)
    except ValueError:
        time = math.nan
    return (math.inf, "") if math.isnan(time) else (time, sid)


def public_call(db: sqlite3.Connection, sid: str) -> dict[str, Any] | None:
    """The call alone; None: there is none."""
    row = db.execute(f"{_CALL} WHERE sid = ?", (sid,)).fetchone()
    return None if row is None else shown_call(row, row["turns"])


def call(db: sqlite3.Connection, sid: str) -> dict[str, Any] | None:
    """The call with its timeline, and what was learnt from it."""
    shown = public_call(db, sid)
    if shown is None:
        return None
    return shown | {
        "timeline": {
            "turns": [shown_turn(row) for row in _of(db, "turns", sid, "rowid")],
            "events": [shown_event(row) for row in _of(db, "events", sid)],
            "engine_failures": [shown_failure(row) for row in _of(db, "engine_failures", sid)],
        },
        "extraction": extraction(db, sid),
    }


def extraction(db: sqlite3.Connection, sid: str) -> dict[str, Any] | None:
    """What was learnt from it; None: nothing is on record."""
    row = db.execute("SELECT * FROM extractions WHERE sid = ?", (sid,)).fetchone()
    if row is None:
        return None
    told = (json.loads(row[column]) for column in ("fields", "missing", "faults"))
    return shown_extraction(Extracted(sid, row["at"], row["status"], *told))


def transcript(db: sqlite3.Connection, sid: str) -> list[dict[str, Any]] | None:
    """What was said and heard, in order; None: there is no such call."""
    if db.execute("SELECT 1 FROM calls WHERE sid = ?", (sid,)).fetchone() is None:
        return None
    return [shown_said(row) for row in _of(db, "said", sid)]


def latest_turn(db: sqlite3.Connection, sid: str) -> dict[str, Any]:
    """The turn that was written last, which there must be."""
    row = db.execute(
        "SELECT * FROM turns WHERE sid = ? ORDER BY rowid DESC LIMIT 1", (sid,)
    ).fetchone()
    return shown_turn(row)


def recording(db: sqlite3.Connection, sid: str) -> str | None:
    """The name of its file; None: it has none."""
    row = db.execute("SELECT recording FROM calls WHERE sid = ?", (sid,)).fetchone()
    return (row["recording"] or None) if row else None


def recordings(db: sqlite3.Connection) -> set[str]:
    """The names of all of them."""
    rows = db.execute("SELECT recording FROM calls WHERE recording != ''")
    return {row["recording"] for row in rows}


def open_calls(db: sqlite3.Connection) -> list[OpenCall]:
    """The calls of which no end is known."""
    rows = db.execute("SELECT * FROM calls WHERE closed_at IS NULL ORDER BY opened_at").fetchall()
    return [_open_call(db, row) for row in rows]


def _open_call(db: sqlite3.Connection, row: sqlite3.Row) -> OpenCall:
    sid = row["sid"]
    (turns,) = db.execute(
        "SELECT coalesce(max(number) + 1, 0) FROM turns WHERE sid = ?", (sid,)
    ).fetchone()
    said = tuple(
        Said(each["role"], each["text"], each["at_s"], each["ending"])
        for each in _of(db, "said", sid)
    )
    return OpenCall(
        sid,
        Direction(row["direction"]),
        row["agent"],
        row["caller"],
        row["called"],
        row["status"],
        row["opened_at"],
        json.loads(row["variables"]),
        said,
        turns,
    )


def _of(db: sqlite3.Connection, table: str, sid: str, order: str = "id") -> list[sqlite3.Row]:
    return db.execute(f"SELECT * FROM {table} WHERE sid = ? ORDER BY {order}", (sid,)).fetchall()
