"""Faults of the disk: calls notice nothing, the queue holds, the log says it once."""

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from test_recorder import happened, recording
from test_store_stage import (
    SID,
    ask,
    live,
    locked,
    names,
    opened,
    sid,
    store_in,
    turn,
    until,
    whole,
)

from voiced.records import backlog, opening, recorder
from voiced.records.backlog import RecorderStatistics
from voiced.records.model import Record
from voiced.records.recorder import Recorder
from voiced.records.store import Store, StoreError, Written


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are tried again soon."""
    monkeypatch.setattr(recorder, "RETRY_S", (0.001, 0.005))
    monkeypatch.setattr(opening, "BUSY_S", 0.01)


def failing(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Error]:
    """While the list has an error in it, each attempt to write ends with that."""
    faults: list[sqlite3.Error] = []
    write = Store.write

    def fail(self: Store, batch: Sequence[Record]) -> Written:
        if faults:
            raise faults[0]
        return write(self, batch)

    monkeypatch.setattr(Store, "write", fail)
    return faults


def full_disk() -> sqlite3.OperationalError:
    return sqlite3.OperationalError("database or disk is full")


async def test_a_locked_database_holds_up_records_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with recording(tmp_path) as records:
        with locked(tmp_path):
            records.put(opened())
            await until(lambda: records.statistics().failures >= 3)
            assert await records.read(lambda store: store.call(SID)) is None
        await records.flush()
        assert await records.read(lambda store: store.call(SID))
    assert caplog.messages == [
        "records cannot be written, and wait: database is locked",
        "records are written again",
    ]


async def test_a_full_disk_keeps_them_waiting_until_there_is_room(tmp_path: Path) -> None:
    async with recording(tmp_path) as records:
        await records.use(lambda store: store._db.execute("PRAGMA max_page_count = 1"))
        for number in range(100):
            for record in whole(sid(number)):
                records.put(record)
        await until(lambda: records.statistics().failures >= 2)
        assert records.statistics().lost == 0
        await records.use(lambda store: store._db.execute("PRAGMA max_page_count = 1000000"))
        await records.flush()
        assert records.statistics().written == 400
    assert ask(tmp_path, "SELECT count(*) FROM calls WHERE closed_at NOT NULL") == [(100,)]


async def test_each_time_of_trouble_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MAX_WAITING", 2)
    faults = failing(monkeypatch)
    async with recording(tmp_path) as records:
        for lost in (3, 6):
            faults.append(full_disk())
            failures = records.statistics().failures
            records.put(opened())
            await until(lambda: records.statistics().failures > failures + 1)  # noqa: B023
            for _ in range(4):
                records.put(live())
            assert records.statistics().lost == lost
            faults.clear()
            await records.flush()
    once = [
        "records cannot be written, and wait: database or disk is full",
        "records are lost: they cannot be written, and too many wait",
        "records are written again",
    ]
    assert caplog.messages == once * 2
    assert [getattr(each, "fields", None) for each in caplog.records[2::3]] == [
        {"lost": 3},
        {"lost": 6},
    ]
    assert [each.levelno for each in caplog.records[:3]] == [
        logging.ERROR,
        logging.ERROR,
        logging.WARNING,
    ]


async def test_it_tells_whether_it_is_keeping_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = failing(monkeypatch)
    async with recording(tmp_path) as records, trio.open_nursery() as nursery:
        assert records.is_keeping
        nursery.start_soon(records.wait_change)
        await trio.testing.wait_all_tasks_blocked()
        faults.append(full_disk())
        records.put(opened())
        await until(lambda: nursery.child_tasks == frozenset())
        assert not records.is_keeping
        faults.clear()
        await records.flush()
        assert records.is_keeping


async def test_it_starts_although_it_cannot_open_and_opens_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "mount"
    place.touch()
    async with recording(place / "voiced") as records:
        assert not records.is_keeping
        records.put(opened())
        await until(lambda: records.statistics().failures >= 3)
        with pytest.raises(StoreError, match="as the log says"):
            await records.read(lambda store: store.call(SID))
        place.unlink()
        place.mkdir()
        await records.flush()
        assert await records.read(lambda store: store.call(SID))
        assert records.statistics().written == 1
    first, second = caplog.messages
    assert first.startswith("calls are answered, and nothing is recorded: the records in ")
    assert second == "records are written again"


async def test_it_opens_later_also_when_there_is_nothing_to_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store_in(tmp_path / "there") as store:
        store.write(whole())
    place = tmp_path / "mount"
    place.touch()
    async with recording(place) as records:
        await until(lambda: records.statistics().failures >= 2)
        place.unlink()
        (tmp_path / "there").rename(place)
        await until(lambda: "records are written again" in caplog.messages)
        assert await records.read(lambda store: store.call(SID))
        assert records.is_keeping
    assert len(caplog.messages) == 2


async def test_a_later_version_is_said_once_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store_in(tmp_path):
        pass
    ask(tmp_path, "PRAGMA user_version = 99")
    async with recording(tmp_path) as records:
        records.put(opened())
        await until(lambda: records.statistics().failures >= 3)
    assert records.statistics().lost == 1
    first, second = caplog.messages
    assert "version 99" in first
    assert second == "records are lost: they could not be written"
    assert ask(tmp_path, "SELECT count(*) FROM calls") == [(0,)]


async def test_a_file_that_breaks_while_it_is_used_is_replaced_and_nothing_waits_in_vain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store_in(tmp_path) as store:
        for number in range(30):
            store.write(whole(sid(number)))
        (root,) = store._db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'said'"
        ).fetchone()
    async with recording(tmp_path) as records:
        with (tmp_path / opening.FILE).open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"\xa5" * 4096)
        await records.use(lambda store: store._db.execute("PRAGMA shrink_memory"))
        for record in (opened(), turn()):
            records.put(record)
        await records.flush()
        call = await records.read(lambda store: store.call(SID))
        assert call
        assert call["turns"] == 1
        assert records.statistics() == RecorderStatistics(2, 0, 1)
    assert any(name.startswith("voiced.db.corrupt-") for name in names(tmp_path))
    assert [each.split(":")[0] for each in caplog.messages] == [
        "records cannot be written, and wait",
        "the records were corrupt and have been moved aside; new ones are begun",
        "records are written again",
    ]


async def test_a_broken_file_that_cannot_be_moved_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = failing(monkeypatch)
    broken = sqlite3.DatabaseError("database disk image is malformed")
    broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    def stuck(self: Store) -> Path:
        faults.clear()
        self.close()
        raise StoreError("it cannot be moved")

    monkeypatch.setattr(Store, "put_aside", stuck)
    async with recording(tmp_path) as records:
        faults.append(broken)
        records.put(opened())
        await records.flush()
        assert records.statistics() == RecorderStatistics(1, 0, 1)
    assert "it cannot be moved" in caplog.messages


async def test_what_cannot_be_written_at_the_end_is_lost_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = failing(monkeypatch)
    async with recording(tmp_path) as records:
        faults.append(full_disk())
        for number in range(3):
            records.put(happened(number))
        await until(lambda: records.statistics().failures >= 1)
    assert records.statistics().lost == 3
    assert caplog.messages[-1] == "records are lost: they could not be written"
    assert getattr(caplog.records[-1], "fields", None) == {"lost": 3}
    await records.flush()


async def test_who_waits_for_a_flush_is_let_go_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch).append(full_disk())
    records = Recorder(tmp_path, {})
    with trio.fail_after(5):
        async with trio.open_nursery() as waiting, trio.open_nursery() as nursery:
            await nursery.start(records.run)
            records.put(opened())
            waiting.start_soon(records.flush)
            await until(lambda: records.statistics().failures >= 1)
            nursery.cancel_scope.cancel()


async def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CLOSE_S", 0.05)
    hung, freed, done = threading.Event(), threading.Event(), threading.Event()
    write = Store.write

    def hang(self: Store, batch: Sequence[Record]) -> Written:
        hung.set()
        freed.wait(10)
        written = write(self, batch)
        done.set()
        return written

    monkeypatch.setattr(Store, "write", hang)
    with trio.fail_after(2):
        async with recording(tmp_path) as records:
            records.put(opened())
            await until(hung.is_set)
    assert records.statistics().lost == 1
    freed.set()
    assert await trio.to_thread.run_sync(done.wait, 10)


async def test_what_was_being_written_when_the_end_came_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, freed = threading.Event(), threading.Event()
    write = Store.write

    def slow(self: Store, batch: Sequence[Record]) -> Written:
        begun.set()
        freed.wait(10)
        return write(self, batch)

    monkeypatch.setattr(Store, "write", slow)
    records = Recorder(tmp_path, {})
    async with trio.open_nursery() as nursery:
        await nursery.start(records.run)
        records.put(happened(1))
        await until(begun.is_set)
        records.put(happened(2))
        nursery.cancel_scope.cancel()
        freed.set()
    found = ask(tmp_path, "SELECT detail FROM events ORDER BY id")
    assert found == [('{"n": 1}',), ('{"n": 2}',)]
    assert records.statistics().lost == 0
