"""The first request's head: read with bounds, and put back for one exchange."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import pytest
import trio
from trio.testing import memory_stream_pair

from voiced.web.front import HEAD_S, MAX_HEAD, Head, Rewound, read_head, refuse


async def head_of(data: bytes, pieces: int = 1) -> Head | int | None:
    """What `read_head` makes of these bytes, which come in so many pieces."""
    theirs, ours = memory_stream_pair()
    size = -(-len(data) // pieces)
    result: list[Head | int | None] = []

    async def read() -> None:
        result.append(await read_head(ours))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for start in range(0, len(data), size):
            await theirs.send_all(data[start : start + size])
            await trio.testing.wait_all_tasks_blocked()
        await theirs.aclose()
    return result[0]


def lines(*each: str) -> bytes:
    return "\r\n".join([*each, "", ""]).encode("latin-1")


@pytest.mark.parametrize("pieces", [1, 7, 50])
async def test_a_head_is_read_however_it_is_cut(pieces: int) -> None:
    data = lines("POST /a?b HTTP/1.1", "Host: x", "Content-Length: 4") + b"body"
    head = await head_of(data, pieces)
    assert isinstance(head, Head)
    assert (head.request.method, head.request.target) == (b"POST", b"/a?b")
    assert (head.received, head.body) == (data[: len(head.received)], data[-4:][: len(head.body)])
    assert not head.is_media


@pytest.mark.parametrize(
    ("line", "is_media"),
    [
        ("GET /twilio/media/t0 HTTP/1.1", True),
        ("GET /twilio/media/ HTTP/1.1", True),
        ("POST /twilio/media/t0 HTTP/1.1", False),
        ("GET /twilio/mediaeval HTTP/1.1", False),
        ("GET //twilio/media/t0 HTTP/1.1", False),
    ],
)
async def test_the_media_path_is_told_from_the_rest(line: str, is_media: bool) -> None:  # noqa: FBT001
    head = await head_of(lines(line, "Host: x"))
    assert isinstance(head, Head)
    assert head.is_media is is_media


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"hello\r\n\r\n", 400),
        (lines("GET / HTTP/1.1"), 400),
        (lines("GET / HTTP/1.1", "Host: x", "Host: y"), 400),
        (lines("GET / HTTP/1.1", "Host: x", "a b: c"), 400),
        (lines("POST / HTTP/1.1", "Host: x", "Content-Length: -1"), 400),
        (lines("POST / HTTP/1.1", "Host: x", "Transfer-Encoding: gzip"), 501),
        (lines("GET http://x/ HTTP/1.1", "Host: x"), 400),
        (lines("OPTIONS * HTTP/1.1", "Host: x"), 400),
        (lines("CONNECT x:443 HTTP/1.1", "Host: x"), 400),
        (lines("GET ?x HTTP/1.1", "Host: x"), 400),
        (lines("PRI * HTTP/2.0") + b"SM\r\n\r\n", 505),
        (lines("GET / HTTP/1.1", "Host: x", "a: " + "b" * 2 * MAX_HEAD), 431),
        (b"GET /" + b"x" * MAX_HEAD * 2, 431),
    ],
)
async def test_a_bad_head_is_refused(data: bytes, status: int) -> None:
    assert await head_of(data) == status


@pytest.mark.parametrize("data", [b"", b"GET / HT"])
async def test_a_guest_who_leaves_is_no_request(data: bytes) -> None:
    theirs, ours = memory_stream_pair()
    await theirs.send_all(data)
    await theirs.aclose()
    assert await read_head(ours) is None


async def test_a_guest_who_dribbles_is_cut_off(autojump_clock: trio.testing.MockClock) -> None:
    theirs, ours = memory_stream_pair()

    async def dribble() -> None:
        for byte in b"GET / HTTP/1.1\r\nHost: " + b"x" * 100:
            await theirs.send_all(bytes([byte]))
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dribble)
        assert await read_head(ours) is None
        nursery.cancel_scope.cancel()
    assert trio.current_time() == HEAD_S


async def test_a_request_is_served_alone_and_by_no_other_protocol() -> None:
    data = lines(
        "POST /a?%20 HTTP/1.0", "Host: x", "Connection: Upgrade, HTTP2-Settings, keep-alive",
        "Upgrade: h2c", "HTTP2-Settings: !", "X-A: \xe9", "Content-Length: 4",
    ) + b"body"  # fmt: skip
    head = await head_of(data)
    assert isinstance(head, Head)
    again = h11.Connection(h11.SERVER)
    again.receive_data(head.alone())
    request = again.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target, request.http_version) == (b"POST", b"/a?%20", b"1.0")
    assert dict(request.headers) == {
        b"host": b"x", b"x-a": b"\xe9", b"content-length": b"4", b"connection": b"close",
    }  # fmt: skip
    assert again.next_event() == h11.Data(data=b"body")
    assert isinstance(again.next_event(), h11.EndOfMessage)


async def test_a_rewound_stream_is_read_from_its_beginning() -> None:
    theirs, ours = memory_stream_pair()
    await theirs.send_all(b"rest")
    rewound = Rewound(ours, b"head")
    assert await rewound.receive_some(100) == b"head"
    assert await rewound.receive_some(100) == b"rest"


async def test_a_rewound_stream_closes_although_it_is_cancelled() -> None:
    theirs, ours = memory_stream_pair()
    with trio.CancelScope() as scope:
        scope.cancel()
        rewound = Rewound(ours, b"")
        await rewound.send_eof()
        await rewound.aclose()
    assert await theirs.receive_some(1) == b""


@asynccontextmanager
async def stuck() -> AsyncIterator[trio.StapledStream]:
    """A stream whose far end takes nothing."""
    theirs, ours = memory_stream_pair()

    async def wait() -> None:
        await trio.sleep_forever()

    ours.send_stream.send_all_hook = wait
    yield ours
    await theirs.aclose()


async def test_a_refusal_does_not_wait_for_a_guest_who_does_not_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stuck() as stream:
        await refuse(stream, 400)
    assert trio.current_time() < 1
