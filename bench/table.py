"""Tables of figures, and how a cost is measured."""

import gc
from collections.abc import Callable, Sequence
from enum import Enum
from statistics import median
from time import perf_counter, process_time

import numpy as np
from attrs import field, frozen

Cell = str | float | int


class Extent(Enum):
    """How much is measured: TRIAL shows that it works, QUICK is for a look, FULL for the
    document."""

    TRIAL = 0.0
    QUICK = 0.05
    FULL = 0.3

    @property
    def seconds(self) -> float:
        """To be spent on each cost."""
        return self.value


@frozen
class Table:
    """`notes` say how it was measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(factory=tuple)

    def text(self) -> list[list[str]]:
        """All cells as text, the heads first."""
        return [list(self.columns), *([_shown(cell) for cell in row] for row in self.rows)]


def _shown(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    size = abs(cell)
    return f"{cell:.0f}" if size >= 100 else f"{cell:.1f}" if size >= 10 else f"{cell:.2f}"


def percentiles(values: Sequence[float], *wanted: float) -> list[Cell]:
    """The percentiles; a dash each where nothing was measured. 100 is the largest."""
    if not len(values):
        return ["-"] * len(wanted)
    return [float(each) for each in np.percentile(np.asarray(values), wanted)]


def cost_us(work: Callable[[], object], seconds: float) -> float:
    """CPU time of one call in microseconds: the median of seven rounds.

    The machine's other guests make some rounds slower, and none faster; caches are warm.
    """
    work()
    began, loops = perf_counter(), 1
    while perf_counter() - began < seconds / 20:
        work()
        loops += 1
    rounds = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(7):
            before = process_time()
            for _ in range(loops):
                work()
            rounds.append((process_time() - before) / loops)
    finally:
        gc.enable()
    return median(rounds) * 1e6
