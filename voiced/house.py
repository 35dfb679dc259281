"""The composition root: builds every part of the daemon from the settings, and joins them."""

import logging
import time
from datetime import date
from functools import partial

import httpx
from attrs import frozen

from voiced.call.afterwards import Afterwards
from voiced.call.errands import Errands
from voiced.call.orphans import Orphans
from voiced.call.parties import Parties
from voiced.call.persona import Cast, Persona, persona, variables
from voiced.call.phrases import PhraseBook
from voiced.call.placing import Placing
from voiced.call.register import Register
from voiced.call.switchboard import PersonaFor, Switchboard
from voiced.carrier.destinations import Destinations
from voiced.carrier.twilio import Carrier
from voiced.config import Settings, is_withheld
from voiced.engines.build import EngineSet, build_engines
from voiced.engines.capacity import Capacity
from voiced.engines.fallback import Failover
from voiced.ops.log import call_sid
from voiced.records.feed import Feed
from voiced.records.model import EngineFailed
from voiced.records.recorder import Recorder
from voiced.web.api import Api, recordings
from voiced.web.door import Door
from voiced.web.gate import Gate
from voiced.web.hooks import AFTER
from voiced.web.limits import RateLimit
from voiced.web.server import Listening

log = logging.getLogger(__name__)


@frozen
class House:
    """The parts of one daemon. None of them runs yet."""

    settings: Settings
    engines: EngineSet
    book: PhraseBook
    capacity: Capacity
    recorder: Recorder
    switchboard: Switchboard
    afterwards: Afterwards
    errands: Errands
    orphans: Orphans
    listening: Listening


def build(settings: Settings, http: httpx.AsyncClient, carrier_http: httpx.AsyncClient) -> House:
    """Connects to nothing and opens nothing.

    `carrier_http` is a client of its own: an order to place a call must not go out on a
    connection that has idled for minutes, since it cannot be repeated.
    """
    recorder = Recorder(settings.records.directory, subscriptions(settings))
    feed = Feed(recorder.put)
    engines = build_engines(settings, http, partial(_took_over, feed))
    book = PhraseBook(settings.records.directory / "phrases")
    capacity = Capacity(settings, http)
    carrier = Carrier(settings.twilio, carrier_http)
    errands = Errands(carrier, settings.server.public_url.rstrip("/") + AFTER)
    register = Register(capacity, feed, settings.server.max_calls)
    folder = recordings(settings) if settings.records.recording else None
    switchboard = Switchboard(register, _personas(settings, engines, book), errands, folder)
    afterwards = Afterwards(register, errands)
    limits = settings.limits
    allowed = Destinations(
        settings.twilio.phone_number, limits.allowed_prefixes, limits.denied_prefixes
    )
    placing = Placing(settings, switchboard, carrier, allowed)
    api = Api(settings, placing, recorder, feed, RateLimit(limits.outbound_per_minute))
    gate = Gate(settings.api, RateLimit(limits.requests_per_minute))
    door = Door(settings, switchboard, afterwards, errands)
    return House(
        settings,
        engines,
        book,
        capacity,
        recorder,
        switchboard,
        afterwards,
        errands,
        Orphans(switchboard, carrier, errands),
        Listening(door, api, gate, capacity),
    )


def _took_over(feed: Feed, failover: Failover) -> None:
    """A spare goes on where an engine failed; where none does, the call itself tells that."""
    if failover.spare is None:
        return
    fields = {"spare": failover.spare, "reason": failover.reason}
    log.warning("%s", failover.message, extra={"fields": fields})
    if sid := call_sid.get():
        failed = (failover.role, failover.engine, failover.reason, failover.message)
        feed.put(EngineFailed(sid, time.time(), *failed))


def subscriptions(settings: Settings) -> dict[str, list[str]]:
    """Which webhooks want to be told of which event."""
    wanted: dict[str, list[str]] = {}
    for name, webhook in settings.webhooks.items():
        for event in webhook.events:
            wanted.setdefault(event, []).append(name)
    return wanted


def _personas(settings: Settings, engines: EngineSet, book: PhraseBook) -> PersonaFor:
    filler_s = settings.deadlines.filler_s
    casts = {
        name: Cast(agent, engines.of(agent), engines.voices(agent), book, filler_s)
        for name, agent in settings.agents.items()
    }

    def persona_for(parties: Parties) -> Persona:
        agent = settings.agents[parties.agent]
        caller = "" if is_withheld(parties.caller) else parties.caller
        said = variables(agent, caller=caller, called=parties.called, today=date.today())
        said.update(parties.variables)
        return persona(parties.agent, casts[parties.agent], said)

    return persona_for
