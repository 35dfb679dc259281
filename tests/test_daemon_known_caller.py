"""A daemon that asks the operator's own server who calls, and remembers it: real sockets, a real
database, pretended engines."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define, evolve, field
from daemon_stage import HELLO, TOKEN, Running, agent, engine_set, running, settings, stop
from stories import FakeLlm, FakeStt, FakeTts

from voiced.call import editions
from voiced.config import Agent, PreCall, Secret, Settings
from voiced.engines.build import EngineSet
from voiced.lab import server
from voiced.lab.phone_record import Ended
from voiced.lab.phone_wire import sign
from voiced.lab.script import After, Cue, HangUp, Turn
from voiced.records.signing import is_valid
from voiced.web.door import SIGNATURE

SECRET = "whsec-of-a-test"
UNHURRIED = (HELLO, Turn(HangUp(), After(Cue.SILENCE, 1.0)))


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> EngineSet:
    pretended = engine_set()
    monkeypatch.setattr(editions, "build_engines", lambda settings, http, tell: pretended)
    return pretended


@define
class Crm:
    """The operator's server. What it does is `manner`."""

    manner: str = "well"
    asked: list[dict[str, object]] = field(factory=list)
    signed: list[bool] = field(factory=list)
    gone: trio.Event = field(factory=trio.Event)

    async def handle(self, exchange: server.Exchange) -> None:
        request = exchange.request
        given = request.headers.get("voiced-signature", "")
        self.signed.append(is_valid(SECRET, request.body, given, time.time()))
        self.asked.append(json.loads(request.body))
        match self.manner:
            case "well":
                answer = {"variables": {"customer": "Ada", "unknown": "x"}}
                await exchange.respond(200, json.dumps(answer).encode())
            case "html":
                await exchange.respond(200, b"<html>Please log in", "text/html")
            case "error":
                await exchange.respond(503, b'{"variables": {"customer": "Eve"}}')
            case "redirect":
                elsewhere = (("location", "http://127.0.0.1:1/"),)
                await exchange.respond(302, headers=elsewhere)
            case "huge":
                await exchange.begin("application/json")
                await exchange.write(b'{"variables": {"customer": "Eve"}}')
                for _ in range(160):
                    await exchange.write(b" " * 65_536)
            case "drip":
                await exchange.begin("application/json")
                await exchange.write(b'{"variables"')
                await exchange.wait_gone()
                self.gone.set()
            case "drop":
                exchange.drop()


def known(of: Settings, port: int, **changes: object) -> Settings:
    """The same with an agent that asks that port who calls."""
    hook = PreCall(
        url=f"http://127.0.0.1:{port}/who",
        secret=Secret(SECRET),
        timeout_s=0.5,
        allow_private=True,
    )
    asking: Agent = evolve(
        agent(greeting="Hello {customer}"),
        variables={"customer": "stranger"},
        pre_call=hook,
        eager_reply=False,
        **changes,
    )
    return evolve(of, agents={"default": asking})


@asynccontextmanager
async def answered(
    directory: Path, manner: str = "well", **changes: object
) -> AsyncIterator[tuple[Running, Crm]]:
    crm = Crm(manner)
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(partial(server.serve, crm.handle, "127.0.0.1", 0))
        async with running(known(settings(directory), port, **changes)) as there:
            yield there, crm
        nursery.cancel_scope.cancel()


async def test_who_calls_is_greeted_by_name(tmp_path: Path, engines: EngineSet) -> None:
    async with answered(tmp_path) as (there, crm):
        result = await there.call(UNHURRIED)
        assert (result.ended, result.warnings) == (Ended.HUNG_UP, ())
    voice = engines.tts["voice"]
    assert isinstance(voice, FakeTts)
    assert "Ada" in voice.said
    (asked,) = crm.asked
    assert crm.signed == [True]
    assert asked["event"] == "call.incoming"
    assert isinstance(asked["call"], dict)
    assert asked["call"]["direction"] == "inbound"


async def test_the_carrier_does_not_wait_for_the_answer(tmp_path: Path) -> None:
    async with answered(tmp_path, "drip") as (there, crm):
        url = f"http://127.0.0.1:{there.settings.server.port}/twilio/voice"
        form = {"CallSid": "CA" + "1" * 32, "From": "+33612345678", "To": "+33123456789"}
        began = trio.current_time()
        async with httpx.AsyncClient() as http:
            signed = {SIGNATURE: sign(TOKEN, url, form)}
            answer = await http.post(url, data=form, headers=signed)
        assert "<Stream" in answer.text
        assert trio.current_time() - began < 0.4  # of the 0.5 s that the webhook has
        await crm.gone.wait()


@pytest.mark.parametrize("manner", ["html", "error", "redirect", "huge", "drip", "drop"])
async def test_whatever_the_server_does_the_call_is_answered(
    tmp_path: Path, engines: EngineSet, manner: str
) -> None:
    async with answered(tmp_path, manner) as (there, crm):
        result = await there.call()
        assert (result.ended, result.warnings) == (Ended.HUNG_UP, ())
        if manner == "drip":
            await crm.gone.wait()
    voice = engines.tts["voice"]
    assert isinstance(voice, FakeTts)
    assert "Eve" not in voice.said
    assert len(crm.asked) == 1


async def test_a_returning_caller_is_remembered_also_by_the_next_daemon(
    tmp_path: Path, engines: EngineSet
) -> None:
    ear, mind = engines.stt["ear"], engines.llm["mind"]
    assert isinstance(ear, FakeStt)
    assert isinstance(mind, FakeLlm)
    mind.answers += ["Certainly", "A table for two was booked."]
    async with answered(tmp_path, remember=True) as (there, _):
        await one_sentence(there, ear, "a table please")
        stop()  # who drains does not forget what is being summed up
        await there.stopped.wait()
    assert len(mind.asked) == 2
    async with answered(tmp_path, remember=True) as (there, _):
        await one_sentence(there, ear, "me again")
        stop()
        await there.stopped.wait()
    told = mind.asked[2][0]
    assert "A table for two was booked." in told.text  # type: ignore[union-attr]
    assert "This number has called before" in told.text  # type: ignore[union-attr]


async def one_sentence(there: Running, ear: FakeStt, sentence: str) -> None:
    began = trio.current_time() + 1.0
    ear.spoken = [(began + 0.1 * n, word) for n, word in enumerate(sentence.split())]
    result = await there.call(UNHURRIED)
    assert result.ended is Ended.HUNG_UP
