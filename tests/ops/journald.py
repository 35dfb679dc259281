"""A stand-in for journald: its socket, and a reader of its protocol, apart from the writer."""

import array
import fcntl
import os
import socket
from pathlib import Path

READY = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def decoded(data: bytes) -> list[tuple[str, bytes]]:
    """The fields of a record in systemd's native protocol."""
    fields = []
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, data = rest[8 : 8 + length], rest[8 + length :]
            assert data[:1] == b"\n", f"nothing ends the value of {name!r}"
            data = data[1:]
        else:
            data = rest
        fields.append((name.decode("ascii"), value))
    return fields


class Journald:
    """Listens at a path; `small` is a queue for a single datagram or so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        self.socket.bind(str(path))

    def raw(self) -> list[bytes]:
        """What has come, one item for each record."""
        found = []
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return found
            if ancillary:
                assert data == b"", "a file comes with an empty datagram"
                data = self._file(ancillary[0][2])
            found.append(data)

    @staticmethod
    def _file(rights: bytes) -> bytes:
        (fd,) = array.array("i", rights[:4])
        try:
            assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) == READY, "journald trusts sealed files only"
            return os.pread(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)

    def records(self) -> list[dict[str, str]]:
        """What has come, decoded; of a field that is there twice, the last."""
        return [
            {name: value.decode("utf-8", "backslashreplace") for name, value in decoded(data)}
            for data in self.raw()
        ]

    def close(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)
