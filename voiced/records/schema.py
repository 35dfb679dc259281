"""The tables, and how a database of an older version becomes one of this.

`MIGRATIONS[n]` leads from version n to n + 1; the version stands in SQLite's `user_version`.
A migration that has been published is never changed.
"""

import sqlite3
from typing import Final

from voiced.errors import VoicedError


class StoreError(VoicedError):
    """The records cannot be opened or read; the message says why and what to do."""


MIGRATIONS: Final = (
    """
    CREATE TABLE calls (
        sid TEXT NOT NULL PRIMARY KEY,
        direction TEXT NOT NULL,
        agent TEXT NOT NULL,
        caller TEXT NOT NULL,
        called TEXT NOT NULL,
        status TEXT NOT NULL,
        opened_at REAL NOT NULL,
        closed_at REAL,
        duration_s REAL,
        reason TEXT,
        summary TEXT NOT NULL DEFAULT '{}',
        variables TEXT NOT NULL DEFAULT '{}',
        recording TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX calls_by_time ON calls (opened_at, sid);
    CREATE INDEX calls_open ON calls (sid) WHERE closed_at IS NULL;
    CREATE TABLE turns (
        sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at_s REAL,
        ending TEXT NOT NULL,
        stages TEXT NOT NULL,
        caller TEXT NOT NULL,
        agent TEXT NOT NULL
    );
    -- Not unique: a call that goes on after its records were lost counts from the start again.
    CREATE INDEX turns_in_call ON turns (sid, number);
    CREATE TABLE said (
        id INTEGER PRIMARY KEY,
        sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE,
        role TEXT NOT NULL,
        text TEXT NOT NULL,
        at_s REAL NOT NULL,
        ending TEXT NOT NULL
    );
    CREATE INDEX said_in_call ON said (sid, id);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL
    );
    CREATE INDEX events_in_call ON events (sid, id);
    CREATE TABLE engine_failures (
        id INTEGER PRIMARY KEY,
        sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE,
        at REAL NOT NULL,
        role TEXT NOT NULL,
        engine TEXT NOT NULL,
        reason TEXT NOT NULL,
        message TEXT NOT NULL
    );
    CREATE INDEX failures_in_call ON engine_failures (sid, id);
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY,
        webhook TEXT NOT NULL,
        event_id TEXT NOT NULL,
        event TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at REAL NOT NULL,
        due_at REAL,
        attempts INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'due',
        error TEXT NOT NULL DEFAULT ''
    );
    -- With the state in it, an index answers alone.
    CREATE INDEX deliveries_due ON deliveries (due_at, state) WHERE state = 'due';
    CREATE INDEX deliveries_queue ON deliveries (webhook, id, due_at, state) WHERE state = 'due';
    """,
    """
    CREATE TABLE extractions (
        sid TEXT NOT NULL PRIMARY KEY REFERENCES calls ON DELETE CASCADE,
        at REAL NOT NULL,
        status TEXT NOT NULL,
        fields TEXT NOT NULL,
        missing TEXT NOT NULL,
        faults TEXT NOT NULL
    );
    -- Of a delivery that is put off: the call whose extraction it waits for.
    ALTER TABLE deliveries ADD COLUMN awaits TEXT;
    CREATE INDEX deliveries_awaiting ON deliveries (awaits) WHERE awaits IS NOT NULL;
    CREATE TABLE memories (
        caller TEXT NOT NULL,
        agent TEXT NOT NULL,
        summary TEXT NOT NULL,
        at REAL NOT NULL
    );
    CREATE INDEX memories_of_caller ON memories (caller, agent, at);
    """,
)


def known_version(connection: sqlite3.Connection) -> int:
    """The version of a database, if this program knows it. Changes nothing.

    Raises:
        StoreError: it is a later one.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the records are of version {version}, and this voiced knows {len(MIGRATIONS)} at"
            " most: install the newer voiced again, or move voiced.db elsewhere"
        )
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Brings a database to this version; each step is made whole or not at all.

    Raises:
        StoreError: it is of a later version than this program knows.
    """
    version = known_version(connection)
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN;{script};PRAGMA user_version = {number};COMMIT;")
