"""What is older than it may be goes, and nothing else."""

import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from test_recorder import recording
from test_store_stage import (
    ALL,
    SID,
    START,
    ask,
    closed,
    names,
    opened,
    sid,
    store_in,
    turn,
    until,
    whole,
)
from trio.testing import MockClock

from voiced.records import retention
from voiced.records.model import EngineFailed, Happened
from voiced.records.recorder import Recorder
from voiced.records.retention import AGAIN_S, DAY_S, keep_tidy, sweep

NOW = START + 40 * DAY_S
TABLES = ("calls", "turns", "said", "events", "engine_failures")


def ago(days: float) -> float:
    return NOW - days * DAY_S


def file(path: Path, days: float) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"RIFF")
    os.utime(path, (ago(days), ago(days)))
    return path


# --- the records --------------------------------------------------------------------------------


def test_a_call_that_ended_too_long_ago_goes_with_all_of_it(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        for number, days in ((1, 31), (2, 29)):
            failed = EngineFailed(sid(number), ago(days), "llm", "mind", "timeout", "late")
            said = Happened(sid(number), ago(days), "say", {})
            end = closed(sid(number), ago(days), f"{number}.wav")
            store.write([opened(sid(number), START), turn(sid(number)), failed, said, end])
        assert store.purge(ago(30)) == ["1.wav"]
        assert store.recordings() == {"2.wav"}
        for table in TABLES:
            assert {row[0] for row in ask(tmp_path, f"SELECT sid FROM {table}")} == {sid(2)}
        assert store.purge(ago(30)) == []


def test_a_call_that_goes_on_is_never_too_old(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(at=START), turn()])
        assert store.purge(NOW) == []
        assert [each.sid for each in store.open_calls()] == [SID]


