"""Webhooks and private networks: which address is connected to, and whom TLS believes.

Real sockets on this machine; a DNS of our own says where a name points.
"""

import ssl
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define, field
from test_delivery_stage import SECRET, Endpoint, FakeOutbox, deliver, delivery, wall, webhook

from voiced.config import Webhook
from voiced.ops import publicnet
from voiced.records.delivery import Deliverer, webhook_client
from voiced.records.signing import is_valid

NAME = "hooks.example.test"


@define
class Names(trio.abc.HostnameResolver):
    """Where names point; each look-up takes the next of a name's answers, the last one stays."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(factory=list)

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]
        await trio.lowlevel.checkpoint()
        name = host.decode()
        self.asked.append(name)
        given = self.answers[name]
        found = given.pop(0) if len(given) > 1 else given[0]
        return [(trio.socket.AF_INET, type, 6, "", (each, port)) for each in found]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
        raise NotImplementedError


def point(*answers: list[str], name: str = NAME) -> Names:
    names = Names({name: list(answers)})
    trio.socket.set_custom_hostname_resolver(names)
    return names


async def attempt(url: str, *, allow_private: bool = False) -> tuple[FakeOutbox, Endpoint]:
    """One attempt at a guarded address, in virtual time."""
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 1, {"crm": webhook(url, allow_private=allow_private)})
    return outbox, endpoint


@pytest.mark.parametrize(
    ("url", "address", "host"),
    [
        (f"https://{NAME}/in?a=b", "https://8.8.8.8/in?a=b", NAME),
        (f"https://{NAME}:8443/", "https://8.8.8.8:8443/", f"{NAME}:8443"),
        (f"http://{NAME}/", "http://8.8.8.8/", NAME),
    ],
)
async def test_a_request_goes_to_the_address_that_was_judged(
    autojump_clock: object, url: str, address: str, host: str
) -> None:
    names = point(["8.8.8.8", "1.1.1.1"], ["127.0.0.1"])
    outbox, endpoint = await attempt(url)
    (request,) = endpoint.requests
    assert str(request.url) == address
    assert request.headers["Host"] == host
    assert request.extensions["sni_hostname"] == NAME
    assert names.asked == [NAME], "it was resolved again"
    assert outbox.told() == [("delivered", 1, "")]


async def test_an_ipv6_address_is_put_into_brackets(autojump_clock: object) -> None:
    point(["2606:4700:4700::1111"])
    _, endpoint = await attempt(f"https://{NAME}:444/x")
    assert str(endpoint.requests[0].url) == "https://[2606:4700:4700::1111]:444/x"


async def test_a_name_beyond_ascii_is_asked_for_as_the_network_spells_it(
    autojump_clock: object,
) -> None:
    names = point(["8.8.8.8"], name="xn--bcher-kva.example")
    _, endpoint = await attempt("https://bücher.example/")
    assert names.asked == ["xn--bcher-kva.example"]
    assert endpoint.requests[0].headers["Host"] == "xn--bcher-kva.example"


@pytest.mark.parametrize("addresses", [["10.1.2.3"], ["8.8.8.8", "::1"], ["::ffff:192.168.0.1"]])
async def test_a_name_in_a_private_network_is_not_connected_to(
    autojump_clock: object, addresses: list[str]
) -> None:
    point(addresses)
    outbox, endpoint = await attempt(f"https://{NAME}/")
    assert endpoint.requests == []
    assert outbox.told() == [("postpone", 1, "private-address")]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "2130706433", "017700000001", "[::1]", "169.254.169.254"]
)
async def test_neither_is_a_number_however_it_is_written(autojump_clock: object, host: str) -> None:
    outbox, endpoint = await attempt(f"http://{host}/")
    assert endpoint.requests == []
    assert outbox.told() == [("postpone", 1, "private-address")]


async def test_the_name_is_judged_anew_at_each_attempt(autojump_clock: object) -> None:
    point(["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8"])
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(503), httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 60, {"crm": webhook(f"http://{NAME}/", allow_private=False)})
    assert [error for *_, error in outbox.told()] == ["status 503", "private-address", ""]


async def test_a_name_that_is_never_resolved_is_a_timeout(autojump_clock: object) -> None:
    class Hanging(Names):
        async def getaddrinfo(self, *args: object, **more: object) -> None:  # type: ignore[override]
            await trio.sleep_forever()

    trio.socket.set_custom_hostname_resolver(Hanging({}))
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 11, {"crm": webhook(f"http://{NAME}/", allow_private=False)})
    assert outbox.told() == [("postpone", 1, "timeout")]


async def test_where_private_is_allowed_the_name_stays(autojump_clock: object) -> None:
    names = point(["10.0.0.1"])
    _, endpoint = await attempt(f"https://{NAME}/", allow_private=True)
    (request,) = endpoint.requests
    assert request.url.host == NAME
    assert "sni_hostname" not in request.extensions
    assert names.asked == []


# From here on: the real clock and real sockets.


@define
class Receiver:
    """A small HTTP server; keeps what it is sent."""

    heads: list[bytes] = field(factory=list)
    bodies: list[bytes] = field(factory=list)
    sni: list[str | None] = field(factory=list)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Keeps the connection for as long as the client does."""
        with suppress(trio.BrokenResourceError):  # a client that does not believe our certificate
            while data := await stream.receive_some():
                await self._answer(stream, data)

    async def _answer(self, stream: trio.abc.Stream, data: bytes) -> None:
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < length:
            body += await stream.receive_some()
        self.heads.append(head)
        self.bodies.append(body)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@asynccontextmanager
