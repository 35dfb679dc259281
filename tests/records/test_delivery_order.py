"""Who gets what when: order at one endpoint, endpoints side by side, an outbox in trouble."""

import sqlite3
from collections import Counter

import httpx
import pytest
import trio
from attrs import define
from test_delivery_stage import (
    START,
    Endpoint,
    FakeOutbox,
    deliver,
    delivering,
    delivery,
    silence,
    webhook,
)

from voiced.errors import StartupError
from voiced.records.delivery import BATCH, CLAIM_S, MAX_AT_ONCE
from voiced.records.model import Delivery


def hooks(*names: str) -> dict[str, object]:
    return {name: webhook(f"http://{name}.test/") for name in names}


def sent(endpoint: Endpoint) -> list[str]:
    return [request.headers["Voiced-Delivery"] for request in endpoint.requests]


async def test_one_at_a_time_and_in_order_at_each_endpoint(autojump_clock: object) -> None:
    under_way: Counter[str] = Counter()

    async def slow(request: httpx.Request) -> httpx.Response:
        under_way[request.url.host] += 1
        assert under_way[request.url.host] == 1
        await trio.sleep(1)
        under_way[request.url.host] -= 1
        return httpx.Response(200)

    endpoint, outbox = Endpoint([slow]), FakeOutbox()
    outbox.add(*(delivery(id, "ab"[id % 2]) for id in (9, 3, 4, 1, 8, 2)))
    await deliver(outbox, endpoint, 10, hooks("a", "b"))
    to_b = [each for each in sent(endpoint) if int(each[-1]) % 2]
    assert to_b == ["event-1", "event-3", "event-9"]
    assert [each for each in sent(endpoint) if each not in to_b] == [
        "event-2",
        "event-4",
        "event-8",
    ]
    assert max(endpoint.times) == pytest.approx(2, abs=0.01), "the two did not go side by side"


async def test_a_dead_endpoint_does_not_hold_up_another(autojump_clock: object) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        return await silence(request) if request.url.host == "dead.test" else httpx.Response(200)

    outbox = FakeOutbox()
    outbox.add(*(delivery(id, "dead") for id in range(1, 5 * BATCH)))
    outbox.add(delivery(1000, "live"))
    async with delivering(outbox, answer, hooks("dead", "live")):
        await trio.sleep(60)
        outbox.add(delivery(1001, "live"))
        await trio.sleep(3)
    live = [(at, id) for at, what, id, _ in outbox.notes if what == "delivered"]
    assert live == [(pytest.approx(0, abs=0.01), 1000), (pytest.approx(60, abs=0.01), 1001)]


async def test_a_retry_is_not_held_up_by_a_backlog_elsewhere(autojump_clock: object) -> None:
    """The outbox's next due time is then always in the past."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "dead.test":
            return await silence(request)
        seen.append(trio.current_time())
        return httpx.Response(200 if len(seen) > 1 else 503)

    seen: list[float] = []
    outbox = FakeOutbox()
    outbox.add(*(delivery(id, "dead") for id in range(1, 50)), delivery(1000, "live"))
    await deliver(outbox, answer, 9, hooks("dead", "live"))
    assert 4 <= seen[1] - seen[0] <= 6
    assert outbox.asked < 10


async def test_no_more_than_eight_at_once_and_each_in_its_turn(autojump_clock: object) -> None:
    now = most = 0

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await trio.sleep(5)
        now -= 1
        return httpx.Response(200)

    names = [f"h{n}" for n in range(20)]
    outbox, endpoint = FakeOutbox(), Endpoint([slow])
    outbox.add(*(delivery(id, names[id % 20]) for id in range(200)))
    await deliver(outbox, endpoint, 14.9, hooks(*names))
    assert most == MAX_AT_ONCE
    hosts = Counter(request.url.host for request in endpoint.requests)
    assert len(hosts) == 20, "somebody was passed over"


async def test_a_new_delivery_is_sent_at_once(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    async with delivering(outbox, endpoint):
        await trio.sleep(1000)
        assert outbox.asked == 1, "an idle deliverer does nothing"
        outbox.add(delivery())
        await trio.sleep(1)
    assert endpoint.times == [pytest.approx(1000, abs=0.01)]


async def test_what_an_earlier_run_postponed_is_sent_in_time(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.add(delivery(), at=START + 300)
    await deliver(outbox, endpoint, 400)
    assert endpoint.times == [pytest.approx(300, abs=0.01)]
    assert outbox.asked < 5


@define
class SlowOutbox(FakeOutbox):
    """Its answers are as old as a worker thread's may be."""

    async def due(self, now: float, limit: int) -> list[Delivery]:
        found = await super().due(now, limit)
        await trio.sleep(2)
        return found


