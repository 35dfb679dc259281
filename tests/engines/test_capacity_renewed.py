"""The counting of room goes on when the configuration is read again, and tells what changes."""

from collections.abc import AsyncIterator

import httpx
import pytest
import trio
from test_capacity import STT, TTS, Servers, settings
from trio.testing import MockClock

from voiced.config import Agent
from voiced.engines.capacity import Capacity, Reach, RoomState


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
async def capacity(servers: Servers) -> AsyncIterator[Capacity]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(servers.answer)) as http:
        yield Capacity(settings(), http)


async def changes(capacity: Capacity, seen: list[float]) -> None:
    while True:
        await capacity.wait_change()
        seen.append(trio.current_time())


async def test_what_is_known_of_a_place_stays_known(
    capacity: Capacity, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nursery.start_soon(capacity.watch)
    lease = capacity.lease("default")
    await trio.sleep(0.5)
    free = {(room.role, room.name): room.free for room in capacity.rooms()}
    capacity.renew(settings(agents={"default": Agent(), "another": Agent()}))
    assert {each.free for each in capacity.rooms() if each.role == "stt"} == {1}
    assert all(free[room.role, room.name] == room.free for room in capacity.rooms())
    lease.release()
    assert {each.free for each in capacity.rooms() if each.role == "stt"} == {2}
    nursery.cancel_scope.cancel()


async def test_it_is_tried_when_each_engine_in_use_that_can_be_asked_has_been(
    capacity: Capacity, servers: Servers, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    servers.fault[STT] = lambda: httpx.Response(500)  # an answer too
    nursery.start_soon(capacity.watch)
    await trio.sleep(0.1)
    assert not capacity.is_tried
    for role, name, outcome in (
        ("llm", "local", Reach.OK),
        ("llm", "claude", Reach.FAILED),
        ("tts", "cartesia", Reach.OK),
    ):
        assert not capacity.is_tried
        capacity.reached(role, name, outcome)
    assert capacity.is_tried
    nursery.cancel_scope.cancel()


async def test_changes_are_told_and_answers_as_before_are_not(
    capacity: Capacity, servers: Servers, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    seen: list[float] = []
    nursery.start_soon(changes, capacity, seen)
    nursery.start_soon(capacity.watch)
    await trio.sleep(9)
    assert set(seen) == {0.0}
    servers.used[TTS] = 1
    await trio.sleep(2)
    assert seen[-1] == 10.0
    servers.fault[STT] = lambda: httpx.Response(500)
    await trio.sleep(4)
    assert seen[-1] == 14.0, "away with the second failure"
    count = len(seen)
    capacity.reached("llm", "local", Reach.OK)
    capacity.renew(settings())
    await trio.testing.wait_all_tasks_blocked()
    assert len(seen) > count
    state = {room.state for room in capacity.rooms() if (room.role, room.name) == ("stt", "kyutai")}
    assert state == {RoomState.UNREACHABLE}
    nursery.cancel_scope.cancel()
