"""The daemon under a systemd that is this test: real processes, sockets and signals."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define
from daemon_process import Systemd, daemon, systemd
from daemon_stage import BRIEF, PATIENT, SPEECH, TOKEN, engine_set, free_port, running, settings
from trio.testing import MockClock

from voiced import house
from voiced.call import editions
from voiced.daemon import life
from voiced.daemon.orders import Orders
from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.phone_call import CallResult, place_call
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Ended, Kind, PhoneEvent

CONFIGURATION = """
[server]
port = {port}
drain_s = 20
{server}
[twilio]
auth_token = "{token}"
{engines}
[agent.default]
language = "en"
greeting = ""
goodbye = ""
stt = ["lab"]
llm = ["lab"]
tts = ["lab"]
[records]
directory = "{records}"
"""


@define
class Site:
    """A place for a daemon: its file, its systemd, its engines."""

    folder: Path
    port: int
    manager: Systemd
    engines: str

    def write(self, name: str = "voiced.toml", server: str = "") -> Path:
        file = self.folder / name
        text = CONFIGURATION.format(
            port=self.port,
            server=server,
            token=TOKEN,
            engines=self.engines,
            records=self.folder / "records",
        )
        file.write_text(text)
        file.chmod(0o600)
        return file

    @property
    def environ(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.manager.address}

    @property
    def call(self) -> CallSettings:
        return CallSettings(url=f"http://127.0.0.1:{self.port}", auth_token=TOKEN)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with systemd(tmp_path) as manager:
        yield Site(tmp_path, free_port(), manager, AWAY)


AWAY = """
[stt.lab]
type = "moshi"
url = "ws://127.0.0.1:9/api/asr-streaming"
[llm.lab]
type = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "m"
[tts.lab]
type = "moshi"
url = "ws://127.0.0.1:9/api/tts_streaming"
"""
"""Nothing listens at port 9."""


@pytest.fixture
async def lab(site: Site, nursery: trio.Nursery) -> Lab:
    chosen = LabSettings(stt_port=0, tts_port=0, llm_port=0, voice="tone", ear="words")
    made: Lab = await nursery.start(partial(run_lab, chosen))
    site.engines = made.configuration()
    return made


@pytest.fixture(autouse=True)
async def patience(nursery: trio.Nursery) -> None:
    """No process is waited for without end."""

    async def give_up() -> None:
        await trio.sleep(40)
        raise TimeoutError

    nursery.start_soon(give_up)


@define
class Caller:
    """Somebody on the line until `line` is cancelled; `agent` is set when the agent is heard."""

    settings: CallSettings
    line: trio.CancelScope
    connected: trio.Event
    over: trio.Event
    result: CallResult | None = None

    async def live(self) -> None:
        def tell(event: PhoneEvent) -> None:
            if event.kind is Kind.CONNECTED:
                self.connected.set()

        with self.line:
            self.result = await place_call(self.settings, PATIENT, SPEECH, tell)
        self.over.set()


async def on_the_line(site: Site, nursery: trio.Nursery) -> Caller:
    caller = Caller(site.call, trio.CancelScope(), trio.Event(), trio.Event())
    nursery.start_soon(caller.live)
    await caller.connected.wait()
    return caller


async def status_of(site: Site) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{site.port}/healthz")).status_code


# --- ready, status, stopping ----------------------------------------------------------------------


async def test_a_daemon_is_ready_says_how_it_is_and_stops(
    site: Site, lab: Lab, nursery: trio.Nursery
) -> None:
    async with daemon(site.write(), site.environ) as there:
        ready = await site.manager.hear(READY="1")
        assert ready["STATUS"] == "no calls, 16 STT slots free, 8 TTS slots free"
        assert site.manager.told[0] == {"STATUS": "starting: asking the engines"}
        caller = await on_the_line(site, nursery)
        await site.manager.hear(STATUS="1 call")
        there.signal()
        stopping = await site.manager.hear(STOPPING="1")
        assert re.fullmatch(r"draining 1 call, longest 00:0\d", stopping["STATUS"])
        await site.manager.hear(EXTEND_TIMEOUT_USEC="15000000")
        there.signal()
        await caller.over.wait()
        assert await there.ended() == 0
    assert "Traceback" not in there.text()
    nursery.cancel_scope.cancel()


async def test_a_fresh_install_is_ready_and_says_what_is_missing(
    site: Site, nursery: trio.Nursery
) -> None:
    file = site.write()
    file.write_text(file.read_text().replace(f'auth_token = "{TOKEN}"', ""))
    environ = site.environ | {"TWILIO_AUTH_TOKEN": ""}
    async with daemon(file, environ) as there:
        await site.manager.hear(READY="1")
        told = site.manager.told[-1]["STATUS"]
        assert told.startswith("no call can be taken: stt-unreachable (stt lab is away); ")
        assert "; twilio.auth_token is not set (" in told
        there.signal(signal.SIGINT)
        assert await there.ended() == 0
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("address", ["", "nonsense", "/nowhere/notify"])
async def test_a_systemd_that_is_absent_or_wrong_costs_nothing(
    site: Site, nursery: trio.Nursery, address: str
) -> None:
    async with daemon(site.write(), {"NOTIFY_SOCKET": address}) as there:
        await there.says("listening")
        there.signal()
        assert await there.ended() == 0
    nursery.cancel_scope.cancel()


async def test_a_wrong_configuration_is_exit_code_78(site: Site, nursery: trio.Nursery) -> None:
    async with daemon(site.write(server="drain = 3"), site.environ) as there:
        assert await there.ended() == 78
    assert "drain_s" in there.text()
    assert not site.manager.told
    nursery.cancel_scope.cancel()


async def test_a_port_in_use_is_exit_code_1(site: Site, nursery: trio.Nursery) -> None:
    with socket.create_server(("127.0.0.1", site.port)):
        async with daemon(site.write(), site.environ) as there:
            assert await there.ended() == 1
    assert f"cannot listen on 127.0.0.1:{site.port}" in there.text()
    nursery.cancel_scope.cancel()


# --- signals --------------------------------------------------------------------------------------


async def test_a_signal_during_the_start_ends_it_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """Before the first guest is let in there is nobody to wait for."""
    monkeypatch.setattr(editions, "build_engines", lambda of, http, tell: engine_set())

    async def slow(here: house.House) -> tuple[()]:
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.sleep_forever()
        return ()

    monkeypatch.setattr(life, "_open_calls", slow)
    with systemd(tmp_path) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        await life.run(settings(tmp_path))
        await manager.hear(STOPPING="1")
    assert not manager.heard("READY")
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.4, 0.8])
async def test_a_signal_at_any_moment_of_the_start_is_a_clean_exit(
    site: Site, nursery: trio.Nursery, after_s: float
) -> None:
    """Before voiced has a handler, the signal itself ends it: systemd takes that for clean."""
    async with daemon(site.write(), site.environ) as there:
        await trio.sleep(after_s)
        there.signal()
        assert await there.ended() in (0, -signal.SIGTERM)
    assert "Traceback" not in there.text()
    nursery.cancel_scope.cancel()


async def test_what_orders_mean_depends_on_when_they_come(autojump_clock: MockClock) -> None:
    send, receive = trio.open_memory_channel[int](9)

    async def heed(orders: Orders, *numbers: int) -> None:
        for number in numbers:
            send.send_nowait(number)
        with trio.move_on_after(1):
            await orders.heed(receive)

    early, late = Orders(), Orders()
    await heed(early, signal.SIGHUP, signal.SIGTERM)
    assert early.life.cancel_called
    assert not early.stop.is_set()
    late.started()
    await heed(late, signal.SIGTERM)
    assert late.stop.is_set()
    assert late.service.cancel_called
    assert not late.patience.cancel_called
    await heed(late, signal.SIGINT)
    assert late.patience.cancel_called
    assert not late.life.cancel_called


async def test_the_file_is_read_again_and_a_bad_one_is_told(
    site: Site, lab: Lab, nursery: trio.Nursery
) -> None:
    async with daemon(site.write(), site.environ) as there:
        await site.manager.hear(READY="1")
        caller = await on_the_line(site, nursery)
        site.write(server="max_calls = 1")
        there.signal(signal.SIGHUP)
        reloading = await site.manager.hear(RELOADING="1")
        assert int(reloading["MONOTONIC_USEC"]) > 0
        ready = await site.manager.hear(READY="1")
        assert "1 call, no other can be taken: max-calls" in ready["STATUS"]
        site.write(server="max_calls = 0\nport_ = 3")
        there.signal(signal.SIGHUP)
        ready = await site.manager.hear(READY="1", STATUS="2 problems, see the log")
        assert there.text().count("the configuration is not taken, since") == 2
        (site.folder / "voiced.toml").unlink()
        there.signal(signal.SIGHUP)
        await site.manager.hear(READY="1", STATUS="1 problem, see the log")
        site.write()
        there.signal(signal.SIGHUP)
        ready = await site.manager.hear(READY="1", STATUS="slots free")
        assert not caller.over.is_set()
        there.signal()
        await site.manager.hear(STOPPING="1")
        there.signal()
        assert await there.ended() == 0
    assert "Traceback" not in there.text()
    nursery.cancel_scope.cancel()


# --- the watchdog ---------------------------------------------------------------------------------


async def test_the_watchdog_is_fed(site: Site, nursery: trio.Nursery) -> None:
    async with daemon(site.write(), site.environ | {"WATCHDOG_USEC": "400000"}) as there:
        for _ in range(3):
            await site.manager.hear(WATCHDOG="1")
        there.signal()
        assert await there.ended() == 0
    assert "the watchdog is not fed" not in there.text()
    nursery.cancel_scope.cancel()


async def test_the_watchdog_of_a_daemon_in_this_process_looks_at_its_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    monkeypatch.setattr(editions, "build_engines", lambda of, http, tell: engine_set())
    monkeypatch.setattr("voiced.ops.vitals.PACER_S", -1.0)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with systemd(tmp_path) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        async with running(settings(tmp_path)) as there:
            with trio.move_on_after(1):
                await manager.hear(WATCHDOG="1")
            assert not manager.heard("WATCHDOG")
            await there.call()
    nursery.cancel_scope.cancel()


# --- sockets of systemd's -------------------------------------------------------------------------


@pytest.fixture
def given(site: Site) -> Iterator[socket.socket]:
    """voiced.socket's, on the port of the configuration."""
    with socket.create_server(("127.0.0.1", site.port)) as there:
        yield there