async def test_an_answer_of_the_outbox_that_is_stale_sends_nothing_twice(
    autojump_clock: object,
) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(1)
        return httpx.Response(200)

    outbox, endpoint = SlowOutbox(), Endpoint([slow])
    outbox.add(delivery(1, "a"))
    async with delivering(outbox, endpoint, hooks("a", "b")):
        await trio.sleep(2.5)
        outbox.add(delivery(2, "b"))  # the outbox is asked while the first is under way
        await trio.sleep(30)
    assert sorted(sent(endpoint)) == ["event-1", "event-2"]


# --- two daemons, one outbox ----------------------------------------------------------------------


async def test_of_two_daemons_one_sends_it(autojump_clock: object) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(9)
        return httpx.Response(200)

    outbox, one, other = FakeOutbox(), Endpoint([slow]), Endpoint([slow])
    outbox.add(*(delivery(id, "ab"[id % 2]) for id in range(12)))
    async with delivering(outbox, one, hooks("a", "b")):
        await deliver(outbox, other, 300, hooks("a", "b"))
    assert sorted(sent(one) + sent(other)) == sorted(f"event-{id}" for id in range(12))
    assert sent(one)
    assert sent(other)


async def test_what_a_daemon_has_died_over_is_sent_again(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, silence, 5)
    await deliver(outbox, endpoint, 60)
    assert endpoint.times == [pytest.approx(CLAIM_S, abs=0.01)]
    assert outbox.told() == [("delivered", 1, "")]


async def test_a_claim_that_cannot_be_noted_holds_up_nothing(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(faults={"claim": [FAULTS[0]]}), Endpoint([httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 5)
    assert endpoint.times == [pytest.approx(0, abs=0.01)]
    assert outbox.told() == [("delivered", 1, "")]


# --- an outbox in trouble -------------------------------------------------------------------------

FAULTS = [sqlite3.OperationalError("database is locked"), StartupError("no store")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("method", ["due", "next_due", "wait_change", "delivered"])
async def test_an_outbox_in_trouble_is_asked_again(
    autojump_clock: object, method: str, fault: Exception
) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.faults[method] = [fault, fault]
    outbox.add(delivery(1))
    async with delivering(outbox, endpoint):
        await trio.sleep(100)
        outbox.add(delivery(2))
        await trio.sleep(100)
    assert sent(endpoint) == ["event-1", "event-2"], "what was not noted was sent again"
    assert outbox.told() == [("delivered", 1, ""), ("delivered", 2, "")]


@pytest.mark.parametrize(("status", "method"), [(503, "postpone"), (410, "give_up")])
async def test_failures_too_are_noted_once_the_outbox_works(
    autojump_clock: object, status: int, method: str
) -> None:
    outbox = FakeOutbox(faults={method: [FAULTS[0]]})
    outbox.add(delivery(attempts=4))
    await deliver(outbox, Endpoint([httpx.Response(status)]), 31)
    assert outbox.told() == [(method, 1, f"status {status}")]


async def test_an_outbox_that_cannot_be_read_is_told_once(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    fault = sqlite3.OperationalError("database is locked")
    outbox = FakeOutbox(faults={"due": [fault] * 5})
    async with delivering(outbox, Endpoint([httpx.Response(200)])):
        await trio.sleep(600)
        outbox.faults["due"] = [fault]
        outbox.add(delivery())
        await trio.sleep(600)
    messages = [each.getMessage() for each in caplog.records]
    assert messages == ["the webhooks' outbox cannot be read"] * 2
    assert outbox.told() == [("delivered", 1, "")]
