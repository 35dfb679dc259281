"""The web side: webhooks in a second, and how long a call takes to begin."""

import sqlite3
from collections.abc import Sequence
from time import monotonic

from attrs import frozen

from bench import keeping
from bench.calls import ring_all
from bench.rig import Rig, rig
from bench.table import Cell, Extent, Table, percentiles
from bench.visitor import Visitor, Visits
from bench.webhooks import WRONG, Flood, voice
from voiced.records.opening import FILE

VISIT_EVERY_S = 0.1013
"""Not a multiple of a frame either."""

PATIENCE_S = 30.0
SETTLE_S = 1.0


@frozen
class Plan:
    """How many webhooks, in how many parts of a run; and how many calls begin, beside how many."""

    webhooks: int = 2_000
    parts: int = 4
    live: int = 50
    idle_visits: int = 80
    visits: int = 200


PLANS = {
    Extent.FULL: Plan(),
    Extent.QUICK: Plan(400, 2, 50, 20, 30),
    Extent.TRIAL: Plan(2, 1, 1, 1, 1),
}


def measure(extent: Extent) -> list[Table]:
    """Webhooks, the beginning of calls, and what keeping costs."""
    plan = PLANS[extent]
    return [_webhooks(plan), _beginnings(plan), keeping.table(extent)]


# --- webhooks in a second -------------------------------------------------------------------------


def _webhooks(plan: Plan) -> Table:
    size = plan.webhooks // plan.parts
    sids = [f"CA{number:032x}" for number in range(1 << 64, (1 << 64) + plan.webhooks)]
    with rig() as running:
        rows = [
            _flood(
                running,
                f"signed, {first:,} calls awaited before",
                [voice(running.port, sid) for sid in sids[first : first + size]],
                (b"HTTP/1.1 200 ", b"<Connect"),
            )
            for first in range(0, plan.webhooks, size)
        ]
        strangers = [voice(running.port, f"{sid}x", WRONG) for sid in sids[: 2 * size]]
        rows.append(_flood(running, "not Twilio's signature", strangers, (b"HTTP/1.1 403 ",)))
        running.run(SETTLE_S)
        recorded = _recorded(running, sids)
    columns = ("webhooks", "sent", "as it should be", "a second", "CPU of the core, %",
               "CPU ms each")  # fmt: skip
    notes = (
        "One daemon pinned to one core, the carrier on the other. A POST of `/twilio/voice` for"
        " each of so many calls, on a connection of its own, sixteen under way at any time. As it"
        " should be: 200 with `<Connect>` for the signed ones, 403 for the others. The calls'"
        f" media sockets never come, so all of them stay awaited: {recorded:,} of {len(sids):,}"
        " stood in the records a second later. Nothing limits the calls or the engines.",
    )
    return Table("Webhooks", columns, tuple(rows), notes)


def _flood(
    running: Rig, name: str, requests: Sequence[bytes], marks: tuple[bytes, ...]
) -> tuple[Cell, ...]:
    flood = Flood(running.reactor, running.port, requests)
    used_s = running.cpu_s()
    took_s = flood.run(PATIENCE_S)
    used_s = running.cpu_s() - used_s
    right = flood.count(*marks)
    return (name, len(requests), right, right / took_s, 100 * used_s / took_s,
            1000 * used_s / right if right else "-")  # fmt: skip


def _recorded(running: Rig, sids: Sequence[str]) -> int:
    """How many of these calls the records have."""
    records = sqlite3.connect(f"file:{running.folder / FILE}?mode=ro", uri=True)
    try:
        known = {sid for (sid,) in records.execute("SELECT sid FROM calls")}
    finally:
        records.close()
    return len(known.intersection(sids))


# --- how long a call takes to begin ---------------------------------------------------------------


def _beginnings(plan: Plan) -> Table:
    with rig() as running:
        idle = _visit(running, plan.idle_visits)
        ring_all(running, plan.live)
        busy = _visit(running, plan.visits)
        live = running.live
        running.leave()
    beside: Cell = live if live == plan.live else f"{live} of {plan.live}"
    columns = ("live calls", "calls begun", "lost", "webhook to TwiML p50, ms", "p99", "max",
               "media socket asked for to greeting p50, ms", "p99", "max")  # fmt: skip
    rows = (_row(0, idle), _row(beside, busy))
    notes = (
        "Beside calls as they are described under Pacing, ten more a second begin: webhook, media"
        " socket, greeting, and a hang-up at its first frame. Each time begins before the"
        " connection is made and ends when the far side has read the last byte of the TwiML, the"
        " first frame of the greeting; the far side's own lateness is in it. The greeting is one"
        " that voiced knows by heart.",
    )
    return Table("How long a call takes to begin", columns, rows, notes)


def _visit(running: Rig, calls: int) -> Visits:
    """So many calls, one after the other; returns when the last has been greeted or lost."""
    now, visits = monotonic(), Visits()

    def begin() -> None:
        Visitor(running.reactor, running.port, visits)

    for number in range(calls):
        running.reactor.at(now + number * VISIT_EVERY_S, begin)
    running.reactor.run_until(
        now + calls * VISIT_EVERY_S + PATIENCE_S,
        lambda: visits.made == calls and visits.are_over,
    )
    return visits


def _row(live: Cell, visits: Visits) -> tuple[Cell, ...]:
    lost = visits.made - len(visits.setups)
    twiml_ms = [setup.twiml_ms() for setup in visits.setups]
    greeting_ms = [setup.greeting_ms() for setup in visits.setups]
    return (live, visits.made, lost, *percentiles(twiml_ms, 50, 99, 100),
            *percentiles(greeting_ms, 50, 99, 100))  # fmt: skip
