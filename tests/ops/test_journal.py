"""The journal's handler against a journald that is well, full, away, and back again."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define
from journald import Journald

from voiced.ops.journal import DIVERTED, LOST, JournalHandler, is_journal
from voiced.ops.log import CallFilter, WordsFormatter, bound_call


@define
class Ends:
    """A logger into the journal, the other end of its standard error, and where journald is."""

    log: logging.Logger
    handler: JournalHandler
    stderr: socket.socket
    path: Path

    def text(self) -> list[str]:
        """What has come over standard error."""
        try:
            return self.stderr.recv(1 << 22).decode().splitlines()
        except BlockingIOError:
            return []


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    log, path = logging.getLogger("voiced.tests.journal"), tmp_path / "socket"
    with ours, theirs:
        handler = JournalHandler(redact=True, path=str(path), stderr=ours.fileno())
        handler.setFormatter(WordsFormatter(redact=True))
        handler.addFilter(CallFilter())
        log.addHandler(handler)
        log.propagate = False
        log.setLevel(logging.DEBUG)
        yield Ends(log, handler, theirs, path)
        log.removeHandler(handler)
        handler.close()


@pytest.fixture
def journald(ends: Ends) -> Iterator[Journald]:
    journald = Journald(ends.path)
    yield journald
    journald.close()


def fill(ends: Ends) -> int:
    """Logs until journald takes no more; returns how many it took."""
    for count in range(10_000):
        ends.log.info("record %d", count)
        if ends.text():
            return count
    raise AssertionError("it never fills")


def test_a_record_is_words_and_fields(ends: Ends, journald: Journald) -> None:
    with bound_call("CA1", "MZ1"):
        ends.log.warning("late by %d", 3, extra={"fields": {"to": "+33612345678", "why": "a b"}})
    (record,) = journald.records()
    assert record["MESSAGE"] == 'late by 3 call=CA1 to=+336******78 why="a b"'
    assert (record["CALL_SID"], record["STREAM_SID"], record["PRIORITY"]) == ("CA1", "MZ1", "4")
    assert (record["TO"], record["WHY"]) == ("+336******78", "a b")
    assert record["CODE_FILE"] == __file__
    assert record["CODE_FUNC"] == "test_a_record_is_words_and_fields"
    assert ends.text() == []


def test_a_traceback_is_in_the_message_and_in_a_field(ends: Ends, journald: Journald) -> None:
    try:
        raise ValueError("odd\x1b[31m")
    except ValueError:
        ends.log.exception("failed")
    (record,) = journald.records()
    assert record["MESSAGE"].startswith("failed\nTraceback (most recent call last):\n")
    assert record["MESSAGE"].endswith("ValueError: odd\\x1b[31m"), "else it is shown as a blob"
    assert record["TRACEBACK"].endswith("ValueError: odd\x1b[31m")


def test_what_no_datagram_can_hold_goes_as_a_sealed_file(ends: Ends, journald: Journald) -> None:
    large = "x" * (20 << 20)
    files = len(os.listdir("/proc/self/fd"))
    ends.log.info("large", extra={"fields": {"what": large}})
    (record,) = journald.records()
    assert record["WHAT"] == large
    assert ends.text() == []
    assert len(os.listdir("/proc/self/fd")) == files, "the file is let go of"


def test_a_large_record_that_cannot_go_as_a_file_is_told_as_text(
    ends: Ends, journald: Journald, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> int:
        raise OSError(24, "too many open files")

    monkeypatch.setattr(os, "memfd_create", none_left)
    # Larger than a datagram may be, and small enough for what standard error holds.
    size = ends.handler._journal._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    ends.log.info("large", extra={"fields": {"what": b"x" * size}})
    assert journald.raw() == []
    assert "".join(ends.text()).startswith("<6>large what=")


def test_a_journald_that_is_away_has_its_records_as_text_and_is_told(ends: Ends) -> None:
    ends.log.error("one\x1b", extra={"fields": {"to": "+33612345678"}})
    ends.log.debug("two")
    assert ends.text() == ["<3>one\\x1b to=+336******78", "<7>two"]
    journald = Journald(ends.path)
    try:
        with bound_call("CA1"):
            ends.log.info("three")
        ends.log.info("four")
        three, owned_up, four = journald.records()
    finally:
        journald.close()
    assert (three["MESSAGE"], four["MESSAGE"]) == ("three call=CA1", "four")
    assert owned_up["MESSAGE"] == f"{DIVERTED} diverted=2 lost=0"
    assert (owned_up["DIVERTED"], owned_up["PRIORITY"]) == ("2", "4")
    assert owned_up["MESSAGE_ID"] == "1e4bdb600b6a4bfa8780f35baf9bad41"
    assert "CALL_SID" not in owned_up, "it is of no call"


def test_each_line_of_a_text_has_the_priority(ends: Ends) -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        ends.log.exception("failed")
    lines = ends.text()
    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines)


def test_a_journald_that_was_restarted_is_found_again(ends: Ends) -> None:
    for turn in range(2):
        journald = Journald(ends.path)
        ends.log.info("turn %d", turn)
        assert [record["MESSAGE"] for record in journald.records()] == [f"turn {turn}"]
        journald.close()
    assert ends.text() == []


def test_a_journald_that_is_behind_holds_up_nobody(ends: Ends, journald: Journald) -> None:
    before = time.monotonic()
    taken = fill(ends)
    assert time.monotonic() - before < 5
    assert len(journald.records()) == taken > 0
    ends.log.info("again")
    again, owned_up = journald.records()
    assert again["MESSAGE"] == "again"
    assert owned_up["MESSAGE"] == f"{DIVERTED} diverted=1 lost=0"


def test_what_even_standard_error_does_not_take_is_counted(ends: Ends) -> None:
    before, logged = time.monotonic(), 0
    while not ends.handler._lost:
        ends.log.info("record %d", logged, extra={"fields": {"what": "x" * 10_000}})
        logged += 1
    for _ in range(3):
        ends.log.info("lost as well")
    assert time.monotonic() - before < 5
    text = ends.text()  # the last line may be there in part: the rest of it comes first
    journald = Journald(ends.path)
    try:
        ends.log.info("through")
        through, owned_up = journald.records()
    finally:
        journald.close()
    assert through["MESSAGE"] == "through"
    assert owned_up["MESSAGE"].startswith(LOST)
    assert (owned_up["LOST"], owned_up["DIVERTED"]) == ("4", str(logged - 1))
    assert owned_up["PRIORITY"] == "3"
    assert len(text) == logged - 1


def test_the_rest_of_a_line_goes_before_the_next(ends: Ends) -> None:
    buffer = ends.handler._stream._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    words = "x" * (buffer * 3 // 2)
    ends.log.info(words)
    ends.log.info("lost")
    begun = ends.stderr.recv(1 << 22)
    assert 0 < len(begun) < len(words)
    ends.log.info("next")
    assert (begun + ends.stderr.recv(1 << 22)).decode() == f"<6>{words}\n<6>next\n"
    assert ends.handler._lost == 1


def test_what_is_untold_is_told_at_the_end(ends: Ends) -> None:
    ends.log.info("one")
    journald = Journald(ends.path)
    ends.handler.close()
    assert [record["DIVERTED"] for record in journald.records()] == ["1"]
    journald.close()


def test_after_its_end_a_record_is_lost_and_nothing_breaks(ends: Ends, journald: Journald) -> None:
    ends.handler.close()
    ends.log.info("too late")
    assert journald.raw() == []
    assert ends.text() == []


def test_a_log_call_that_is_wrong_is_told_and_breaks_nothing(
    ends: Ends, journald: Journald, capsys: pytest.CaptureFixture[str]
) -> None:
    # To the handler itself: pytest's own, which hears all loggers, would raise.
    ends.handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("x",)}))
    assert "Logging error" in capsys.readouterr().err
    ends.log.info("well")
    assert [record["MESSAGE"] for record in journald.records()] == ["well"]


# --- is it the journal? -------------------------------------------------------------------------


def test_standard_error_is_the_journal_s_where_the_variable_names_it(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found, other = os.fstat(ours.fileno()), os.fstat(theirs.fileno())
        assert is_journal(f"{found.st_dev}:{found.st_ino}", ours.fileno())
        assert not is_journal(f"{other.st_dev}:{other.st_ino}", ours.fileno())
        assert not is_journal("", ours.fileno())
        assert not is_journal("nonsense", ours.fileno())
    file = tmp_path / "file"
    with file.open("w") as opened:
        found = os.fstat(opened.fileno())
        assert not is_journal(f"{found.st_dev}:{found.st_ino}", opened.fileno())
    assert not is_journal("1:2", 9_999)
