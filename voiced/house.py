"""The composition root: builds every part of the daemon from the settings, and joins them."""

import logging
import time
from functools import partial

import httpx
from attrs import define, field, frozen

from voiced.call.afterwards import Afterwards
from voiced.call.chores import Chores
from voiced.call.editions import Clients as Clients
from voiced.call.editions import Edition as Edition
from voiced.call.editions import Editions, edition_of
from voiced.call.enquiries import Enquiries
from voiced.call.errands import Errands
from voiced.call.extractions import Extractions
from voiced.call.memory import Memory
from voiced.call.orphans import Orphans
from voiced.call.phrases import PhraseBook
from voiced.call.placing import Placing
from voiced.call.register import Register
from voiced.call.switchboard import Switchboard
from voiced.carrier.destinations import Destinations
from voiced.carrier.twilio import Carrier
from voiced.config import Limits, Settings
from voiced.engines.build import EngineSet
from voiced.engines.capacity import Capacity
from voiced.engines.fallback import Failover
from voiced.errors import CallRefused
from voiced.ops.log import call_sid
from voiced.ops.metrics import Exposition
from voiced.ops.metrics_sources import Sources
from voiced.ops.presence import marked
from voiced.ops.slowtask import SlowTaskWatch
from voiced.records.feed import Feed
from voiced.records.metrics import Metrics
from voiced.records.model import EngineFailed
from voiced.records.recorder import Recorder
from voiced.web.api import Api, recordings
from voiced.web.api_neighbours import Neighbours
from voiced.web.door import Door
from voiced.web.gate import Gate
from voiced.web.hooks import AFTER
from voiced.web.limits import RateLimit
from voiced.web.server import Listening
from voiced.web.tokens import Tokens

log = logging.getLogger(__name__)


@frozen
class Front:
    """What the HTTP side works on, whatever the configuration says."""

    switchboard: Switchboard
    afterwards: Afterwards
    chores: Chores
    carrier: Carrier
    recorder: Recorder
    feed: Feed
    metrics: Metrics
    tokens: Tokens = field(factory=Tokens)
    neighbours: Neighbours = field(factory=Neighbours)

    def door(self, settings: Settings) -> Door:
        """Where Twilio comes in; tokens that an earlier one has minted are good here."""
        parts = (self.switchboard, self.afterwards, self.chores.errands, self.metrics.refused)
        return Door(settings, *parts, tokens=self.tokens)

    def api(self, settings: Settings, outbound: RateLimit) -> Api:
        """Where operators do."""
        limits = settings.limits
        allowed = Destinations(
            settings.twilio.phone_number, limits.allowed_prefixes, limits.denied_prefixes
        )
        placing = Placing(settings, self.switchboard, self.carrier, allowed, self.tokens.at)
        parts = (self.recorder, self.feed, outbound, self.neighbours, self.chores.extractions)
        return Api(settings, placing, *parts)


@define(eq=False)
class House:
    """The parts of one daemon. None of them runs yet."""

    editions: Editions
    clients: Clients
    book: PhraseBook
    capacity: Capacity
    front: Front
    orphans: Orphans
    slow_tasks: SlowTaskWatch
    listening: Listening
    outbound: RateLimit
    requests: RateLimit

    def __attrs_post_init__(self) -> None:
        """Who shares the port is known only where it is served."""
        self.front.neighbours.presence = lambda: self.listening.forwarder.presence

    @property
    def settings(self) -> Settings:
        """The latest."""
        return self.editions.latest.settings

    @property
    def engines(self) -> EngineSet:
        """The latest."""
        return self.editions.latest.engines

    @property
    def recorder(self) -> Recorder:
        """What puts calls on record."""
        return self.front.recorder

    @property
    def metrics(self) -> Metrics:
        """What counts."""
        return self.front.metrics

    @property
    def switchboard(self) -> Switchboard:
        """Who is on the line."""
        return self.front.switchboard

    @property
    def afterwards(self) -> Afterwards:
        """Where each call goes next."""
        return self.front.afterwards

    @property
    def errands(self) -> Chores:
        """What nobody waits for."""
        return self.front.chores

    def renew(self, settings: Settings) -> None:
        """Has new calls and requests go by these settings; calls under way keep their agents.

        Where the house listens, the carrier's account, records and webhooks stay as they were
        built. What ran for the edition before is the caller's to end.
        """
        before = self.settings.limits
        if settings.limits.outbound_per_minute != before.outbound_per_minute:
            self.outbound = RateLimit(settings.limits.outbound_per_minute)
        if settings.limits.requests_per_minute != before.requests_per_minute:
            self.requests = RateLimit(settings.limits.requests_per_minute)
        self.metrics.renew(settings)
        edition = edition_of(settings, self.clients, self.book, self.engines.tell)
        self.editions.renew(edition, self.switchboard.register.calls.values())
        self.capacity.renew(settings)
        self.switchboard.register.max_calls = settings.server.max_calls
        api, gate = self.front.api(settings, self.outbound), Gate(settings.api, self.requests)
        self.listening.renew(self.front.door(settings), api, gate, self.capacity)


