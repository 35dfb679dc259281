"""Counters and histograms of one daemon, and the page that Prometheus reads.

Nothing here is global: each daemon has a registry of its own. What is counted is counted at once;
what can be looked at is read when somebody asks (`metrics_sources`). To put all of it into words
takes milliseconds, and no frame of any call is sent meanwhile; so it comes page by page.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from attrs import define, field, frozen
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.process_collector import ProcessCollector

from voiced.ops.metrics_declared import SECTIONS
from voiced.ops.metrics_kinds import By, Declared, Kind, Label
from voiced.ops.metrics_sources import Sources

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Source: Prometheus' "Exposition formats", text-based format."""

OTHER: Final = "other"
"""The value of a label for whatever has no place of its own."""

MAX_LEARNT: Final = 64
"""Names of a label that may come after the start: what is never forgotten must not grow for ever,
and a daemon may be renewed a thousand times."""

_WORD: Final = re.compile(r"[a-z][a-z-]{0,39}")
"""A reason of ours. A number or a name that got among them must not be shown."""


class Instruments:
    """The declared counters and histograms."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        """`names`: the values of the labels that stand in the configuration, by label."""
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._bounds: dict[str, tuple[_Bound, ...]] = {}
        for what in chain(*SECTIONS.values()):
            if what.by is By.COUNTING:
                self._add(what, names)

    def _add(self, what: Declared, names: Mapping[str, Iterable[str]]) -> None:
        labels, registry = [label.name for label in what.labels], self._registry
        if what.kind is Kind.HISTOGRAM:
            self._histograms[what.name] = Histogram(
                what.name, what.help, labels, buckets=what.buckets, registry=registry
            )
        else:
            self._counters[what.name] = Counter(what.name, what.help, labels, registry=registry)
        self._bounds[what.name] = tuple(_bound(label, names) for label in what.labels)

    def learn(self, names: Mapping[str, Iterable[str]]) -> None:
        """The configuration has these names now; those before stay, for counters never fall."""
        for what in chain(*SECTIONS.values()):
            for label, bound in zip(what.labels, self._bounds.get(what.name, ()), strict=False):
                if label.values is None:
                    bound.learn(names.get(label.name, ()))

    def prepare(self, what: Declared, *values: str) -> None:
        """Shows it with these labels from now on, at zero: Prometheus sees no rise in a counter
        that begins with 1."""
        self.count(what, *values, by=0.0)

    def count(self, what: Declared, *values: str, by: float = 1.0) -> None:
        """Adds to a counter; `values` are those of its labels."""
        counter = self._counters[what.name]
        (counter.labels(*self._bounded(what, values)) if values else counter).inc(by)

    def observe(self, what: Declared, seconds: float, *values: str) -> None:
        """Puts a length of time into a histogram."""
        histogram = self._histograms[what.name]
        (histogram.labels(*self._bounded(what, values)) if values else histogram).observe(seconds)

    def families(self) -> Iterator[Metric]:
        """Each counter and histogram with all that it has counted."""
        yield from self._registry.collect()

    def _bounded(self, what: Declared, values: tuple[str, ...]) -> list[str]:
        bounds = self._bounds[what.name]
        return [bound.admit(value) for bound, value in zip(bounds, values, strict=True)]


@frozen
class Exposition:
    """All metrics of a daemon, for Prometheus."""

    instruments: Instruments
    sources: Sources
    process: ProcessCollector = field(factory=lambda: ProcessCollector(registry=None))

    def pages(self) -> Iterator[bytes]:
        """The text, metric by metric; each is quickly made. Joined they are the answer."""
        every = (self.instruments.families(), self.sources.families(), self.process.collect())
        for family in chain(*every):
            yield generate_latest(_Page(family))


@define
class _Page:
    """One metric, as the library's writer wants it."""

    family: Metric

    def collect(self) -> list[Metric]:
        """Without the times at which counting began: they would double the number of counters."""
        samples = self.family.samples
        self.family.samples = [each for each in samples if not each.name.endswith("_created")]
        return [self.family]


@define
class _Bound:
    """The values of one label that are shown as they are."""

    known: set[str]
    spare: int
    room: int = MAX_LEARNT

    def learn(self, names: Iterable[str]) -> None:
        """Shows these too, as far as there is room."""
        new = sorted(set(names) - self.known)[: self.room]
        self.room -= len(new)
        self.known.update(new)

    def admit(self, value: str) -> str:
        """The value, or `other`."""
        if value in self.known:
            return value
        if self.spare and _WORD.fullmatch(value):
            self.spare -= 1
            self.known.add(value)
            return value
        return OTHER


def _bound(label: Label, names: Mapping[str, Iterable[str]]) -> _Bound:
    known = names.get(label.name, ()) if label.values is None else label.values
    return _Bound(set(known), label.spare)
