"""A daemon in this process on a real port, with pretended engines, and its callers."""

import math
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, field
from stories import FakeLlm, FakeStt, FakeTts

from voiced import daemon
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
from voiced.lab.phone_call import CallResult, place_call
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Kind, PhoneEvent
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
    reload: Callable[[], Settings] | None = None
    started: trio.Event = field(factory=trio.Event)
    stopped: trio.Event = field(factory=trio.Event)
    results: list[CallResult] = field(factory=list)

    async def live(self) -> None:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(daemon.run, self.settings, reload=self.reload))
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
async def running(
    of: Settings, reload: Callable[[], Settings] | None = None
) -> AsyncIterator[Running]:
    async with trio.open_nursery() as nursery:
        there = Running(of, nursery, reload)
        nursery.start_soon(there.live)
        await there.started.wait()
        yield there
        nursery.cancel_scope.cancel()


def stop(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)
