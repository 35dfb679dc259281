"""What the tests of the pre-call webhook play on: an endpoint without a socket."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import httpx
import trio
from attrs import define, field

from voiced.config import PreCall, Secret
from voiced.ops.publicnet import direct_client

URL = "http://crm.example.test/who?key=k1"
SECRET = "whsec-of-a-test"

Answering = Callable[[httpx.Request], Awaitable[httpx.Response]]


def pre_call(
    url: str = URL, *, timeout_s: float = 1.0, allow_private: bool = True, secret: str = SECRET
) -> PreCall:
    return PreCall(
        url=url,
        secret=Secret(secret) if secret else None,
        timeout_s=timeout_s,
        allow_private=allow_private,
    )


@define
class Drip(httpx.AsyncByteStream):
    """A body that comes in parts, one each `pause_s`, as from a socket."""

    parts: int
    pause_s: float = 0.0
    part: bytes = bytes(1024)
    fault: Exception | None = None
    sent: int = 0
    closed: int = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(self.pause_s)
        if self.sent == self.parts:
            raise self.fault or StopAsyncIteration
        self.sent += 1
        return self.part

    async def aclose(self) -> None:
        self.closed += 1
        await trio.lowlevel.checkpoint()


def body(data: bytes | str | object) -> Drip:
    """A body in one part; what is no bytes is written as JSON."""
    return Drip(1, part=data if isinstance(data, bytes) else json.dumps(data).encode())


@define
class Crm:
    """Answers each request with `answer`, after `after_s`."""

    answer: httpx.Response | Exception | Callable[[], httpx.Response]
    after_s: float = 0.0
    requests: list[httpx.Request] = field(factory=list)
    open: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.open += 1
        try:
            await trio.sleep(self.after_s)
        finally:
            self.open -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, httpx.Response) else self.answer()

    @property
    def asked(self) -> list[dict[str, object]]:
        """The bodies of the requests."""
        return [json.loads(request.content) for request in self.requests]

    @property
    def client(self) -> Callable[[], httpx.AsyncClient]:
        return partial(direct_client, httpx.MockTransport(self))


def told(**variables: object) -> Callable[[], httpx.Response]:
    """An answer that tells these."""
    return lambda: httpx.Response(200, stream=body({"variables": variables}))
