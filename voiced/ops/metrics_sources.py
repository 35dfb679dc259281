"""Gauges: what is not counted but looked at, at the moment that Prometheus asks."""

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Protocol

import trio
from attrs import frozen
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from voiced import __version__
from voiced.ops import metrics_declared as declared
from voiced.ops.metrics_kinds import STAGES, STATES, Declared, Kind

Rows = Iterable[tuple[tuple[str, ...], float]]
"""Values, each behind those of its labels."""


class Room(Protocol):
    """What is known of an engine's room, as `engines.rooms.Room`."""

    @property
    def role(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> Enum: ...
    @property
    def total(self) -> int | None: ...
    @property
    def used(self) -> int | None: ...
    @property
    def free(self) -> float: ...


@frozen
class Sources:
    """Where the gauges come from; none of these may block or fail.

    `stages`: the stage of each call that is not over. `ready`: by agent, whether a call of it
    would be taken now. `kept`, `lost` and `waiting` are of records, `slow_steps` is all since the
    start.
    """

    stages: Callable[[], Iterable[str]]
    free: Callable[[], int]
    ready: Callable[[], Mapping[str, bool]]
    draining: Callable[[], bool]
    rooms: Callable[[], Sequence[Room]]
    kept: Callable[[], bool]
    lost: Callable[[], int]
    waiting: Callable[[], int]
    slow_steps: Callable[[], int]

    def families(self) -> Iterator[Metric]:
        """Each gauge as it stands."""
        stages = list(self.stages())
        yield _family(declared.CALLS, (((name,), stages.count(name)) for name in STAGES))
        yield _family(declared.CALLS_FREE, _one(self.free()))
        ready = (((agent,), float(taken)) for agent, taken in self.ready().items())
        yield _family(declared.READY, ready)
        yield _family(declared.DRAINING, _one(float(self.draining())))
        yield from _engines(self.rooms())
        yield _family(declared.RECORDS_KEPT, _one(float(self.kept())))
        yield _family(declared.RECORDS_LOST, _one(self.lost()))
        yield _family(declared.RECORDS_WAITING, _one(self.waiting()))
        yield _family(declared.SLOW_STEPS, _one(self.slow_steps()))
        versions = (__version__, platform.python_version(), trio.__version__)
        yield _family(declared.BUILD, [(versions, 1.0)])


def _engines(rooms: Sequence[Room]) -> Iterator[Metric]:
    """What is not known, or has no limit, is left out."""
    yield _family(
        declared.ENGINE_STATE,
        (
            ((room.role, room.name, state), float(room.state.value == state))
            for room in rooms
            for state in STATES
        ),
    )
    named = [((room.role, room.name), room) for room in rooms]
    slots = ((names, room.total) for names, room in named if room.total is not None)
    yield _family(declared.SLOTS, slots)
    used = ((names, room.used) for names, room in named if room.used is not None)
    yield _family(declared.SLOTS_USED, used)
    free = ((names, room.free) for names, room in named if not math.isinf(room.free))
    yield _family(declared.ENGINE_FREE, free)


def _one(value: float) -> Rows:
    return [((), value)]


def _family(what: Declared, rows: Rows) -> Metric:
    kind = CounterMetricFamily if what.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(what.name, what.help, labels=[label.name for label in what.labels])
    for labels, value in rows:
        family.add_metric(labels, value)
    return family