async def test_a_socket_of_systemds_is_served(
    site: Site, lab: Lab, given: socket.socket, nursery: trio.Nursery
) -> None:
    async with daemon(site.write(), site.environ, given) as there:
        await site.manager.hear(READY="1")
        result = await place_call(site.call, BRIEF, SPEECH)
        assert result.ended is Ended.HUNG_UP
        there.signal()
        assert await there.ended() == 0
    nursery.cancel_scope.cancel()


async def test_a_daemon_alone_on_its_socket_refuses_politely_while_it_drains(
    site: Site, lab: Lab, given: socket.socket, nursery: trio.Nursery
) -> None:
    """Nobody else would answer: neither new callers nor what the carrier asks of old ones."""
    async with daemon(site.write(), site.environ, given) as there:
        await site.manager.hear(READY="1")
        caller = await on_the_line(site, nursery)
        there.signal()
        await site.manager.hear(STOPPING="1")
        refused = await place_call(site.call, BRIEF, SPEECH)
        assert refused.ended is Ended.TWIML
        assert await status_of(site) == 200
        assert not caller.over.is_set()
        there.signal()
        assert await there.ended() == 0
    nursery.cancel_scope.cancel()


async def test_a_stand_in_takes_the_socket_over_and_no_call_is_refused(
    site: Site, lab: Lab, given: socket.socket, nursery: trio.Nursery
) -> None:
    (site.folder / "b").mkdir()
    with systemd(site.folder / "b") as other:
        async with daemon(site.write(), site.environ, given) as old:
            await site.manager.hear(READY="1")
            caller = await on_the_line(site, nursery)
            file = site.write("new.toml")
            async with daemon(file, {"NOTIFY_SOCKET": other.address}, given) as new:
                await other.hear(READY="1")
                assert "of the run before" not in new.text(), "it has taken the old one's call"
                old.signal()
                await site.manager.hear(STOPPING="1")
                results = [await place_call(site.call, BRIEF, SPEECH) for _ in range(5)]
                assert {each.ended for each in results} == {Ended.HUNG_UP}
                assert not caller.over.is_set()
                caller.line.cancel()
                assert await old.ended() == 0
                assert "another daemon has taken over the port" in old.text()
                assert await status_of(site) == 200
                new.signal()
                assert await new.ended() == 0
                assert "taken over" not in new.text()
    nursery.cancel_scope.cancel()


