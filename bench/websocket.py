"""As much of RFC 6455 as the far side needs: both ends, no fragments, no extensions."""

import base64
import hashlib
import re
import struct
from collections.abc import Iterator

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASKED = 0x80
NO_MASK = b"\0\0\0\0"
"""A legal mask that changes nothing, so that a client's frames can be made beforehand."""

_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *(\S+)")


def frame(opcode: int, payload: bytes, *, client: bool = False) -> bytes:
    """A whole message in one frame."""
    size, mask = len(payload), MASKED if client else 0
    if size < 126:
        head = struct.pack(">BB", 0x80 | opcode, mask | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", 0x80 | opcode, mask | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, mask | 127, size)
    return head + (NO_MASK if client else b"") + payload


def unmask(payload: bytes, mask: bytes, start: int = 0) -> bytes:
    """A piece of a masked message; `start` is where in the message it stands."""
    if not mask:
        return payload
    return bytes(byte ^ mask[(start + i) & 3] for i, byte in enumerate(payload))


def accept(request: bytes) -> bytes:
    """The answer to an upgrade request."""
    found = _KEY.search(request)
    key = (found[1] if found else b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    token = base64.b64encode(hashlib.sha1(key).digest())  # so the RFC has it
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
    )


class Frames:
    """Bytes in, messages out: (opcode, payload as it came, mask or nothing)."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """The messages that are whole now."""
        data = self._data + data if self._data else data
        at, have = 0, len(data)
        while have - at >= 2:
            first, second = data[at], data[at + 1]
            start, size = at + 2, second & 0x7F
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            mask = data[start : start + 4] if second & MASKED else b""
            start += 4 if second & MASKED else 0
            if start > have or have - start < size:
                break
            yield first & 0x0F, data[start : start + size], mask
            at = start + size
        self._data = data[at:]
