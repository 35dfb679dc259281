"""The configuration is read again: new calls go by it, calls under way keep what they have."""

import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

import trio
from attrs import evolve, fields_dict

from voiced.config import DEFAULT_AGENT, Agent, Records, Settings, Twilio
from voiced.daemon.phrases import prepare_all
from voiced.daemon.standing import Standing
from voiced.engines.roles import Kept
from voiced.engines.rooms import Reach
from voiced.engines.router import learn
from voiced.engines.warm import keep_warm
from voiced.errors import ConfigError
from voiced.house import Edition, House
from voiced.ops.log import OURS

log = logging.getLogger(__name__)

Read = Callable[[], Settings]

RESTART: Final = {
    "server": ("host", "port", "public_url", "tls"),
    "twilio": tuple(fields_dict(Twilio)),
    "records": tuple(fields_dict(Records)),
    "log": ("redact",),
}
"""Section -> the keys of it that count after a restart only: somebody has been told of the address,
and files, connections and queues are open."""


def merged(
    before: Settings, read: Settings, talking: Collection[str]
) -> tuple[Settings, tuple[str, ...]]:
    """What can be done of the settings that were read, and the keys for which a restart is due.

    `talking` are the agents of calls under way. One that is gone from the file stays until the
    next reading, so that its calls can come back from a transfer and be acted on; its room is
    counted where the default agent's is.
    """
    due: list[str] = []
    kept: dict[str, Any] = {}
    for section, names in RESTART.items():
        old, new = getattr(before, section), getattr(read, section)
        same = {name: getattr(old, name) for name in names}
        due += [f"{section}.{name}" for name in names if getattr(new, name) != same[name]]
        kept[section] = evolve(new, **same)
    if read.webhooks != before.webhooks:
        due.append("webhook")
    gone = {name: before.agents[name] for name in talking if name not in read.agents}
    host = read.agents[DEFAULT_AGENT]
    agents = dict(read.agents) | {name: _guest(agent, host) for name, agent in gone.items()}
    return evolve(read, **kept, webhooks=before.webhooks, agents=agents), tuple(due)


def _guest(agent: Agent, host: Agent) -> Agent:
    return evolve(agent, stt=host.stt, llm=host.llm, tts=host.tts)


class Renewal:
    """Keeps what runs for each edition running, and makes a new edition when it is ordered to."""

    def __init__(self, house: House, standing: Standing, nursery: trio.Nursery) -> None:
        self._house = house
        self._standing = standing
        self._nursery = nursery
        self._succeeded = trio.Event()

    def start(self) -> None:
        """Begins what the latest edition needs, and ends what only the one before does."""
        self._succeeded.set()
        self._succeeded = trio.Event()
        self._nursery.start_soon(keep, self._house, self._house.editions.latest, self._succeeded)

    async def renew(self, read: Read) -> None:
        """Reads the configuration once. One with problems changes nothing."""
        self._standing.reloading()
        trouble = ""
        try:
            settings = await trio.to_thread.run_sync(read)
        except ConfigError as error:
            for problem in error.problems:
                log.error("the configuration is not taken, since %s", problem)
            number = len(error.problems)
            trouble = f"the configuration has {number} problem{'s' * (number != 1)}, see the log"
        else:
            await trio.to_thread.run_sync(learn, settings)
            self._take(settings)
        self._standing.reloaded(trouble)

    def _take(self, read: Settings) -> None:
        house = self._house
        talking = {entry.parties.agent for entry in house.switchboard.register.calls.values()}
        settings, due = merged(house.settings, read, talking)
        if due:
            log.warning("voiced must be restarted for some keys", extra={"fields": {"keys": due}})
        if settings == house.settings:
            log.info("the configuration is as it was")
            return
        for warning in settings.warnings:
            log.warning("the configuration is taken, but %s", warning)
        logging.getLogger(OURS).setLevel(settings.log.level.name)
        house.renew(settings)
        self.start()
        log.info("the configuration is taken: new calls go by it")


async def keep(house: House, edition: Edition, succeeded: trio.Event) -> None:
    """Runs what an edition needs beside its calls: until it is succeeded, and its engines'
    connections until the last of its calls is over."""
    register = house.switchboard.register

    def tell(role: str, name: str, outcome: Reach) -> None:
        if house.editions.latest is edition:  # else it is of no engine that a new call would get
            house.capacity.reached(role, name, outcome)

    agents, engines = edition.settings.agents.values(), edition.engines
    async with trio.open_nursery() as nursery:
        # What no agent has is left alone: to keep it warm takes requests, which may be billed.
        for name in {name for agent in agents for name in agent.llm}:
            nursery.start_soon(
                partial(keep_warm, engines.llm[name], tell=partial(tell, "llm", name))
            )
        for name in {name for agent in agents for name in agent.tts}:
            tts = engines.tts[name]
            if isinstance(tts, Kept):  # one connection for all its replies
                nursery.start_soon(tts.run, partial(tell, "tts", name))
        routers = [cast.router for cast in edition.casts.values() if cast.router]
        for embeddings in {router.embeddings for router in routers if router.embeddings}:
            nursery.start_soon(keep_warm, embeddings)
        async with trio.open_nursery() as latest:
            for router in routers:
                latest.start_soon(router.run)
            latest.start_soon(house.capacity.watch)
            latest.start_soon(prepare_all, edition.settings, edition.engines, house.book)
            await succeeded.wait()
            latest.cancel_scope.cancel(reason="succeeded")
        while edition.serves_any(register.calls.values()):
            await register.wait_change()
        nursery.cancel_scope.cancel(reason="its last call is over")
