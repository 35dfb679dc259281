"""What is told to systemd, and what it passes, against real sockets of the kernel."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from voiced.errors import StartupError
from voiced.ops.systemd import Notifier, listeners_from, watchdog_s

PID = os.getpid()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "notify"))
        there.settimeout(1)
        yield there


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(65_536).decode().split("\n")


def queue_length(path: str) -> int:
    """How many messages the kernel holds for a reader who does not read."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.settimeout(0)
        for number in range(100_000):
            try:
                filler.sendto(b"X=1", path)
            except BlockingIOError:
                return number
    raise AssertionError


# --- telling -------------------------------------------------------------------------------------


def test_states_are_told_in_one_message(manager: socket.socket) -> None:
    with Notifier.of({"NOTIFY_SOCKET": manager.getsockname()}) as notifier:
        notifier.tell(READY=1, STATUS="3 calls, 13 TTS slots free")
        assert notifier.is_heard
    assert heard(manager) == ["READY=1", "STATUS=3 calls, 13 TTS slots free"]


def test_an_abstract_address_begins_with_an_at() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(f"\0voiced-test-{PID}")
        there.settimeout(1)
        with Notifier(f"@voiced-test-{PID}") as notifier:
            notifier.tell(WATCHDOG=1)
        assert heard(there) == ["WATCHDOG=1"]


def test_a_value_cannot_become_a_second_state(manager: socket.socket) -> None:
    with Notifier(manager.getsockname()) as notifier:
        notifier.tell(STATUS="away:\nREADY=1")
    assert heard(manager) == ["STATUS=away: READY=1"]


def test_reloading_is_told_with_its_time(manager: socket.socket) -> None:
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    with Notifier(manager.getsockname()) as notifier:
        notifier.tell(RELOADING=1)
    told, at = heard(manager)
    assert told == "RELOADING=1"
    name, _, microseconds = at.partition("=")
    assert name == "MONOTONIC_USEC"
    assert 0 <= int(microseconds) / 1e6 - before < 10


def test_without_a_manager_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with Notifier.of({}) as notifier:
        notifier.tell(READY=1)
        assert not notifier.is_heard
        assert not notifier.is_behind
    assert not caplog.records


@pytest.mark.parametrize("address", ["relative", "vsock:2:1", " /run/x"])
def test_an_address_that_is_none_is_told_once(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Notifier(address) as notifier:
        notifier.tell(READY=1)
        notifier.tell(READY=1)
        assert not notifier.is_heard
    assert len(caplog.records) == 1
    assert "NOTIFY_SOCKET is neither" in caplog.text


@pytest.mark.parametrize(("address", "why"), [("nobody", "No such file"), ("x" * 200, "too long")])
def test_a_manager_that_cannot_be_reached_is_told_once_and_harms_nothing(
    tmp_path: Path, address: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Notifier(f"{tmp_path}/{address}") as notifier:
        for _ in range(3):
            notifier.tell(WATCHDOG=1)
        assert not notifier.is_behind
    assert len(caplog.records) == 1
    assert why in caplog.text


def test_what_a_busy_manager_did_not_take_is_told_with_the_next(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    full = queue_length(manager.getsockname())
    with Notifier(manager.getsockname()) as notifier:
        notifier.tell(READY=1, STATUS="one")
        assert notifier.is_behind
        for _ in range(full):
            manager.recv(100)
        notifier.tell(STATUS="two")
        assert not notifier.is_behind
    assert heard(manager) == ["READY=1", "STATUS=two"]
    assert len(caplog.records) == 1


def test_an_untold_reload_is_not_told_once_it_is_over(manager: socket.socket) -> None:
    full = queue_length(manager.getsockname())
    with Notifier(manager.getsockname()) as notifier:
        notifier.tell(RELOADING=1)
        for _ in range(full):
            manager.recv(100)
        notifier.tell(READY=1)
    assert heard(manager) == ["READY=1"]


# --- the watchdog --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(PID)}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdogs_interval(environ: dict[str, str], expected: float | None) -> None:
    assert watchdog_s(environ, PID) == expected


@pytest.mark.parametrize("interval", ["soon", "-1", "0", "1.5", "²"])
def test_an_interval_that_is_none_is_told(interval: str, caplog: pytest.LogCaptureFixture) -> None:
    assert watchdog_s({"WATCHDOG_USEC": interval}, PID) is None
    assert "there is no watchdog" in caplog.text


# --- sockets -------------------------------------------------------------------------------------


def variables(count: str = "1", pid: int = PID, names: str = "") -> dict[str, str]:
    there = {"LISTEN_PID": str(pid), "LISTEN_FDS": count}
    return there | ({"LISTEN_FDNAMES": names} if names else {})


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as there:
        yield there


def passed(there: socket.socket) -> int:
    """A copy, as systemd passes one: blocking, and inherited by every child."""
    file = os.dup(there.fileno())
    os.set_inheritable(file, True)  # noqa: FBT003
    os.set_blocking(file, True)
    return file


def test_a_listening_socket_is_taken_over(listening: socket.socket) -> None:
    environ = variables(names="voiced.socket") | {"PATH": "/bin"}
    file = passed(listening)
    (there,) = listeners_from(environ, PID, first=file)
    with there:
        assert there.getsockname() == listening.getsockname()
        assert there.fileno() == file
        assert not os.get_inheritable(file)
        assert not os.get_blocking(file)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "environ",
    [
        {}, {"LISTEN_PID": str(PID)}, {"LISTEN_FDS": "1"},
        variables(pid=1), variables(pid=1, count="many"), variables(count="0"),
    ],
)  # fmt: skip
def test_without_sockets_of_ours_there_are_none(environ: dict[str, str]) -> None:
    assert not listeners_from(environ, PID)
    assert environ == {}


@pytest.mark.parametrize("count", ["many", "-1", "65", "1e3", "²"])
def test_a_number_that_is_none_is_told(count: str) -> None:
    environ = variables(count)
    with pytest.raises(StartupError, match=r"LISTEN_FDS is not a number.*voiced\.socket"):
        listeners_from(environ, PID)
    assert environ == {}


def test_names_must_be_as_many_as_sockets(listening: socket.socket) -> None:
    with pytest.raises(StartupError, match="says 1 sockets, LISTEN_FDNAMES has 2 names"):
        listeners_from(variables(names="a:b"), PID, first=listening.fileno())


def test_a_file_that_is_not_open_is_told_by_its_name() -> None:
    file = os.open(os.devnull, os.O_RDONLY)
    os.close(file)
    with pytest.raises(StartupError, match=f"web .*file {file}.*{os.strerror(errno.EBADF)}"):
        listeners_from(variables(names="web"), PID, first=file)


def test_a_file_that_is_no_socket_is_told() -> None:
    file = os.open(os.devnull, os.O_RDONLY)
    try:
        with pytest.raises(StartupError, match=r"is no socket; .* needs ListenStream="):
            listeners_from(variables(), PID, first=file)
    finally:
        os.close(file)


@pytest.mark.parametrize(
    ("family", "kind", "fault"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM, "is no socket of an IP address"),
        (socket.AF_INET, socket.SOCK_DGRAM, "is no TCP socket"),
        (socket.AF_INET, socket.SOCK_STREAM, "does not listen"),
    ],
)
def test_a_socket_that_is_another_is_told_and_left_open(
    family: socket.AddressFamily, kind: socket.SocketKind, fault: str
) -> None:
    with socket.socket(family, kind) as there:
        with pytest.raises(StartupError, match=fault):
            listeners_from(variables(), PID, first=there.fileno())
        os.fstat(there.fileno())  # its owner closes it
