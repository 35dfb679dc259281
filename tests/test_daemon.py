"""The daemon from start to stop, on real loopback sockets, with pretended engines."""

import logging
import math
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field
from stories import FakeLlm, FakeStt, FakeTts
from trio.testing import MockClock

from voiced import daemon, house
from voiced.config import (
    Agent,
    CartesiaTts,
    DeepgramStt,
    OpenAiLlm,
    Records,
    Secret,
    Server,
    Settings,
    Twilio,
)
from voiced.engines.build import EngineSet
from voiced.errors import EngineTimeout, StartupError
from voiced.lab.phone_call import CallResult, place_call
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Ended, Kind, PhoneEvent
from voiced.lab.script import After, Cue, HangUp, Say, Turn

TOKEN = "12345"
HELLO = Turn(Say("hello"), After(Cue.SILENCE, 0.02))
BRIEF = (HELLO, Turn(HangUp(), After(Cue.SILENCE, 0.02)))
PATIENT = (HELLO, Turn(HangUp(), After(Cue.SILENCE, 60)))
SPEECH = (b"\x10" * 160, b"")


def agent(**texts: str) -> Agent:
    said = {
        "greeting": "Hello", "goodbye": "Bye", "apology": "", "idle_prompt": "", "filler": "",
        "resumed": "",
        "transfer_announcement": "", "transfer_failed": "", "voicemail": "",
    } | texts  # fmt: skip
    return Agent(language="en", stt=("ear",), llm=("mind",), tts=("voice",), **said)


def engine_set() -> EngineSet:
    return EngineSet(
        {"ear": FakeStt()}, {"mind": FakeLlm(last_used=math.inf)}, {"voice": FakeTts()}
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])


def settings(directory: Path, drain_s: float = 60) -> Settings:
    return Settings(
        server=Server(port=free_port(), drain_s=drain_s),
        twilio=Twilio(auth_token=Secret(TOKEN)),
        agents={"default": agent()},
        records=Records(directory=directory),
        stt={"ear": DeepgramStt()},  # of those that are not polled
        llm={"mind": OpenAiLlm(model="m")},
        tts={"voice": CartesiaTts(voice="v")},
    )


@define
class Running:
    """A daemon, and its callers."""

    settings: Settings
    nursery: trio.Nursery
    started: trio.Event = field(factory=trio.Event)
    stopped: trio.Event = field(factory=trio.Event)
    results: list[CallResult] = field(factory=list)

    async def live(self) -> None:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(daemon.run, self.settings)
                self.started.set()
        self.stopped.set()

    async def call(self, turns: Sequence[Turn] = BRIEF) -> CallResult:
        """The whole call."""
        url = f"http://127.0.0.1:{self.settings.server.port}"
        return await place_call(CallSettings(url=url, auth_token=TOKEN), turns, SPEECH)

    async def connect(self) -> "Held":
        """Calls and stays on the line; returns when the agent is heard."""
        heard, held = trio.Event(), Held()

        def tell(event: PhoneEvent) -> None:
            if event.kind is Kind.AGENT_SPEAKS:
                heard.set()

        async def hold() -> None:
            url = f"http://127.0.0.1:{self.settings.server.port}"
            call = CallSettings(url=url, auth_token=TOKEN)
            with held.line:
                self.results.append(await place_call(call, PATIENT, SPEECH, tell))
            held.over.set()

        self.nursery.start_soon(hold)
        await heard.wait()
        return held


@define
class Held:
    """A call that goes on; cancelling `line` drops it."""

    line: trio.CancelScope = field(factory=trio.CancelScope)
    over: trio.Event = field(factory=trio.Event)


