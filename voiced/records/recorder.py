"""Keeps records without ever making a call wait: a bounded queue, and one thread that writes.

What is in the queue is written as soon as the thread is free, many at once if many have come; so a
turn is on disk a few milliseconds after it ended. A disk that is full, a database that is locked:
the queue holds, then the newest are lost and counted. Calls do not notice.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import trio

from voiced.records.backlog import Backlog, RecorderStatistics, State
from voiced.records.model import Record
from voiced.records.opening import is_corrupt
from voiced.records.store import Store, StoreError, open_store

log = logging.getLogger(__name__)

CLOSE_S: Final = 5.0
RETRY_S: Final = (0.1, 0.5, 2.0, 10.0)
"""Pauses between attempts to open or to write; the last one repeats."""

Answer = TypeVar("Answer")


class Recorder:
    """The records of a daemon."""

    def __init__(self, directory: Path, subscriptions: Mapping[str, Sequence[str]]) -> None:
        self._directory = directory
        self._subscriptions = subscriptions
        self._store: Store | None = None
        self._backlog = Backlog()
        self._thread = trio.CapacityLimiter(1)

    def put(self, record: Record) -> None:
        """Takes a record; never blocks. Where the queue is full, the record is lost."""
        self._backlog.put(record)

    @property
    def waiting(self) -> int:
        """Records that are not on disk yet."""
        return len(self._backlog)

    @property
    def is_keeping(self) -> bool:
        """Whether what is put comes to be on disk; not while the records cannot be opened or
        written."""
        return self._backlog.tally.state is State.WELL

    def statistics(self) -> RecorderStatistics:
        """What became of the records so far."""
        return self._backlog.tally.statistics()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Opens the records and writes until cancelled; then what is left, if that is quick.

        Started when they are open, or cannot be opened: calls are answered either way, and to open
        them is tried again and again.
        """
        try:
            await self._open()
            task_status.started()
            while True:
                await self._write_all()
                await self._backlog.wait_arrival()
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await self._close()
            self._backlog.let_go()

    async def _open(self) -> None:
        try:
            store = await _in_thread(
                self._thread, lambda: open_store(self._directory, self._subscriptions)
            )
        except StoreError as error:
            self._backlog.failed("calls are answered, and nothing is recorded: %s", error)
            return
        if store.moved_aside:
            _tell_moved(store.moved_aside)
        self._store = store
        self._backlog.caught_up()

    async def _write_all(self) -> None:
        attempts = 0
        while self._backlog or self._store is None:
            if await self._write_batch():
                attempts = 0
                continue
            pause_s = RETRY_S[min(attempts, len(RETRY_S) - 1)]
            attempts += 1
            await trio.sleep(pause_s)
            if self._store is None:
                await self._open()

    async def _write_batch(self) -> bool:
        """Whether the next batch is on disk now."""
        store = self._store
        if store is None:
            return False
        try:
            records, written = await _in_thread(
                self._thread, lambda: self._backlog.write_next(store)
            )
        except sqlite3.Error as error:
            self._backlog.failed("records cannot be written, and wait: %s", error)
            if is_corrupt(error):
                await self._put_aside(store)
            return False
        self._backlog.wrote(records, written)
        return True

    async def _put_aside(self, store: Store) -> None:
        """The file has broken under our hands: what waits goes into a new one."""
        self._store = None
        try:
            _tell_moved(await _in_thread(self._thread, store.put_aside))
        except StoreError as error:
            log.error("%s", error)

    async def _close(self) -> None:
        while self._backlog and await self._write_batch():
            pass
        store, self._store = self._store, None
        if store:
            await _in_thread(self._thread, store.close)

    async def wait_change(self) -> None:
        """Returns when something more has been written, or could not be."""
        await self._backlog.wait_change()

    async def flush(self) -> None:
        """Returns when all that was put so far is written, or lost."""
        await self._backlog.flush()

    async def read(self, query: Callable[[Store], Answer]) -> Answer:
        """Asks the records something, in a thread.

        Raises:
            StoreError: there are none, or they cannot be read.
        """
        return await trio.to_thread.run_sync(query, self._opened, abandon_on_cancel=True)

    async def use(self, work: Callable[[Store], Answer]) -> Answer:
        """The same for what writes, one at a time with the records.

        Raises:
            StoreError: there are none, or it failed.
        """
        store = self._opened
        try:
            return await _in_thread(self._thread, lambda: work(store))
        except sqlite3.Error as error:
            raise StoreError(f"the records cannot be written: {error}") from error

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise StoreError("there are no records: they could not be opened, as the log says")
        return self._store


async def _in_thread(one: trio.CapacityLimiter, work: Callable[[], Answer]) -> Answer:
    """In a thread, one at a time. A disk that hangs does not hold up who is cancelled."""
    return await trio.to_thread.run_sync(work, limiter=one, abandon_on_cancel=True)


def _tell_moved(aside: Path) -> None:
    log.error(
        "the records were corrupt and have been moved aside; new ones are begun",
        extra={"fields": {"file": str(aside)}},
    )
