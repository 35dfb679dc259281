"""What agents remember of callers, on disk: of each number and agent the last call's summary."""

import sqlite3
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from attrs import field, frozen

from voiced.records.writing import clean

Answer = TypeVar("Answer")

PURGED_AT_ONCE: Final = 1_000


@frozen
class Remembered:
    """A call's summary, and when it ended, in Unix seconds."""

    summary: str = field(repr=False)
    at: float


class Reader(Protocol):
    """Has a connection of its own for each query."""

    def __call__(self, query: Callable[[sqlite3.Connection], Answer], /) -> Answer: ...


class Memories:
    """The table of them. Its owner sees to it that one at a time writes."""

    def __init__(self, db: sqlite3.Connection, read: Reader) -> None:
        self._db = db
        self._read = read

    def put(self, caller: str, agent: str, summary: str, at: float) -> None:
        """This is what is remembered from now on.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        texts = [clean(text) for text in (caller, agent, summary)]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM memories WHERE caller = ? AND agent = ?", texts[:2])
            self._db.execute("INSERT INTO memories VALUES (?, ?, ?, ?)", (*texts, at))

    def last(self, caller: str, agent: str, since: float) -> Remembered | None:
        """What is remembered of a call that ended after `since`; None: there was none.

        Raises:
            StoreError: the records cannot be read.
        """
        key = (clean(caller), clean(agent), since)
        row = self._read(
            lambda db: db.execute(
                "SELECT summary, at FROM memories WHERE caller = ? AND agent = ? AND at > ?"
                " ORDER BY at DESC LIMIT 1",
                key,
            ).fetchone()
        )
        return None if row is None else Remembered(row["summary"], row["at"])

    def purge(self, before: float) -> None:
        """Forgets the calls that ended before then, in portions.

        Raises:
            sqlite3.Error: it cannot; what is gone is gone.
        """
        old = "FROM memories WHERE at < ? LIMIT ?"
        while self._db.execute(f"SELECT 1 {old}", (before, 1)).fetchone():
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(
                    f"DELETE FROM memories WHERE rowid IN (SELECT rowid {old})",
                    (before, PURGED_AT_ONCE),
                )
