"""The carrier over real sockets: what really leaves, and what httpx really raises."""

import httpx
import pytest
import trio

from voiced.carrier.rest import CarrierTiming
from voiced.carrier.twilio import Carrier
from voiced.config import Twilio
from voiced.config.secrets import Secret
from voiced.errors import CarrierError

BODY = b'{"sid":"CA1","status":"queued","to":"+33612345678","from":"+33100000001"}'
QUICK = CarrierTiming(answer_s=2.0, pause_s=0.01)


def settings(port: int) -> Twilio:
    url = f"http://127.0.0.1:{port}"
    return Twilio(account_sid="AC1", auth_token=Secret("t"), api_url=url, calls_per_second=100)


async def serve(nursery: trio.Nursery, answer: bytes, requests: list[bytes]) -> int:
    """Answers each connection's first request and closes; returns the port."""

    async def handle(stream: trio.SocketStream) -> None:
        request = await stream.receive_some()
        while request.startswith(b"POST") and request.endswith(b"\r\n\r\n"):
            request += await stream.receive_some()  # the body comes by itself
        requests.append(request)
        await stream.send_all(answer)
        await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, handle, listeners)
    return int(listeners[0].socket.getsockname()[1])


async def test_a_request_on_the_wire(nursery: trio.Nursery) -> None:
    requests: list[bytes] = []
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    port = await serve(nursery, head + BODY, requests)
    async with httpx.AsyncClient() as http:
        carrier = Carrier(settings(port), http, QUICK)
        assert (await carrier.fetch("CA1")).status == "queued"
        await carrier.end("CA1")
    assert requests[0].startswith(b"GET /2010-04-01/Accounts/AC1/Calls/CA1.json HTTP/1.1\r\n")
    assert b"authorization: basic qumxonq=" in requests[0].lower()
    assert requests[1].startswith(b"POST /2010-04-01/Accounts/AC1/Calls/CA1.json HTTP/1.1\r\n")
    assert requests[1].endswith(b"\r\n\r\nStatus=completed")
    nursery.cancel_scope.cancel()


async def test_a_long_body_is_left_where_it_stands(nursery: trio.Nursery) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"
    port = await serve(nursery, head + b" " * 100_000, [])
    async with httpx.AsyncClient() as http:
        with pytest.raises(CarrierError, match="answer too long"):
            await Carrier(settings(port), http, QUICK).fetch("CA1")
    nursery.cancel_scope.cancel()


async def test_where_nothing_listens_a_call_is_tried_again(nursery: trio.Nursery) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    async with httpx.AsyncClient() as http:
        with pytest.raises(CarrierError, match="there is no way to http://127") as caught:
            await Carrier(settings(port), http, QUICK).fetch("CA1")
    assert caught.value.retryable
