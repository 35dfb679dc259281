"""Operators' orders for a call that another daemon on the port has.

During an upgrade an operator's request comes to either of two daemons, and none of its names tells
which one has the call. So the one that does not know it asks the others, at their doors
(`ops.presence`), by the same request. Who has the call judges the operator once more.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import h11
import trio
from attrs import define, frozen

from voiced.ops.presence import Presence
from voiced.web.front import CLOSE_S, GONE, MAX_HEAD, PIECE

PASSED_ON: Final = "Voiced-Passed-On"
"""A request with this header goes no further."""

ANSWER_S: Final = 5.0
"""For one daemon's answer; an operator's own patience is 10 s."""

MAX_ANSWER: Final = 256 * 1024

_UNSAID: Final = frozenset({401, 404, 409, 429})
"""Answers of a daemon that has no such call, or does not know the operator."""


@frozen
class Order:
    """An operator's request: `headers` are those that the other daemon has to see."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes


@frozen
class Reply:
    """What another daemon has answered, JSON."""

    status: int
    body: bytes


def _alone() -> Presence:
    return Presence(())


@define
class Neighbours:
    """The other daemons on the port; `presence` gives our own."""

    presence: Callable[[], Presence] = _alone

    async def names(self) -> Sequence[str]:
        """By which they are reached; none where we have no door ourselves: the port is ours."""
        presence = self.presence()
        if not presence.name:
            await trio.lowlevel.checkpoint()
            return ()
        return await trio.to_thread.run_sync(presence.neighbours)

    async def pass_on(self, order: Order) -> Reply | None:
        """What the one that has the call says; None where there is none."""
        for name in await self.names():
            if (door := self.presence().reach(name)) is None:
                continue
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(door))
            reply = await _ask(stream, order)
            if reply and reply.status < 500 and reply.status not in _UNSAID:
                return reply
        return None


async def _ask(stream: trio.SocketStream, order: Order) -> Reply | None:
    """One exchange, and the end of its connection; None: no answer that can be understood."""
    try:
        with trio.move_on_after(ANSWER_S), suppress(h11.ProtocolError, *GONE):
            return await _exchange(stream, order)
    finally:
        with trio.move_on_after(CLOSE_S, shield=True):
            await trio.aclose_forcefully(stream)
    return None


async def _exchange(stream: trio.SocketStream, order: Order) -> Reply | None:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    headers = [*order.headers, (PASSED_ON, "1"), ("Content-Length", str(len(order.body)))]
    events: Sequence[h11.Request | h11.Data | h11.EndOfMessage] = (
        h11.Request(method=order.method, target=order.target, headers=headers),
        h11.Data(data=order.body),
        h11.EndOfMessage(),
    )
    await stream.send_all(b"".join(http.send(event) or b"" for event in events))
    status, body = 0, bytearray()
    while len(body) <= MAX_ANSWER:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some(PIECE))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Reply(status, bytes(body))
    return None
