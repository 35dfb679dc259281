"""The WebSocket of an engine: every failure in words, every scope left at once."""

import ssl
import struct
from collections.abc import AsyncIterator, Callable

import pytest
import trio
from attrs import evolve
from engine_peers import Handler, Line, Peer, refused, unknown_host
from trio_websocket import wrap_server_stream

from voiced.engines.endpoint import Endpoint
from voiced.engines.socket import Ended, open_socket
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)

KEY = "very-secret-key"
ENDPOINT = Endpoint(
    "kyutai", "stt", f"ws://gpu:8090/api/asr?auth_id={KEY}", "moshi-server", {"x-key": KEY}
)


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Callable[[Handler], Peer]]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


async def failure(connect) -> EngineError:
    with pytest.raises(EngineError) as caught:
        async with open_socket(ENDPOINT, bytes, connect):
            raise AssertionError("it opened")
    assert KEY not in str(caught.value)
    assert "kyutai" in str(caught.value)
    return caught.value


async def saying_bytes(line: Line) -> None:
    websocket = await line.accept()
    await websocket.send_message("last words")
    await websocket.send_message(b"bytes")


def answering(raw: bytes) -> Handler:
    async def handle(line: Line) -> None:
        await line.read_request()
        await line.stream.send_all(raw)

    return handle


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, EngineRefused, "path"),
        (401, EngineRefused, "api_key"),
        (403, EngineRefused, "forbids"),
        (404, EngineRefused, "path"),
        (418, EngineRefused, "418"),
        (429, EngineAtCapacity, "room"),
        (500, EngineBroken, "500"),
    ],
)
async def test_a_refused_upgrade_says_what_to_mend(peer, autojump_clock, status, kind, words):
    head = f"HTTP/1.1 {status} Some Words\r\nContent-Length: 0\r\n\r\n".encode()
    served = peer(answering(head))
    error = await failure(served.connect)
    assert type(error) is kind
    assert words in str(error)
    assert error.retryable == (kind is not EngineRefused)
    assert getattr(error, "key", "") == ("api_key" if status == 401 else "")
    assert served.all_closed


async def test_a_refusal_is_told_without_waiting_for_its_body(peer, autojump_clock):
    began = trio.current_time()
    error = await failure(peer(answering(b"HTTP/1.1 401 Unauthorized\r\n\r\n")).connect)
    assert isinstance(error, EngineRefused)
    assert trio.current_time() == began


async def test_a_status_line_in_pieces_is_understood(peer, autojump_clock):
    async def handle(line: Line) -> None:
        await line.read_request()
        for byte in b"HTTP/1.1 403 Forbidden\r\n\r\n":
            await line.stream.send_all(bytes([byte]))

    assert isinstance(await failure(peer(handle).connect), EngineRefused)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00" * 40,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_a_server_of_another_protocol_is_told_from_ours(peer, autojump_clock, raw):
    error = await failure(peer(answering(raw)).connect)
    assert isinstance(error, EngineBroken)
    assert "moshi-server" in str(error)


@pytest.mark.parametrize("end", [Line.drop, Line.reset])
async def test_hanging_up_in_the_handshake_is_noticed_at_once(peer, autojump_clock, end):
    async def handle(line: Line) -> None:
        await line.read_request()
        await end(line)

    began = trio.current_time()
    assert isinstance(await failure(peer(handle).connect), EngineBroken)
    assert trio.current_time() == began


async def test_a_server_that_never_answers_is_a_timeout(peer, autojump_clock):

    async def handle(line: Line) -> None:
        await trio.sleep_forever()

    served = peer(handle)
    began = trio.current_time()
    error = await failure(served.connect)
    assert isinstance(error, EngineTimeout)
    assert trio.current_time() - began == pytest.approx(ENDPOINT.connect_s)
    assert served.all_closed


async def test_a_host_that_does_not_answer_is_a_timeout(autojump_clock):
    async def connect(url: str) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    assert isinstance(await failure(connect), EngineTimeout)


def certificate_failure() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