async def serving(receiver: Receiver, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    serve: Callable[..., Awaitable[object]] = trio.serve_tcp
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: receiver.sni.append(name)

    async def answer(stream: trio.SocketStream) -> None:
        async with trio.SSLStream(stream, tls, server_side=True) if tls else stream as upper:
            await receiver.serve(upper)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(lambda **more: serve(answer, 0, host="127.0.0.1", **more))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def client(trust: Path | None) -> httpx.AsyncClient:
    """The deliverer's own client; it believes the certificate in this file."""
    if trust is None:
        return webhook_client()
    context = ssl.create_default_context(cafile=str(trust))
    return webhook_client(httpx.AsyncHTTPTransport(verify=context))


async def post(url: str, *, trust: Path | None = None, allow_private: bool = False) -> FakeOutbox:
    """Works until the outbox has noted what became of it."""
    outbox = FakeOutbox()
    outbox.add(delivery(created_at=wall()), at=wall())
    hooks = {"crm": webhook(url, allow_private=allow_private)}
    async with client(trust) as http:
        with trio.fail_after(5):
            await trio.lowlevel.checkpoint()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Deliverer(hooks, http, outbox, wall).run)
                while not outbox.notes:
                    await trio.testing.wait_all_tasks_blocked(0.01)
                nursery.cancel_scope.cancel()
    return outbox


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for `NAME`, and the file to trust."""
    key, chain = tmp_path / "key.pem", tmp_path / "cert.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    whom = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    command = ["openssl", "req", "-x509", *curve, "-keyout", key, "-out", chain, *whom]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    return context, chain


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard lets this machine pass, so that there is something to connect to."""
    monkeypatch.setattr(publicnet, "is_public", lambda address: address == "127.0.0.1")


@pytest.mark.usefixtures("loopback_is_public")
async def test_a_delivery_arrives_over_a_pinned_connection() -> None:
    receiver, names = Receiver(), point(["127.0.0.1"])
    async with serving(receiver) as port:
        outbox = await post(f"http://{NAME}:{port}/in")
    assert outbox.told() == [("delivered", 1, "")]
    (head,) = receiver.heads
    assert f"Host: {NAME}:{port}\r\n".encode() in head + b"\r\n"
    assert head.startswith(b"POST /in HTTP/1.1\r\n")
    assert names.asked == [NAME]
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    signature = lines[b"Voiced-Signature"].decode()
    assert is_valid(SECRET, receiver.bodies[0], signature, wall())


