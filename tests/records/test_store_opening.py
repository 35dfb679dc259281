"""Opening: a new database, an older one, a newer one, a broken one, none at all."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from test_store_stage import SID, ask, closed, locked, opened, sid, store_in, turn, whole

from voiced.records import opening, schema
from voiced.records.model import Said
from voiced.records.opening import FILE, MAX_WAL
from voiced.records.store import StoreError, open_store

VERSION_1 = """
CREATE TABLE calls (
    sid TEXT NOT NULL PRIMARY KEY, direction TEXT NOT NULL, agent TEXT NOT NULL,
    caller TEXT NOT NULL, called TEXT NOT NULL, status TEXT NOT NULL, opened_at REAL NOT NULL,
    closed_at REAL, duration_s REAL, reason TEXT, summary TEXT NOT NULL DEFAULT '{}',
    variables TEXT NOT NULL DEFAULT '{}', recording TEXT NOT NULL DEFAULT ''
);
CREATE INDEX calls_by_time ON calls (opened_at, sid);
CREATE INDEX calls_open ON calls (sid) WHERE closed_at IS NULL;
CREATE TABLE turns (
    sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE, number INTEGER NOT NULL, at_s REAL,
    ending TEXT NOT NULL, stages TEXT NOT NULL, caller TEXT NOT NULL, agent TEXT NOT NULL
);
CREATE INDEX turns_in_call ON turns (sid, number);
CREATE TABLE said (
    id INTEGER PRIMARY KEY, sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE,
    role TEXT NOT NULL, text TEXT NOT NULL, at_s REAL NOT NULL, ending TEXT NOT NULL
);
CREATE INDEX said_in_call ON said (sid, id);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE,
    at REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX events_in_call ON events (sid, id);