def build(settings: Settings, clients: Clients, at: str = "") -> House:
    """Connects to nothing and opens nothing.

    `at` is the daemon's name, where others share its port: URLs for Twilio hold it.
    """
    recorder = Recorder(settings.records.directory, subscriptions(settings))
    feed = Feed(recorder.put)
    metrics = Metrics(settings, feed.put)
    book = PhraseBook(settings.records.directory / "phrases")
    editions = Editions(edition_of(settings, clients, book, partial(_took_over, metrics)))
    capacity = Capacity(settings, clients.engines)
    carrier = Carrier(settings.twilio, clients.carrier)
    errands = _errands(settings, carrier, at)
    extractions = Extractions(editions, metrics, errands.busy)
    register = Register(capacity, metrics, settings.server.max_calls, extractions.begin)
    folder = recordings(settings) if settings.records.recording else None
    chores = _chores(editions, clients.tools, errands, recorder, extractions, register)
    switchboard = Switchboard(register, editions.persona, errands, folder, chores.enquiries.begin)
    afterwards = Afterwards(register, errands)
    front = Front(switchboard, afterwards, chores, carrier, recorder, feed, metrics, Tokens(at))
    outbound, requests = _rates(settings.limits)
    api, gate = front.api(settings, outbound), Gate(settings.api, requests)
    slow_tasks = SlowTaskWatch()
    exposition = Exposition(metrics.instruments, _sources(editions, front, capacity, slow_tasks))
    return House(
        editions,
        clients,
        book,
        capacity,
        front,
        Orphans(switchboard, carrier, errands),
        slow_tasks,
        Listening(front.door(settings), api, gate, capacity, exposition),
        outbound,
        requests,
    )


def _rates(limits: Limits) -> tuple[RateLimit, RateLimit]:
    """Of the calls that the API places, and of its requests."""
    return RateLimit(limits.outbound_per_minute), RateLimit(limits.requests_per_minute)


def _errands(settings: Settings, carrier: Carrier, at: str) -> Errands:
    """The carrier comes back to this daemon."""
    return Errands(carrier, marked(settings.server.public_url.rstrip("/") + AFTER, at))


def _chores(
    editions: Editions,
    http: httpx.AsyncClient,
    errands: Errands,
    recorder: Recorder,
    extractions: Extractions,
    register: Register,
) -> Chores:
    """What nobody waits for."""
    kept_days = editions.latest.settings.records.retention_days
    memory = Memory(recorder, editions.agent, kept_days, errands.busy)
    enquiries = Enquiries(editions.agent, memory.recall, http)
    return Chores(errands, enquiries, memory, extractions, register)


def _sources(
    editions: Editions, front: Front, capacity: Capacity, slow_tasks: SlowTaskWatch
) -> Sources:
    """What is looked at when the metrics are asked for."""
    switchboard, recorder = front.switchboard, front.recorder
    register = switchboard.register

    def takes(agent: str) -> bool:
        try:
            switchboard.check(agent)
        except CallRefused:
            return False
        return True

    return Sources(
        stages=lambda: [entry.stage.value for entry in register.calls.values()],
        free=lambda: register.free,
        ready=lambda: {agent: takes(agent) for agent in editions.latest.settings.agents},
        draining=lambda: switchboard.is_draining,
        rooms=capacity.rooms,
        kept=lambda: recorder.is_keeping,
        lost=lambda: recorder.statistics().lost,
        waiting=lambda: recorder.waiting,
        slow_steps=lambda: slow_tasks.statistics().slow_steps,
    )


def _took_over(metrics: Metrics, failover: Failover) -> None:
    """A spare goes on where an engine failed; where none does, the call itself tells that."""
    if failover.spare is None:
        return
    metrics.took_over(failover.role, failover.engine)
    fields = {
        "role": failover.role,
        "engine": failover.engine,
        "spare": failover.spare,
        "reason": failover.reason,
    }
    log.warning("%s", failover.message, extra={"fields": fields})
    if sid := call_sid.get():
        failed = (failover.role, failover.engine, failover.reason, failover.message)
        metrics.put(EngineFailed(sid, time.time(), *failed))


def subscriptions(settings: Settings) -> dict[str, list[str]]:
    """Which webhooks want to be told of which event."""
    wanted: dict[str, list[str]] = {}
    for name, webhook in settings.webhooks.items():
        for event in webhook.events:
            wanted.setdefault(event, []).append(name)
    return wanted
