"""The calls as a table: when they were, how long they took, what became of them."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from fake_daemon import OTHER, SID, call

from voiced.client.listing import listing
from voiced.client.model import Call

EAST = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 21, 14, 10, 30, tzinfo=EAST)


def row(**values: Any) -> list[str]:
    _, line = listing([Call.parse(call(**values))], NOW)
    return line.split()


def test_calls_have_their_time_length_and_end_and_fit_a_terminal() -> None:
    ended = {"status": "ended", "duration_s": 47.2, "turns": 2, "agent": "default"}
    calls = [
        call(started_at="2026-11-21T12:05:13Z", status="live", turns=1),
        call(OTHER, started_at="2026-11-20T12:04:00Z", reason="stt-unreachable", **ended),
    ]
    table = listing([Call.parse(each) for each in calls], NOW)
    assert table == [
        "SID           TIME         DIR  AGENT    FROM          TO            LENGTH  TURNS"
        "  STATUS",
        "CA0123456789  14:05        in   default  +33612345678  +33123456789  5:17    1      live",
        "CAfedcba9876  11-20 14:04  in   default  +33612345678  +33123456789  0:47    2"
        "      stt-unreachable",
    ]
    assert max(map(len, table)) < 100


@pytest.mark.parametrize(
    ("started_at", "shown"),
    [
        ("2026-11-20T22:00:00Z", "00:00"),  # the day is that of the zone
        ("2026-11-20T21:59:59Z", "11-20 23:59"),
        ("2026-11-21T00:00:00+02:00", "00:00"),
    ],
)
def test_a_time_of_another_day_has_its_date(started_at: str, shown: str) -> None:
    assert " ".join(row(started_at=started_at)[1:]).startswith(f"{shown} in ")


def test_a_call_that_is_over_without_a_length_has_none() -> None:
    assert row(status="ended", reason=None)[-3:] == ["-", "0", "ended"]


def test_a_clock_that_is_behind_makes_no_length_negative() -> None:
    assert row(started_at="2026-11-21T12:11:00Z")[-3] == "0:00"


def test_times_are_the_machines_own_without_another_zone() -> None:
    today = datetime.now().astimezone()
    _, line = listing([Call.parse(call(started_at=today.isoformat()))])
    assert line.split()[1] == today.strftime("%H:%M")
    assert SID.startswith(line.split()[0])
