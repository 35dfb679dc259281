"""Whether another daemon has the listening sockets that systemd has given to us as well.

During an upgrade two of them share the sockets and the records. The one that stops must let go of
the sockets at once, or half of the callers would come to a daemon that takes no calls; one that
stops alone must not, for its own calls' webhooks come in there. And the one that starts must not
take the other's live calls for those of a crash. So each holds abstract Unix sockets whose names
are made of the shared socket's inode, which is the same in all processes. The kernel takes them
down with their process, however that ends.

Each also has a name and a door: another abstract socket, where the others hand on what Twilio asks
of its calls (`marked`). It is no way in that the port is not.

Source: unix(7), "Abstract sockets", SO_PEERCRED.
"""

import logging
import os
import re
import secrets
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

PLACES: Final = 4
"""The daemon, its stand-in, and one of each that still ends its calls."""

BACKLOG: Final = 128

MAX_NEIGHBOURS: Final = 16
"""Names are anybody's to take, so there may be more of them than daemons."""

LISTENS: Final = "00010000"
"""The flags of a socket that takes connections. Source: Linux, `__SO_ACCEPTCON`."""

SOCKETS: Final = "/proc/self/net/unix"
"""The kernel's list of Unix sockets. Source: proc(5), `/proc/net/unix`."""

_CREDENTIALS: Final = struct.Struct("iII")


class Sign(Enum):
    """What a daemon shows of itself."""

    ALIVE = "alive"
    SERVING = "serving"


class Presence:
    """One daemon's. Without sockets of systemd's there is nobody to share them with."""

    def __init__(self, shared: Sequence[int]) -> None:
        """`shared` are the files of the listening sockets."""
        self._inode = os.fstat(shared[0]).st_ino if shared else 0
        self._held: dict[Sign, tuple[str, socket.socket]] = {}
        self.name = ""
        """By which others reach us: 8 hexadecimal digits, or "" where nobody does."""

    def open_door(self) -> socket.socket | None:
        """A listening socket for what others hand on, which gives us a `name`; the caller closes
        it. None where nobody shares our port, or the kernel has no such sockets."""
        if not self._inode:
            return None
        name = secrets.token_hex(4)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with suppress(OSError):
            door.bind(self._door(name))
            door.listen(BACKLOG)
            self.name = name
            return door
        door.close()
        return None

    def reach(self, name: str) -> socket.socket | None:
        """A connection to the door of this daemon, which the caller closes; None where no daemon
        of our user on our port has the name, or so many wait at its door that it must be stuck."""
        if not self._inode:
            return None
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        caller.settimeout(0)
        with suppress(OSError):
            caller.connect(self._door(name))
            if _is_of_our_user(caller):
                return caller
        caller.close()
        return None

    def neighbours(self) -> Sequence[str]:
        """The names of the others that have a door on our port; `reach` tells whose they are.

        Empty where the kernel does not list them. Reads a file of /proc: for a worker thread.
        """
        with suppress(OSError):
            listed = Path(SOCKETS).read_text(errors="replace") if self._inode else ""
            door = rf"^.* {LISTENS} .* @voiced/{self._inode}/door/([0-9a-f]{{8}})$"
            names = set(re.findall(door, listed, re.M))  # a guest inside has the door's name too
            return sorted(names - {self.name})[:MAX_NEIGHBOURS]
        return ()

    def _door(self, name: str) -> str:
        return f"\0voiced/{self._inode}/door/{name}"

    def show(self, sign: Sign) -> None:
        """From now on others can see it."""
        for name in self._names(sign):
            place = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with suppress(OSError):
                place.bind(name)
                place.listen(1)
                self._held[sign] = name, place
                return
            place.close()
        if self._inode:
            log.warning("too many daemons share the listening socket: an upgrade may refuse calls")

    def hide(self, *signs: Sign) -> None:
        """They see it no more."""
        for sign in signs:
            if sign in self._held:
                _, place = self._held.pop(sign)
                place.close()

    def others(self, sign: Sign) -> int:
        """How many other daemons of our user show it."""
        ours, _ = self._held.get(sign, ("", None))
        return sum(_is_held(name) for name in self._names(sign) if name != ours)

    def _names(self, sign: Sign) -> Sequence[str]:
        places = range(PLACES if self._inode else 0)
        return [f"\0voiced/{self._inode}/{sign.value}/{place}" for place in places]


def _is_held(name: str) -> bool:
    """A queue of callers that is full is somebody too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(0)
        try:
            caller.connect(name)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return _is_of_our_user(caller)


def _is_of_our_user(caller: socket.socket) -> bool:
    """Whether the one at the other end is; anybody may take an abstract name."""
    held = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(held)
    return bool(user == os.getuid())


def marked(path: str, name: str) -> str:
    """A path or URL for Twilio to come back to, with the name of the daemon that it comes back
    to; as it is where that has none."""
    return f"{path}{'&' if '?' in path else '?'}at={name}" if name else path
