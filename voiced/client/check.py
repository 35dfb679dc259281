"""`voiced check`: asks every part that a call needs, all at once, and reports."""

import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

import httpx
import trio
from attrs import evolve, frozen

from voiced.carrier.rest import CarrierTiming
from voiced.carrier.twilio import Carrier
from voiced.client.check_carrier import AsksCarrier, ask_account, ask_number
from voiced.client.check_engines import ask_llm, ask_stt, ask_tts
from voiced.client.check_public import ask_public, ask_signed
from voiced.client.check_report import Row, State, can_serve, report, report_object
from voiced.config import MoshiStt, MoshiTts, OpenAiLlm, Settings
from voiced.engines.llm_http import http_client

DEADLINE_S: Final = 10.0
"""Each part has this long to answer."""

CARRIER_TIMING: Final = CarrierTiming(answer_s=8.0, attempts=1)
"""What does not work at once is what the operator wants to see."""

Tell: TypeAlias = Callable[[str], None]
Ask: TypeAlias = Callable[[Row], Awaitable[Row]]


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
    for name, stt in settings.stt.items():
        row = _row("stt", name, stt.url)
        if isinstance(stt, MoshiStt):
            yield Probe(row, partial(ask_stt, settings=stt, http=http))
        else:
            yield _unsupported(row, stt.type)
    for name, llm in settings.llm.items():
        row = _row("llm", name, llm.base_url)
        if isinstance(llm, OpenAiLlm):
            yield Probe(row, partial(ask_llm, settings=llm, http=http))
        else:
            yield _unsupported(row, llm.type)
    for name, tts in settings.tts.items():
        row = _row("tts", name, tts.url)
        if isinstance(tts, MoshiTts):
            yield Probe(row, partial(ask_tts, settings=tts, http=http))
        else:
            yield _unsupported(row, tts.type)


def _row(role: str, name: str, where: str) -> Row:
    """Failed, until it has answered."""
    late = f"no answer within {DEADLINE_S:g} s"
    return Row(role=role, name=name, where=where, state=State.FAILED, hint=late)


def _unsupported(row: Row, kind: str) -> Probe:
    told = f'type = "{kind}" is not supported yet; take {row.name} out of the agents\' lists'
    return Probe(evolve(row, state=State.NOT_SUPPORTED, hint=told))
