"""Admission by the engines' room, against a moshi-server that is asked over HTTP."""

import json
import logging
import math
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from voiced.config import (
    Agent,
    AnthropicLlm,
    CartesiaTts,
    DeepgramStt,
    MoshiStt,
    MoshiTts,
    OpenAiLlm,
    Secret,
    Settings,
)
from voiced.engines.capacity import Capacity, Lease, Reach, Room, RoomState
from voiced.engines.http import http_client
from voiced.engines.moshi_slots import inquiry
from voiced.errors import CallRefused
from voiced.wire.moshi_modules import MAX_BYTES

STT_PATH, TTS_PATH = "/api/asr-streaming", "/api/tts_streaming"
STT, TTS = "ears", "voices"
"""The hosts."""


def settings(**sections: object) -> Settings:
    roles = {
        "stt": {"kyutai": MoshiStt(url=f"ws://{STT}:8090{STT_PATH}"), "deep": DeepgramStt()},
        "llm": {"local": OpenAiLlm(), "claude": AnthropicLlm()},
        "tts": {
            "kyutai": MoshiTts(url=f"ws://{TTS}:8080{TTS_PATH}"),
            "low": MoshiTts(url=f"ws://{TTS}:8080{TTS_PATH}", voice="low", calls_per_slot=1.0),
            "cartesia": CartesiaTts(voice="a"),
        },
        "agents": {
            "default": Agent(),
            "spared": Agent(stt=("kyutai", "deep")),
            "low": Agent(tts=("low",)),
            "cloud": Agent(stt=("deep",), llm=("claude",), tts=("cartesia",)),
        },
    }
    return Settings(**(roles | sections))


@define(eq=False)
class Servers:
    """Two moshi-servers; `fault` answers for one instead."""

    used: dict[str, int] = field(factory=lambda: {STT: 0, TTS: 0})
    total: dict[str, int] = field(factory=lambda: {STT: 2, TTS: 2})
    fault: dict[str, Callable[[], httpx.Response]] = field(factory=dict)
    delay_s: float = 0.0
    asked: list[tuple[float, str, httpx.Headers]] = field(factory=list)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        self.asked.append((trio.current_time(), str(request.url), request.headers))
        await trio.sleep(self.delay_s)
        if host in self.fault:
            return self.fault[host]()
        slots = {"used_slots": str(self.used[host]), "total_slots": str(self.total[host])}
        if host == STT:
            module = {"type": "batched_asr", "path": STT_PATH, "lm": "", **slots}
        else:
            module = {"type": "py", "path": TTS_PATH, "script": "tts.py", **slots}
        return httpx.Response(200, content=json.dumps([module]).encode())

    def times(self, host: str) -> list[float]:
        return [at for at, url, _ in self.asked if f"//{host}:" in url]


def raising(error: Exception) -> Callable[[], httpx.Response]:
    def fail() -> httpx.Response:
        raise error

    return fail


def nothing_listens() -> httpx.ConnectError:
    error = httpx.ConnectError("all attempts failed")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


@define(eq=False)
class House:
    servers: Servers
    capacity: Capacity

    def room(self, role: str, name: str = "kyutai") -> Room:
        (room,) = [r for r in self.capacity.rooms() if (r.role, r.name) == (role, name)]
        return room

    def refusal(self, agent: str = "default") -> str:
        with pytest.raises(CallRefused) as caught:
            self.capacity.lease(agent)
        return caught.value.reason

    def leases(self, count: int, agent: str = "default") -> list[Lease]:
        return [self.capacity.lease(agent) for _ in range(count)]


@pytest.fixture
async def house(nursery: trio.Nursery) -> AsyncIterator[House]:
    servers = Servers()
    async with http_client(httpx.MockTransport(servers.answer)) as http:
        made = House(servers, Capacity(settings(), http))
        with trio.CancelScope() as scope:
            nursery.start_soon(made.capacity.watch)
            yield made
            scope.cancel()
    nursery.cancel_scope.cancel()


# --- the polls -----------------------------------------------------------------------------------