@asynccontextmanager
async def running(of: Settings) -> AsyncIterator[Running]:
    async with trio.open_nursery() as nursery:
        there = Running(of, nursery)
        nursery.start_soon(there.live)
        await there.started.wait()
        yield there
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> EngineSet:
    pretended = engine_set()
    monkeypatch.setattr(house, "build_engines", lambda settings, http, tell: pretended)
    return pretended


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def test_a_started_daemon_takes_a_call(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        result = await there.call()
        assert result.ended is Ended.HUNG_UP
        assert result.warnings == ()
        assert len(result.agent) > 0


async def test_without_a_call_the_first_signal_ends_it(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        stop()
        await there.stopped.wait()
        with pytest.raises(OSError, match="all attempts"):
            await trio.open_tcp_stream("127.0.0.1", there.settings.server.port)


async def test_a_draining_daemon_refuses_politely_and_finishes_its_calls(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        held = await there.connect()
        stop()
        await trio.testing.wait_all_tasks_blocked(0.01)
        refused = await there.call()
        assert refused.ended is Ended.TWIML
        assert "All our lines are busy" in refused.events[0].text
        assert not held.over.is_set()
        assert not there.stopped.is_set()
        held.line.cancel()
        await there.stopped.wait()


async def test_after_the_drain_the_agent_says_goodbye(tmp_path: Path) -> None:
    async with running(settings(tmp_path, drain_s=0.05)) as there:
        held = await there.connect()
        stop()
        await held.over.wait()
        await there.stopped.wait()
        (result,) = there.results
        assert result.ended is Ended.SERVER_CLOSED
        assert len(result.agent_runs) >= 1


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        held = await there.connect()
        stop()
        await trio.testing.wait_all_tasks_blocked(0.01)
        stop()
        await there.stopped.wait()
        await held.over.wait()


async def test_a_stuck_guest_does_not_hold_it_up(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        stream = await trio.open_tcp_stream("127.0.0.1", there.settings.server.port)
        async with stream:
            await stream.send_all(b"POST /twiml HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked(0.01)
            stop()
            await there.stopped.wait()


async def test_a_port_that_is_taken_is_told_in_a_sentence(tmp_path: Path) -> None:
    of = settings(tmp_path)
    with (
        socket.create_server(("127.0.0.1", of.server.port)),
        pytest.raises(StartupError, match="cannot listen on 127"),
    ):
        await daemon.run(of)


# --- phrases -------------------------------------------------------------------------------------


@define
class Book:
    """Renders nothing; fails as told, once for each entry."""

    fails: dict[str, list[Exception]] = field(factory=dict)
    asked: list[tuple[float, str]] = field(factory=list)

    async def prepare(self, tts: FakeTts, text: str, language: str) -> None:
        await trio.lowlevel.checkpoint()
        self.asked.append((trio.current_time(), text))
        if self.fails.get(text):
            raise self.fails[text].pop(0)


async def test_a_phrase_that_cannot_be_rendered_is_tried_again_and_holds_up_no_other(
    tmp_path: Path, engines: EngineSet, autojump_clock: MockClock
) -> None:
    late = EngineTimeout("voice", "tts", "it did not answer in time")
    book = Book({"Hello": [late, late]})
    await daemon._prepare_all(settings(tmp_path), engines, book)
    first, second = daemon.PHRASE_RETRY_S[:2]
    assert book.asked == [
        (0, "Hello"), (0, "Bye"), (first, "Hello"), (first + second, "Hello"),
    ]  # fmt: skip


async def test_a_full_disk_is_told_and_not_tried_again(
    tmp_path: Path, engines: EngineSet, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    book = Book({"Hello": [OSError(28, "No space left on device")]})
    with caplog.at_level(logging.WARNING, "voiced"):
        await daemon._prepare_all(settings(tmp_path), engines, book)
    assert [text for _, text in book.asked] == ["Hello", "Bye"]
    assert "cannot keep a phrase of agent default on disk" in caplog.text


async def test_phrases_that_differ_from_call_to_call_are_left_alone(
    tmp_path: Path, engines: EngineSet, autojump_clock: MockClock
) -> None:
    of = Settings(
        agents={"default": agent(greeting="Hello {caller}", idle_prompt="It is {date}, {name}")},
        records=Records(directory=tmp_path),
    )
    book = Book()
    await daemon._prepare_all(of, engines, book)
    assert [text for _, text in book.asked] == ["Bye"]
