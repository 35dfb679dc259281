"""What a test sees of a page of metrics, and sources that it sets."""

import math
from collections.abc import Sequence
from enum import Enum

from attrs import define, field
from prometheus_client.parser import text_string_to_metric_families

from voiced.ops.metrics import Exposition, Instruments
from voiced.ops.metrics_sources import Sources

Page = dict[tuple[str, frozenset[tuple[str, str]]], float]


class State(Enum):
    OPEN = "open"
    AWAY = "unreachable"


@define
class FakeRoom:
    role: str
    name: str
    state: State = State.OPEN
    total: int | None = None
    used: int | None = None
    free: float = math.inf


@define
class House:
    """What the gauges look at."""

    stages: Sequence[str] = ("live", "live", "ringing")
    free: int = 7
    ready: dict[str, bool] = field(factory=lambda: {"default": True, "night": False})
    draining: Sequence[str] = ()  # anything in it: the daemon drains
    rooms: Sequence[FakeRoom] = ()
    kept: Sequence[str] = ()  # anything in it: records are kept
    lost: int = 2
    waiting: int = 3
    slow_steps: int = 4

    def sources(self) -> Sources:
        return Sources(
            stages=lambda: self.stages,
            free=lambda: self.free,
            ready=lambda: self.ready,
            draining=lambda: bool(self.draining),
            rooms=lambda: self.rooms,
            kept=lambda: bool(self.kept),
            lost=lambda: self.lost,
            waiting=lambda: self.waiting,
            slow_steps=lambda: self.slow_steps,
        )


def shown(instruments: Instruments, house: House | None = None) -> Page:
    """Every sample of the page, by its name and labels."""
    text = b"".join(Exposition(instruments, (house or House()).sources()).pages()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(page: Page, name: str, **labels: str) -> float | None:
    """One of them; None: it is not shown."""
    return page.get((name, frozenset(labels.items())))