def tls_failure(cause: Exception) -> Exception:
    error = trio.BrokenResourceError()
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused(), "nothing listens at ws://gpu:8090/api/asr: is moshi-server running?"),
        (OSError("several"), "no way to"),
        (unknown_host(), "host name"),
        (tls_failure(certificate_failure()), "the certificate of ws://gpu:8090/api/asr is not"),
        (tls_failure(ExceptionGroup("each address", [refused()])), "nothing listens"),
    ],
)
async def test_a_failure_to_connect_says_what_to_mend(error, words):
    async def connect(url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise error

    caught = await failure(connect)
    assert isinstance(caught, EngineBroken)
    assert words in str(caught)


async def test_a_port_where_nothing_listens_is_named():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(EngineBroken, match="nothing listens at"):
        async with open_socket(Endpoint("k", "stt", f"ws://127.0.0.1:{port}/", "it"), bytes):
            pass


async def test_a_real_tcp_reset_is_broken():
    async def handle(stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as reading:
            request = await wrap_server_stream(reading, stream)
            await request.accept()
            linger = struct.pack("ii", 1, 0)
            stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
            await stream.aclose()
            reading.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        port = listeners[0].socket.getsockname()[1]
        async with open_socket(
            Endpoint("k", "tts", f"ws://127.0.0.1:{port}/", "it"), bytes
        ) as socket:
            with pytest.raises(EngineBroken, match="dropped"):
                await socket.receive()
        nursery.cancel_scope.cancel()


async def test_tls_to_a_port_without_tls_says_so():
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        port = listeners[0].socket.getsockname()[1]
        opening = open_socket(Endpoint("k", "tts", f"wss://127.0.0.1:{port}/", "it"), bytes)
        with pytest.raises(EngineBroken, match="does not speak TLS"):
            await opening.__aenter__()
        nursery.cancel_scope.cancel()


async def test_headers_path_and_query_arrive(peer, autojump_clock):
    async def handle(line: Line) -> None:
        await line.accept()
        await line.websocket.send_message(b"hello")

    served = peer(handle)
    async with open_socket(ENDPOINT, bytes, served.connect) as socket:
        assert await socket.receive() == b"hello"
    assert served.lines[0].headers["x-key"] == KEY
    assert served.lines[0].path == f"/api/asr?auth_id={KEY}"
    assert KEY not in repr(ENDPOINT).replace(ENDPOINT.url, "")


async def test_messages_before_a_close_are_read_before_it(peer, autojump_clock):
    async def handle(line: Line) -> None:
        await line.accept()
        for number in range(40):
            await line.websocket.send_message(bytes([number]))
        await line.close_without_code()

    async with open_socket(ENDPOINT, bytes, peer(handle).connect) as socket:
        await trio.sleep(1)
        await socket.send(b"into the void")
        await socket.keep_alive()
        assert [await socket.receive() for _ in range(41)] == [
            *(bytes([n]) for n in range(40)),
            None,
        ]


@pytest.mark.parametrize("end", [Line.drop, Line.reset])
async def test_a_drop_in_mid_stream_is_broken_after_its_messages(peer, autojump_clock, end):
    async def handle(line: Line) -> None:
        await line.accept()
        await line.websocket.send_message(b"one")
        await end(line)

    async with open_socket(ENDPOINT, bytes, peer(handle).connect) as socket:
        assert await socket.receive() == b"one"
        with pytest.raises(EngineBroken, match="dropped"):
            await socket.receive()


@pytest.mark.parametrize("end", [Line.drop, Line.reset])
async def test_a_drop_before_the_first_message_is_no_other_protocol(peer, autojump_clock, end):
    """The read that waits then was begun in the handshake."""

    async def handle(line: Line) -> None:
        await line.accept()
        await trio.sleep(1)
        await end(line)

    async with open_socket(ENDPOINT, bytes, peer(handle).connect) as socket:
        with pytest.raises(EngineBroken, match="dropped"):
            await socket.receive()


async def test_a_text_message_is_broken(peer, autojump_clock):
    async def handle(line: Line) -> None:
        await line.accept()
        await line.websocket.send_message("text")

    async with open_socket(ENDPOINT, bytes, peer(handle).connect) as socket:
        with pytest.raises(EngineBroken, match="text"):
            await socket.receive()


def closing(code: int, reason: str) -> Handler:
    async def handle(line: Line) -> None:
        websocket = await line.accept()
        await websocket.send_message("last words")
        await websocket.aclose(code, reason)

    return handle


@pytest.mark.parametrize(
    ("end", "code", "told"),
    [
        (closing(1000, ""), 1000, "it closed the connection"),
        (closing(1001, "bye"), 1001, "it closed the connection"),
        (closing(1011, "GPU on fire"), 1011, "it dropped the connection"),
        (saying_bytes, 1003, "it sent binary where only text is allowed"),
    ],
)
async def test_a_text_socket_hears_text_and_how_it_ended(peer, autojump_clock, end, code, told):
    async with open_socket(ENDPOINT, str, peer(end).connect) as socket:
        assert await socket.hear() == "last words"
        ended = await socket.hear()
        assert ended == Ended(code, told)
        assert ended.is_regular is (code < 1003)


async def test_an_engine_that_says_why_it_closes_is_quoted(peer, autojump_clock):
    endpoint = evolve(ENDPOINT, ending=lambda code, reason: f"it says {code}, {reason}")
    async with open_socket(endpoint, str, peer(closing(1011, "too old")).connect) as socket:
        assert await socket.receive() == "last words"
        with pytest.raises(EngineBroken, match="it says 1011, too old"):
            await socket.receive()


async def test_a_header_of_the_answer_is_there_or_empty(peer, autojump_clock):
    async def handle(line: Line) -> None:
        request = await wrap_server_stream(line.nursery, line.stream)
        await request.accept(extra_headers=[(b"x-id", b"7")])

    async with open_socket(ENDPOINT, bytes, peer(handle).connect) as socket:
        assert (socket.header("x-id"), socket.header("x-other")) == (b"7", b"")


async def test_a_message_against_the_protocol_is_broken(peer, autojump_clock):
    async def handle(line: Line) -> None:
        await line.accept()
        await line.stream.send_all(b"\xff\xff\xff\xff")

    async with open_socket(ENDPOINT, bytes, peer(handle).connect) as socket:
        with pytest.raises(EngineBroken):
            await socket.receive()


async def deaf(line: Line) -> None:
    """Accepts, then neither reads nor answers."""
    async with trio.open_nursery() as reading:
        line.nursery = reading
        await line.accept()
        reading.cancel_scope.cancel()
    await trio.sleep_forever()


async def test_leaving_does_not_wait_for_a_deaf_peer(peer, autojump_clock):
    served = peer(deaf)
    began = trio.current_time()
    async with open_socket(ENDPOINT, bytes, served.connect):
        pass
    assert trio.current_time() == began
    assert served.all_closed


async def test_a_cancelled_scope_closes_at_once_even_in_mid_send(peer, autojump_clock):
    served = peer(deaf)
    began = trio.current_time()
    with trio.move_on_after(1) as scope:
        async with open_socket(ENDPOINT, bytes, served.connect) as socket:
            while True:
                await socket.send(bytes(100_000))
                await trio.sleep(0.01)
    assert scope.cancelled_caught
    assert trio.current_time() == began + 1
    assert served.all_closed


async def run_inside(served: Peer, *tasks) -> None:
    async with open_socket(ENDPOINT, bytes, served.connect), trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(task)


async def test_an_engine_error_inside_comes_out_alone(peer, autojump_clock):
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise EngineTimeout("kyutai", "stt", "late")

    with pytest.raises(EngineTimeout, match="late"):
        await run_inside(peer(deaf), fail, fail, trio.sleep_forever)


async def test_a_bug_inside_outranks_an_engine_error(peer, autojump_clock):
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise EngineTimeout("kyutai", "stt", "late")

    async def bug() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ZeroDivisionError

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await run_inside(peer(deaf), fail, bug)


async def test_a_cancelled_scope_knows_no_error(peer, autojump_clock):
    with trio.CancelScope() as scope:
        async with open_socket(ENDPOINT, bytes, peer(deaf).connect) as socket:
            scope.cancel()
            try:
                await socket.receive()
            finally:
                raise EngineTimeout("kyutai", "stt", "late")
