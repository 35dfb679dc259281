"""The door of a daemon that ends, and whose calls are still somebody's."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import trio
from attrs import define, field

from voiced.daemon.port import Port
from voiced.ops.presence import Presence, Sign
from voiced.web.server import Listening


@define(slots=False)
class FakeListening:
    """Notes who has come in, and has them wait."""

    guests: list[trio.abc.Stream] = field(factory=list)

    async def handle(self, stream: trio.abc.Stream) -> None:
        self.guests.append(stream)
        async with stream:
            await trio.sleep_forever()

    serve = Listening.serve


@define
class Site:
    """A daemon's port, and another that shares it."""

    port: Port
    other: Presence
    house: SimpleNamespace
    guests: ExitStack

    @property
    def name(self) -> str:
        return self.port.presence.name

    def knock(self, times: int = 1) -> int:
        """How many of so many guests whom the other one hands on get to the door."""
        doors = [self.other.reach(self.name) for _ in range(times)]
        return len([self.guests.enter_context(door) for door in doors if door])


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        shared = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ours, other = Presence([shared.fileno()]), Presence([shared.fileno()])
        door = ours.open_door()
        assert door
        stack.enter_context(door)
        stack.callback(other.hide, *Sign)
        tcp, opened = (
            trio.SocketListener(trio.socket.from_stdlib_socket(each)) for each in (shared, door)
        )
        scopes = trio.CancelScope(), trio.CancelScope()
        port = Port([tcp], [("", 0)], ours, scopes[0], None, opened, scopes[1])
        yield Site(port, other, SimpleNamespace(listening=FakeListening()), stack)


async def test_who_waits_at_the_door_gets_in_and_nobody_behind_them(
    site: Site, nursery: trio.Nursery
) -> None:
    assert site.knock(30) == 30
    await site.port.close(site.house, nursery)  # type: ignore[arg-type]
    assert len(site.house.listening.guests) == 30
    assert site.knock() == 0
    nursery.cancel_scope.cancel()


async def test_a_door_that_is_served_is_closed_and_its_guests_stay(
    site: Site, nursery: trio.Nursery
) -> None:
    nursery.start_soon(site.port.serve, site.house, nursery, trio.Event())
    await trio.testing.wait_all_tasks_blocked()
    assert site.knock(2) == 2
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert site.knock(5) == 5
    await site.port.close(site.house, nursery)  # type: ignore[arg-type]
    guests = site.house.listening.guests
    assert len(guests) == 7
    assert all(guest.socket.fileno() >= 0 for guest in guests)
    assert site.knock() == 0
    assert await site.port.is_gone(site.name) is False
    nursery.cancel_scope.cancel()


async def test_a_daemon_is_gone_when_it_has_no_door(site: Site) -> None:
    opened = site.other.open_door()
    assert opened
    with opened:
        assert not await site.port.is_gone(site.other.name)
        assert await site.port.is_gone("00000000")
    assert await site.port.is_gone(site.other.name)


async def test_nobody_s_call_is_anybody_s_who_is_there(site: Site) -> None:
    assert await site.port.is_gone("")
    site.other.show(Sign.ALIVE)
    assert not await site.port.is_gone("")
