"""The configuration is read again while calls go on."""

import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import trio
import trio.lowlevel
from attrs import define, evolve, field
from daemon_stage import agent, engine_set, running, settings, stop
from metrics_page import shown, value
from stories import FakeLlm, FakeStt, FakeTts

from voiced import house
from voiced.call import editions
from voiced.call.parties import Parties, Stage
from voiced.config import (
    Api,
    CartesiaTts,
    Limits,
    Log,
    LogLevel,
    MoshiStt,
    Records,
    Secret,
    Server,
    Settings,
    Twilio,
    Webhook,
)
from voiced.daemon import life
from voiced.daemon.renewal import keep, merged
from voiced.engines.build import EngineSet
from voiced.engines.rooms import Reach
from voiced.errors import ConfigError
from voiced.house import House

HERE = Path("/nowhere")
PARTIES = Parties("CA1", "default", "+33612345678", "+33123456789")

# --- what can be done -----------------------------------------------------------------------------


def test_agents_engines_routes_and_limits_are_taken_at_once() -> None:
    before = settings(HERE)
    read = evolve(
        before,
        agents={"default": agent(greeting="Hi"), "night": agent()},
        stt={"ear": MoshiStt()},
        limits=Limits(outbound_per_minute=1),
        api=Api(token=Secret("t")),
        log=Log(level=LogLevel.DEBUG),
        server=evolve(before.server, max_calls=1, drain_s=2),
    )
    assert merged(before, read, ()) == (read, ())


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        ({"server": Server(port=1, host="0.0.0.0", drain_s=60)}, ["server.host", "server.port"]),
        ({"twilio": Twilio(auth_token=Secret("new"))}, ["twilio.auth_token"]),
        ({"records": Records(recording=True)}, ["records.directory", "records.recording"]),
        ({"log": Log(redact=False)}, ["log.redact"]),
        ({"webhooks": {"crm": Webhook(url="https://x.example")}}, ["webhook"]),
    ],
)
def test_what_needs_a_restart_is_named_and_left_as_it_was(
    changed: dict[str, object], keys: list[str]
) -> None:
    before = settings(HERE)
    taken, due = merged(before, evolve(before, **changed), ())
    assert taken == before
    assert [key for key in due if key != "server.public_url"] == keys


def test_an_agent_that_is_gone_stays_for_its_calls_where_the_default_has_room() -> None:
    before = evolve(settings(HERE), agents={"default": agent(), "shop": agent(greeting="Shop")})
    host = evolve(agent(), stt=("deep",))
    read = evolve(before, agents={"default": host})
    taken, _ = merged(before, read, {"shop", "default"})
    assert taken.agents == {"default": host, "shop": evolve(before.agents["shop"], stt=("deep",))}
    assert merged(taken, read, ())[0] == read, "and goes with the next reading"


# --- in the house ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def sets(monkeypatch: pytest.MonkeyPatch) -> list[EngineSet]:
    """The engines of each edition."""
    made: list[EngineSet] = []

    def build(of: Settings, http: httpx.AsyncClient, tell: object) -> EngineSet:
        made.append(engine_set())
        return made[-1]

    monkeypatch.setattr(editions, "build_engines", build)
    return made


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    yield
    logging.getLogger("voiced").setLevel(logging.NOTSET)


@define
class File:
    """The configuration's, and who reads it."""

    content: Settings | ConfigError
    readings: int = 0
    go_on: threading.Event = field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self.go_on.set()

    def read(self) -> Settings:
        self.readings += 1
        assert self.go_on.wait(5)
        if isinstance(self.content, ConfigError):
            raise self.content
        return self.content


