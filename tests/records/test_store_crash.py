"""A disk that is full, a database that is locked, a process that is killed, readers meanwhile."""

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from test_store_stage import SID, full, locked, opened, sid, store_in, turn, whole

from voiced.records import opening, store
from voiced.records.store import StoreError

KILLED = """
import sys, time
from pathlib import Path
from test_store_stage import live, opened, turn
from voiced.records.store import open_store
store = open_store(Path(sys.argv[1]), {"turn.ended": ["crm"]})
store.write([opened(), live()])
store.write([turn()])
store._db.execute("BEGIN IMMEDIATE")
store._db.execute("DELETE FROM calls")
print("written", flush=True)
time.sleep(60)
"""


def test_a_turn_that_had_ended_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    path = f"import sys; sys.path[:0] = [{here!r}, {str(Path(store.__file__).parents[2])!r}]\n"
    command = [sys.executable, "-c", path + KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "written\n"
        finally:
            process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    with store_in(tmp_path) as after:
        assert after.moved_aside is None
        (left,) = after.open_calls()
        assert (left.sid, left.status, left.turns) == (SID, "live", 1)
        assert left.said[-1].text == "Yes, from ten"
        assert [each.event for each in after.webhooks.due(3e9, 9)] == ["turn.ended"]


def test_a_full_disk_loses_nothing_that_was_there_and_takes_more_when_it_can(
    tmp_path: Path,
) -> None:
    more = [each for number in range(300) for each in whole(sid(number))]
    with store_in(tmp_path) as records:
        records.write([opened()])
        with full(records):
            with pytest.raises(sqlite3.OperationalError, match="disk is full"):
                records.write(more)
            assert [each.sid for each in records.open_calls()] == [SID]
        records.write(more)
        assert len(records.calls(state=None, limit=500, before=None)["calls"]) == 301


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    with store_in(tmp_path) as records:
        with locked(tmp_path):
            writer = threading.Thread(target=records.write, args=([opened()],))
            writer.start()
            writer.join(0.05)
            assert writer.is_alive()
            assert records.call(SID) is None, "readers do not mind"
        writer.join()
        assert records.call(SID)


def test_a_lock_that_lasts_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with store_in(tmp_path) as records:
        records._db.execute("PRAGMA busy_timeout = 10")
        with locked(tmp_path), pytest.raises(sqlite3.OperationalError, match="locked"):
            records.write([opened()])
        records.write([opened()])
        assert records.call(SID)


def test_who_reads_while_a_batch_is_written_sees_all_of_it_or_nothing(tmp_path: Path) -> None:
    seen: list[int] = []
    with store_in(tmp_path) as records:
        records.write([opened()])
        done = threading.Event()

        def write() -> None:
            for number in range(0, 200, 10):
                records.write([turn(number=number + n) for n in range(10)])
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not done.is_set():
            call = records.call(SID)
            assert call
            assert call["turns"] == len(call["timeline"]["turns"]), "of one moment"
            seen.append(call["turns"])
        writer.join()
        assert records.open_calls()[0].turns == 200
    assert all(each % 10 == 0 for each in seen)
    assert seen == sorted(seen)


def test_a_reader_that_takes_long_holds_up_no_record(tmp_path: Path) -> None:
    with store_in(tmp_path) as records:
        records.write(whole())
        reader = sqlite3.connect(tmp_path / opening.FILE, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM calls").fetchone()
        records.write(whole(sid(2)))
        assert reader.execute("SELECT count(*) FROM calls").fetchone() == (1,)
        reader.close()
        assert records.call(sid(2))


def test_records_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with store_in(tmp_path) as records:
        (tmp_path / opening.FILE).rename(tmp_path / "gone")
        with pytest.raises(StoreError, match="the records cannot be read: unable to open"):
            records.call(SID)
