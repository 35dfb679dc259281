"""A daemon in a process of its own, with a systemd that is this test."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio
from attrs import define, field

LAUNCH = """
import os, sys
given, command = int(sys.argv[1]), sys.argv[2:]
os.environ["LISTEN_PID"] = str(os.getpid())
os.dup2(given, 3)
os.set_inheritable(3, True)
os.execv(command[0], command)
"""
"""Passes a socket as systemd does: as file 3, and with the pid that the daemon will have."""


@define
class Systemd:
    """Hears what a daemon tells."""

    address: str
    _socket: socket.socket
    told: list[dict[str, str]] = field(factory=list)

    async def hear(self, **states: str) -> dict[str, str]:
        """The next message with these states; `STATUS="call"` wants that in it."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            message = dict(
                line.split("=", 1) for line in self._socket.recv(65_536).decode().split("\n")
            )
            self.told.append(message)
            if all(value in message.get(name, "-") for name, value in states.items()):
                return message

    def heard(self, name: str) -> list[str]:
        """The values of a state, so far."""
        return [message[name] for message in self.told if name in message]


@contextmanager
def systemd(tmp_path: Path, name: str = "notify") -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(tmp_path / name))
        ours.settimeout(0)
        yield Systemd(str(tmp_path / name), ours)


@define
class Daemon:
    """One, and its log."""

    process: trio.Process
    log: Path

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, when it has ended."""
        await self.process.wait()
        return self.process.returncode or 0

    def text(self) -> str:
        return self.log.read_text()

    async def says(self, what: str) -> None:
        """Returns when its log does."""
        while True:
            if what in self.text():
                return
            await trio.sleep(0.02)


@asynccontextmanager
async def daemon(
    config: Path,
    environ: Mapping[str, str],
    given: socket.socket | None = None,
    options: Sequence[str] = (),
) -> AsyncIterator[Daemon]:
    """Runs `voiced run`; `given` is a listening socket, passed as systemd does."""
    log = config.with_suffix(f".{len(list(config.parent.glob('*.log')))}.log")
    command = [sys.executable, *options, "-m", "voiced", "run", f"--config={config}"]
    variables = {**os.environ, **environ}
    passed: tuple[int, ...] = ()
    if given is not None:
        passed = (given.fileno(),)
        command = [sys.executable, "-c", LAUNCH, str(given.fileno()), *command]
        variables |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "voiced.socket"}
    with log.open("ab") as errors:
        process = await trio.lowlevel.open_process(
            command, env=variables, stderr=errors, stdin=subprocess.DEVNULL, pass_fds=passed
        )
        try:
            yield Daemon(process, log)
        finally:
            process.kill()
            with trio.move_on_after(5, shield=True):
                await process.wait()