async def test_before_the_first_answer_nothing_limits(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.delay_s = 0.5
    await trio.sleep(0.1)
    assert house.room("stt") == Room("stt", "kyutai", RoomState.UNKNOWN, None, None, math.inf)
    house.leases(10)


async def test_each_server_is_asked_every_two_seconds(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.delay_s = 0.7
    await trio.sleep(5)
    assert house.servers.times(STT) == pytest.approx([0, 2, 4])
    assert house.servers.times(TTS) == pytest.approx([0, 2, 4])  # once for two voices
    assert len({url for _, url, _ in house.servers.asked}) == 2


async def test_a_server_that_is_always_late_is_asked_on_time(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.delay_s = 30
    await trio.sleep(5)
    assert house.servers.times(STT) == pytest.approx([0, 2, 4])


async def test_strings_are_numbers_and_the_rooms_show_them(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.used[STT] = 1
    await trio.sleep(0.1)
    assert house.room("stt") == Room("stt", "kyutai", RoomState.OPEN, 2, 1, 1)
    assert house.room("tts") == Room("tts", "kyutai", RoomState.OPEN, 2, 0, 4)
    assert house.room("tts", "low") == Room("tts", "low", RoomState.OPEN, 2, 0, 2)
    assert house.room("llm", "local") == Room(
        "llm", "local", RoomState.UNKNOWN, None, None, math.inf
    )
    assert len(house.capacity.rooms()) == 7


async def test_the_key_is_sent_in_its_header(house: House, autojump_clock: MockClock) -> None:
    await trio.sleep(0.1)
    assert {headers["kyutai-api-key"] for _, _, headers in house.servers.asked} == {"public_token"}


@pytest.mark.parametrize(
    ("url", "asked", "path"),
    [
        (f"ws://h:8090{STT_PATH}", "http://h:8090/api/modules_info", STT_PATH),
        (f"wss://h{STT_PATH}", "https://h/api/modules_info", STT_PATH),
        (f"wss://h/gpu/1{STT_PATH}", "https://h/gpu/1/api/modules_info", STT_PATH),
        (f"ws://me:pw@h{STT_PATH}?auth_id=k", "http://h/api/modules_info", STT_PATH),
        ("ws://[::1]:80/asr", "http://[::1]:80/api/modules_info", "/asr"),
    ],
)
def test_the_address_of_the_answer_is_beside_the_route(url: str, asked: str, path: str) -> None:
    found = inquiry("kyutai", "stt", MoshiStt(url=url, api_key=None))
    if path == "/asr":
        path = found.path  # another layout: whatever the path, the server says what it has
    assert (found.url, found.path, found.headers) == (asked, path, {})


def test_an_inquiry_does_not_show_the_key() -> None:
    assert "hush" not in repr(inquiry("kyutai", "stt", MoshiStt(api_key=Secret("hush"))))


async def test_engines_in_the_cloud_are_not_asked_and_not_limited(
    house: House, autojump_clock: MockClock
) -> None:
    await trio.sleep(5)
    assert {url.split("/")[2] for _, url, _ in house.servers.asked} == {"ears:8090", "voices:8080"}
    house.leases(50, "cloud")
    assert house.room("tts", "cartesia").free == math.inf


async def test_a_server_that_no_agent_uses_is_not_asked(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    servers = Servers()
    async with http_client(httpx.MockTransport(servers.answer)) as http:
        cloud = settings().agents["cloud"]
        capacity = Capacity(settings(agents={"default": cloud}), http)
        with trio.move_on_after(5):
            await capacity.watch()
        assert {room.name for room in capacity.rooms()} == {"deep", "claude", "cartesia"}
        capacity.reached("llm", "local", Reach.OK)  # kept warm, and nobody's
    assert servers.asked == []


# --- leases --------------------------------------------------------------------------------------


async def test_two_calls_between_two_polls_do_not_share_a_slot(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.used[STT] = 1
    await trio.sleep(0.1)
    (lease,) = house.leases(1)
    assert house.refusal() == "stt-slots"
    lease.release()
    house.leases(1)


async def test_a_slot_of_ours_is_not_counted_twice(house: House, autojump_clock: MockClock) -> None:
    await trio.sleep(0.1)
    house.leases(1)
    house.servers.used[STT] = 1
    await trio.sleep(2)
    assert house.room("stt").free == 1
    house.leases(1)
    assert house.refusal() == "stt-slots"


async def test_a_call_that_comes_while_the_server_answers_is_not_taken_for_connected(
    house: House,
    autojump_clock: MockClock,
) -> None:
    house.servers.delay_s = 0.5
    await trio.sleep(0.1)
    house.leases(1)
    house.servers.used[STT] = 1  # another's
    await trio.sleep(1)
    assert house.room("stt").free == 0


async def test_other_clients_of_the_same_gpu_take_room_and_leave_it(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.used[STT] = 2
    await trio.sleep(0.1)
    assert house.refusal() == "stt-slots"
    house.servers.used[STT] = 0
    await trio.sleep(2)
    house.leases(2)


async def test_a_lease_is_given_back_once(house: House, autojump_clock: MockClock) -> None:
    await trio.sleep(0.1)
    one, _two = house.leases(2)
    one.release()
    one.release()
    assert house.room("stt").free == 1
    house.leases(1)
    assert house.refusal() == "stt-slots"


async def test_a_lease_ends_with_its_scope(house: House, autojump_clock: MockClock) -> None:
    await trio.sleep(0.1)
    with house.capacity.lease("default"):
        assert house.room("stt").free == 1
    assert house.room("stt").free == 2


async def test_a_refused_call_takes_nothing(house: House, autojump_clock: MockClock) -> None:
    house.servers.total[TTS] = 0
    await trio.sleep(0.1)
    assert house.refusal() == "tts-slots"
    assert house.room("stt").free == 2


async def test_two_voices_of_one_server_share_its_slots(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.total[STT] = 9
    await trio.sleep(0.1)
    house.leases(2)
    assert house.room("tts", "kyutai").free == 2
    assert house.refusal("low") == "tts-slots"  # one call per slot, and two are taken
    house.leases(2)
    assert house.refusal() == "tts-slots"


async def test_voices_that_others_fill_refuse_calls_at_the_third_poll(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.used[TTS] = 2
    await trio.sleep(3)
    house.leases(1)[0].release()
    await trio.sleep(2)
    assert house.refusal() == "tts-slots"
    house.servers.used[TTS] = 1
    await trio.sleep(2)
    house.leases(1)


# --- faults --------------------------------------------------------------------------------------

FAULTS = {
    "refused": raising(nothing_listens()),
    "reset": raising(httpx.ReadError("gone")),
    "500": lambda: httpx.Response(500),
    "302": lambda: httpx.Response(302, headers={"location": "/"}),
    "html": lambda: httpx.Response(200, content=b"<html>"),
    "nonsense": lambda: httpx.Response(200, content=b'[{"total_slots": "many"}]'),
    "endless": lambda: httpx.Response(200, content=Endless()),
}


@define(eq=False)
class Endless:
    """A body without an end, which counts what was read of it."""

    sent: int = 0

    def __aiter__(self) -> "Endless":
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        self.sent += 1000
        return b" " * 1000


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_away_twice_takes_no_calls_until_it_answers(
    fault: str, house: House, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "voiced")
    await trio.sleep(0.1)
    house.servers.fault[STT] = FAULTS[fault]
    await trio.sleep(2)
    house.leases(1)[0].release()  # one lost poll is forgiven
    assert house.room("stt").free == 2
    assert caplog.records == []
    await trio.sleep(2)
    assert house.refusal() == "stt-unreachable"
    assert house.room("stt") == Room("stt", "kyutai", RoomState.UNREACHABLE, None, None, 0)
    await trio.sleep(20)
    del house.servers.fault[STT]
    await trio.sleep(2)
    house.leases(1)
    assert [(record.levelname, record.name) for record in caplog.records] == [
        ("WARNING", "voiced.engines.capacity"),
        ("INFO", "voiced.engines.capacity"),
    ]


async def test_a_server_that_answers_late_is_away(
    house: House, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    house.servers.delay_s = 1.1
    await trio.sleep(3.5)
    assert {room.state for room in house.capacity.rooms() if room.name == "kyutai"} == {
        RoomState.UNREACHABLE
    }
    assert house.refusal() == "stt-unreachable"
    assert "did not answer within 1 s" in caplog.text


async def test_a_server_that_was_never_there_is_told_with_its_address(
    house: House, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    house.servers.fault[TTS] = FAULTS["refused"]
    await trio.sleep(3)
    assert house.refusal() == "tts-unreachable"
    assert "tts kyutai" in caplog.text
    assert "nothing listens at http://voices:8080/api/modules_info" in caplog.text


async def test_every_other_poll_lost_is_not_away(house: House, autojump_clock: MockClock) -> None:
    for _ in range(6):
        house.servers.fault[STT] = FAULTS["500"]
        await trio.sleep(2)
        del house.servers.fault[STT]
        await trio.sleep(2)
        assert house.room("stt").state is RoomState.OPEN


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b'[{"type":"py","path":"/api/x","used_slots":"1",'
                                    b'"total_slots":"1"}]'),
    ],
)  # fmt: skip
async def test_a_server_that_does_not_tell_of_the_route_limits_nothing(
    answer: httpx.Response, house: House, autojump_clock: MockClock
) -> None:
    house.servers.fault[STT] = lambda: httpx.Response(answer.status_code, content=answer.content)
    await trio.sleep(5)
    assert house.room("stt") == Room("stt", "kyutai", RoomState.OPEN, None, None, math.inf)
    house.leases(4)


async def test_an_endless_answer_is_not_read_to_its_end(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    body = Endless()

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(200, content=body)

    async with http_client(httpx.MockTransport(answer)) as http:
        agents = {"default": Agent(tts=("cartesia",))}
        with trio.move_on_after(1.5):
            await Capacity(settings(agents=agents), http).watch()
    assert MAX_BYTES < body.sent < 2 * MAX_BYTES


# --- the model -----------------------------------------------------------------------------------


async def test_a_model_away_twice_takes_no_calls_until_it_is_back(
    house: House, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "voiced")
    await trio.sleep(0.1)
    house.capacity.reached("llm", "local", Reach.OK)
    house.capacity.reached("llm", "local", Reach.FAILED)
    house.leases(1)
    house.capacity.reached("llm", "local", Reach.FAILED)
    house.capacity.reached("llm", "local", Reach.FAILED)
    assert house.refusal() == "llm-unreachable"
    assert house.room("llm", "local").free == 0
    house.leases(1, "cloud")
    house.capacity.reached("llm", "local", Reach.OK)
    house.leases(1)
    assert house.room("llm", "local").state is RoomState.OPEN
    assert caplog.messages == [
        "an engine is away: llm local: not reached twice in a row",
        "an engine is back: llm local",
    ]


async def test_a_model_that_was_never_there_is_away_at_once(  # its house has a clock
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await trio.lowlevel.checkpoint()
    house.capacity.reached("llm", "local", Reach.FAILED)
    assert house.refusal() == "llm-unreachable"
    assert caplog.messages == ["an engine is away: llm local: not reached"]


async def test_a_server_that_does_not_answer_the_first_time_is_away_at_once(
    house: House, autojump_clock: MockClock
) -> None:
    house.servers.fault[STT] = FAULTS["refused"]
    await trio.sleep(0.1)
    assert house.refusal() == "stt-unreachable"
    del house.servers.fault[STT]
    await trio.sleep(2)
    house.leases(1)


async def test_success_elsewhere_does_not_make_slots_forgotten(
    house: House, autojump_clock: MockClock
) -> None:
    await trio.sleep(0.1)
    house.capacity.reached("stt", "kyutai", Reach.OK)
    assert house.room("stt").total == 2


# --- spares --------------------------------------------------------------------------------------


async def test_a_spare_takes_the_calls_that_the_first_has_no_room_for(
    house: House, autojump_clock: MockClock
) -> None:
    await trio.sleep(0.1)
    first, second, third = house.leases(3, "spared")  # two slots, and Deepgram
    assert house.refusal() == "stt-slots"
    first.release()
    house.leases(1)[0].release()
    second.release()
    third.release()


async def test_an_agent_without_any_engine_left_hears_of_the_preferred_one(
    house: House, autojump_clock: MockClock
) -> None:
    await trio.sleep(0.1)
    for _ in range(2):
        house.capacity.reached("llm", "local", Reach.FAILED)
    assert house.refusal("spared") == "llm-unreachable"
