"""The media socket: what a carrier, or an attacker in its clothes, can do to it."""

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field
from guests import frame
from trio.testing import MockClock, memory_stream_pair
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from voiced.errors import WireError
from voiced.web.media import WebSocket, accept
from voiced.wire.twilio import MAX_MESSAGE, parse


@define
class Peer:
    """The far end."""

    stream: trio.StapledStream
    ws: WSConnection
    socket: WebSocket = field(init=False)

    async def say(self, *events: Event) -> None:
        await self.stream.send_all(b"".join(self.ws.send(event) for event in events))

    async def hear(self) -> Event:
        while True:
            for event in self.ws.events():
                return event
            self.ws.receive_data(bytes(await self.stream.receive_some()) or None)


@asynccontextmanager
async def connected() -> AsyncIterator[Peer]:
    theirs, ours = memory_stream_pair()
    peer = Peer(theirs, WSConnection(ConnectionType.CLIENT))
    offer = accept(peer.ws.send(Request("x", "/twilio/media/t0")))
    assert offer is not None
    connection, switching = offer
    assert b"extensions" not in switching.lower()
    assert b"protocol:" not in switching.lower()
    peer.socket = WebSocket(ours, connection)
    await peer.socket.transmit(switching)
    await peer.hear()
    yield peer


UPGRADE = (
    b"GET /twilio/media/t0 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Connection: Upgrade", b"Connection: close"),
        (b"Connection: Upgrade", b"Connection: Upgrade, \xff"),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"Version: 13", b"Version: 8"),
        (b"Sec-WebSocket-Key", b"X"),
        (b"Host: x", b"Host: \xff\xfe"),
        (b"Host: x", b"Host: x\r\nSec-WebSocket-Protocol: \xff"),
        (b"Host: x", b"Host: x\r\nSec-WebSocket-Extensions: \xff"),
    ],
)
def test_what_is_no_upgrade_is_not_accepted(old: bytes, new: bytes) -> None:
    assert accept(UPGRADE) is not None
    assert accept(UPGRADE.replace(old, new)) is None


async def test_messages_come_whole_and_in_order(autojump_clock: MockClock) -> None:
    async with connected() as peer:
        await peer.say(
            TextMessage("one"),
            TextMessage("tw", message_finished=False), TextMessage("", message_finished=False),
            TextMessage("o"), BytesMessage(b"three"), TextMessage(""),
        )  # fmt: skip
        heard = [await peer.socket.receive() for _ in range(4)]
        assert heard == ["one", "two", b"three", ""]


async def test_a_message_is_understood_wherever_tcp_cuts_it(autojump_clock: MockClock) -> None:
    async with connected() as peer:
        for byte in peer.ws.send(TextMessage("é€")):
            await peer.stream.send_all(bytes([byte]))
        assert await peer.socket.receive() == "é€"


@pytest.mark.parametrize("size", [MAX_MESSAGE + 1, MAX_MESSAGE + 2, 200_000])
async def test_a_message_over_the_limit_is_cut_to_what_no_parser_takes(
    size: int, autojump_clock: MockClock
) -> None:
    async with connected() as peer:
        await peer.say(TextMessage("x" * size), TextMessage("next"))
        message = await peer.socket.receive()
        assert message is not None
        assert len(message) == MAX_MESSAGE + 1
        with pytest.raises(WireError):
            parse(message)
        assert await peer.socket.receive() == "next"


async def send_repeatedly(stream: trio.StapledStream, data: bytes, times: int) -> None:
    for _ in range(times):
        await stream.send_all(data)
        await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("first", "data"),
    [
        (0x01, frame(0x00, b"x" * 100_000)),  # one message of fragments
        (0x01, frame(0x00) * 3_000),  # of empty ones, which have no size to be limited
        (0x02, frame(0x00, b"x" * 100_000)),
    ],
)
async def test_an_endless_message_is_not_held_in_memory(
    first: int, data: bytes, autojump_clock: MockClock
) -> None:
    async with connected() as peer, trio.open_nursery() as nursery:
        nursery.start_soon(peer.socket.receive)
        await peer.stream.send_all(frame(first))
        tracemalloc.start()
        try:
            await send_repeatedly(peer.stream, data, 2)
            before, _ = tracemalloc.get_traced_memory()
            await send_repeatedly(peer.stream, data, 3)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < 40_000
        nursery.cancel_scope.cancel()


