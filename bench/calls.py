"""Whole calls: lateness, the daemon's share of an answer, barge-in, hang-up, CPU and memory."""

from time import monotonic
from typing import Any

from attrs import define, field, frozen

from bench.findings import Findings
from bench.phone import Manner
from bench.rig import Rig, rig
from bench.table import Cell, Extent, Table, percentiles

RING_EVERY_S = 0.0507
"""Not a multiple of a frame, so that the telephones' packets do not come all at once."""

SETTLE_S = 5.0
SHORT_EVERY_S = 1 / 8
SHORT_S = 20.0
"""Longer than any short call takes."""

HOW = (
    "One daemon pinned to one core; telephones and stand-in engines, all in one process, on the"
    " other. Whole calls: signed webhook, media WebSocket, an STT connection each. A caller speaks"
    " for a second, hears a reply of four seconds, thinks for half a second, and interrupts every"
    " other reply after a second and a half."
)


@frozen
class Plan:
    """What is run: the loads, how long each is measured once it has settled, and how many short
    calls."""

    loads: tuple[int, ...] = (1, 25, 50, 100)
    seconds: float = 15.0
    settle_s: float = SETTLE_S
    short_calls: int = 1_000
    warm_calls: int = 200


PLANS = {
    Extent.FULL: Plan(),
    Extent.QUICK: Plan((1, 50), 5.0, short_calls=40, warm_calls=10),
    Extent.TRIAL: Plan((1,), 7.5, settle_s=0.0, short_calls=0),
}


@define
class Load:
    """One load and what was found under it."""

    calls: int
    live: int = 0
    """How many of them were there to the end."""
    cpu_percent: float = 0.0
    rss_growth_kb: float = 0.0
    late_ms: list[float] = field(factory=list)
    spacing_ms: list[float] = field(factory=list)
    clear_ms: list[float] = field(factory=list)
    findings: Findings = field(factory=Findings)

    @property
    def shown(self) -> Cell:
        """The number of calls, and plainly so where some were not there."""
        return self.calls if self.live == self.calls else f"{self.live} of {self.calls}"


def measure(extent: Extent) -> list[Table]:
    """Tables 3 to 6 of the benchmark."""
    plan = PLANS[extent]
    loads = [run_load(calls, plan) for calls in plan.loads]
    return [
        _pacing(loads),
        _resources(loads),
        _share(loads),
        _barge_in(loads),
        *([_memory(plan)] if plan.short_calls else []),
    ]


def run_load(calls: int, plan: Plan) -> Load:
    """Has so many telephones talk for so long."""
    load = Load(calls)
    clocks: dict[str, Any] = {}
    with rig(clocks) as running:
        empty_kb = running.rss_kb()
        ring_all(running, calls, plan.settle_s)
        began, used_s = monotonic(), running.cpu_s()
        running.run(plan.seconds)
        ended = monotonic()
        load.cpu_percent = 100 * (running.cpu_s() - used_s) / (ended - began)
        load.rss_growth_kb = running.rss_kb() - empty_kb
        load.findings = running.findings
        load.live = running.live
        running.leave()

    def within(values: list[tuple[float, float]]) -> list[float]:
        return [1000 * value for when, value in values if began <= when <= ended]

    load.late_ms = within(clocks["pacer"])
    load.clear_ms = within(clocks["clears"])
    load.spacing_ms = [abs(each - 20) for each in within(load.findings.spacings)]
    return load


def ring_all(running: Rig, calls: int, settle_s: float = SETTLE_S) -> None:
    """So many telephones call, one after the other; returns when they have long been talking."""
    now = monotonic()
    for number in range(calls):
        running.ring(Manner(), now + number * RING_EVERY_S)
    running.run(calls * RING_EVERY_S + settle_s)


def _pacing(loads: list[Load]) -> Table:
    columns = ("live calls", "frames", "late p50, ms", "p99", "max",
               "spacing off p50, ms", "p99", "max")  # fmt: skip
    rows = tuple(
        (load.shown, len(load.late_ms), *percentiles(load.late_ms, 50, 99, 100),
         *percentiles(load.spacing_ms, 50, 99, 100))
        for load in loads
    )  # fmt: skip
    late = "Late: the pacer's waking after its deadline, inside the daemon. Spacing: how far two"
    notes = (HOW, late + " frames in mid-reply arrive from 20 ms apart, at the far end.")
    return Table("Pacing", columns, rows, notes)


