"""How the daemon says it is, in virtual time."""

import json
import math
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define, evolve, field
from daemon_stage import settings
from trio.testing import MockClock

from voiced import house
from voiced.call.parties import Entry, Parties, Stage
from voiced.config import MoshiStt, MoshiTts, Settings, Twilio
from voiced.daemon.standing import READY_S, Standing
from voiced.engines.rooms import Reach
from voiced.house import House
from voiced.ops.systemd import Notifier

EAR, VOICE = "ws://ears:8090/api/asr-streaming", "ws://voices:8080/api/tts_streaming"


class Listener(Notifier):
    """Notes what is told, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[float, dict[str, str | int]]] = []
        self.news = trio.Event()
        self.states: dict[str, str | int] = {}

    @property
    def is_heard(self) -> bool:
        return True

    def tell(self, **states: str | int) -> None:
        self.told.append((trio.current_time(), states))
        self.states |= states
        self.news.set()
        self.news = trio.Event()

    async def wait_told(self) -> None:
        await self.news.wait()

    @property
    def status(self) -> str:
        return str(self.states.get("STATUS", ""))


@define
class Servers:
    """Two moshi-servers, with so many slots taken of sixteen; None: away."""

    used: dict[str, int | None] = field(factory=lambda: {"ears": 0, "voices": 3})

    def answer(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        used = self.used[host]
        if used is None:
            raise httpx.ConnectError("away")
        path = EAR if host == "ears" else VOICE
        kind = "batched_asr" if host == "ears" else "py"
        module = {"type": kind, "path": path.partition(":")[2].partition("/")[2].partition("/")[2]}
        module |= {"path": "/" + path.split("/", 3)[3], "used_slots": str(used)}
        module |= {"total_slots": "16", "lm": "", "script": "tts.py"}
        return httpx.Response(200, content=json.dumps([module]).encode())


@define
class Place:
    house: House
    servers: Servers
    listener: Listener
    standing: Standing

    def ring(self, sid: str, stage: Stage = Stage.AWAITED) -> Entry:
        parties = Parties(sid, "default", "+33612345678", "+33123456789")
        entry = self.house.switchboard.admit(parties, Stage.AWAITED, 60.0)
        self.house.switchboard.register.move(entry, stage, 60.0)
        return entry


def moshi(directory: Path) -> Settings:
    return evolve(
        settings(directory), stt={"ear": MoshiStt(url=EAR)}, tts={"voice": MoshiTts(url=VOICE)}
    )


@pytest.fixture
async def place(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Place]:
    servers, listener = Servers(), Listener()
    async with httpx.AsyncClient(transport=httpx.MockTransport(servers.answer)) as http:
        here = house.build(moshi(tmp_path), house.Clients(http, http, http))
        nursery.start_soon(here.capacity.watch)
        yield Place(here, servers, listener, Standing(here, listener))
        nursery.cancel_scope.cancel()


async def test_it_is_ready_when_every_engine_has_been_asked_once(
    place: Place, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place.standing.run)
        nursery.start_soon(place.standing.wait_asked)
        await trio.sleep(1)
        assert place.listener.told == [(0.0, {"STATUS": "starting: asking the engines"})]
        place.house.capacity.reached("llm", "mind", Reach.OK)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 1
    place.standing.ready()
    expected = {"READY": 1, "STATUS": "no calls, 16 STT slots free, 13 TTS slots free"}
    assert place.listener.told[-1] == (1.0, expected)


async def test_engines_that_are_away_make_it_wait_for_one_attempt_only(
    place: Place, autojump_clock: MockClock
) -> None:
    place.servers.used = {"ears": None, "voices": None}
    place.house.capacity.reached("llm", "mind", Reach.FAILED)
    await place.standing.wait_asked()
    assert trio.current_time() == 0
    place.standing.ready()
    assert place.listener.status == "no call can be taken: stt-unreachable (stt ear is away)"


async def test_an_engine_that_does_not_answer_is_not_waited_for_longer(
    place: Place, autojump_clock: MockClock
) -> None:
    await place.standing.wait_asked()
    assert trio.current_time() == READY_S


async def test_what_is_missing_is_said(place: Place, autojump_clock: MockClock) -> None:
    place.servers.used["ears"] = None
    place.house.renew(evolve(place.house.settings, twilio=Twilio()))
    place.standing.ready()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place.standing.run)
        await trio.sleep(4)
        assert place.listener.status == (
            "no call can be taken: stt-unreachable (stt ear is away); twilio.auth_token is not set"
            " (put it into secrets.toml, beside the configuration)"
        )
        place.servers.used["ears"] = 2
        await trio.sleep(4)
        assert place.listener.status == (
            "no call can be taken: twilio.auth_token is not set"
            " (put it into secrets.toml, beside the configuration)"
        )
        nursery.cancel_scope.cancel()


async def test_a_refusal_without_an_engine_at_fault_is_said(
    place: Place, autojump_clock: MockClock
) -> None:
    await trio.sleep(0.1)
    place.house.switchboard.register.max_calls = 1
    place.standing.ready()
    place.ring("CA1")
    assert place.standing.sentence() == "no call can be taken: max-calls"


async def test_live_calls_are_counted_also_where_no_other_can_be_taken(
    place: Place, autojump_clock: MockClock
) -> None:
    await trio.sleep(0.1)
    place.standing.ready()
    for sid in ("CA1", "CA2"):
        place.ring(sid).call = object()  # type: ignore[assignment]
    assert place.standing.sentence() == "2 calls, 16 STT slots free, 13 TTS slots free"
    place.house.switchboard.register.max_calls = 2
    assert place.standing.sentence() == "2 calls, no other can be taken: max-calls"


async def test_several_engines_of_a_role_are_told_by_name(
    place: Place, autojump_clock: MockClock
) -> None:
    of = place.house.settings
    ears = {"ear": MoshiStt(url=EAR), "spare": MoshiStt(url=EAR)}
    agents = {"default": evolve(of.agents["default"], stt=("ear", "spare"))}
    place.house.renew(evolve(of, stt=ears, agents=agents))
    place.standing.ready()
    await trio.sleep(2.5)
    expected = "no calls, 16 STT slots of ear free, 16 STT slots of spare free, 13 TTS slots free"
    assert place.standing.sentence() == expected


async def test_changes_are_told_once_a_second_at_most(
    place: Place, autojump_clock: MockClock
) -> None:
    place.house.capacity.reached("llm", "mind", Reach.OK)
    await place.standing.wait_asked()
    place.standing.ready()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place.standing.run)
        await trio.sleep(10)
        before = len(place.listener.told)
        for number in range(16):
            place.ring(f"CA{number}").call = object()  # type: ignore[assignment]
            await trio.sleep(0.15)
        await trio.sleep(10)
        told = place.listener.told[before:]
        assert 2 <= len(told) <= 4
        assert all(later - sooner >= 1 for (sooner, _), (later, _) in zip(told, told[1:]))  # noqa: RUF007, B905
        assert place.listener.status.startswith("16 calls, no other can be taken: stt-slots")
        nursery.cancel_scope.cancel()


async def test_a_drain_is_told_each_second_with_its_longest_call_and_more_time(
    place: Place, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.standing.ready()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place.standing.run)
        await trio.sleep(10)
        place.ring("CA1")
        place.ring("CA2", Stage.TRANSFERRING)  # the carrier's
        await trio.sleep(20)
        place.standing.draining()
        expected = {"STOPPING": 1, "STATUS": "draining 1 call, longest 00:20"}
        assert place.listener.told[-1] == (30.0, expected)
        before = len(place.listener.told)
        place.house.switchboard.register.calls["CA1"].until = math.inf
        await trio.sleep(10)
        monkeypatch.setattr("time.time", lambda: 0.0)  # a clock that jumps is no call's length
        await trio.sleep(222.5)
        told = {"STATUS": "draining 1 call, longest 04:12", "EXTEND_TIMEOUT_USEC": 15_000_000}
        assert place.listener.told[-1][1] == told
        assert 230 <= len(place.listener.told) - before <= 233
        (entry,) = [
            each
            for each in place.house.switchboard.register.calls.values()
            if each.stage is Stage.AWAITED
        ]
        place.house.switchboard.register.close(entry, "hangup")
        await trio.sleep(1.5)
        assert place.listener.status == "draining: the last answers"
        nursery.cancel_scope.cancel()


async def test_a_bad_configuration_is_said_until_there_is_a_good_one(
    place: Place, autojump_clock: MockClock
) -> None:
    await trio.sleep(0.1)
    place.standing.ready()
    place.standing.reloading()
    assert place.listener.states["RELOADING"] == 1
    place.standing.reloaded("the configuration has 2 problems, see the log")
    assert place.listener.status.startswith("no calls, ")
    assert place.listener.status.endswith("; the configuration has 2 problems, see the log")
    place.standing.reloaded()
    assert "problem" not in place.listener.status


async def test_records_that_are_not_kept_are_said_until_they_are(
    place: Place, tmp_path: Path, nursery: trio.Nursery
) -> None:
    with trio.fail_after(10):
        blocker = tmp_path / "voiced.db"
        blocker.mkdir()
        await nursery.start(place.house.recorder.run)
        place.standing.ready()
        assert place.listener.status.endswith("; nothing is recorded: see the log")
        place.standing.reloaded("the configuration has 2 problems, see the log")
        assert place.listener.status.endswith(
            "; nothing is recorded: see the log; the configuration has 2 problems, see the log"
        )
        place.standing.reloaded()
        nursery.start_soon(place.standing.run)
        blocker.rmdir()
        while not place.house.recorder.is_keeping:
            await place.house.recorder.wait_change()
        while "recorded" in place.listener.status:
            await place.listener.wait_told()
        nursery.cancel_scope.cancel()


async def test_what_the_manager_did_not_take_is_told_again(
    tmp_path: Path, place: Place, autojump_clock: MockClock
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(0)
        with Notifier(manager.getsockname()) as notifier:
            while not notifier.is_behind:
                notifier.tell(WATCHDOG=1)
            standing = Standing(place.house, notifier)
            standing.ready()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(standing.run)
                await trio.sleep(2.5)
                assert notifier.is_behind
                for _ in range(9):
                    manager.recv(1000)
                await trio.sleep(1.5)
                assert not notifier.is_behind
                with suppress(BlockingIOError):
                    while message := manager.recv(1000):
                        last = message
                assert b"READY=1" in last
                assert b"STATUS=no calls" in last
                nursery.cancel_scope.cancel()


async def test_without_a_manager_nobody_is_told(place: Place, autojump_clock: MockClock) -> None:
    await Standing(place.house, Notifier()).run()