async def test_a_ping_is_answered(autojump_clock: MockClock) -> None:
    async with connected() as peer:
        await peer.say(Ping(b"are you there"), TextMessage("x"))
        assert await peer.socket.receive() == "x"
        assert await peer.hear() == Pong(b"are you there")


async def test_a_goodbye_is_answered_and_is_the_end(autojump_clock: MockClock) -> None:
    async with connected() as peer:
        await peer.say(TextMessage("x"), CloseConnection(1001))
        assert await peer.socket.receive() == "x"
        assert await peer.socket.receive() is None
        answer = await peer.hear()
        assert isinstance(answer, CloseConnection)
        assert answer.code == 1001
        await peer.socket.send(["late"])
        await peer.socket.close()
        assert await peer.stream.receive_some() == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x81, b"x", mask=0), 1002),  # unmasked
        (frame(0x83, b"x"), 1002),  # no such opcode
        (frame(0xC1, b"x"), 1002),  # a reserved bit
        (frame(0x80, b"x"), 1002),  # goes on with nothing
        (frame(0x01, b"x") + frame(0x81, b"y"), 1002),  # interrupts itself
        (frame(0x09, b"x"), 1002),  # a fragmented ping
        (frame(0x89, b"x" * 126), 1002),  # a long ping
        (frame(0x81, b"\xff"), 1007),  # no UTF-8
        (frame(0x88, b"x"), 1002),  # half a code
        (frame(0x88, b"\x00\x01"), 1002),  # no such code
        (b"\x81\xff" + b"\xff" * 12, 1002),  # longer than anything
    ],
)
async def test_nonsense_ends_the_connection_with_a_reason(
    data: bytes, code: int, autojump_clock: MockClock
) -> None:
    async with connected() as peer:
        await peer.say(TextMessage("before"))
        await peer.stream.send_all(data)
        assert await peer.socket.receive() == "before"
        assert await peer.socket.receive() is None
        answer = await peer.hear()
        assert isinstance(answer, CloseConnection)
        assert answer.code == code
        await peer.socket.close()


async def test_a_connection_that_is_cut_is_the_end(autojump_clock: MockClock) -> None:
    async with connected() as peer:
        await peer.stream.send_all(frame(0x81, b"xxx")[:-1])
        await peer.stream.aclose()
        assert await peer.socket.receive() is None
        await peer.socket.send(["into the void"])
        assert await peer.socket.receive() is None
        await peer.socket.close()


async def test_one_write_carries_all_messages(autojump_clock: MockClock) -> None:
    async with connected() as peer:
        await peer.socket.send(["one", "two"])
        assert [await peer.hear(), await peer.hear()] == [TextMessage("one"), TextMessage("two")]


async def test_nothing_is_sent_behind_half_a_message(autojump_clock: MockClock) -> None:
    async with connected() as peer:
        send = peer.socket._stream.send_stream
        hook = send.send_all_hook

        async def stall() -> None:
            await hook()
            await trio.sleep_forever()

        send.send_all_hook = stall
        with trio.move_on_after(5):
            await peer.socket.send(["cut"])
        send.send_all_hook = hook
        await peer.socket.send(["torn"])
        await peer.socket.close()
        while isinstance(event := await peer.hear(), TextMessage):
            assert event.data == "cut"


async def test_closing_waits_for_the_far_ends_goodbye(autojump_clock: MockClock) -> None:
    async with connected() as peer, trio.open_nursery() as nursery:
        await peer.say(TextMessage("I did not know"))
        nursery.start_soon(peer.socket.close)
        goodbye = await peer.hear()
        assert isinstance(goodbye, CloseConnection)
        await peer.say(goodbye.response())
        assert await peer.stream.receive_some() == b""
        assert trio.current_time() == 0


async def test_closing_does_not_wait_long_for_a_peer_that_says_nothing(
    autojump_clock: MockClock,
) -> None:
    async with connected() as peer:
        await peer.socket.close()
        assert trio.current_time() <= 1


async def test_many_messages_in_one_packet_leave_others_their_turn(
    autojump_clock: MockClock,
) -> None:
    turns = []

    async def other() -> None:
        for _ in range(50):
            turns.append("other")
            await trio.lowlevel.checkpoint()

    async with connected() as peer, trio.open_nursery() as nursery:
        await peer.say(*[TextMessage("x")] * 50)
        assert await peer.socket.receive() == "x"
        nursery.start_soon(other)
        for _ in range(49):
            await peer.socket.receive()
        assert len(turns) > 40
