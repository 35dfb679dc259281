"""The watchdog is fed while the daemon is well."""

import errno
import logging
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from voiced.ops.systemd import Notifier
from voiced.ops.vitals import LISTENER_S
from voiced.ops.watchdog import Watchdog, any_certificate, here, knock

WITHIN_S = 20.0


class FakeNotifier(Notifier):
    """Notes when it was fed."""

    def __init__(self) -> None:
        super().__init__()
        self.fed: list[float] = []

    def tell(self, **states: str | int) -> None:
        assert states == {"WATCHDOG": 1}
        self.fed.append(trio.current_time())


@define
class Daemon:
    notifier: FakeNotifier = field(factory=FakeNotifier)
    late_s: float = 0.0
    answers_after_s: float = 0.0
    fault: str = ""

    async def listener(self) -> str:
        await trio.sleep(self.answers_after_s)
        return self.fault

    @property
    def watchdog(self) -> Watchdog:
        return Watchdog(self.notifier, WITHIN_S, self.pacers, self.listener)

    def pacers(self) -> dict[str, float]:
        """Late once."""
        late_s, self.late_s = self.late_s, 0.0
        return {"CA1": late_s}


async def test_it_is_fed_four_times_within_the_interval(autojump_clock: MockClock) -> None:
    daemon = Daemon(answers_after_s=0.5)
    with trio.move_on_after(WITHIN_S):
        await daemon.watchdog.run()
    assert daemon.notifier.fed == [0.5, 5.5, 10.5, 15.5]


async def test_a_daemon_that_lets_nobody_in_is_not_fed_and_says_so_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(fault="too many files are open")
    with trio.move_on_after(WITHIN_S):
        await daemon.watchdog.run()
    assert daemon.notifier.fed == []
    (told,) = caplog.records
    assert told.levelname == "ERROR"
    expected = "the watchdog is not fed: nobody is let in: too many files are open"
    assert told.getMessage() == expected


async def test_a_door_that_does_not_answer_is_given_up(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    assert LISTENER_S > 2.5
    daemon = Daemon(answers_after_s=2.6)
    with trio.move_on_after(6):
        await daemon.watchdog.run()
    assert daemon.notifier.fed == []
    assert "no answer at our own port within 2.5 s" in caplog.text


async def test_one_that_recovers_is_fed_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(late_s=3.0)
    with caplog.at_level(logging.WARNING), trio.move_on_after(7):
        await daemon.watchdog.run()
    assert daemon.notifier.fed == [5.0]
    assert [each.levelname for each in caplog.records] == ["ERROR", "WARNING"]
    assert "a call's audio went out 3.0 s late" in caplog.text


async def test_a_loop_that_stood_still_is_told_and_nothing_is_made_up_for(
    mock_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a task that held it up, or a machine that slept."""
    daemon = Daemon()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.watchdog.run)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(35)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert "the watchdog is not fed: tasks wake 30.0 s late" in caplog.text
    assert daemon.notifier.fed == [0.0, 35.0]


async def test_a_loop_that_is_late_each_time_is_not_fed(
    mock_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.watchdog.run)
        for since_the_last_s in (6.5, 5.0, 5.0, 5.0):  # its deadlines are 5 s apart
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(since_the_last_s)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert daemon.notifier.fed == [0.0]
    assert caplog.text.count("tasks wake 1.5 s late") == 1


async def test_a_wall_clock_that_jumps_is_not_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.watchdog.run)
        await trio.sleep(1)
        monkeypatch.setattr(time, "time", lambda: 0.0)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert daemon.notifier.fed == [0.0, 5.0, 10.0]


# --- our own door --------------------------------------------------------------------------------


async def answering(stream: trio.SocketStream, *answer: bytes) -> None:
    await stream.receive_some()
    for piece in answer:
        await stream.send_all(piece)
        await trio.testing.wait_all_tasks_blocked(0.001)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((b"HTTP/1.1 200 OK\r\n\r\n",), ""),
        ((b"HTTP/1.1 503 Service Unavailable\r\n\r\n",), ""),
        ((b"HT", b"TP/1.1 200 OK"), ""),
        ((b"SSH-2.0-OpenSSH",), "our own port speaks no HTTP"),
        ((), "our own port answers nothing"),
    ],
)
async def test_any_answer_of_http_is_one(answer: tuple[bytes, ...], told: str) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            await answering(stream, *answer)

        nursery.start_soon(trio.serve_listeners, handle, [listener])
        assert await knock(*listener.socket.getsockname()[:2]) == told
        nursery.cancel_scope.cancel()


async def test_a_closed_door_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    told = await knock("127.0.0.1", port)
    assert told.startswith("our own port cannot be reached")
    assert "Connection refused" in told


async def test_a_door_that_breaks_off_is_told() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def slam(stream: trio.SocketStream) -> None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, slam, [listener])
        told = await knock(*listener.socket.getsockname()[:2])
        nursery.cancel_scope.cancel()
    assert told.startswith("our own port cannot be reached")


async def test_a_process_without_a_free_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(trio.socket, "socket", full)
    assert await knock("127.0.0.1", 1) == "too many files are open"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("0.0.0.0", 80), ("127.0.0.1", 80)),
        (("::", 80, 0, 0), ("::1", 80)),
        (("192.0.2.1", 80), ("192.0.2.1", 80)),
    ],
)
def test_a_listener_on_every_address_is_reached_on_this_machine(
    address: tuple[object, ...], expected: tuple[str, int]
) -> None:
    assert here(address) == expected


async def test_an_ipv6_door_is_reached(tmp_path: Path) -> None:
    try:
        (listener,) = await trio.open_tcp_listeners(0, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            await answering(stream, b"HTTP/1.1 200 OK\r\n\r\n")

        nursery.start_soon(trio.serve_listeners, handle, [listener])
        assert await knock(*here(listener.socket.getsockname())) == ""
        nursery.cancel_scope.cancel()


async def test_a_door_with_tls_is_knocked_at_whatever_its_certificate_says(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    try:
        await trio.run_process(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=voice.example.com", "-days", "2", "-keyout", str(key),
             "-out", str(certificate)],
            capture_stdout=True, capture_stderr=True,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no certificate without openssl: {error}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        await stream.aclose()

    (listener,) = await trio.open_ssl_over_tcp_listeners(
        0, context, host="127.0.0.1", https_compatible=True
    )
    address = listener.transport_listener.socket.getsockname()  # type: ignore[attr-defined]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        assert await knock(*address, any_certificate()) == ""
        nursery.cancel_scope.cancel()