@pytest.fixture
def houses(monkeypatch: pytest.MonkeyPatch) -> list[House]:
    """Those that daemons have built, for a look inside; they are ready at once."""
    made: list[House] = []

    def build(*arguments: object) -> House:
        made.append(house.build(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(life, "build", build)
    monkeypatch.setattr("voiced.daemon.standing.READY_S", 0)
    return made


async def until(holds: Callable[[], object]) -> None:
    while True:
        if holds():
            return
        await trio.sleep(0.005)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records]


async def test_a_new_call_goes_by_the_new_settings_and_an_old_one_by_its_own(
    tmp_path: Path, houses: list[House], sets: list[EngineSet], caplog: pytest.LogCaptureFixture
) -> None:
    before = settings(tmp_path)
    file = File(evolve(before, agents={"default": agent(greeting="Another one")}))
    with caplog.at_level(logging.INFO):
        async with running(before, file.read) as there:
            held = await there.connect()
            (here,) = houses
            (entry,) = here.switchboard.register.calls.values()
            assert entry.persona
            stop(signal.SIGHUP)
            await until(lambda: len(sets) == 2)
            second = await there.connect()
            old, new = here.switchboard.register.calls.values()
            assert old.persona and new.persona  # noqa: PT018
            assert old.persona.engines.stt is sets[0].stt["ear"]
            assert new.persona.engines.stt is sets[1].stt["ear"]
            assert old.persona.texts != new.persona.texts
            assert not held.over.is_set()
            for line in (held, second):
                line.line.cancel()
    assert "the configuration is taken: new calls go by it" in messages(caplog)


async def test_a_bad_file_changes_nothing_and_every_problem_is_told(
    tmp_path: Path, houses: list[House], caplog: pytest.LogCaptureFixture
) -> None:
    before = settings(tmp_path)
    file = File(ConfigError(["v.toml:3: one", "v.toml:7: two"]))
    async with running(before, file.read) as there:
        stop(signal.SIGHUP)
        await until(lambda: len(messages(caplog)) >= 2)
        assert houses[0].settings is before
        assert (await there.call()).agent
    told = [text for text in messages(caplog) if "not taken" in text]
    assert told == [
        "the configuration is not taken, since v.toml:3: one",
        "the configuration is not taken, since v.toml:7: two",
    ]


async def test_a_storm_of_signals_is_two_readings(tmp_path: Path, houses: list[House]) -> None:
    before = settings(tmp_path)
    file = File(before)
    async with running(before, file.read):
        file.go_on.clear()
        stop(signal.SIGHUP)
        await until(lambda: file.readings == 1)
        for _ in range(100):
            stop(signal.SIGHUP)
            await trio.lowlevel.checkpoint()
        file.go_on.set()
        await until(lambda: file.readings == 2)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert file.readings == 2


async def test_a_file_that_is_as_it_was_makes_nothing_new(
    tmp_path: Path, houses: list[House], sets: list[EngineSet], caplog: pytest.LogCaptureFixture
) -> None:
    before = settings(tmp_path)
    with caplog.at_level(logging.INFO):
        async with running(before, File(settings(tmp_path)).read):
            stop(signal.SIGHUP)
            await until(lambda: "the configuration is as it was" in messages(caplog))
    assert len(sets) == 1
    (due,) = [each for each in caplog.records if "restarted" in each.getMessage()]
    assert due.fields == {"keys": ("server.port", "server.public_url")}  # type: ignore[attr-defined]


async def test_the_limits_and_the_log_follow(
    tmp_path: Path, houses: list[House], caplog: pytest.LogCaptureFixture
) -> None:
    before = settings(tmp_path)
    read = evolve(
        before,
        limits=Limits(outbound_per_minute=0, requests_per_minute=1),
        log=Log(level=LogLevel.ERROR),
        server=evolve(before.server, max_calls=0),
        warnings=("something is odd",),
    )
    async with running(before, File(read).read) as there:
        (here,) = houses
        kept = here.outbound
        stop(signal.SIGHUP)
        await until(lambda: here.settings == read)
        assert here.outbound is not kept
        assert (here.switchboard.register.max_calls, here.requests.take("a", 0)) == (0, 0)
        assert logging.getLogger("voiced").level == logging.ERROR
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{there.settings.server.port}/readyz"
            assert (await client.get(url)).json()["status"] == "max-calls"
    assert "the configuration is taken, but something is odd" in messages(caplog)


async def test_an_agent_that_is_new_is_counted_by_its_name(
    tmp_path: Path, houses: list[House]
) -> None:
    before = settings(tmp_path)
    read = evolve(before, agents={"default": agent(), "night": agent()})
    async with running(before, File(read).read):
        (here,) = houses
        stop(signal.SIGHUP)
        await until(lambda: here.settings == read)
        here.switchboard.admit(evolve(PARTIES, agent="night"), Stage.AWAITED, 60.0)
        page = shown(here.metrics.instruments)
    name = "voiced_calls_opened_total"
    assert value(page, name, direction="inbound", agent="night") == 1
    assert value(page, name, direction="inbound", agent="other") is None


async def test_limits_that_stay_keep_their_count(tmp_path: Path, houses: list[House]) -> None:
    before = settings(tmp_path)
    read = evolve(before, agents={"default": agent(greeting="Hi")})
    async with running(before, File(read).read):
        (here,) = houses
        kept = here.outbound, here.requests
        stop(signal.SIGHUP)
        await until(lambda: here.settings == read)
        assert (here.outbound, here.requests) == kept


async def test_without_a_file_the_signal_does_nothing(tmp_path: Path, houses: list[House]) -> None:
    """As when a terminal is closed: no reason to drop calls."""
    async with running(settings(tmp_path)) as there:
        stop(signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert (await there.call()).agent


# --- what runs for an edition ---------------------------------------------------------------------


@define
class Voice(FakeTts):
    """With a connection of its own, as Cartesia's."""

    tell: Callable[[Reach], None] | None = None
    ended: trio.Event = field(factory=trio.Event)

    async def run(self, tell: Callable[[Reach], None]) -> None:
        self.tell = tell
        try:
            await trio.sleep_forever()
        finally:
            self.ended.set()


@define
class Mind(FakeLlm):
    """Counts how often it is warmed."""

    warmed: int = 0

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()
        self.last_used = trio.current_time()
        self.warmed += 1


def silent() -> dict[str, object]:
    return {"default": agent(greeting="", goodbye="")}


async def test_engines_that_no_agent_has_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    minds = {"mind": Mind(), "spare": Mind(), "idle": Mind()}
    voices = {"voice": Voice(), "spare": Voice(), "idle": Voice()}
    engines = EngineSet({"ear": FakeStt()}, minds, voices)
    monkeypatch.setattr(editions, "build_engines", lambda of, http, tell: engines)
    of = settings(tmp_path)
    agents = {
        "default": agent(greeting="", goodbye=""),
        "night": evolve(
            agent(greeting="", goodbye=""), llm=("mind", "spare"), tts=("voice", "spare")
        ),
    }
    of = evolve(
        of,
        agents=agents,
        llm=dict.fromkeys(minds, of.llm["mind"]),
        tts=dict.fromkeys(voices, of.tts["voice"]),
    )
    async with httpx.AsyncClient() as http:
        here = house.build(of, house.Clients(http, http, http))
        nursery.start_soon(keep, here, here.editions.latest, trio.Event())
        await trio.testing.wait_all_tasks_blocked()
        assert {name: mind.warmed for name, mind in minds.items()} == {
            "mind": 1, "spare": 1, "idle": 0,
        }  # fmt: skip
        assert [name for name, voice in voices.items() if voice.tell] == ["voice", "spare"]
        nursery.cancel_scope.cancel()


async def test_an_editions_connections_last_as_long_as_its_last_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    voices = [Voice(), Voice()]
    minds = {"mind": FakeLlm(last_used=math.inf)}
    unused = iter([EngineSet({"ear": FakeStt()}, minds, {"voice": voice}) for voice in voices])
    monkeypatch.setattr(editions, "build_engines", lambda of, http, tell: next(unused))
    of = evolve(settings(tmp_path), agents=silent(), tts={"voice": CartesiaTts(voice="v")})
    async with httpx.AsyncClient() as http:
        here = house.build(of, house.Clients(http, http, http))
        first, succeeded = here.editions.latest, trio.Event()
        nursery.start_soon(keep, here, first, succeeded)
        entry = here.switchboard.admit(PARTIES, Stage.AWAITED, 60.0)
        await trio.testing.wait_all_tasks_blocked()
        here.renew(evolve(of, server=evolve(of.server, max_calls=9)))
        succeeded.set()
        nursery.start_soon(keep, here, here.editions.latest, trio.Event())
        await trio.testing.wait_all_tasks_blocked()
        assert not voices[0].ended.is_set(), "its call goes on"
        tell_old, tell_new = voices[0].tell, voices[1].tell
        assert tell_old
        assert tell_new
        tell_old(Reach.FAILED)
        assert not here.capacity.is_tried, "what became of an old engine is no news of a new one"
        here.switchboard.register.close(entry, "hangup")
        await voices[0].ended.wait()
        assert not voices[1].ended.is_set()
        tell_new(Reach.OK)
        nursery.cancel_scope.cancel()
