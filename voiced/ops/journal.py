"""The log as the journal's own records: systemd's native protocol, over journald's socket.

Nothing here waits. What journald does not take goes to standard error as text, which under
systemd is another way into the journal; what that does not take either is lost, and counted. The
next record that gets through is followed by one that tells how many did not.

Source: systemd's "Native Journal Protocol"; sd-daemon(3) for the `<N>` before a line of text.
"""

import errno
import fcntl
import logging
import os
import socket
import stat
from array import array
from typing import Final

from voiced.ops.journal_fields import fields_of, priority_of
from voiced.ops.journal_wire import encode

SOCKET: Final = "/run/systemd/journal/socket"

DIVERTED: Final = "the journal took no records for a while: they stand in it as plain text"
LOST: Final = "records of the log are lost: the journal took none for a while"

_TOO_LARGE: Final = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_WRONG: Final = (TypeError, ValueError, LookupError, AttributeError)
"""What a log call may raise whose words and values do not go together."""


def is_journal(stream: str, fd: int) -> bool:
    """Whether a file descriptor leads to the journal; `stream` is the value of JOURNAL_STREAM.

    Source: systemd.exec(5): the device and inode of the stream, in decimal, with a colon between.
    """
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and stream == f"{found.st_dev}:{found.st_ino}"


class JournalSocket:
    """Sends records to journald, wherever its socket has come from meanwhile."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)

    def send(self, record: bytes) -> bool:
        """Whether journald has it; never waits, never raises."""
        try:
            # With the address each time: a journald that was restarted may have a new socket.
            self._socket.sendto(record, self._path)
        except OSError as error:
            return error.errno in _TOO_LARGE and self._send_file(record)
        return True

    def _send_file(self, record: bytes) -> bool:
        """What no datagram can hold goes as a file in memory that nobody can change any more."""
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        try:
            with open(os.memfd_create("voiced-record", flags), "wb") as file:
                file.write(record)
                file.flush()
                fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [file.fileno()]))
                self._socket.sendmsg([], [rights], 0, self._path)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Lets go of the socket; from then on nothing is sent."""
        self._socket.close()


class JournalStream:
    """The stream into the journal that standard error is: lines of text."""

    def __init__(self, fd: int) -> None:
        """`fd` stays as it is: others share it, who may wait where we do not."""
        self._socket = socket.socket(fileno=os.dup(fd))
        self._rest = b""

    def write(self, priority: int, text: str) -> bool:
        """Whether it is on its way, the last of it perhaps with what is written next; never waits,
        never raises."""
        lines = "".join(f"<{priority}>{line}\n" for line in text.split("\n"))
        data = lines.encode("utf-8", "backslashreplace")
        self._rest = self._unsent(self._rest)
        unsent = data if self._rest else self._unsent(data)
        if unsent == data:
            return False
        self._rest = unsent
        return True

    def _unsent(self, data: bytes) -> bytes:
        try:
            return data[self._socket.send(data, socket.MSG_DONTWAIT) :]
        except OSError:
            return data

    def close(self) -> None:
        """Lets go of our copy of the descriptor."""
        self._unsent(self._rest)
        self._socket.close()


class JournalHandler(logging.Handler):
    """Puts records into the journal. Its formatter makes MESSAGE, and the text for the stream."""

    def __init__(self, *, redact: bool, path: str = SOCKET, stderr: int = 2) -> None:
        """`stderr` is the descriptor of a socket, as `is_journal` makes sure."""
        super().__init__()
        self._redact = redact
        self._journal = JournalSocket(path)
        self._stream = JournalStream(stderr)
        self._diverted = 0
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record. A log call that is wrong in itself is told as `logging` does."""
        try:
            message = self.format(record)
            sent = self._journal.send(self._encoded(record, message))
        except _WRONG:
            self.handleError(record)
            return
        if sent:
            self._own_up()
        elif self._stream.write(priority_of(record).value, message):
            self._diverted += 1
        else:
            self._lost += 1

    def _encoded(self, record: logging.LogRecord, message: str) -> bytes:
        return encode(fields_of(record, message, redact=self._redact))

    def _own_up(self) -> None:
        """Tells what did not get through as it should, until that has got through."""
        if not self._diverted and not self._lost:
            return
        told = {"diverted": self._diverted, "lost": self._lost}
        level, what = (logging.ERROR, LOST) if self._lost else (logging.WARNING, DIVERTED)
        # Of no call, and not to be silenced by a level.
        record = logging.makeLogRecord({"name": __name__, "msg": what, "fields": told})
        record.levelno, record.levelname = level, logging.getLevelName(level)
        if self._journal.send(self._encoded(record, self.format(record))):
            self._diverted = self._lost = 0

    def close(self) -> None:
        """Tells what is untold, and lets go of the sockets."""
        self._own_up()
        self._journal.close()
        self._stream.close()
        super().close()
