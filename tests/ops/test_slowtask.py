"""The watch over the event loop, on clocks that the test moves."""

import logging
from types import SimpleNamespace
from typing import cast

import pytest
import trio
from attrs import define, field

from voiced.ops.slowtask import SlowStep, SlowTaskWatch, log_slow_step

TASK = cast(trio.lowlevel.Task, SimpleNamespace(name="CA1/pace"))


@define
class Loop:
    """A watch, its reports, and clocks that only `step` moves."""

    now_s: float = 100.0
    busy_s: float = 5.0
    reports: list[SlowStep] = field(factory=list)
    watch: SlowTaskWatch = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.watch = SlowTaskWatch(
            self.reports.append, wall=lambda: self.now_s, busy=lambda: self.busy_s
        )

    def step(self, wall_ms: float, busy_ms: float = 0.0) -> None:
        self.watch.before_task_step(TASK)
        self.now_s += wall_ms / 1e3
        self.busy_s += busy_ms / 1e3
        self.watch.after_task_step(TASK)


def test_a_quick_step_is_nothing() -> None:
    loop = Loop()
    loop.step(9.9)
    assert loop.reports == []
    assert loop.watch.statistics().slow_steps == 0


def test_the_step_that_adds_the_watch_counts_from_there() -> None:
    loop = Loop()
    loop.now_s += 0.005
    loop.watch.after_task_step(TASK)
    assert loop.reports == []


def test_a_slow_step_is_reported_with_its_task_and_how_busy_it_was() -> None:
    loop = Loop()
    loop.step(25.0, busy_ms=20.0)
    (step,) = loop.reports
    assert step.task == "CA1/pace"
    assert step.wall_ms == pytest.approx(25.0)
    assert step.busy_ms == pytest.approx(20.0)


def test_reports_come_once_a_second_and_every_slow_step_is_counted() -> None:
    loop = Loop()
    for _ in range(5):
        loop.step(300.0)
    assert [step.unreported for step in loop.reports] == [0, 3]
    assert loop.watch.statistics().slow_steps == 5
    assert loop.watch.statistics().worst_ms == pytest.approx(300.0)


def test_trio_drives_the_watch() -> None:
    now_s = 0.0
    reports: list[SlowStep] = []

    async def hog() -> None:
        nonlocal now_s
        now_s += 0.05
        await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hog, name="CA1/hog")
            nursery.start_soon(trio.lowlevel.checkpoint)

    watch = SlowTaskWatch(reports.append, wall=lambda: now_s, busy=lambda: 0.0)
    trio.run(main, instruments=[watch])
    (step,) = reports
    assert (step.task, step.wall_ms) == ("CA1/hog", pytest.approx(50.0))


def test_the_usual_report_is_a_warning_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "voiced"):
        log_slow_step(SlowStep("CA1/pace", 12.345, 1.0, 2))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.__dict__["fields"] == {
        "task": "CA1/pace",
        "wall_ms": 12.3,
        "busy_ms": 1.0,
        "unreported": 2,
    }
