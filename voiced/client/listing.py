"""The calls as a table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from voiced.client.model import Call
from voiced.client.text import day_and_time, length, table

HEADER: Final = ("SID", "TIME", "DIR", "AGENT", "FROM", "TO", "LENGTH", "TURNS", "STATUS")
_SHORTEST: Final = 12
_DIRECTIONS: Final = {"inbound": "in", "outbound": "out"}


def listing(calls: Sequence[Call], now: datetime | None = None) -> list[str]:
    """One line per call; a SID is shown as far as it tells the calls apart.

    `now` is an aware time; those of the calls are told in its zone, by default the machine's own.
    The length of a call that is not over is what it has come to. STATUS of one that is over is why
    it ended.
    """
    if not calls:
        return ["no calls"]
    width = _telling([call.sid for call in calls])
    moment = now or datetime.now(UTC).astimezone()
    return table(HEADER, [_row(call, width, moment) for call in calls])


def _row(call: Call, width: int, now: datetime) -> tuple[str, ...]:
    return (
        call.sid[:width],
        day_and_time(call.started_at, now),
        _DIRECTIONS.get(call.direction, call.direction),
        call.agent,
        call.caller or "withheld",
        call.called,
        length(_duration_s(call, now)),
        str(call.turns),
        (call.is_over and call.reason) or call.status,
    )


def _duration_s(call: Call, now: datetime) -> float | None:
    if call.duration_s is not None or call.is_over or call.started_at is None:
        return call.duration_s
    return (now - call.started_at).total_seconds()


def _telling(sids: Sequence[str]) -> int:
    """How much of the SIDs to show, so that no two look alike."""
    longest = max(map(len, sids))
    whole = len(set(sids))
    return next(
        (width for width in range(_SHORTEST, longest) if len({s[:width] for s in sids}) == whole),
        longest,
    )