def _resources(loads: list[Load]) -> Table:
    columns = ("live calls", "CPU of the core, %", "CPU ms per call and second",
               "memory per call, KiB")  # fmt: skip
    rows = tuple(
        (load.shown, load.cpu_percent, 10 * load.cpu_percent / max(1, load.live),
         load.rss_growth_kb / max(1, load.live))
        for load in loads
    )  # fmt: skip
    notes = ("Memory: growth of the daemon's resident set from no call to that many, by call."
             " With few calls most of the CPU is the machine's waking up.",)  # fmt: skip
    return Table("CPU and memory of live calls", columns, rows, notes)


def _share(loads: list[Load]) -> Table:
    columns = ("live calls", "answers", "none came", "own share p50, ms", "p95",
               "whole answer p50, ms",
               "sound to STT p95", "end of turn to model p95", "text to TTS p95",
               "audio to line p95")  # fmt: skip
    notes = (
        "From the caller's last sound to the first frame at the far end, less what the engines"
        " took: the STT's silence of four steps, 200 ms to the first token, 250 ms to the first"
        " audio, as they stamped them. The model's first piece of text holds four words.",
    )
    return Table("voiced's own share of the answer time", columns,
                 tuple(_share_row(load) for load in loads), notes)  # fmt: skip


def _share_row(load: Load) -> tuple[Cell, ...]:
    answers = [answer for answer in load.findings.answers if answer.own_ms()]
    parts: list[dict[str, float]] = [answer.own_ms() or {} for answer in answers]
    names = ("sound to STT", "end of turn to model asked", "text to TTS", "audio to line")
    return (
        load.shown,
        f"{len(answers)} of {len(load.findings.answers)}",
        load.findings.unanswered,
        *percentiles([sum(part.values()) for part in parts], 50, 95),
        *percentiles([answer.answer_ms() for answer in answers], 50),
        *(percentiles([part[name] for part in parts], 95)[0] for name in names),
    )


def _barge_in(loads: list[Load]) -> Table:
    columns = ("live calls", "barge-ins", "decision to `clear` p50, ms", "p99", "max",
               "frames of the old reply after it", "hang-ups", "to all sockets closed p50, ms",
               "max", "calls lost")  # fmt: skip
    rows = tuple(
        (load.shown, len(load.clear_ms), *percentiles(load.clear_ms, 50, 99, 100),
         load.findings.frames_after_clear, len(load.findings.closings_ms),
         *percentiles(load.findings.closings_ms, 50, 100), len(load.findings.problems))
        for load in loads
    )  # fmt: skip
    notes = ("All callers hang up at the same moment, whatever they are doing; the engines note"
             " the end of their connections, and never close their own side.",)  # fmt: skip
    return Table("Barge-in and hang-up", columns, rows, notes)


def _memory(plan: Plan) -> Table:
    with rig() as running:
        marks = [(0, running.rss_kb())]
        for calls in (plan.warm_calls, plan.short_calls):
            _short_calls(running, calls)
            marks.append((len(running.phones), running.rss_kb()))
        lost = len(running.findings.problems)
    rows = tuple(
        (calls, kb, kb - marks[1][1] if calls > plan.warm_calls else "-") for calls, kb in marks
    )
    columns = ("calls so far", "resident, KiB", "since warm, KiB")
    notes = (f"Short calls, many at a time: greeting, one question, hang-up half a second into the"
             f" answer. Measured with no call live. {lost} calls were lost.",)  # fmt: skip
    return Table("Memory after many calls", columns, rows, notes)


def _short_calls(running: Rig, calls: int) -> None:
    """Eight a second; returns when none is live."""
    now = monotonic()
    manner = Manner(talks_s=0.8, thinks_s=0.1, interrupts_after_s=None, leaves_after_s=0.5)
    for number in range(calls):
        running.ring(manner, now + number * SHORT_EVERY_S)
    running.reactor.run_until(
        now + calls * SHORT_EVERY_S + SHORT_S,
        lambda: all(phone.is_over for phone in running.phones),
    )
    running.run(2.0)
