"""The records on disk. Synchronous: it is used in a worker thread, by one at a time.

Readers have a connection of their own, so that a long answer holds up no record.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import frozen

from voiced.records import reading
from voiced.records.memories import Memories
from voiced.records.model import OpenCall, Record
from voiced.records.opening import BUSY_S, FILE, connect_or_replace, move_aside
from voiced.records.queue import Queue
from voiced.records.schema import StoreError
from voiced.records.writing import FAULTS, Writer

__all__ = ["Store", "StoreError", "Written", "open_store"]

PURGE_AT_ONCE: Final = 200
"""Calls are deleted so many at a time: some 5 MB."""

Answer = TypeVar("Answer")


def open_store(directory: Path, subscriptions: Mapping[str, Sequence[str]]) -> "Store":
    """Opens the records in a directory, which is made if need be.

    Raises:
        StoreError: they cannot be opened, or are of a later version.
    """
    path = directory.absolute() / FILE
    connection, aside = connect_or_replace(path)
    return Store(path, connection, subscriptions, aside)


@frozen
class Written:
    """What became of a batch that is on disk.

    `refused`: of the records that could not be written and never will be, the kind and the error's
    name. `given_up`: webhooks that are not sent any more, because too many wait.
    """

    refused: tuple[tuple[str, str], ...]
    given_up: int


class Store:
    """An open database. `moved_aside`: where a corrupt one has been put, if there was one.

    `webhooks` is the queue of those that are still to be told; `memories` is what agents remember
    of callers.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        subscriptions: Mapping[str, Sequence[str]],
        moved_aside: Path | None = None,
    ) -> None:
        self.moved_aside = moved_aside
        self._path = path
        self._db = connection
        self._db.row_factory = sqlite3.Row
        self._writer = Writer(connection, subscriptions)
        self.webhooks = Queue(connection)
        self.memories = Memories(connection, self._read)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def put_aside(self) -> Path:
        """Closes a file that has turned out to be corrupt, and moves it aside.

        Raises:
            StoreError: it cannot be moved.
        """
        self._db.close()
        return move_aside(self._path)

    def write(self, batch: Sequence[Record]) -> Written:
        """Writes all of them or none, but for those that cannot be written at all.

        Raises:
            sqlite3.Error: the disk is full, the database is locked or broken. They may be written
                later.
        """
        with self._db:  # commits, or rolls back
            self._db.execute("BEGIN IMMEDIATE")
            faults = [(type(record).__name__, self._write(record)) for record in batch]
            given_up = self.webhooks.trim()
        return Written(tuple((kind, fault) for kind, fault in faults if fault), given_up)

    def _write(self, record: Record) -> str:
        """Writes one; if it cannot be, nothing of it remains, and the fault's name is returned."""
        self._db.execute("SAVEPOINT record")
        fault = ""
        try:
            self._writer.write(record)
        except FAULTS as error:
            self._db.execute("ROLLBACK TO record")
            fault = type(error).__name__
        self._db.execute("RELEASE record")
        return fault

    # --- reading --------------------------------------------------------------------------------

    def calls(self, *, state: str | None, limit: int, before: str | None) -> dict[str, Any]:
        """See `reading.calls`."""
        return self._read(lambda db: reading.calls(db, state, limit, before))

    def call(self, sid: str) -> dict[str, Any] | None:
        """See `reading.call`."""
        return self._read(lambda db: reading.call(db, sid))

    def transcript(self, sid: str) -> list[dict[str, Any]] | None:
        """See `reading.transcript`."""
        return self._read(lambda db: reading.transcript(db, sid))

    def recording(self, sid: str) -> str | None:
        """See `reading.recording`."""
        return self._read(lambda db: reading.recording(db, sid))

    def open_calls(self) -> list[OpenCall]:
        """See `reading.open_calls`."""
        return self._read(reading.open_calls)

    def _read(self, query: Callable[[sqlite3.Connection], Answer]) -> Answer:
        try:
            db = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", timeout=BUSY_S, uri=True)
            db.row_factory = sqlite3.Row
            try:
                db.execute("BEGIN")  # all that it reads is of one moment
                return query(db)
            finally:
                db.close()
        except sqlite3.Error as error:
            raise StoreError(f"the records cannot be read: {error}") from error

    def recordings(self) -> set[str]:
        """The names of all recordings that belong to a call."""
        return self._read(reading.recordings)

    def purge(self, before: float) -> list[str]:
        """Deletes the calls that ended before then, what is remembered of them, and old deliveries.

        Returns the names of recordings that belong to nobody now. It goes in portions, so that
        the log stays small: where it fails, what it has deleted is gone.
        """
        names: list[str] = []
        self.memories.purge(before)
        while rows := _delete(
            self._db,
            "calls WHERE sid IN (SELECT sid FROM calls WHERE closed_at < ? LIMIT ?)"
            " RETURNING recording",
            before,
        ):
            names += [row["recording"] for row in rows if row["recording"]]
        while _delete(
            self._db,
            "deliveries WHERE id IN (SELECT id FROM deliveries WHERE state != 'due'"
            " AND created_at < ? LIMIT ?) RETURNING id",
            before,
        ):
            pass
        return names


def _delete(db: sqlite3.Connection, what: str, before: float) -> list[sqlite3.Row]:
    """Deletes a portion, and returns its rows."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        return db.execute(f"DELETE FROM {what}", (before, PURGE_AT_ONCE)).fetchall()
