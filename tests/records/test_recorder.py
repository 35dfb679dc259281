"""The recorder: calls put records and go on; all of them are on disk soon after."""

import logging
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from test_store_stage import ALL, SID, START, ask, live, names, opened, sid, store_in, turn, whole

from voiced.records import backlog
from voiced.records.backlog import MAX_BATCH, MAX_WAITING, RecorderStatistics
from voiced.records.model import Happened, Record
from voiced.records.outbox import StoredOutbox
from voiced.records.recorder import Recorder
from voiced.records.store import Store, StoreError, Written


@asynccontextmanager
async def recording(
    directory: Path, subscriptions: Mapping[str, Sequence[str]] | None = None
) -> AsyncIterator[Recorder]:
    recorder = Recorder(directory, subscriptions or {})
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(recorder.run)
            yield recorder
            nursery.cancel_scope.cancel()


def watched(monkeypatch: pytest.MonkeyPatch) -> list[list[Record]]:
    """The batches, as they are written."""
    batches: list[list[Record]] = []
    write = Store.write

    def watch(self: Store, batch: Sequence[Record]) -> Written:
        batches.append(list(batch))
        return write(self, batch)

    monkeypatch.setattr(Store, "write", watch)
    return batches


def happened(number: int) -> Happened:
    return Happened(SID, START, "say", {"n": number})


