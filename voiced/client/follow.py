"""The daemon's events as they come."""

from collections.abc import Callable
from datetime import tzinfo
from typing import Final, NoReturn

import trio
from attrs import frozen

from voiced.client.api import Api, ApiFailed
from voiced.client.model import Call, Happening, Poll
from voiced.client.text import WIDTH, cut, pairs, shown

WAIT_S: Final = 20
"""How long the daemon is asked to wait for news."""

APART_S: Final = 1.0
"""Polls begin no closer: a busy daemon's events come in handfuls, and cost few requests."""

_TOO_MANY: Final = 429
_SID_WIDTH: Final = 12

Tell = Callable[[str], None]


@frozen
class Teller:
    """Writes an event as one line; times of day are in `zone`, by default the machine's own."""

    tell: Tell
    zone: tzinfo | None = None

    def event(self, event: Happening) -> None:
        at = event.at.astimezone(self.zone).strftime("%H:%M:%S") if event.at else "--:--:--"
        told = f"{event.kind} {pairs(dict(event.detail))}".rstrip()
        head = f"{at}  {shown(event.sid)[:_SID_WIDTH]:<{_SID_WIDTH}}  "
        self.tell(head + cut(shown(told), WIDTH - len(head)))


async def newest(api: Api) -> int:
    """The number of the last event so far.

    Raises:
        ApiFailed: the daemon was not reached, or said no.
    """
    return (await api.get(Poll.parse, "/v1/events", {"wait_s": 0})).last


async def follow(api: Api, after: int, teller: Teller) -> NoReturn:
    """Tells every event behind number `after`, until cancelled.

    Raises:
        ApiFailed: the daemon was not reached, or said no.
    """
    while True:
        began = trio.current_time()
        poll = await _next(api, {"after": after})
        for event in poll.events:
            teller.event(event)
        after = poll.last  # also where it is less: a daemon that starts anew counts anew
        await trio.sleep_until(began + APART_S)


async def follow_call(api: Api, sid: str, teller: Teller) -> Call:
    """Tells the call's events from its beginning; returns the call when it has ended.

    The call itself is looked at too, at the start and when nothing happens: its last event may
    have passed while the daemon was being restarted.

    Raises:
        ApiFailed: the daemon was not reached, or said no.
    """
    after, poll = 0, Poll((), 0)
    while True:
        began = trio.current_time()
        is_quiet = not poll.events
        call = await api.get(Call.parse, f"/v1/calls/{sid}") if is_quiet else None
        wait_s = 0 if call is not None and call.is_over else WAIT_S
        poll = await _next(api, {"after": after, "call": sid}, wait_s)
        for event in poll.events:
            teller.event(event)
        if any(event.ends_call for event in poll.events):
            return await api.get(Call.parse, f"/v1/calls/{sid}")
        if call is not None and call.is_over:
            return call
        after = poll.last
        await trio.sleep_until(began + APART_S)


async def _next(api: Api, query: dict[str, str | int], wait_s: int = WAIT_S) -> Poll:
    """The next poll; a daemon that limits our rate is given the pause that it asks for."""
    while True:
        try:
            path = "/v1/events"
            return await api.get(Poll.parse, path, {**query, "wait_s": wait_s}, wait_s=wait_s)
        except ApiFailed as failed:
            if failed.status != _TOO_MANY:
                raise
            pause_s = max(failed.pause_s, APART_S)
        await trio.sleep(pause_s)
