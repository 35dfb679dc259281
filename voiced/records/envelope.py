"""How records are shown: the public objects of the API and of the webhooks."""

import json
import sqlite3
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from voiced.records.model import Extracted


def stamp(at: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC, with milliseconds."""
    if at is None:
        return None
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def shown_call(row: sqlite3.Row, turns: int) -> dict[str, Any]:
    """A call, from its row and the number of turns in which the caller spoke."""
    return {
        "sid": row["sid"],
        "direction": row["direction"],
        "agent": row["agent"],
        "from": row["caller"],
        "to": row["called"],
        "status": row["status"],
        "started_at": stamp(row["opened_at"]),
        "ended_at": stamp(row["closed_at"]),
        "duration_s": row["duration_s"],
        "reason": row["reason"],
        "turns": turns,
        "summary": json.loads(row["summary"]),
        "variables": json.loads(row["variables"]),
        "recording": bool(row["recording"]),
    }


def shown_turn(row: sqlite3.Row) -> dict[str, Any]:
    """A turn."""
    return {
        "number": row["number"],
        "at_s": row["at_s"],
        "ending": row["ending"],
        "stages_ms": json.loads(row["stages"]),
        "caller": row["caller"],
        "agent": row["agent"],
    }


def shown_said(row: sqlite3.Row) -> dict[str, Any]:
    """An utterance."""
    return {key: row[key] for key in ("role", "text", "at_s", "ending")}


def shown_event(row: sqlite3.Row) -> dict[str, Any]:
    """Something that happened."""
    return {"at": stamp(row["at"]), "kind": row["kind"], "detail": json.loads(row["detail"])}


def shown_failure(row: sqlite3.Row) -> dict[str, Any]:
    """An engine's failure."""
    keys = ("role", "engine", "reason", "message")
    return {"at": stamp(row["at"]), **{key: row[key] for key in keys}}


def shown_extraction(extracted: Extracted) -> dict[str, Any]:
    """What was learnt from a call."""
    return {
        "status": extracted.status,
        "at": stamp(extracted.at),
        "fields": {name: dict(each) for name, each in extracted.fields.items()},
        "missing": list(extracted.missing),
        "faults": list(extracted.faults),
    }


def envelope(event: str, at: float, content: Mapping[str, Any]) -> tuple[str, str]:
    """The id and the body of a webhook; `content` is the call, and what else belongs to it."""
    event_id = uuid.uuid4().hex
    body = {"id": event_id, "event": event, "created_at": stamp(at), **content}
    return event_id, json.dumps(body, ensure_ascii=False)
