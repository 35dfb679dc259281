"""The queue of webhooks that are still to be sent, in the records' own database."""

import sqlite3
from typing import Final

from voiced.records.model import Delivery

MAX_UNDELIVERED: Final = 10_000
"""Beyond it the oldest delivery is given up: an endpoint that is gone must not fill the disk."""


class Queue:
    """A view of the table; all of it may raise `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def due(self, now: float, limit: int) -> list[Delivery]:
        """The deliveries that are due: the oldest of each webhook, then their next ones.

        So a webhook whose endpoint is dead does not hide the others behind its backlog.
        """
        rows = self._db.execute(
            # The inner query keeps to an index: bodies are long, and a backlog is too.
            "SELECT deliveries.* FROM (SELECT id, row_number() OVER (PARTITION BY webhook"
            " ORDER BY id) AS place FROM deliveries WHERE state = 'due' AND due_at <= ?"
            " ORDER BY place, id LIMIT ?) AS first JOIN deliveries USING (id) ORDER BY place, id",
            (now, limit),
        ).fetchall()
        return [
            Delivery(
                row["id"],
                row["webhook"],
                row["event_id"],
                row["event"],
                row["body"].encode(),
                row["attempts"],
                row["created_at"],
            )
            for row in rows
        ]

    def next_due(self) -> float | None:
        """When the next one is due."""
        row = self._db.execute("SELECT min(due_at) FROM deliveries WHERE state = 'due'").fetchone()
        return None if row[0] is None else float(row[0])

    def claim(self, delivery: int, now: float, until: float) -> bool:
        """Puts off what is due by now; of several daemons at once one is told that it did.

        What it had waited for comes too late: it may be on its way.
        """
        return bool(
            self._db.execute(
                "UPDATE deliveries SET due_at = ?, awaits = NULL"
                " WHERE id = ? AND state = 'due' AND due_at <= ?",
                (until, delivery, now),
            ).rowcount
        )

    def settle(
        self, delivery: int, state: str, due_at: float | None = None, error: str = ""
    ) -> None:
        """One attempt was made: the delivery is `delivered`, `given-up`, or `due` again."""
        self._db.execute(
            "UPDATE deliveries SET state = ?, due_at = ?, error = ?, attempts = attempts + 1"
            " WHERE id = ?",
            (state, due_at, error, delivery),
        )

    def trim(self) -> int:
        """Gives up the oldest of those that are too many; returns how many these were."""
        (waiting,) = self._db.execute(
            "SELECT count(*) FROM deliveries WHERE state = 'due'"
        ).fetchone()
        too_many = int(max(0, waiting - MAX_UNDELIVERED))
        if too_many:
            self._db.execute(
                "UPDATE deliveries SET state = 'given-up', due_at = NULL, error = 'too many are"
                " waiting' WHERE id IN (SELECT id FROM deliveries WHERE state = 'due' ORDER BY id"
                " LIMIT ?)",
                (too_many,),
            )
        return too_many
