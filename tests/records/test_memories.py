"""What agents remember of callers, on disk."""

import sqlite3
from pathlib import Path

import pytest
from test_recorder import recording
from test_store_stage import START, ask, store_in

from voiced.records import memories as module
from voiced.records.memories import Remembered
from voiced.records.schema import StoreError
from voiced.records.store import Store

ADA, GRACE = "+33600000001", "+33600000002"


def rows(directory: Path) -> set[tuple[str, str]]:
    return {(row[0], row[1]) for row in ask(directory, "SELECT caller, agent FROM memories")}


def test_the_last_call_of_a_caller_with_an_agent_is_what_is_remembered(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        memories = store.memories
        memories.put(ADA, "default", "first", START)
        memories.put(ADA, "default", "second", START + 1)
        memories.put(ADA, "sales", "other agent", START)
        memories.put(GRACE, "default", "other caller", START)
        assert memories.last(ADA, "default", 0) == Remembered("second", START + 1)
        assert memories.last(ADA, "sales", 0) == Remembered("other agent", START)
        assert memories.last(GRACE, "sales", 0) is None
        assert len(ask(tmp_path, "SELECT 1 FROM memories")) == 3


def test_what_is_too_old_is_not_remembered(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.memories.put(ADA, "default", "said", START)
        assert store.memories.last(ADA, "default", START - 1)
        assert store.memories.last(ADA, "default", START) is None


def test_what_is_too_old_goes_with_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PURGED_AT_ONCE", 2)
    with store_in(tmp_path) as store:
        for number in range(5):
            store.memories.put(f"+3360000000{number}", "default", "old", START)
        store.memories.put(GRACE, "sales", "new", START + 100)
        assert store.purge(START + 50) == []
        assert rows(tmp_path) == {(GRACE, "sales")}
        store.purge(START + 50)
        assert rows(tmp_path) == {(GRACE, "sales")}


def test_any_text_can_be_remembered(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.memories.put("sip:\ud800@x", "default", "';DROP TABLE memories;-- \ud800 é", START)
        found = store.memories.last("sip:\ud800@x", "default", 0)
        assert found == Remembered("';DROP TABLE memories;-- ? é", START)


def test_half_a_change_is_none(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.memories.put(ADA, "default", "before", START)
        with pytest.raises(sqlite3.Error):
            store.memories.put(ADA, "default", "after", float("nan"))
        assert store.memories.last(ADA, "default", 0) == Remembered("before", START)


async def test_a_recorder_writes_and_reads_it_in_threads(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder:
        await recorder.use(lambda store: store.memories.put(ADA, "default", "said", START))
        found = await recorder.read(lambda store: store.memories.last(ADA, "default", 0))
        assert found == Remembered("said", START)


async def test_a_table_that_is_broken_is_told_as_records_are(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder:
        await recorder.use(_without_table)
        with pytest.raises(StoreError, match="cannot be read"):
            await recorder.read(lambda store: store.memories.last(ADA, "default", 0))
        with pytest.raises(StoreError, match="cannot be written"):
            await recorder.use(lambda store: store.memories.put(ADA, "default", "said", START))


def _without_table(store: Store) -> None:
    store.memories._db.execute("DROP TABLE memories")
