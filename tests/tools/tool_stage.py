"""What the tests of tools play on: a tool, an endpoint without a socket, names without a DNS."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import httpx
import trio
from attrs import define, evolve, field

from voiced.dialog.tools import Tool
from voiced.ops.publicnet import direct_client
from voiced.tools.http_tool import use
from voiced.tools.model import HttpTool, Outcome

NAME = "book.example.test"
SECRET = "s3cret-of-a-test"
CALLER = "+33123456789"
VARIABLES = {"caller": CALLER, "company": "Chez Zoé"}
KEY = "CA1-call_2_0"

PARAMETERS = {
    "type": "object",
    "properties": {
        "guests": {"type": "integer"},
        "table": {"type": "string"},
        "note": {"type": "string"},
        "dishes": {"type": "array"},
    },
}

BOOK = HttpTool(
    tool=Tool("book", "Books a table.", PARAMETERS),
    method="POST",
    url=f"http://{NAME}/tables",
    headers={"Authorization": "Bearer {secret}"},
    secret=SECRET,
    body=None,
    timeout_s=5.0,
    allow_private=True,
)


def tool(**changes: object) -> HttpTool:
    return evolve(BOOK, **changes)  # type: ignore[misc]


def error_of(outcome: Outcome) -> str:
    """The sentence that the model is told."""
    told = json.loads(outcome.result)
    assert list(told) == ["error"]
    return str(told["error"])


@define
class Names(trio.abc.HostnameResolver):
    """Where names point; each look-up takes the next of the answers, the last one stays."""

    answers: list[list[str]]
    asked: list[str] = field(factory=list)

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]
        await trio.lowlevel.checkpoint()
        self.asked.append(host.decode())
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(trio.socket.AF_INET, type, 6, "", (each, port)) for each in found]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
        raise NotImplementedError


def point(*answers: list[str]) -> Names:
    names = Names(list(answers))
    trio.socket.set_custom_hostname_resolver(names)
    return names


@define
class Body(httpx.AsyncByteStream):
    """A body in parts, one each `pause_s`; `fault` is raised behind them."""

    parts: list[bytes]
    pause_s: float = 0.0
    fault: Exception | None = None
    sent: int = 0
    closed: int = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(self.pause_s)
        if self.sent == len(self.parts):
            raise self.fault or StopAsyncIteration
        self.sent += 1
        return self.parts[self.sent - 1]

    async def aclose(self) -> None:
        self.closed += 1
        await trio.lowlevel.checkpoint()


Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


def answer(
    body: bytes | Body = b"{}",
    kind: str | None = "application/json",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """A response as from a socket: its body is still to be read."""
    given = {**({} if kind is None else {"Content-Type": kind}), **(headers or {})}
    stream = body if isinstance(body, Body) else Body([body] if body else [])
    return httpx.Response(status, headers=given, stream=stream)


@define
class Endpoint:
    """Answers each request with `given`, or raises it; keeps the requests."""

    given: httpx.Response | Exception | None
    """None: it never answers."""
    requests: list[httpx.Request] = field(factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        if isinstance(self.given, Exception):
            raise self.given
        if self.given is None:
            await trio.sleep_forever()
        assert self.given is not None
        return self.given

    @property
    def request(self) -> httpx.Request:
        (only,) = self.requests
        return only


async def run(
    used: HttpTool,
    endpoint: Endpoint,
    arguments: Mapping[str, object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """One use over a transport in memory."""
    async with direct_client(httpx.MockTransport(endpoint)) as client:
        given = VARIABLES if variables is None else variables
        return await use(used, arguments or {}, given, KEY, client)


async def sent(
    used: HttpTool,
    arguments: Mapping[str, object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> httpx.Request:
    """The request that a tool sends."""
    endpoint = Endpoint(answer())
    outcome = await run(used, endpoint, arguments, variables)
    assert outcome.status == "ok", outcome
    return endpoint.request


async def told(given: httpx.Response | Exception | None, **changes: object) -> Outcome:
    """What comes of an answer."""
    return await run(tool(**changes), Endpoint(given))


# --- real sockets --------------------------------------------------------------------------------


@define
class Site:
    """A server on this machine; `serve` gets each request's bytes and the stream.

    `gone` is set when a client's end of a connection is seen.
    """

    serve: Callable[[bytes, trio.SocketStream], Awaitable[None]]
    port: int = 0
    requests: list[bytes] = field(factory=list)
    asked: trio.Event = field(factory=trio.Event)
    gone: trio.Event = field(factory=trio.Event)

    async def handle(self, stream: trio.SocketStream) -> None:
        try:
            async with stream:
                request = await self._read(stream)
                self.requests.append(request)
                self.asked.set()
                await self.serve(request, stream)
                while await stream.receive_some():
                    pass
        except trio.BrokenResourceError:
            pass
        finally:
            self.gone.set()

    async def _read(self, stream: trio.SocketStream) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int((head.lower().partition(b"content-length:")[2].split() or [b"0"])[0])
        while len(body) < length:
            body += await stream.receive_some()
        return head + b"\r\n\r\n" + body

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    serve: Callable[[bytes, trio.SocketStream], Awaitable[None]],
) -> AsyncGenerator[Site]:
    site = Site(serve)
    async with trio.open_nursery() as nursery:
        serve_here = partial(trio.serve_tcp, site.handle, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve_here)
        site.port = listener.socket.getsockname()[1]
        yield site
        nursery.cancel_scope.cancel()