CREATE TABLE engine_failures (
    id INTEGER PRIMARY KEY, sid TEXT NOT NULL REFERENCES calls ON DELETE CASCADE,
    at REAL NOT NULL, role TEXT NOT NULL, engine TEXT NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX failures_in_call ON engine_failures (sid, id);
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY, webhook TEXT NOT NULL, event_id TEXT NOT NULL, event TEXT NOT NULL,
    body TEXT NOT NULL, created_at REAL NOT NULL, due_at REAL, attempts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'due', error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_due ON deliveries (due_at, state) WHERE state = 'due';
CREATE INDEX deliveries_queue ON deliveries (webhook, id, due_at, state) WHERE state = 'due';
INSERT INTO calls (sid, direction, agent, caller, called, status, opened_at)
    VALUES ('CAold', 'inbound', 'default', '+1', '+2', 'live', 1.0);
INSERT INTO turns VALUES ('CAold', 0, 1.5, 'heard', '{"answer": 1}', 'Hello', 'Hi');
INSERT INTO said (sid, role, text, at_s, ending) VALUES ('CAold', 'agent', 'Hi', 1.5, 'complete');
INSERT INTO deliveries (webhook, event_id, event, body, created_at, due_at)
    VALUES ('crm', 'e1', 'call.started', '{}', 1.0, 1.0);
PRAGMA user_version = 1;
"""
"""As it was published: it stays as it is when the schema goes on."""


def by_hand(directory: Path, script: str) -> None:
    with closing(sqlite3.connect(directory / FILE)) as db:
        db.executescript(script)


def layout(directory: Path) -> list[tuple[object, ...]]:
    """Columns and indices, however they were written."""
    return ask(
        directory,
        'SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk FROM sqlite_master m,'
        " pragma_table_info(m.name) c WHERE m.type = 'table' UNION ALL SELECT m.name, i.name, '',"
        " i.seqno, '', 0 FROM sqlite_master m, pragma_index_info(m.name) i WHERE m.type = 'index'"
        " ORDER BY 1, 2",
    )


def test_a_database_of_version_1_goes_on(tmp_path: Path) -> None:
    by_hand(tmp_path, VERSION_1)
    with store_in(tmp_path) as store:
        assert store.moved_aside is None
        (left,) = store.open_calls()
        assert (left.sid, left.turns, left.said[0].text) == ("CAold", 1, "Hi")
        assert [each.event_id for each in store.webhooks.due(2.0, 5)] == ["e1"]
        store.write([closed("CAold")])
        assert store.open_calls() == []


def test_a_new_database_is_like_one_that_was_migrated(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    by_hand(old, VERSION_1)
    for directory in (old, new):
        with store_in(directory):
            pass
    assert layout(old) == layout(new)
    assert ask(new, "PRAGMA user_version") == [(len(schema.MIGRATIONS),)]


def test_the_steps_that_are_missing_are_made_and_only_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(tmp_path, VERSION_1)
    further = ("ALTER TABLE calls ADD COLUMN mood TEXT", "UPDATE calls SET mood = 'fine'")
    monkeypatch.setattr(schema, "MIGRATIONS", (schema.MIGRATIONS[0], *further))
    for _ in range(2):
        with store_in(tmp_path):
            pass
    assert ask(tmp_path, "PRAGMA user_version") == [(3,)]
    assert ask(tmp_path, "SELECT mood FROM calls") == [("fine",)]


def test_a_step_that_fails_leaves_the_version_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(tmp_path, VERSION_1)
    broken = "DELETE FROM calls; INSERT INTO calls (sid) VALUES ('no')"  # NOT NULL: breaks
    monkeypatch.setattr(schema, "MIGRATIONS", (schema.MIGRATIONS[0], broken))
    with pytest.raises(StoreError, match="NOT NULL"):
        open_store(tmp_path, {})
    assert ask(tmp_path, "PRAGMA user_version") == [(1,)]
    assert ask(tmp_path, "SELECT sid FROM calls") == [("CAold",)]
    assert not list(tmp_path.glob("*corrupt*")), "a fault of ours is not the file's"


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    by_hand(tmp_path, VERSION_1 + "PRAGMA journal_mode = WAL; PRAGMA user_version = 99;")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match=r"version 99.*knows 2 .*install the newer"):
        open_store(tmp_path, {})
    assert (tmp_path / FILE).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == [FILE]


# --- broken files -------------------------------------------------------------------------------


def filled(directory: Path, calls: int = 40) -> Path:
    with store_in(directory) as store:
        for number in range(calls):
            store.write(whole(sid(number)))
    return directory / FILE


def garbage(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 500)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def torn(path: Path) -> None:
    """The header is whole, the pages behind it are not."""
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def swapped(path: Path) -> None:
    """A page of `said` went astray: no statement at start would come across it."""
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'said'").fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * 4096 : root * 4096] = b"\xa5" * 4096
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [garbage, truncated, torn, swapped])
def test_a_corrupt_database_is_moved_aside_and_a_new_one_begun(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = filled(tmp_path)
    harm(path)
    broken = path.read_bytes()
    with store_in(tmp_path) as store:
        assert store.moved_aside
        assert store.moved_aside.name.startswith("voiced.db.corrupt-")
        assert store.moved_aside.read_bytes()[:4000] == broken[:4000]
        store.write(whole())
        assert store.call(SID)
    with store_in(tmp_path) as store:
        assert store.moved_aside is None
        assert store.call(SID)


def test_the_log_of_a_corrupt_database_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening.time, "time", lambda: 1234.5)
    texts = {"": "all", "-wal": "the last words", "-shm": "the index of these"}
    for suffix, text in texts.items():
        (tmp_path / f"{FILE}{suffix}").write_text(text)
    assert opening.move_aside(tmp_path / FILE) == tmp_path / "voiced.db.corrupt-1234"
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {f"voiced.db.corrupt-1234{suffix}": text for suffix, text in texts.items()}


def test_an_earlier_corrupt_database_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening.time, "time", lambda: 1234.5)
    (tmp_path / "voiced.db.corrupt-1234").write_text("first")
    garbage(tmp_path / FILE)
    with store_in(tmp_path) as store:
        assert store.moved_aside == tmp_path / "voiced.db.corrupt-1235"
    assert (tmp_path / "voiced.db.corrupt-1234").read_text() == "first"


def test_a_corrupt_database_that_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    garbage(tmp_path / FILE)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="cannot be moved aside: Permission denied"):
        open_store(tmp_path, {})


def test_a_disk_that_breaks_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    garbage(tmp_path / FILE)

    def harm(path: Path) -> Path:
        return tmp_path / "elsewhere"  # but it stays where it is

    monkeypatch.setattr(opening, "move_aside", harm)
    with pytest.raises(StoreError, match="new ones, are corrupt"):
        open_store(tmp_path, {})


def test_of_a_big_database_the_calls_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WHOLE_CHECK", 4096)
    path = filled(tmp_path)
    swapped(path)
    with store_in(tmp_path) as store:
        assert store.moved_aside is None, "the transcripts are not walked through"
        with pytest.raises(sqlite3.DatabaseError) as caught:
            store.write([opened(), turn()])
        assert opening.is_corrupt(caught.value), "but it shows when one is written"
        aside = store.put_aside()
        assert aside.exists()
        assert not path.exists()


@pytest.mark.parametrize("harm", [truncated, torn])
def test_a_big_database_that_is_cut_off_or_has_no_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(opening, "WHOLE_CHECK", 4096)
    harm(filled(tmp_path))
    with store_in(tmp_path) as store:
        assert store.moved_aside


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with store_in(tmp_path) as store:
        assert store.moved_aside is None
        store.write(whole())


# --- places -------------------------------------------------------------------------------------


def test_files_and_the_directory_are_for_us_alone(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "voiced"
    before = os.umask(0)
    try:
        with store_in(directory) as store:
            store.write(whole())
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    finally:
        os.umask(before)
    assert modes == {FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with store_in(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_a_directory_with_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with store_in(Path("100% a?b#c é")) as store:
        store.write(whole())
        assert store.call(SID)


def test_a_directory_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be opened: Not a directory; see records\.dir"):
        open_store(tmp_path / "file" / "voiced", {})


def test_a_directory_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        open_store(tmp_path, {})


def test_a_database_that_another_holds_is_not_opened_nor_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BUSY_S", 0.05)
    by_hand(tmp_path, VERSION_1)  # not in WAL mode yet: whoever reads is in the way, too
    with locked(tmp_path), pytest.raises(StoreError, match="database is locked"):
        open_store(tmp_path, {})
    with store_in(tmp_path) as store:
        assert len(store.open_calls()) == 1


def test_the_log_does_not_grow_with_what_is_written(tmp_path: Path) -> None:
    long = (Said("agent", "blah " * 2_000, 0.0, "complete"),)
    with store_in(tmp_path) as store:
        most = 0
        for number in range(40):
            store.write([turn(sid(number), n, long) for n in range(25)])
            most = max(most, (tmp_path / f"{FILE}-wal").stat().st_size)
        written = (tmp_path / FILE).stat().st_size
        assert most < 8_000_000 < written, "1,000 pages go into the file, and a batch on top"
        assert store._db.execute("PRAGMA journal_size_limit").fetchone()[0] == MAX_WAL