def test_a_call_without_a_recording_leaves_no_name(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write(whole())
        assert store.purge(NOW) == []
        assert store.call(SID) is None


def test_many_calls_go_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiced.records.store.PURGE_AT_ONCE", 3)
    with store_in(tmp_path, {"call.ended": ["crm"]}) as store:
        store.write([closed(sid(number), recording=f"{number}.wav") for number in range(10)])
        for delivery in store.webhooks.due(NOW, 99):
            store.webhooks.settle(delivery.id, "delivered")
        deleted: list[str] = []
        store._db.set_trace_callback(deleted.append)
        assert sorted(store.purge(NOW)) == sorted(f"{number}.wav" for number in range(10))
    assert [each for each in deleted if each == "COMMIT"] == ["COMMIT"] * 10
    assert ask(tmp_path, "SELECT sid FROM calls") == []
    assert ask(tmp_path, "SELECT id FROM deliveries") == []


def test_deliveries_go_when_they_are_old_and_settled(tmp_path: Path) -> None:
    with store_in(tmp_path, {"turn.ended": ["crm"]}) as store:
        store.write([turn(number=number) for number in range(4)])
        first, second, third, _ = store.webhooks.due(NOW, 9)
        store.webhooks.settle(first.id, "delivered")
        store.webhooks.settle(second.id, "given-up")
        assert store.purge(third.created_at) == []
        assert [each.id for each in store.webhooks.due(NOW, 9)] == [3, 4]
        assert ask(tmp_path, "SELECT id FROM deliveries") == [(3,), (4,)]
        store.webhooks.settle(third.id, "delivered")
        store.purge(third.created_at)
        assert ask(tmp_path, "SELECT id FROM deliveries") == [(3,), (4,)], "it is not older"
        store.purge(NOW)
        assert ask(tmp_path, "SELECT id FROM deliveries") == [(4,)], "it is still to be sent"


# --- the files ----------------------------------------------------------------------------------


def test_recordings_of_deleted_calls_and_old_ones_of_nobody_go(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    file(folder / "deleted.wav", 1)
    file(folder / "orphan.wav", 31)
    file(folder / "live.wav", 0)
    file(folder / "of-a-call.wav", 31)  # the call went on for days after it
    assert sweep(tmp_path, ago(30), ["deleted.wav"], {"of-a-call.wav"}) == (2, [])
    assert names(folder) == ["live.wav", "of-a-call.wav"]


def test_a_name_leads_nowhere_else(tmp_path: Path) -> None:
    file(tmp_path / "recordings" / "a.wav", 0)
    outside = file(tmp_path / "voiced.toml", 90)
    (tmp_path / "recordings" / "link.wav").symlink_to(outside)
    names = ["../voiced.toml", str(outside), "..", "", "gone.wav", "link.wav"]
    assert sweep(tmp_path, ago(30), names, set()) == (0, [])
    assert outside.exists()


def test_what_is_no_file_is_let_be(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "kept"
    folder.mkdir(parents=True)
    os.utime(folder, (1, 1))
    assert sweep(tmp_path, ago(30), ["kept"], set()) == (0, [])
    assert folder.is_dir()


def test_no_recordings_are_no_fault(tmp_path: Path) -> None:
    assert sweep(tmp_path, ago(30), ["a.wav"], set()) == (0, [])


def test_a_file_that_cannot_be_deleted_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        file(tmp_path / "recordings" / name, 31)
    unlink = Path.unlink

    def refuse(self: Path) -> None:
        if self.name == "b":
            raise PermissionError(1, "Operation not permitted")
        unlink(self)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert sweep(tmp_path, ago(30), [], set()) == (2, ["Operation not permitted"])
    assert names(tmp_path / "recordings") == ["b"]


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recordings").mkdir()

    def refuse(_path: Path) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "scandir", refuse)
    assert sweep(tmp_path, ago(30), [], set()) == (0, ["OSError"])


def test_corrupt_databases_go_by_the_time_in_their_names(tmp_path: Path) -> None:
    old, young = int(ago(31)), int(ago(29))
    for name in (f"corrupt-{old}", f"corrupt-{old}-wal", f"corrupt-{old}-shm", f"corrupt-{young}"):
        file(tmp_path / f"voiced.db.{name}", 60)
    for name in ("voiced.db", "voiced.db-wal", "voiced.db.corrupt-1.txt", "voiced.db.bak"):
        file(tmp_path / name, 60)
    assert sweep(tmp_path, ago(30), [], set()) == (3, [])
    assert names(tmp_path) == [
        "voiced.db",
        "voiced.db-wal",
        "voiced.db.bak",
        "voiced.db.corrupt-1.txt",
        f"voiced.db.corrupt-{young}",
    ]


# --- the days -----------------------------------------------------------------------------------


@asynccontextmanager
async def tidied(recorder: Recorder, directory: Path) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_tidy, recorder, directory, 30)
        yield
        nursery.cancel_scope.cancel()


async def test_old_records_and_recordings_go_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    caplog.set_level(logging.INFO)
    recording_of_it = file(tmp_path / "recordings" / "1.wav", 1)
    file(tmp_path / "recordings" / "2.wav", 31)
    with store_in(tmp_path) as store:
        store.write([closed(sid(1), ago(31), "1.wav"), closed(sid(2), ago(29), "2.wav")])
    async with recording(tmp_path, ALL) as recorder, tidied(recorder, tmp_path):
        await until(lambda: not recording_of_it.exists())
        assert await recorder.read(lambda store: store.call(sid(1))) is None
        assert await recorder.read(lambda store: store.call(sid(2)))
        await until(lambda: caplog.records)
    assert names(tmp_path / "recordings") == ["2.wav"]
    assert fields(caplog.records[-1]) == {"files": 1}


async def test_files_that_cannot_be_deleted_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "sweep", lambda *_: (0, ["Permission denied"] * 2))
    async with recording(tmp_path) as recorder, tidied(recorder, tmp_path):
        await until(lambda: caplog.records)
    assert caplog.messages == ["old files cannot be deleted"]
    assert fields(caplog.records[0]) == {"files": 2, "error": "Permission denied"}


def fields(line: logging.LogRecord) -> dict[str, Any]:
    return dict(getattr(line, "fields", {}))


async def test_it_is_done_again_every_day_and_sooner_after_a_fault(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    answers = iter([False, True, True, True])

    async def tidy(_recorder: Recorder, directory: Path, before: float) -> bool:
        assert directory == tmp_path
        asked.append(trio.current_time())
        await trio.sleep(600)  # it takes its time, and is due at the same hour all the same
        return next(answers)

    monkeypatch.setattr(retention, "_tidy", tidy)
    start = trio.current_time()
    with trio.move_on_after(3 * DAY_S):
        await keep_tidy(Recorder(tmp_path, {}), tmp_path, 30)
    since = [at - start for at in asked]
    assert since == pytest.approx([0, AGAIN_S, AGAIN_S + DAY_S, AGAIN_S + 2 * DAY_S])


async def test_records_that_cannot_be_reached_are_kept_for_now(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file(tmp_path / "recordings" / "orphan.wav", 90)
    async with tidied(Recorder(tmp_path, {}), tmp_path):
        await until(lambda: caplog.records)
    assert caplog.messages[0].startswith("old records are kept for now: there are no records")
    assert names(tmp_path / "recordings") == ["orphan.wav"]
