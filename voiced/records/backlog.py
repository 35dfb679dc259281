"""What waits to be written, and what is counted and said of it."""

import logging
from collections import deque
from enum import Enum, auto
from typing import Final

import trio
from attrs import define, field, frozen

from voiced.records.model import Record
from voiced.records.store import Store, Written

log = logging.getLogger(__name__)

MAX_WAITING: Final = 4_096
MAX_BATCH: Final = 256


@frozen
class RecorderStatistics:
    """Records written and lost, and attempts to open or to write that failed."""

    written: int
    lost: int
    failures: int


class State(Enum):
    WELL = auto()
    FAILING = auto()  # nothing is lost yet
    LOSING = auto()


@define
class Tally:
    """Counts, and complains once for each time of trouble.

    `told` is what is said once and no more: it would come again with each call.
    """

    written: int = 0
    lost: int = 0
    failures: int = 0
    state: State = State.WELL
    told: set[object] = field(factory=set)

    def failed(self, what: str, error: Exception) -> None:
        """Nothing can be written for now."""
        self.failures += 1
        if self.state is State.WELL:
            log.error(what, error)
            self.state = State.FAILING

    def overflowed(self) -> None:
        """A record found no place."""
        self.lost += 1
        if self.state is not State.LOSING:
            log.error("records are lost: they cannot be written, and too many wait")
            self.state = State.LOSING

    def wrote(self, records: int, written: Written) -> None:
        """A batch is on disk."""
        self.written += records - len(written.refused)
        self.lost += len(written.refused)
        for kind, fault in written.refused:
            if (kind, fault) not in self.told:
                self.told.add((kind, fault))
                fields = {"record": kind, "error": fault}
                log.error("a record is lost: it cannot be written", extra={"fields": fields})
        if written.given_up and "given up" not in self.told:
            self.told.add("given up")
            log.error("webhooks are given up, the oldest first: too many wait")

    def statistics(self) -> RecorderStatistics:
        """The figures."""
        return RecorderStatistics(self.written, self.lost, self.failures)

    def caught_up(self) -> None:
        """Nothing waits any more."""
        if self.state is not State.WELL:
            log.warning("records are written again", extra={"fields": {"lost": self.lost}})
            self.state = State.WELL


class Backlog:
    """A bounded queue of records. Where it is full, the newest are lost."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._waiting: deque[Record] = deque()
        self._gone = 0  # how many have left it, written or not
        self._arrived = trio.Event()
        self._change = trio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, record: Record) -> None:
        """Takes a record; never blocks."""
        if len(self._waiting) >= MAX_WAITING:
            self.tally.overflowed()
            return
        self._waiting.append(record)
        self._arrived.set()

    async def wait_arrival(self) -> None:
        """Returns when something has been put since this returned last."""
        await self._arrived.wait()
        self._arrived = trio.Event()

    def write_next(self, store: Store) -> tuple[int, Written]:
        """Writes the next batch, in a thread; returns how many records that were.

        Whoever waits for it may be cancelled. Then it goes on, and still each is written once.

        Raises:
            sqlite3.Error: they could not be written, and wait.
        """
        batch = [self._waiting[index] for index in range(min(MAX_BATCH, len(self._waiting)))]
        written = store.write(batch)
        for _ in batch:
            self._waiting.popleft()
        self._gone += len(batch)
        return len(batch), written

    def wrote(self, records: int, written: Written) -> None:
        """A batch is on disk."""
        self.tally.wrote(records, written)
        self.caught_up()

    def failed(self, what: str, error: Exception) -> None:
        """Nothing can be written for now."""
        self.tally.failed(what, error)
        self._tell_change()

    def caught_up(self) -> None:
        """What is there can be written, and all of it is if nothing waits any more."""
        if not self._waiting:
            self.tally.caught_up()
        self._tell_change()

    def let_go(self) -> None:
        """No more will be written: what waits is lost."""
        if lost := len(self._waiting):
            self.tally.lost += lost
            self._gone += lost
            self._waiting = deque()
            fields = {"lost": lost}
            log.error("records are lost: they could not be written", extra={"fields": fields})
        self._tell_change()

    def _tell_change(self) -> None:
        self._change.set()
        self._change = trio.Event()

    async def wait_change(self) -> None:
        """Returns when something has been written, or could not be."""
        await self._change.wait()

    async def flush(self) -> None:
        """Returns when all that was put so far is written, or lost."""
        goal = self._gone + len(self._waiting)
        while self._gone < goal:
            await self._change.wait()
