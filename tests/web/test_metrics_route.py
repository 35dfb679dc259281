"""Prometheus asks for the metrics."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio
from attrs import define, evolve, field
from guests import FakeCapacity, house
from metrics_page import House
from operators import office
from prometheus_client.parser import text_string_to_metric_families
from quart import Response

from voiced.config import Api as ApiSettings
from voiced.config import Limits, Secret, Settings
from voiced.engines.capacity import Capacity
from voiced.ops import metrics_declared as declared
from voiced.ops.metrics import CONTENT_TYPE, Exposition, Instruments
from voiced.web.api import Api
from voiced.web.app import create_app
from voiced.web.gate import Gate
from voiced.web.limits import RateLimit

AFAR, HERE = "203.0.113.7", "127.0.0.1"
TOKEN = "s3cret-t0ken"
GOOD = {"Authorization": f"Bearer {TOKEN}"}


class NoApi:
    """Has no routes."""

    def register(self, app: object) -> None: ...


@define
class Prometheus:
    """Asks an application."""

    client: Any

    async def ask(
        self, peer: str = HERE, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> Response:
        scope = {"client": (peer, 4711)}
        answer: Response = await self.client.open(
            "/metrics", method=method, headers=headers, scope_base=scope
        )
        return answer


@asynccontextmanager
async def served(
    exposition: Exposition | None, of: Settings | None = None
) -> AsyncIterator[Prometheus]:
    async with house(of or office()) as there:
        settings = there.door.settings
        gate = Gate(settings.api, RateLimit(settings.limits.requests_per_minute))
        capacity, api = cast(Capacity, FakeCapacity()), cast(Api, NoApi())
        app = create_app(there.door, api, gate, capacity, exposition)
        yield Prometheus(app.test_client())


def exposition() -> Exposition:
    return Exposition(Instruments({}), House().sources())


def locked() -> Settings:
    return evolve(office(), api=ApiSettings(token=Secret(TOKEN)))


async def test_what_is_counted_is_answered_as_text() -> None:
    there = exposition()
    there.instruments.count(declared.GAPS, by=3)
    async with served(there) as prometheus:
        answer = await prometheus.ask()
        assert answer.status_code == 200
        assert answer.headers["content-type"] == CONTENT_TYPE
        assert answer.headers["cache-control"] == "no-store"
        text = (await answer.get_data()).decode()
        assert "\nvoiced_gaps_total 3.0\n" in text
        shown = {family.name for family in text_string_to_metric_families(text)}
        assert {"voiced_calls", "voiced_answer_seconds", "voiced_build_info"} <= shown


async def test_each_answer_is_of_its_time() -> None:
    there = exposition()
    async with served(there) as prometheus:
        assert b"voiced_gaps_total 0.0" in await (await prometheus.ask()).get_data()
        there.instruments.count(declared.GAPS)
        assert b"voiced_gaps_total 1.0" in await (await prometheus.ask()).get_data()


async def test_without_a_token_only_this_machine_is_answered() -> None:
    async with served(exposition()) as prometheus:
        assert (await prometheus.ask(HERE)).status_code == 200
        assert (await prometheus.ask("::1")).status_code == 200
        for peer, headers in ((AFAR, {}), (AFAR, GOOD), (HERE, {"X-Forwarded-For": AFAR})):
            answer = await prometheus.ask(peer, headers)
            assert answer.status_code == 401
            assert b"voiced_" not in await answer.get_data()


async def test_with_a_token_whoever_shows_it_is_answered() -> None:
    async with served(exposition(), locked()) as prometheus:
        assert (await prometheus.ask(AFAR, GOOD)).status_code == 200
        assert (await prometheus.ask(AFAR)).status_code == 401
        assert (await prometheus.ask(AFAR, {"Authorization": "Bearer x"})).status_code == 401


async def test_one_who_asks_too_often_is_told_to_wait() -> None:
    async with served(exposition(), office(Limits(requests_per_minute=1))) as prometheus:
        assert (await prometheus.ask()).status_code == 200
        answer = await prometheus.ask()
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_it_can_only_be_read(method: str) -> None:
    async with served(exposition()) as prometheus:
        assert (await prometheus.ask(method=method)).status_code == 405


async def test_without_metrics_there_is_no_such_page() -> None:
    async with served(None) as prometheus:
        assert (await prometheus.ask()).status_code == 404


@define
class Watched:
    """Pages, and what else was done while they were made."""

    log: list[str] = field(factory=list)

    def pages(self) -> Iterator[bytes]:
        for name in ("one", "two", "three"):
            self.log.append(name)
            yield f"{name} 1\n".encode()

    async def call(self) -> None:
        while True:
            self.log.append("frame")
            await trio.lowlevel.checkpoint()


async def test_between_two_pages_the_calls_have_their_turn() -> None:
    watched = Watched()
    async with served(cast(Exposition, watched)) as prometheus, trio.open_nursery() as nursery:
        nursery.start_soon(watched.call)
        assert await (await prometheus.ask()).get_data() == b"one 1\ntwo 1\nthree 1\n"
        nursery.cancel_scope.cancel()
    first, last = watched.log.index("one"), watched.log.index("three")
    assert "frame" in watched.log[first:last]  # in one of the two pauses: the order is Trio's
