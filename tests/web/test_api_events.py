"""The stream of events: who waits is woken at once, and nobody waits for ever."""

import pytest
import trio
from call_desk import record
from guests import CALL, House, house
from operators import Answer, ask, live, office
from trio.testing import MockClock

from voiced.records.feed import KEPT
from voiced.records.model import Happened
from voiced.web.api import MAX_WAIT_S

EVENTS = "/v1/events"


def happen(there: House, sid: str = CALL, kind: str = "knock") -> None:
    there.feed.put(Happened(sid, 1_700_000_000.0, kind, {"n": 1}))


async def test_nothing_has_happened_yet() -> None:
    async with house(office()) as there:
        answer = await ask(there, "GET", EVENTS)
        assert (answer.status, answer.json) == (200, {"events": [], "last": 0})


async def test_what_happened_since_is_told_in_order() -> None:
    async with house(office()) as there:
        entry = live(there)
        there.desk.register.left(entry, record("hangup"))
        told = (await ask(there, "GET", f"{EVENTS}?after=0")).json
        assert [(each["id"], each["kind"], each["call"]) for each in told["events"]] == [
            (1, "opened", CALL), (2, "status", CALL), (3, "closed", CALL),
        ]  # fmt: skip
        assert told["events"][1]["detail"] == {"status": "live"}
        assert told["last"] == 3
        assert (await ask(there, "GET", f"{EVENTS}?after=2")).json["events"] == told["events"][2:]
        assert (await ask(there, "GET", EVENTS)).json == {"events": [], "last": 3}


async def test_who_waits_is_woken_at_once(autojump_clock: MockClock) -> None:
    async with house(office()) as there:
        answers: list[Answer] = []

        async def watch() -> None:
            answers.append(await ask(there, "GET", f"{EVENTS}?wait_s=25"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.sleep(7)
            began = trio.current_time()
            happen(there)
        assert trio.current_time() == began
        assert [each["kind"] for each in answers[0].json["events"]] == ["knock"]


async def test_many_who_wait_are_all_woken(autojump_clock: MockClock) -> None:
    async with house(office()) as there:
        answers: list[Answer] = []

        async def watch() -> None:
            answers.append(await ask(there, "GET", f"{EVENTS}?wait_s=25"))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(watch)
            await trio.sleep(1)
            happen(there)
        assert [each.json["last"] for each in answers] == [1] * 20


async def test_who_waits_for_one_call_is_not_woken_by_another(autojump_clock: MockClock) -> None:
    async with house(office()) as there:
        answers: list[Answer] = []

        async def watch() -> None:
            answers.append(await ask(there, "GET", f"{EVENTS}?wait_s=25&call={CALL}"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.sleep(5)
            happen(there, "CA2")
            await trio.sleep(5)
            assert answers == []
            happen(there)
        told = answers[0].json
        assert ([each["call"] for each in told["events"]], told["last"]) == ([CALL], 2)


@pytest.mark.parametrize("wait_s", [0, 1, 25])
async def test_who_waits_in_vain_is_told_so(wait_s: int, autojump_clock: MockClock) -> None:
    async with house(office()) as there:
        happen(there)
        began = trio.current_time()
        answer = await ask(there, "GET", f"{EVENTS}?wait_s={wait_s}")
        assert answer.json == {"events": [], "last": 1}
        assert trio.current_time() - began == wait_s


async def test_who_was_here_before_the_daemon_hears_all_of_this_run() -> None:
    async with house(office()) as there:
        happen(there)
        told = (await ask(there, "GET", f"{EVENTS}?after=900")).json
        assert ([each["id"] for each in told["events"]], told["last"]) == ([1], 1)


async def test_who_comes_late_finds_the_latest() -> None:
    async with house(office()) as there:
        for _ in range(KEPT + 5):
            happen(there)
        told = (await ask(there, "GET", f"{EVENTS}?after=0")).json
        assert (len(told["events"]), told["events"][0]["id"], told["last"]) == (KEPT, 6, KEPT + 5)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"), ("after=x", "after"), ("after=", "after"),
        ("after=9007199254740993", "after"), ("after=" + "1" * 3000, "after"),
        ("wait_s=26", "wait_s"), ("wait_s=-1", "wait_s"), ("wait_s=1.5", "wait_s"),
        ("wait_s=inf", "wait_s"), ("wait_s=nan", "wait_s"), ("wait_s=%C2%B2", "wait_s"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_named(query: str, field: str) -> None:
    async with house(office()) as there:
        assert (await ask(there, "GET", f"{EVENTS}?{query}")).error == (422, "invalid", field)


@pytest.mark.parametrize("call", ["", "%00", "%FF", "x" * 9000])
async def test_any_call_may_be_watched(call: str) -> None:
    async with house(office()) as there:
        happen(there)
        told = (await ask(there, "GET", f"{EVENTS}?after=0&call={call}")).json
        assert len(told["events"]) == (0 if call else 1)


async def test_who_goes_away_while_waiting_leaves_nothing(autojump_clock: MockClock) -> None:
    async with house(office()) as there:
        guest = there.knock("127.0.0.1")
        await guest.send(b"GET /v1/events?wait_s=25 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await trio.sleep(1)
        began = trio.current_time()
        await guest.stream.aclose()
        await guest.over.wait()
        assert trio.current_time() - began < MAX_WAIT_S
