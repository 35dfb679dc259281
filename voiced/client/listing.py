"""The calls as a table."""

from collections.abc import Sequence
from typing import Final

from voiced.client.model import Call
from voiced.client.text import length, table

HEADER: Final = ("SID", "DIR", "AGENT", "FROM", "TO", "STATUS", "LENGTH", "TURNS", "REASON")
_SHORTEST: Final = 12
_DIRECTIONS: Final = {"inbound": "in", "outbound": "out"}


def listing(calls: Sequence[Call]) -> list[str]:
    """One line per call; a SID is shown as far as it tells the calls apart."""
    if not calls:
        return ["no calls"]
    width = _telling([call.sid for call in calls])
    return table(HEADER, [_row(call, width) for call in calls])


def _row(call: Call, width: int) -> tuple[str, ...]:
    return (
        call.sid[:width],
        _DIRECTIONS.get(call.direction, call.direction),
        call.agent,
        call.caller or "withheld",
        call.called,
        call.status,
        length(call.duration_s),
        str(call.turns),
        call.reason,
    )


def _telling(sids: Sequence[str]) -> int:
    """How much of the SIDs to show, so that no two look alike."""
    longest = max(map(len, sids))
    whole = len(set(sids))
    return next(
        (width for width in range(_SHORTEST, longest) if len({s[:width] for s in sids}) == whole),
        longest,
    )