@pytest.mark.usefixtures("loopback_is_public")
async def test_tls_verifies_the_name_and_not_the_address(
    certificate: tuple[ssl.SSLContext, Path],
) -> None:
    context, trust = certificate
    receiver, names = Receiver(), point(["127.0.0.1"])
    async with serving(receiver, context) as port:
        outbox = await post(f"https://{NAME}:{port}/", trust=trust)
    assert outbox.told() == [("delivered", 1, "")]
    assert receiver.sni == [NAME]
    assert receiver.bodies == [b'{"n":1}']
    assert names.asked == [NAME]


@pytest.mark.usefixtures("loopback_is_public")
async def test_a_certificate_of_another_name_is_refused(
    certificate: tuple[ssl.SSLContext, Path],
) -> None:
    context, trust = certificate
    receiver = Receiver()
    point(["127.0.0.1"], name="other.example.test")
    async with serving(receiver, context) as port:
        outbox = await post(f"https://other.example.test:{port}/", trust=trust)
    assert outbox.told() == [("postpone", 1, "tls")]
    assert receiver.bodies == []


@pytest.mark.usefixtures("loopback_is_public")
async def test_a_connection_that_was_verified_for_one_name_is_not_used_for_another(
    certificate: tuple[ssl.SSLContext, Path],
) -> None:
    context, trust = certificate
    receiver, outbox, other = Receiver(), FakeOutbox(), "other.example.test"
    names = point(["127.0.0.1"])
    names.answers[other] = [["127.0.0.1"]]
    async with serving(receiver, context) as port, client(trust) as http:
        hooks = {
            "crm": webhook(f"https://{NAME}:{port}/", allow_private=False),
            "other": webhook(f"https://{other}:{port}/", allow_private=False),
        }
        with trio.fail_after(5):
            await trio.lowlevel.checkpoint()
            async with trio.open_nursery() as nursery:
                work = Deliverer(hooks, http, outbox, wall).run
                nursery.start_soon(work)
                for count, name in enumerate(hooks, 1):
                    outbox.add(delivery(count, name, created_at=wall()), at=wall())
                    while len(outbox.notes) < count:
                        await trio.testing.wait_all_tasks_blocked(0.01)
                nursery.cancel_scope.cancel()
    assert outbox.told() == [("delivered", 1, ""), ("postpone", 2, "tls")]
    assert len(receiver.bodies) == 1


@pytest.mark.usefixtures("loopback_is_public")
async def test_a_host_that_tls_cannot_name_is_a_failure_like_any_other(
    certificate: tuple[ssl.SSLContext, Path],
) -> None:
    context, trust = certificate
    point(["127.0.0.1"], name=".example.test")
    async with serving(Receiver(), context) as port:
        outbox = await post(f"https://.example.test:{port}/", trust=trust)
    assert outbox.told() == [("postpone", 1, "bad-address")]


async def test_an_allowed_endpoint_on_this_machine_is_reached_by_name() -> None:
    receiver = Receiver()
    point(["127.0.0.1"])
    async with serving(receiver) as port:
        outbox = await post(f"http://{NAME}:{port}/in", allow_private=True)
    assert outbox.told() == [("delivered", 1, "")]
    assert receiver.bodies == [b'{"n":1}']


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    point(["127.0.0.1"])
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serving(receiver) as port:
        outbox = await post(f"http://{NAME}:{port}/", allow_private=True)
    assert outbox.told() == [("delivered", 1, "")]


@pytest.mark.usefixtures("loopback_is_public")
async def test_where_nobody_listens_it_is_unreachable() -> None:
    point(["127.0.0.1"])
    sock = trio.socket.socket()
    await sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    sock.close()
    outbox = await post(f"http://{NAME}:{port}/")
    assert outbox.told() == [("postpone", 1, "unreachable")]


def test_a_webhook_is_guarded_unless_told_otherwise() -> None:
    assert not Webhook(url="http://127.0.0.1/").allow_private
