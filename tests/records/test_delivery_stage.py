"""What the tests of webhooks play on: an outbox in memory, and endpoints that answer as told."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import httpx
import trio
from attrs import define, evolve, field

from voiced.config import Webhook
from voiced.config.secrets import Secret
from voiced.records.delivery import Deliverer, webhook_client
from voiced.records.model import Delivery

START = 1_767_225_600.0
SECRET = "whsec-of-a-test"
ENDPOINT = "http://hooks.example.test/in?key=k1"


def wall() -> float:
    """A wall clock that keeps pace with the (virtual) clock of the test."""
    return START + trio.current_time()


def webhook(url: str = ENDPOINT, *, allow_private: bool = True) -> Webhook:
    return Webhook(url=url, secret=Secret(SECRET), allow_private=allow_private)


def delivery(
    id: int = 1,
    webhook: str = "crm",
    attempts: int = 0,
    created_at: float = START,
) -> Delivery:
    event_id, body = f"event-{id}", b'{"n":%d}' % id
    return Delivery(id, webhook, event_id, "call.ended", body, attempts, created_at)


@define
class FakeOutbox:
    """`notes` holds what was noted: (time since `START`, what, id, error).

    `faults` are raised by the named methods, the next one at each call.
    """

    waiting: dict[int, tuple[Delivery, float]] = field(factory=dict)
    notes: list[tuple[float, str, int, str]] = field(factory=list)
    faults: dict[str, list[Exception]] = field(factory=dict)
    asked: int = 0
    _changed: trio.Event = field(factory=trio.Event)

    def add(self, *deliveries: Delivery, at: float = START) -> None:
        for each in deliveries:
            self.waiting[each.id] = (each, at)
        self._changed.set()
        self._changed = trio.Event()

    async def due(self, now: float, limit: int) -> list[Delivery]:
        await self._step("due")
        self.asked += 1
        ready = [each for each, at in self.waiting.values() if at <= now]
        place: dict[int, int] = {}
        seen: dict[str, int] = {}
        for each in sorted(ready, key=lambda each: each.id):
            place[each.id] = seen[each.webhook] = seen.get(each.webhook, -1) + 1
        return sorted(ready, key=lambda each: (place[each.id], each.id))[:limit]

    async def next_due(self) -> float | None:
        await self._step("next_due")
        return min((at for _, at in self.waiting.values()), default=None)

    async def claim(self, id: int, now: float, until: float) -> bool:
        await self._step("claim")
        each, at = self.waiting.get(id, (None, 0.0))
        if each is None or at > now:
            return False
        self.waiting[id] = (each, until)
        return True

    async def delivered(self, id: int) -> None:
        await self._note("delivered", id)
        del self.waiting[id]

    async def postpone(self, id: int, next_at: float, error: str) -> None:
        await self._note("postpone", id, error)
        each, _ = self.waiting[id]
        self.waiting[id] = (evolve(each, attempts=each.attempts + 1), next_at)

    async def give_up(self, id: int, error: str) -> None:
        await self._note("give_up", id, error)
        del self.waiting[id]

    async def wait_change(self) -> None:
        await self._step("wait_change")
        await self._changed.wait()

    async def _note(self, what: str, id: int, error: str = "") -> None:
        await self._step(what)
        self.notes.append((wall() - START, what, id, error))

    async def _step(self, method: str) -> None:
        if self.faults.get(method):
            raise self.faults[method].pop(0)
        await trio.lowlevel.checkpoint()

    def told(self) -> list[tuple[str, int, str]]:
        """What was noted, without the times."""
        return [(what, id, error) for _, what, id, error in self.notes]


Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


@define
class Endpoint:
    """Answers each request with the next of `answers`; the last one is repeated."""

    answers: list[httpx.Response | Exception | Handler]
    requests: list[httpx.Request] = field(factory=list)
    times: list[float] = field(factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.times.append(wall() - START)
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else await answer(request)


async def silence(request: httpx.Request) -> httpx.Response:
    """Never answers."""
    await trio.sleep_forever()
    raise AssertionError


@define
class Body(httpx.AsyncByteStream):
    """A body of so many parts, one each `pause_s`; `fault` is raised behind them."""

    parts: int
    pause_s: float = 0.0
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
        return bytes(1024)

    async def aclose(self) -> None:
        self.closed += 1
        await trio.lowlevel.checkpoint()


def streamed(handler: Handler) -> Handler:
    """Has answers come as from a socket: their bodies are still to be read, and once only."""

    async def answer(request: httpx.Request) -> httpx.Response:
        given = await handler(request)
        if isinstance(given.stream, Body):
            return given
        return httpx.Response(given.status_code, headers=given.headers, stream=Body(1))

    return answer


@asynccontextmanager
async def delivering(
    outbox: FakeOutbox,
    handler: Handler,
    webhooks: Mapping[str, Webhook] | None = None,
) -> AsyncGenerator[None]:
    """A deliverer at work in the background, for virtual time."""
    known = {"crm": webhook()} if webhooks is None else webhooks
    transport = httpx.MockTransport(streamed(handler))
    async with webhook_client(transport) as http, trio.open_nursery() as nursery:
        work = Deliverer(known, http, outbox, wall).run
        nursery.start_soon(work)
        yield
        nursery.cancel_scope.cancel()


async def deliver(
    outbox: FakeOutbox,
    handler: Handler,
    for_s: float,
    webhooks: Mapping[str, Webhook] | None = None,
) -> None:
    """Lets it work for so long."""
    async with delivering(outbox, handler, webhooks):
        await trio.sleep(for_s)
