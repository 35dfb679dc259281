"""What systemd waits for: the daemon's start, a reload, a stop; and what it holds while idle."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Final

from attrs import define

from bench.table import Cell, Extent, Table

CONFIGURATION: Final = """
[server]
port = {port}
[stt.kyutai]
type = "moshi"
url = "ws://127.0.0.1:1"
[llm.local]
type = "openai"
base_url = "http://127.0.0.1:1/v1"
[tts.kyutai]
type = "moshi"
url = "ws://127.0.0.1:1"
[agent.default]
max_call_s = {call_s}
[records]
directory = "{folder}"
"""
WAIT_S: Final = 30.0
RUNS: Final = {Extent.FULL: 10, Extent.QUICK: 3, Extent.TRIAL: 1}


def measure(extent: Extent) -> list[Table]:
    """A daemon whose engines are away, again and again."""
    runs = [_one() for _ in range(RUNS[extent])]
    figures = [*zip(*runs, strict=True)]
    labels = ("start to READY", "SIGHUP to READY", "SIGTERM to exit")
    rows: list[tuple[Cell, ...]] = [
        (label, median(each), max(each)) for label, each in zip(labels, figures[:3], strict=True)
    ]
    notes = (
        f"Of {len(runs)} runs, milliseconds, by what the daemon tells systemd's socket. Its engines"
        " are away: READY waits until each has been asked once. The reload has one key changed."
        f" Idle, it holds {median(figures[3]):.0f} MiB (proportional set size).",
    )
    return [Table("Start, reload, stop", ("", "p50, ms", "max, ms"), tuple(rows), notes)]


@define
class _Systemd:
    """The socket that systemd would listen on."""

    socket: socket.socket

    def wait(self, state: str) -> None:
        while state not in self.socket.recv(65536).decode().splitlines():
            pass


def _one() -> tuple[float, float, float, float]:
    with TemporaryDirectory() as folder, _listening(Path(folder) / "notify") as systemd:
        file = Path(folder) / "voiced.toml"
        port = _free_port()
        file.write_text(CONFIGURATION.format(port=port, call_s=1800, folder=folder))
        command = [sys.executable, "-m", "voiced", "run", "--config", str(file)]
        environ = os.environ | {"NOTIFY_SOCKET": str(Path(folder) / "notify")}
        began = perf_counter()
        with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as daemon:
            systemd.wait("READY=1")
            ready = perf_counter() - began
            sleep(0.5)
            held = _pss_mib(daemon.pid)
            file.write_text(CONFIGURATION.format(port=port, call_s=900, folder=folder))
            began = perf_counter()
            daemon.send_signal(signal.SIGHUP)
            systemd.wait("READY=1")
            reloaded = perf_counter() - began
            began = perf_counter()
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(WAIT_S)
            stopped = perf_counter() - began
    return 1000 * ready, 1000 * reloaded, 1000 * stopped, held


@contextmanager
def _listening(path: Path) -> Iterator[_Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(path))
        ours.settimeout(WAIT_S)
        yield _Systemd(ours)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _pss_mib(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = [line for line in rollup.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) / 1024
