"""Tools against servers that misbehave: real sockets on this machine and the real clock."""

import socket

import httpx
import pytest
import trio
from tool_stage import (
    KEY,
    NAME,
    SECRET,
    VARIABLES,
    Site,
    error_of,
    point,
    serving,
    tool,
)

from voiced.ops import publicnet
from voiced.ops.publicnet import direct_client
from voiced.tools.http_tool import use
from voiced.tools.model import HttpTool, Outcome


def reply(body: bytes, kind: str = "application/json", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def replying(data: bytes):  # type: ignore[no-untyped-def]
    async def serve(request: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(data)

    return serve


def open_connections(client: httpx.AsyncClient) -> list[object]:
    return client._transport._pool.connections  # type: ignore[attr-defined, no-any-return]


async def ask(used: HttpTool, site: Site | None = None) -> Outcome:
    """One use; whatever comes of it, no connection is left on either side."""
    async with direct_client() as client:
        with trio.fail_after(5):
            outcome = await use(used, {"guests": 4}, VARIABLES, KEY, client)
            assert open_connections(client) == []
            if site is not None:
                await site.gone.wait()
    return outcome


async def test_a_tool_is_used() -> None:
    async with serving(replying(reply(b'{ "booked": true }'))) as site:
        outcome = await ask(tool(url=f"{site.url}/t/{{guests}}"), site)
    assert (outcome.status, outcome.result) == ("ok", '{"booked":true}')
    (request,) = site.requests
    lines = request.split(b"\r\n")
    assert lines[0] == b"POST /t/4 HTTP/1.1"
    assert lines[-1] == b'{"guests": 4}'
    assert f"Authorization: Bearer {SECRET}".encode() in lines
    assert f"Idempotency-Key: {KEY}".encode() in lines
    assert lines.count(f"Host: 127.0.0.1:{site.port}".encode()) == 1


async def test_over_a_pinned_connection_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publicnet, "is_public", lambda address: address == "127.0.0.1")
    names = point(["127.0.0.1"])
    async with serving(replying(reply(b"1"))) as site:
        used = tool(url=f"http://{NAME}:{site.port}/", allow_private=False)
        assert (await ask(used, site)).status == "ok"
    assert f"Host: {NAME}:{site.port}".encode() in site.requests[0].split(b"\r\n")
    assert names.asked == [NAME]


async def test_this_machine_is_not_asked_unless_that_is_allowed() -> None:
    async with serving(replying(reply(b"1"))) as site:
        outcome = await ask(tool(url=site.url, allow_private=False))
    assert outcome.status == "private-address"
    assert site.requests == []


async def test_a_redirect_into_a_private_network_is_not_followed() -> None:
    async with serving(replying(reply(b'{"inner": 1}'))) as inner:
        head = f"HTTP/1.1 302 Found\r\nLocation: {inner.url}/x?y\r\nContent-Length: 0\r\n\r\n"
        async with serving(replying(head.encode())) as site:
            outcome = await ask(tool(url=site.url), site)
    assert (outcome.status, inner.requests) == ("redirect", [])
    assert outcome.detail.endswith(", to 127.0.0.1")
    assert "127.0.0.1" not in outcome.result


async def test_where_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = await ask(tool(url=f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert (outcome.status, error_of(outcome)) == ("unreachable", "not reachable")


async def drip(request: bytes, stream: trio.SocketStream) -> None:
    for byte in reply(b" " * 50):
        await stream.send_all(bytes([byte]))
        await trio.sleep(0.02)


async def drip_body(request: bytes, stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        await stream.send_all(b"x")
        await trio.sleep(0.02)


async def silence(request: bytes, stream: trio.SocketStream) -> None:
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("serve", [silence, drip, drip_body])
async def test_a_server_that_takes_its_time_is_left(serve) -> None:  # type: ignore[no-untyped-def]
    async with serving(serve) as site:
        outcome = await ask(tool(url=site.url, timeout_s=0.2), site)
    assert (outcome.status, error_of(outcome)) == ("timeout", "no answer in time")
    assert 0.2 <= outcome.duration_s < 1


async def test_ten_megabytes_are_not_read() -> None:
    sent = 0

    async def serve(request: bytes, stream: trio.SocketStream) -> None:
        nonlocal sent
        size = 10 * 1024 * 1024
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        )
        await stream.send_all(head.encode())
        while sent < size:
            await stream.send_all(b"1" * 65536)
            sent += 65536

    async with serving(serve) as site:
        outcome = await ask(tool(url=site.url), site)
    assert (outcome.status, error_of(outcome)) == ("too-long", "the answer is too long")
    assert outcome.detail.endswith("application/json, 10485760 bytes")
    assert sent < 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (reply(b"<html></html>", "text/html"), "unreadable"),
        (reply(b'{"a":'), "unreadable"),
        (reply(b"{}", status="500 Oops"), "http-error"),
        (reply(b'{"a": 1}')[:-3], "broken"),  # and the connection ends
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "broken"),
        (b"", "broken"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n", "broken"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "ok"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + reply(b"1"), "ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[1]", "ok"),
    ],
)
async def test_what_servers_say(data: bytes, status: str) -> None:
    async def serve(request: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(data)
        await stream.send_eof()

    async with serving(serve) as site:
        assert (await ask(tool(url=site.url), site)).status == status


async def test_a_refusal_reaches_the_model() -> None:
    refusal = reply(b'{"message": "no table left"}', status="409 Conflict")
    async with serving(replying(refusal)) as site:
        outcome = await ask(tool(url=site.url), site)
    assert outcome.result == '{"error":"HTTP 409","answer":{"message":"no table left"}}'


async def in_the_body(request: bytes, stream: trio.SocketStream) -> None:
    await stream.send_all(reply(b"1" * 100)[:-50])


@pytest.mark.parametrize("serve", [silence, in_the_body])
async def test_a_tool_that_is_stopped_closes_its_connection(serve) -> None:  # type: ignore[no-untyped-def]
    async with serving(serve) as site, direct_client() as client:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(use, tool(url=site.url), {}, VARIABLES, KEY, client)
                await site.asked.wait()
                await trio.testing.wait_all_tasks_blocked(0.02)
                assert len(open_connections(client)) == 1
                assert not site.gone.is_set()
                nursery.cancel_scope.cancel()
            assert open_connections(client) == []
            await site.gone.wait()


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serving(replying(reply(b"1"))) as site:
        assert (await ask(tool(url=site.url), site)).status == "ok"
