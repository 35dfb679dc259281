"""What the tests of the records play on: calls of which every field is worth checking."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import trio

from voiced.records.model import (
    CallClosed,
    CallOpened,
    CallStatus,
    Direction,
    Record,
    Said,
    TurnEnded,
)
from voiced.records.opening import FILE
from voiced.records.store import Store, open_store

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
SID = "CA" + "1" * 32
ALL = {"call.started": ["crm"], "turn.ended": ["crm"], "call.ended": ["crm", "bi"]}

SAID = (
    Said("caller", "Are you open", 1.5, "complete"),
    Said("caller", "on Sundays?", 2.5, "complete"),
    Said("agent", "Yes, from ten", 4.0, "interrupted"),
)


def sid(number: int) -> str:
    return f"CA{number:032d}"


def opened(
    sid: str = SID,
    at: float = START,
    variables: Mapping[str, str] | None = None,
    direction: Direction = Direction.INBOUND,
) -> CallOpened:
    parties = (direction, "default", "+33600000001", "+33100000001")
    return CallOpened(sid, *parties, at, variables or {})


def live(sid: str = SID, at: float = START + 1) -> CallStatus:
    return CallStatus(sid, "live", at)


def turn(sid: str = SID, number: int = 0, said: tuple[Said, ...] = SAID) -> TurnEnded:
    return TurnEnded(sid, number, START + 5 + number, 4.0, "barged-in", {"answer": 840}, said)


def closed(sid: str = SID, at: float = START + 60, recording: str = "") -> CallClosed:
    goodbye = (Said("agent", "Bye", 58.0, "complete"),)
    return CallClosed(sid, at, "hangup", 59.0, {"barge_ins": 1}, goodbye, recording)


def whole(sid: str = SID, at: float = START) -> list[Record]:
    return [opened(sid, at), live(sid, at + 1), turn(sid), closed(sid, at + 60)]


@contextmanager
def store_in(
    directory: Path, subscriptions: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Store]:
    store = open_store(directory, subscriptions or {})
    try:
        yield store
    finally:
        store.close()


def ask(directory: Path, question: str, *values: object) -> list[tuple[object, ...]]:
    """The answer of a second connection to the file."""
    with closing(sqlite3.connect(directory / FILE, isolation_level=None)) as db:
        return db.execute(question, values).fetchall()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Another process has the database to itself."""
    with closing(sqlite3.connect(directory / FILE, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")


@contextmanager
def full(store: Store) -> Iterator[None]:
    """The disk is full for this store."""
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    yield
    store._db.execute("PRAGMA max_page_count = 1073741823")


def counts(directory: Path) -> Callable[[str], int]:
    """How many rows a table has."""
    return lambda table: int(str(ask(directory, f"SELECT count(*) FROM {table}")[0][0]))


async def until(condition: Callable[[], object]) -> None:
    """Worker threads do it; there is no event of theirs to wait for."""
    with trio.fail_after(5):
        await trio.lowlevel.checkpoint()
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.001)


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())
