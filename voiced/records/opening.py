"""Opens the database file: makes it, mends its version, and moves a corrupt one aside."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from voiced.records.schema import StoreError, known_version, migrate

FILE: Final = "voiced.db"

BUSY_S: Final = 1.0
"""Another process that holds the database (a backup, a curious shell) is waited for so long."""

MAX_WAL: Final = 16 * 1024 * 1024
"""A write-ahead log that a long reader let grow is cut back to so many bytes."""

WHOLE_CHECK: Final = 64 * 1024 * 1024
"""A file of more bytes is not read from end to end at start; from a cold disk that takes seconds.

Of such a one the table of calls is checked, and SQLite itself compares the file's length with
what its header promises. What is broken elsewhere shows when it is written to, see `is_corrupt`.
"""

_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Corrupt(Exception):
    """The file does not hold what SQLite left in it."""


def connect(path: Path) -> sqlite3.Connection:
    """An open connection to a sound database of this version.

    WAL and `synchronous=NORMAL`: what is committed survives the death of the process, and
    readers do not hold up the writer.

    Raises:
        StoreError: the file cannot be made or opened, or is of a later version.
        Corrupt: it is that, or no database.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.fchmod(file, 0o600)  # also one that a backup has put back
        finally:
            os.close(file)
        size = path.stat().st_size
        connection = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        _prepare(connection, size)
    except sqlite3.Error as error:
        connection.close()
        if is_corrupt(error):
            raise Corrupt(str(error)) from error
        raise _unusable(path, error) from error
    except (Corrupt, StoreError):
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, size: int) -> None:
    known_version(connection)  # before anything is changed in it
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {MAX_WAL}")
    check = "PRAGMA quick_check(1)" if size <= WHOLE_CHECK else "PRAGMA quick_check(calls)"
    (verdict,) = connection.execute(check).fetchone()
    if verdict != "ok":
        raise Corrupt(str(verdict))
    migrate(connection)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is broken, and not that it cannot get at it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in _CORRUPT  # the other bits tell more of the same


def _unusable(path: Path, error: OSError | sqlite3.Error) -> StoreError:
    why = getattr(error, "strerror", None) or error
    return StoreError(f"the records in {path} cannot be opened: {why}; see records.directory")


def connect_or_replace(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """The same; a corrupt file is moved aside, and its new place is returned.

    Raises:
        StoreError: as `connect`, or the corrupt one cannot be moved.
    """
    try:
        return connect(path), None
    except Corrupt:
        aside = move_aside(path)
    try:
        return connect(path), aside
    except Corrupt as error:
        raise StoreError(f"the records in {path}, new ones, are corrupt: {error}") from error


def move_aside(path: Path) -> Path:
    """Gives a database another name, and returns it. Nothing is overwritten.

    Raises:
        StoreError: it cannot be moved.
    """
    second = int(time.time())
    while (aside := path.with_name(f"{path.name}.corrupt-{second}")).exists():
        second += 1
    try:
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise StoreError(
            f"the records in {path} are corrupt, and cannot be moved aside: {error.strerror}"
        ) from error
    return aside
