"""A daemon that learns from its calls and tells it: real sockets, a real database, pretended
engines; the model's answers are scripted."""

import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define, evolve, field
from daemon_stage import HELLO, Running, agent, engine_set, running, settings, stop
from stories import FakeLlm, FakeStt, Late

from voiced.call import editions
from voiced.config import Webhook
from voiced.daemon import life
from voiced.engines.build import EngineSet
from voiced.lab import server
from voiced.lab.phone_record import Ended
from voiced.lab.script import After, Cue, HangUp, Turn
from voiced.records.model import CallOpened, Direction, Said, TurnEnded
from voiced.records.opening import FILE
from voiced.records.store import open_store

UNHURRIED = (HELLO, Turn(HangUp(), After(Cue.SILENCE, 1.0)))
SCHEMA = {
    "type": "object",
    "required": ["wish"],
    "properties": {"wish": {"type": "string"}, "people": {"type": "integer"}},
}
ANSWER = '{"wish": {"value": "a table", "words": "a table"}, "people": null}'
FIELDS = {"wish": {"value": "a table", "words": "a table"}}


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> EngineSet:
    pretended = engine_set()
    monkeypatch.setattr(editions, "build_engines", lambda settings, http, tell: pretended)
    return pretended


@define
class Receiver:
    """The operator's own server."""

    bodies: list[dict[str, Any]] = field(factory=list)
    news: trio.Event = field(factory=trio.Event)

    async def handle(self, exchange: server.Exchange) -> None:
        self.bodies.append(json.loads(exchange.request.body))
        await exchange.respond(204)
        self.news.set()

    async def first(self) -> dict[str, Any]:
        await self.news.wait()
        return self.bodies[0]


@asynccontextmanager
async def learning(directory: Path) -> AsyncIterator[tuple[Running, Receiver]]:
    receiver = Receiver()
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(partial(server.serve, receiver.handle, "127.0.0.1", 0))
        hook = Webhook(url=f"http://127.0.0.1:{port}/", events=("call.ended",), allow_private=True)
        curious = evolve(agent(), extract=SCHEMA, eager_reply=False)
        of = evolve(settings(directory), agents={"default": curious}, webhooks={"crm": hook})
        async with running(of) as there:
            yield there, receiver
        nursery.cancel_scope.cancel()


async def one_sentence(there: Running, engines: EngineSet, *answers: object) -> None:
    """A call in which the caller says that; the answers are those behind the agent's reply."""
    ear, mind = engines.stt["ear"], engines.llm["mind"]
    assert isinstance(ear, FakeStt)
    assert isinstance(mind, FakeLlm)
    mind.answers += ["Certainly", *answers]  # type: ignore[list-item]
    began = trio.current_time() + 1.0
    ear.spoken = [(began + 0.1 * n, word) for n, word in enumerate(("a", "table", "please"))]
    result = await there.call(UNHURRIED)
    assert result.ended is Ended.HUNG_UP


async def test_the_end_of_a_call_is_told_with_what_was_learnt(
    tmp_path: Path, engines: EngineSet
) -> None:
    async with learning(tmp_path) as (there, receiver):
        await one_sentence(there, engines, Late(0.3, "Well..."), Late(0.3, ANSWER))
        body = await receiver.first()
        assert (body["event"], body["extraction"]["status"]) == ("call.ended", "complete")
        assert body["extraction"]["fields"] == FIELDS
        url = f"http://127.0.0.1:{there.settings.server.port}/v1/calls/{body['call']['sid']}"
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).json()["extraction"] == body["extraction"]
            page = (await client.get(url.partition("/v1")[0] + "/metrics")).text
    assert 'voiced_extractions_total{status="complete"} 1.0' in page
    assert len(receiver.bodies) == 1


async def test_who_drains_waits_for_what_is_being_learnt(
    tmp_path: Path, engines: EngineSet
) -> None:
    async with learning(tmp_path) as (there, receiver):
        await one_sentence(there, engines, Late(0.5, ANSWER))
        stop()
        await there.stopped.wait()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        ((body,),) = db.execute("SELECT body FROM deliveries").fetchall()
    assert json.loads(body)["extraction"]["fields"] == FIELDS
    assert len(receiver.bodies) <= 1


async def test_but_not_for_ever(
    tmp_path: Path, engines: EngineSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "ERRANDS_S", 0.1)
    async with learning(tmp_path) as (there, _):
        await one_sentence(there, engines, Late(60.0, ANSWER))
        began = trio.current_time()
        stop()
        await there.stopped.wait()
        assert trio.current_time() - began < 5
    async with learning(tmp_path) as (_, receiver):
        body = await receiver.first()
    assert (body["extraction"]["status"], body["extraction"]["missing"]) == ("failed", ["wish"])


async def test_a_call_that_a_crash_left_behind_is_learnt_from(
    tmp_path: Path, engines: EngineSet
) -> None:
    now, store = time.time() - 60, open_store(tmp_path, {})
    said = (Said("caller", "a table", 1.0, "complete"),)
    sid = "CA" + "5" * 32
    store.write([
        CallOpened(sid, Direction.INBOUND, "default", "+1", "+2", now),
        TurnEnded(sid, 0, now + 2, 1.0, "heard", {}, said),
    ])  # fmt: skip
    store.close()
    mind = engines.llm["mind"]
    assert isinstance(mind, FakeLlm)
    mind.answers.append(ANSWER)
    async with learning(tmp_path) as (_, receiver):
        body = await receiver.first()
    assert (body["call"]["sid"], body["call"]["reason"]) == (sid, "crash")
    assert body["extraction"]["fields"] == FIELDS