async def test_a_second_daemon_lets_nobody_in_before_it_is_ready(
    site: Site, lab: Lab, given: socket.socket, nursery: trio.Nursery
) -> None:
    """Until then the other one's guests would come to it."""
    (site.folder / "b").mkdir()
    with systemd(site.folder / "b") as other:
        async with daemon(site.write(), site.environ, given):
            await site.manager.hear(READY="1")
            async with daemon(
                site.write("new.toml"), {"NOTIFY_SOCKET": other.address}, given
            ) as new:
                await other.hear(STATUS="starting")
                assert "listening" not in new.text()
                await other.hear(READY="1")
                await new.says("listening")
    nursery.cancel_scope.cancel()


async def test_sockets_that_cannot_be_are_told_in_a_sentence(
    site: Site, nursery: trio.Nursery
) -> None:
    with socket.socket() as deaf:
        async with daemon(site.write(), site.environ, deaf) as there:
            assert await there.ended() == 1
    assert "the socket voiced.socket that systemd passed (file 3) does not listen" in there.text()
    nursery.cancel_scope.cancel()


async def test_a_socket_on_another_port_is_told(site: Site, nursery: trio.Nursery) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        async with daemon(site.write(), site.environ, other) as there:
            await site.manager.hear(READY="1")
            there.signal()
            assert await there.ended() == 0
        port = other.getsockname()[1]
    assert f"ask at server.port port={port} server_port={site.port}" in there.text()
    nursery.cancel_scope.cancel()


# --- everything is imported -----------------------------------------------------------------------


async def test_a_started_daemon_imports_nothing_more(
    site: Site, lab: Lab, nursery: trio.Nursery
) -> None:
    """An upgrade replaces the files under it."""
    async with daemon(site.write(), site.environ, options=("-X", "importtime")) as there:
        await site.manager.hear(READY="1")
        started = len(there.text())
        assert "import time:" in there.text()
        await place_call(site.call, BRIEF, SPEECH)
        async with httpx.AsyncClient(base_url=f"http://localhost:{site.port}") as client:
            for path in ("/readyz", "/v1/calls", "/v1/calls/CA1", "/v1/events", "/nothing"):
                await client.get(path)
            await client.post("/v1/calls", json={"to": "+33612345678"})
            await client.post("/twilio/voice", data={"CallSid": "CA1"})
        site.write(server="max_calls = 1")
        there.signal(signal.SIGHUP)
        await site.manager.hear(RELOADING="1")
        await site.manager.hear(READY="1")
        there.signal()
        assert await there.ended() == 0
    late = [line for line in there.text()[started:].splitlines() if line.startswith("import time:")]
    assert late == []
    nursery.cancel_scope.cancel()
