"""Requests that another daemon on the same port has asked Twilio for.

During an upgrade two daemons share the port, and the kernel gives a connection to either of them.
So what a daemon has Twilio come back to tells its name (`ops.presence`), and where the head of a
request tells the name of another that is present, the connection is joined to that one's door,
unread and as it came: who serves it judges the signature. Names are no secrets. A guest may write
any: of a daemon that is not there the request is served here, as one of an unknown call.
"""

import re
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import trio
from attrs import define, field

from voiced.ops.presence import Presence
from voiced.web.front import CLOSE_S, GONE, PIECE, TAKE_S, Head, close, refuse
from voiced.web.limits import Crowd

MAX_FORWARDED: Final = 128
"""Connections at once, each of two sockets and two tasks. Webhooks pass in milliseconds. What
stays are the media sockets of calls that were put through, or came in, just as daemons changed."""

_NAMED: Final = re.compile(
    rb"/twilio/(?:media/([0-9a-f]{8})\.|[a-z]+\?(?:.*&)?at=([0-9a-f]{8})(?:&|\Z))"
)


def named(target: bytes) -> str:
    """The name of the daemon in a request's target; "" where there is none."""
    found = _NAMED.match(target)
    return b"".join(each or b"" for each in found.groups()).decode() if found else ""


@define
class Forwarder:
    """Takes connections to the daemons that they are meant for."""

    presence: Presence
    crowd: Crowd = field(factory=lambda: Crowd(MAX_FORWARDED))

    async def took(self, stream: trio.abc.Stream, head: Head) -> bool:
        """False where the request is ours to serve. Else the connection is over."""
        name = named(head.request.target)
        if name in ("", self.presence.name):
            return False
        visit = self.crowd.enter()
        if visit is None:
            await refuse(stream, HTTPStatus.SERVICE_UNAVAILABLE)
            return True
        try:
            door = self.presence.reach(name)
            if door is None:
                return False
            there = trio.SocketStream(trio.socket.from_stdlib_socket(door))
            await _join(stream, there, head.received)
        finally:
            visit.leave()
        return True


async def _join(guest: trio.abc.Stream, there: trio.abc.Stream, head: bytes) -> None:
    """Carries both ways, a `PIECE` at a time in each, until either side ends; closes both.

    How long one may be silent is for the other one's limits to say.
    """
    try:
        async with trio.open_nursery() as nursery:
            both = nursery.cancel_scope
            nursery.start_soon(_carry, guest, there, both, head)
            nursery.start_soon(_carry, there, guest, both)
    finally:
        with trio.move_on_after(2 * CLOSE_S, shield=True):
            await close(there)
            await close(guest)


async def _carry(
    source: trio.abc.Stream, sink: trio.abc.Stream, both: trio.CancelScope, data: bytes = b""
) -> None:
    """All from one to the other, `data` first. Who takes nothing for `TAKE_S` has ended, too."""
    with suppress(*GONE, trio.TooSlowError):
        while data := data or bytes(await source.receive_some(PIECE)):
            with trio.fail_after(TAKE_S):
                await sink.send_all(data)
            data = b""
    both.cancel(reason="one side has ended")
