"""A house whose API an operator on this machine asks, with records or without."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, evolve
from call_desk import FakeCall
from guests import CALL, ENGLISH, House, api, house, settings

from voiced.call.parties import Entry, Parties, Stage
from voiced.config import Agent, Limits, Settings
from voiced.config import Records as RecordSettings
from voiced.records.recorder import Recorder
from voiced.wire.twilio_rest import CallResource

OWN, TO = "+33123456789", "+33612345678"
PLACED = "CA" + "8" * 32


def office(limits: Limits | None = None, **agent: object) -> Settings:
    """Settings with which calls may be placed."""
    default = evolve(Agent(language="fr", variables={"product": "pain"}), **agent)
    return evolve(
        settings(phone_number=OWN, account_sid="AC1"),
        agents={"default": default, "english": Agent(language="en")},
        limits=limits or Limits(),
    )


@define
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and field ("" for none); the message must say something."""
        told = self.json
        assert list(told) == ["error"]
        error = told["error"]
        assert set(error) - {"field"} == {"code", "message"}
        assert len(error["message"]) > 10
        return self.status, error["code"], error.get("field", "")


async def ask(
    there: House, method: str, path: str, body: object = b"", *headers: str, peer: str = "127.0.0.1"
) -> Answer:
    return Answer(*await there.knock(peer).ask(api(method, path, body, *headers)))


def carrier_takes(there: House, sid: str = PLACED) -> None:
    there.desk.carrier.found = lambda _: CallResource(
        sid=sid, status="queued", to=TO, sender=OWN, direction="outbound-api",
        answered_by=None, duration_s=None, queue_ms=None,
    )  # fmt: skip


def ringing(there: House, sid: str = CALL, agent: str = "default") -> Entry:
    return there.switchboard.admit(Parties(sid, agent, TO, ENGLISH), Stage.AWAITED, 60.0)


def live(there: House, sid: str = CALL, agent: str = "default") -> Entry:
    entry = ringing(there, sid, agent)
    there.desk.register.connected(entry, FakeCall())  # type: ignore[arg-type]
    return entry


@asynccontextmanager
async def recorded(directory: Path, of: Settings | None = None) -> AsyncIterator[House]:
    """A house with records on disk; `await there.recorder.flush()` before they are read."""
    chosen = evolve(of or office(), records=RecordSettings(directory=directory))
    recorder = Recorder(directory, {})
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        async with house(chosen, recorder) as there:
            yield there
        nursery.cancel_scope.cancel()
