"""Finds the tasks that hold up the event loop.

Between two checkpoints a task has the loop for itself; while it does, no frame of any call is
sent. The instrument measures each such step. Busy time close to the wall time means that the
task computed; far less means that it blocked, or that the machine gave the core to another.
"""

import logging
import math
from collections.abc import Callable
from time import perf_counter, thread_time

import trio
from attrs import define, field, frozen

logger = logging.getLogger(__name__)

SLOW_MS = 10.0
REPORT_EVERY_S = 1.0


@frozen
class SlowStep:
    """One slow step. `unreported` counts the slow steps since the report before."""

    task: str
    wall_ms: float
    busy_ms: float
    unreported: int


@frozen
class SlowTaskStatistics:
    """All slow steps so far, reported or not."""

    slow_steps: int
    worst_ms: float


def log_slow_step(step: SlowStep) -> None:
    """The usual report: a warning."""
    fields = {
        "task": step.task,
        "wall_ms": round(step.wall_ms, 1),
        "busy_ms": round(step.busy_ms, 1),
        "unreported": step.unreported,
    }
    logger.warning("a task held up the event loop", extra={"fields": fields})


@define(eq=False)
class SlowTaskWatch(trio.abc.Instrument):
    """A trio instrument. The step that adds it, by `watch`, counts from there.

    `report` must not raise (trio then drops the instrument) nor block. The clocks count seconds.
    """

    report: Callable[[SlowStep], None] = log_slow_step
    wall: Callable[[], float] = perf_counter
    busy: Callable[[], float] = thread_time
    _wall_s: float = field(default=math.inf, init=False)
    _busy_s: float = field(default=math.inf, init=False)
    _next_report_s: float = field(default=float("-inf"), init=False)
    _unreported: int = field(default=0, init=False)
    _slow_steps: int = field(default=0, init=False)
    _worst_ms: float = field(default=0.0, init=False)

    def watch(self) -> None:
        """Adds it to this run of trio."""
        self._wall_s, self._busy_s = self.wall(), self.busy()
        trio.lowlevel.add_instrument(self)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._wall_s = self.wall()
        self._busy_s = self.busy()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        now_s = self.wall()
        wall_ms = (now_s - self._wall_s) * 1e3
        if wall_ms <= SLOW_MS:
            return
        self._slow_steps += 1
        self._worst_ms = max(self._worst_ms, wall_ms)
        if now_s < self._next_report_s:
            self._unreported += 1
            return
        busy_ms = (self.busy() - self._busy_s) * 1e3
        self.report(SlowStep(task.name, wall_ms, busy_ms, self._unreported))
        self._unreported, self._next_report_s = 0, now_s + REPORT_EVERY_S

    def statistics(self) -> SlowTaskStatistics:
        return SlowTaskStatistics(self._slow_steps, self._worst_ms)
