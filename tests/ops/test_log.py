"""The log's lines: fields, the call, and what stays out of them."""

import io
import json
import logging
import os
import re
import socket
from collections.abc import Iterator

import pytest
import trio

from voiced.config import Log, LogLevel
from voiced.ops import log
from voiced.ops.journal import JournalHandler
from voiced.ops.log import LogFormat, bound_call, set_up
from voiced.ops.redact import mask_number

logger = logging.getLogger("voiced.tests")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("voiced")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def stream() -> io.StringIO:
    out = io.StringIO()
    set_up(Log(), stream=out)
    return out


def lines(stream: io.StringIO) -> list[str]:
    return [re.sub(r"^\S+ \S+ ", "", line) for line in stream.getvalue().splitlines()]


def test_fields_follow_the_message(stream: io.StringIO) -> None:
    fields = {"turn": 3, "wait_ms": 12.3456789, "why": 'a "b"', "none": "", "line": "x\ny"}
    logger.info("turn %s", "ended", extra={"fields": fields})
    assert lines(stream) == [
        'info voiced.tests: turn ended turn=3 wait_ms=12.3457 why="a \\"b\\"" none="" line="x\\ny"'
    ]


async def test_the_call_is_on_the_records_of_every_task_it_started(stream: io.StringIO) -> None:
    async def work(what: str) -> None:
        await trio.lowlevel.checkpoint()
        logger.info(what)

    async def call(sid: str) -> None:
        with bound_call(sid):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, "hears")
                nursery.start_soon(work, "speaks")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "CA1")
        nursery.start_soon(call, "CA2")
    logger.info("outside")
    assert sorted(lines(stream)) == [
        "info voiced.tests: hears call=CA1",
        "info voiced.tests: hears call=CA2",
        "info voiced.tests: outside",
        "info voiced.tests: speaks call=CA1",
        "info voiced.tests: speaks call=CA2",
    ]


def test_our_level_is_the_setting_s_and_libraries_speak_from_warning_up() -> None:
    out = io.StringIO()
    set_up(Log(level=LogLevel.DEBUG), stream=out)
    logger.debug("ours")
    logging.getLogger("httpx").info("a request")
    logging.getLogger("httpx").warning("trouble")
    assert lines(out) == ["debug voiced.tests: ours", "warning httpx: trouble"]


def test_setting_up_twice_does_not_log_twice(stream: io.StringIO) -> None:
    set_up(Log(), stream=stream)
    logger.info("once")
    assert len(lines(stream)) == 1


def test_a_message_cannot_forge_a_line(stream: io.StringIO) -> None:
    logger.info("peer said %s", "x\n2026-01-01 error voiced: forged\x1b[31m\u2028y")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\\x0a2026" in stream.getvalue()


def test_a_traceback_stands_below_its_message(stream: io.StringIO) -> None:
    try:
        raise ValueError("+33612345678 is odd")
    except ValueError:
        logger.exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("error voiced.tests: failed")
    assert rest[-1] == "ValueError: +336******78 is odd"


def test_what_an_exception_says_cannot_steer_a_terminal(stream: io.StringIO) -> None:
    try:
        raise ValueError("odd\x1b[31m\tred")
    except ValueError:
        logger.exception("failed")
    assert stream.getvalue().endswith("ValueError: odd\\x1b[31m\tred\n")


def test_numbers_that_slip_in_are_masked(stream: io.StringIO) -> None:
    logger.info("from +33612345678", extra={"fields": {"to": "+15550006789"}})
    assert lines(stream) == ["info voiced.tests: from +336******78 to=+155******89"]


@pytest.mark.parametrize(
    ("number", "masked"),
    [("+33612345678", "+336******78"), ("+1555", "****"), ("sip:me@home", "****"), ("", "****")],
)
def test_a_masked_number_keeps_its_country_and_its_end(number: str, masked: str) -> None:
    assert mask_number(number) == masked


def test_what_was_said_is_shown_only_without_redaction() -> None:
    for redact in (True, False):
        out = io.StringIO()
        set_up(Log(redact=redact), stream=out)
        logging.getLogger("voiced.x").info(
            "turn ended", extra={"fields": {"turn": 1}, "speech": {"caller": "my name is Alice"}}
        )
        assert "turn=1" in out.getvalue()
        assert ("Alice" in out.getvalue()) is not redact


def test_json_is_one_object_a_line_with_the_fields_and_the_traceback() -> None:
    out = io.StringIO()
    set_up(Log(), LogFormat.JSON, stream=out)
    with bound_call("CA1"):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("voiced.x").exception("a call of %s", "+33612345678")
        logging.getLogger("voiced.x").info("next", extra={"fields": {"turns": 2}})
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["level"], first["logger"], first["call"]) == ("error", "voiced.x", "CA1")
    assert first["message"] == "a call of +336******78"
    assert "ValueError: two\nlines" in first["traceback"]
    assert (second["message"], second["turns"]) == ("next", 2)


def test_json_tells_the_media_stream_too_and_text_does_not() -> None:
    for form in LogFormat:
        out = io.StringIO()
        set_up(Log(), form, stream=out)
        with bound_call("CA1", "MZ1"):
            logger.info("heard")
        logger.info("outside")
        heard, outside = out.getvalue().splitlines()
        assert ("MZ1" in heard) == (form is LogFormat.JSON)
        assert "stream" not in outside


@pytest.fixture
def journal_s(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard error is a stream into the journal, as far as anybody can tell."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = os.fstat(ours.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        monkeypatch.setattr(log, "STDERR", ours.fileno())
        yield


@pytest.mark.usefixtures("journal_s")
def test_where_standard_error_is_the_journal_s_the_journal_gets_fields() -> None:
    set_up(Log())
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, JournalHandler)
    record = logging.makeLogRecord({"msg": "turn ended", "fields": {"to": "+33612345678"}})
    assert handler.format(record) == "turn ended to=+336******78"
    handler.close()


@pytest.mark.usefixtures("journal_s")
def test_json_and_a_stream_of_one_s_own_are_not_for_the_journal() -> None:
    for form, stream in ((LogFormat.JSON, None), (LogFormat.TEXT, io.StringIO())):
        set_up(Log(), form, stream)
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)


def test_elsewhere_the_log_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("", "1:2"):
        monkeypatch.setenv("JOURNAL_STREAM", stream)
        set_up(Log())
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)
