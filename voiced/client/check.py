"""`voiced check`: asks every part that a call needs, all at once, and reports."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

import httpx
import trio
from attrs import frozen

from voiced.carrier.rest import CarrierTiming
from voiced.carrier.twilio import Carrier
from voiced.client.check_carrier import AsksCarrier, ask_account, ask_number
from voiced.client.check_engines import (
    Ask,
    EngineSettings,
    ask_llm,
    ask_stt,
    ask_tts,
    ask_with_slots,
)
from voiced.client.check_public import ask_public, ask_signed
from voiced.client.check_report import Row, State, can_serve, report, report_object
from voiced.client.trial import quietly
from voiced.config import Settings
from voiced.engines.build import build_engines
from voiced.engines.http import http_client
from voiced.engines.rooms import knowledge

DEADLINE_S: Final = 15.0
"""Each part has this long to answer: longer than any engine's own patience, whose words on what
was late say more than ours."""

CARRIER_TIMING: Final = CarrierTiming(answer_s=8.0, attempts=1)
"""What does not work at once is what the operator wants to see."""

Tell: TypeAlias = Callable[[str], None]


@frozen
class Probe:
    """One part, and how it is asked; without `ask`, `row` is the answer."""

    row: Row
    ask: Ask | None = None


async def check(settings: Settings, tell: Tell) -> int:
    """Tells a table of all parts and what to mend; 0 if a call could be served."""
    rows = await found(settings)
    for line in report(settings, rows):
        tell(line)
    return 0 if can_serve(settings, rows) else 1


async def check_json(settings: Settings, tell: Tell) -> int:
    """Tells the same as JSON."""
    rows = await found(settings)
    tell(json.dumps(report_object(settings, rows), indent=2))
    return 0 if can_serve(settings, rows) else 1


async def found(settings: Settings) -> list[Row]:
    """Every part, as it is found now."""
    quietly()
    async with http_client() as http:
        carrier = Carrier(settings.twilio, http, CARRIER_TIMING)
        return await ask_all(list(probes(settings, http, carrier)))


async def ask_all(asked: list[Probe]) -> list[Row]:
    """Asks all at once; one that does not answer in time holds up no other."""
    rows = [probe.row for probe in asked]

    async def ask(number: int, probe: Probe) -> None:
        if probe.ask is not None:
            with trio.move_on_after(DEADLINE_S):
                rows[number] = await probe.ask(probe.row)

    async with trio.open_nursery() as nursery:
        for number, probe in enumerate(asked):
            nursery.start_soon(ask, number, probe)
    return rows


def probes(settings: Settings, http: httpx.AsyncClient, carrier: AsksCarrier) -> Iterator[Probe]:
    """All parts, in the order of the table."""
    yield from _engines(settings, http)
    twilio, public_url = settings.twilio, settings.server.public_url
    account = _row("carrier", "account", twilio.api_url)
    number = _row("carrier", "number", twilio.phone_number)
    public = _row("public", "address", public_url)
    signed = _row("public", "signatures", public_url)
    yield Probe(account, partial(ask_account, settings=settings, carrier=carrier))
    yield Probe(number, partial(ask_number, settings=settings, carrier=carrier))
    yield Probe(public, partial(ask_public, settings=settings, http=http))
    yield Probe(signed, partial(ask_signed, settings=settings, http=http))


def _engines(settings: Settings, http: httpx.AsyncClient) -> Iterator[Probe]:
    engines = build_engines(settings, http)
    for name, stt in settings.stt.items():
        row = _row("stt", name, stt.address)
        yield _engine(row, partial(ask_stt, stt=engines.stt[name], settings=stt), stt, http)
    for name, llm in settings.llm.items():
        row = _row("llm", name, llm.address)
        yield _engine(row, partial(ask_llm, llm=engines.llm[name], settings=llm), llm, http)
    for name, tts in settings.tts.items():
        row = _row("tts", name, tts.address)
        yield _engine(row, partial(ask_tts, tts=engines.tts[name], settings=tts), tts, http)


def _engine(row: Row, ask: Ask, settings: EngineSettings, http: httpx.AsyncClient) -> Probe:
    if inquiry := knowledge(settings).inquiry:
        asked = inquiry(row.name, row.role, settings)
        return Probe(row, partial(ask_with_slots, ask=ask, inquiry=asked, http=http))
    return Probe(row, ask)


def _row(role: str, name: str, where: str) -> Row:
    """Failed, until it has answered."""
    late = f"no answer within {DEADLINE_S:g} s"
    return Row(role=role, name=name, where=where, state=State.FAILED, hint=late)
