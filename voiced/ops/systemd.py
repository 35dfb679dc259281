"""What systemd tells a daemon and what a daemon tells systemd: sockets, the watchdog's interval,
and how it is.

Source: sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3).
"""

import errno
import logging
import os
import socket
import stat
import time
from collections.abc import Mapping, MutableMapping, Sequence
from types import TracebackType
from typing import Final

from voiced.errors import StartupError

log = logging.getLogger(__name__)

FIRST_FD: Final = 3
"""The first socket that is passed; the others follow it."""

FAMILIES: Final = frozenset({socket.AF_INET, socket.AF_INET6})
MAX_FDS: Final = 64
LISTEN_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

_RELOADING: Final = frozenset({"RELOADING", "MONOTONIC_USEC"})
_BUSY: Final = frozenset({errno.EAGAIN, errno.ENOBUFS})


class Notifier:
    """Tells the service manager how the daemon is; nothing where there is none that wants to know.

    It never waits and never raises. What could not be sent since the manager is busy is sent with
    what is told next.
    """

    def __init__(self, address: str = "") -> None:
        """`address` as in NOTIFY_SOCKET: a path, or `@` and an abstract name; "": tells nobody."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._unsent: dict[str, str] = {}
        self._failures: set[int | None] = set()
        self._socket: socket.socket | None = None
        if address and not address.startswith(("/", "@")):
            log.warning("NOTIFY_SOCKET is neither a path nor @ and a name: systemd is told nothing")
        elif address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(0)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Notifier":
        """The one that NOTIFY_SOCKET names."""
        return cls(environ.get("NOTIFY_SOCKET", ""))

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to tell."""
        return self._socket is not None

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def tell(self, **states: str | int) -> None:
        """Tells the states, as in `tell(READY=1, STATUS="3 calls")`.

        With `RELOADING` goes the time at which it begins, as systemd wants it.
        """
        if self._socket is None:
            return
        told = {name: _line(value) for name, value in states.items()}
        if "RELOADING" in told:
            told["MONOTONIC_USEC"] = str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        if "READY" in told:  # what it ended need not be told any more
            self._unsent = {k: v for k, v in self._unsent.items() if k not in _RELOADING}
        self._unsent = {**self._unsent, **told}
        message = "\n".join(f"{name}={value}" for name, value in self._unsent.items())
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            if error.errno not in _BUSY:
                self._unsent = {}  # nobody is there who would want it later
            self._complain(error)
        else:
            self._unsent = {}

    def _complain(self, error: OSError) -> None:
        if error.errno not in self._failures:
            self._failures.add(error.errno)
            log.warning("systemd cannot be told how the daemon is: %s", error.strerror or error)

    def __enter__(self) -> "Notifier":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tells nothing from now on."""
        if self._socket:
            self._socket.close()
            self._socket = None


def _line(value: str | int) -> str:
    """A value on one line: a second one would be another state."""
    return " ".join(str(value).split())


def watchdog_s(environ: Mapping[str, str], pid: int) -> float | None:
    """Within how many seconds systemd wants a sign of life each time; None: it wants none."""
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None  # meant for another process
    interval = environ.get("WATCHDOG_USEC", "")
    if not interval:
        return None
    if not (interval.isascii() and interval.isdigit() and int(interval)):
        log.warning("WATCHDOG_USEC is no number of microseconds: there is no watchdog")
        return None
    return int(interval) / 1e6


def listeners_from(
    environ: MutableMapping[str, str], pid: int, first: int = FIRST_FD
) -> Sequence[socket.socket]:
    """The listening sockets that systemd has opened for us; none without socket activation.

    The variables that tell of them are removed: a child must not take them for its own.

    Raises:
        StartupError: they are not what voiced.socket should open.
    """
    own, count, names = (environ.pop(name, "") for name in LISTEN_VARIABLES)
    if not (own and count) or own != str(pid):
        return ()
    if not (count.isascii() and count.isdigit() and int(count) <= MAX_FDS):
        raise StartupError(
            "LISTEN_FDS is not a number of sockets; it is systemd's to set: start voiced with"
            " voiced.socket, or without that variable"
        )
    files = range(first, first + int(count))
    named = names.split(":") if names else [str(file) for file in files]
    if len(named) != len(files):
        raise StartupError(
            f"LISTEN_FDS says {count} sockets, LISTEN_FDNAMES has {len(named)} names; both are"
            " systemd's to set: start voiced with voiced.socket"
        )
    return [_listener(file, name) for file, name in zip(files, named, strict=True)]


def _listener(file: int, name: str) -> socket.socket:
    """A file that was passed, as the listening socket that it must be."""
    try:
        if not stat.S_ISSOCK(os.fstat(file).st_mode):
            raise _unfit(file, name, "is no socket")
        os.set_inheritable(file, False)  # noqa: FBT003  # it takes no keywords
        there = socket.socket(fileno=file)
    except OSError as error:
        raise _unfit(file, name, f"cannot be used: {error.strerror or error}") from error
    fault = _fault(there)
    if fault:
        there.detach()  # it is not ours
        raise _unfit(file, name, fault)
    there.settimeout(0)
    return there


def _fault(there: socket.socket) -> str:
    if there.family not in FAMILIES:
        return "is no socket of an IP address"
    if there.type != socket.SOCK_STREAM:
        return "is no TCP socket"
    if not there.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "does not listen"
    return ""


def _unfit(file: int, name: str, fault: str) -> StartupError:
    return StartupError(
        f"the socket {name} that systemd passed (file {file}) {fault}; voiced.socket needs"
        " ListenStream= with an address and a port, and Accept=no"
    )
