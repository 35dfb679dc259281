"""A call that is not over, as the API shows it."""

from datetime import UTC, datetime
from typing import Final

from voiced.call.parties import Entry, Stage

_STATUS: Final = {
    Stage.QUEUED: "queued",
    Stage.RINGING: "ringing",
    Stage.AWAITED: "ringing",
    Stage.LIVE: "live",
    Stage.LOST: "lost",
    Stage.PARTING: "transferring",
    Stage.TRANSFERRING: "transferring",
}


def shown(entry: Entry) -> dict[str, object]:
    """The public object, as the records have it once the call is over."""
    parties = entry.parties
    opened = datetime.fromtimestamp(entry.opened_at, UTC)
    return {
        "sid": entry.sid,
        "direction": parties.direction.value,
        "agent": parties.agent,
        "from": parties.caller,
        "to": parties.called,
        "status": _STATUS[entry.stage],
        "started_at": opened.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ended_at": None,
        "duration_s": None,
        "reason": None,
        "turns": entry.turns + (entry.call.answered if entry.call else 0),
        "summary": dict(entry.summary),
        "variables": dict(parties.variables),
        "recording": bool(entry.recording),
    }
