"""The short way to the kernel behaves as Trio's own stream does."""

import socket

import pytest
import trio
from trio.testing import memory_stream_pair

from voiced.ops.shortcut import Shortcut, shortened


@pytest.fixture
async def streams() -> tuple[Shortcut, Shortcut]:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    client = await trio.testing.open_stream_to_socket_listener(listener)
    server = await listener.accept()
    await listener.aclose()
    return Shortcut(client), Shortcut(server)


async def test_what_is_sent_arrives_and_the_end_is_empty(
    streams: tuple[Shortcut, Shortcut],
) -> None:
    here, there = streams
    await here.send_all(b"frame")
    assert await there.receive_some() == b"frame"
    await here.aclose()
    assert await there.receive_some() == b""
    await there.aclose()


async def test_more_than_the_kernel_takes_waits_and_arrives_whole(
    streams: tuple[Shortcut, Shortcut],
) -> None:
    here, there = streams
    sent = bytes(range(256)) * 40_000
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.send_all, sent)
        while len(received) < len(sent):
            received += await there.receive_some(100_000)
    assert received == sent
    await here.aclose()
    await there.aclose()


async def test_a_send_that_waits_can_be_cancelled(streams: tuple[Shortcut, Shortcut]) -> None:
    here, there = streams
    with trio.move_on_after(0.05) as scope:
        await here.send_all(bytes(20_000_000))
    assert scope.cancelled_caught
    await here.aclose()
    await there.aclose()


async def test_closing_wakes_whoever_reads(streams: tuple[Shortcut, Shortcut]) -> None:
    here, there = streams
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await here.receive_some()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await here.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await here.send_all(b"x")
    await there.aclose()


async def test_a_reset_is_a_broken_stream(streams: tuple[Shortcut, Shortcut]) -> None:
    here, there = streams
    there._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    await there.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await here.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await here.send_all(b"x")
    await here.aclose()


def test_there_is_no_short_way_through_memory() -> None:
    stream, _ = memory_stream_pair()
    assert shortened(stream) is stream