async def test_what_is_put_can_be_read_after_a_flush(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder:
        for record in whole():
            recorder.put(record)
        await recorder.flush()
        call = await recorder.read(lambda store: store.call(SID))
        assert call
        assert (call["status"], call["turns"]) == ("ended", 1)
        assert recorder.statistics() == RecorderStatistics(4, 0, 0)


async def test_many_are_written_at_once_and_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = watched(monkeypatch)
    records = [opened(), *map(happened, range(MAX_BATCH + 10))]
    async with recording(tmp_path) as recorder:
        for record in records:
            recorder.put(record)
        await recorder.flush()
        assert [len(batch) for batch in batches] == [MAX_BATCH, 11]
        assert [record for batch in batches for record in batch] == records


async def test_a_record_that_comes_while_others_are_written_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = watched(monkeypatch)
    async with recording(tmp_path) as recorder:
        for number in range(20):
            recorder.put(happened(number))
            await trio.sleep(0.001)
        await recorder.flush()
    numbers = [each.detail["n"] for batch in batches for each in batch]  # type: ignore[union-attr]
    assert numbers == list(range(20))


async def test_nothing_waits_so_nothing_is_waited_for(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder:
        await recorder.flush()


async def test_a_flush_does_not_wait_for_what_comes_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Semaphore(1)
    write = Store.write

    def one_by_one(self: Store, batch: Sequence[Record]) -> Written:
        gate.acquire()
        return write(self, batch)

    monkeypatch.setattr(Store, "write", one_by_one)
    monkeypatch.setattr(backlog, "MAX_BATCH", 1)
    async with recording(tmp_path) as recorder:
        recorder.put(opened())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.flush)
            await trio.testing.wait_all_tasks_blocked()
            recorder.put(live())
        assert recorder.statistics().written == 1
        gate.release()


async def test_what_was_put_before_the_end_is_written_before_the_end(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder:
        for number in range(3 * MAX_BATCH):
            recorder.put(happened(number))
    assert ask(tmp_path, "SELECT count(*) FROM events") == [(3 * MAX_BATCH,)]
    assert not (tmp_path / "voiced.db-wal").exists(), "it is closed"
    with pytest.raises(StoreError, match="there are no records"):
        await recorder.read(lambda store: store.call(SID))
    await recorder.flush()


async def test_a_record_that_cannot_be_written_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Happened(SID, START, "odd", {("+33600000001",): 1})  # type: ignore[dict-item]
    async with recording(tmp_path) as recorder:
        for record in (opened(), bad, live(), bad, turn()):
            recorder.put(record)
        await recorder.flush()
        recorder.put(bad)
        await recorder.flush()
        assert recorder.statistics() == RecorderStatistics(3, 3, 0)
    (line,) = caplog.records
    assert line.getMessage() == "a record is lost: it cannot be written"
    assert fields(line) == {"record": "Happened", "error": "TypeError"}


async def test_webhooks_that_are_given_up_are_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voiced.records.queue.MAX_UNDELIVERED", 1)
    async with recording(tmp_path, {"turn.ended": ["crm"]}) as recorder:
        for number in range(5):
            recorder.put(turn(number=number))
            await recorder.flush()
    assert caplog.messages == ["webhooks are given up, the oldest first: too many wait"]


async def test_whoever_waits_for_a_change_is_told(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder, trio.open_nursery() as nursery:
        nursery.start_soon(recorder.wait_change)
        await trio.testing.wait_all_tasks_blocked()
        recorder.put(opened())


async def test_use_writes_and_says_what_went_wrong(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder:
        recorder.put(opened(sid(1), START))
        await recorder.flush()
        assert await recorder.use(lambda store: store.purge(START)) == []
        with pytest.raises(StoreError, match=r"cannot be written: .*no such table"):
            await recorder.use(lambda store: store._db.execute("DELETE FROM absent"))


async def test_before_the_records_are_open_there_are_none(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, {})
    for ask_it in (recorder.read, recorder.use):
        with pytest.raises(StoreError, match="there are no records"):
            await ask_it(lambda store: store.call(SID))


async def test_a_corrupt_file_is_spoken_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "voiced.db").write_text("garbage " * 500)
    async with recording(tmp_path) as recorder:
        recorder.put(opened())
        await recorder.flush()
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert "have been moved aside" in line.getMessage()
    assert Path(fields(line)["file"]).name in names(tmp_path)


async def test_the_outbox_is_that_of_the_records(tmp_path: Path) -> None:
    async with recording(tmp_path, ALL) as recorder:
        outbox = StoredOutbox(recorder)
        assert await outbox.next_due() is None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.wait_change)
            await trio.testing.wait_all_tasks_blocked()
            for record in whole():
                recorder.put(record)
        await recorder.flush()
        started, ended, *_ = await outbox.due(3e9, 9)
        assert (started.event, ended.event) == ("call.started", "call.ended")
        assert await outbox.next_due() == START + 1
        assert await outbox.claim(started.id, 3e9, 3e9 + 20)
        assert not await outbox.claim(started.id, 3e9, 3e9 + 20)
        await outbox.delivered(started.id)
        await outbox.postpone(ended.id, START + 500, "timeout")
        left = await outbox.due(START + 400, 9)
        assert ended.id not in [each.id for each in left]
        for each in left:
            await outbox.give_up(each.id, "status 410")
        assert await outbox.next_due() == START + 500
        (again,) = await outbox.due(START + 500, 9)
        assert (again.event_id, again.attempts) == (ended.event_id, 1)
    states = dict(ask(tmp_path, "SELECT id, state FROM deliveries"))  # type: ignore[arg-type, var-annotated]
    assert (states.pop(started.id), states.pop(ended.id)) == ("delivered", "due")
    assert set(states.values()) == {"given-up"}


async def test_the_outbox_of_records_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        await StoredOutbox(Recorder(tmp_path, {})).due(START, 1)


async def test_what_is_put_and_never_run_is_bounded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, {})
    for number in range(MAX_WAITING + 3):
        recorder.put(happened(number))
    assert recorder.statistics() == RecorderStatistics(0, 3, 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        await recorder.flush()
        nursery.cancel_scope.cancel()
    with store_in(tmp_path) as store:
        call = store.call(SID)
        assert call
        numbers = [each["detail"]["n"] for each in call["timeline"]["events"]]
    assert numbers == list(range(MAX_WAITING)), "it is the newest that are lost"


def fields(line: logging.LogRecord) -> dict[str, Any]:
    return dict(getattr(line, "fields", {}))
