"""Server-sent events: bytes in, split anywhere; events out.

Source: the WHATWG HTML standard, "Server-sent events", 9.2.6. `id` and `retry` serve only to
reconnect, which no engine of ours does, and are ignored.
"""

from attrs import frozen

from voiced.errors import WireError

MAX_EVENT = 1024 * 1024
"""The longest line, and the longest event, in bytes."""


@frozen
class SseEvent:
    """One event: its name (`message` where it has none) and its data lines, joined by \\n."""

    event: str
    data: str


class SseParser:
    """Reads one stream of events."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._previous = b""  # the last byte fed: a \n after \r ends no further line
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[SseEvent]:
        """Takes the next bytes; returns the events that they complete.

        Raises:
            WireError: a line or an event is longer than `MAX_EVENT`.
        """
        rest = data[1:] if self._previous == b"\r" and data.startswith(b"\n") else data
        self._previous = data[-1:] or self._previous
        events = []
        for piece in rest.splitlines(keepends=True):
            self._line += piece
            self._size += len(piece)
            if self._size > MAX_EVENT:
                raise WireError("event too long")
            if piece.endswith((b"\n", b"\r")):
                event = self._end_line()
                if event is not None:
                    events.append(event)
        return events

    def _end_line(self) -> SseEvent | None:
        raw = bytes(self._line)
        self._line.clear()
        line = raw.rstrip(b"\r\n").decode(errors="replace").removeprefix("\ufeff")
        if not line:
            return self._end_event()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        else:  # a comment, which is a keep-alive, or a field without interest
            self._size -= len(raw)
        return None

    def _end_event(self) -> SseEvent | None:
        event = SseEvent(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        return event
