"""The daemon's life: start, serve, drain, stop."""

import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Final

import httpx
import trio
from attrs import evolve, frozen

from voiced.call.persona import constant_texts
from voiced.call.phrases import PhraseBook
from voiced.config import DEFAULT_AGENT, Settings
from voiced.engines.build import EngineSet
from voiced.engines.cartesia import CartesiaTts
from voiced.engines.llm_http import http_client
from voiced.engines.roles import Tts
from voiced.engines.warm import keep_warm
from voiced.errors import EngineError
from voiced.house import House, build
from voiced.ops.slowtask import SlowTaskWatch
from voiced.records.delivery import Deliverer, webhook_client
from voiced.records.model import OpenCall
from voiced.records.outbox import StoredOutbox
from voiced.records.retention import keep_tidy
from voiced.records.store import StoreError
from voiced.web.server import open_listeners

log = logging.getLogger(__name__)

GOODBYE_S: Final = 10.0
"""A daemon that must end gives its calls this long to say goodbye."""

ANSWERS_S: Final = 1.0
"""For the answers that are under way when the last call is over: the carrier has asked what is
next, and has to be told."""

ERRANDS_S: Final = 5.0
"""For the requests to the carrier that are."""

AWAY: Final = 2
"""One phrase may be at fault itself; of two, the voice is."""

PHRASE_RETRY_S: Final = (5.0, 15.0, 60.0)
"""Pauses between attempts to render the phrases while a voice is away; the last one repeats."""


async def run(
    settings: Settings, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Runs the daemon; started once it listens.

    The first SIGTERM or SIGINT takes no more calls and waits up to `drain_s` for those under
    way; a second one ends them at once.

    Raises:
        StartupError: it cannot listen.
    """
    async with http_client() as http, httpx.AsyncClient() as rest, webhook_client() as posting:
        house = build(settings, http, rest)
        listeners = await open_listeners(settings.server)
        async with trio.open_nursery() as records:
            # Outside of all else: what a call's end puts on record must still find it.
            await records.start(house.recorder.run)
            async with trio.open_nursery() as nursery:
                orphans = house.orphans.adopt(await _open_calls(house))
                _start(house, posting, nursery)
                nursery.start_soon(house.listening.serve, listeners, nursery)
                nursery.start_soon(house.orphans.settle, orphans)
                _settle()
                log.info("listening", extra={"fields": {"port": settings.server.port}})
                task_status.started()
                await _until_stopped(house)
                nursery.cancel_scope.cancel(reason="stopped")
            records.cancel_scope.cancel(reason="stopped")


async def _open_calls(house: House) -> Sequence[OpenCall]:
    """What the run before left behind; whose agent is gone, the default one takes."""
    try:
        calls = await house.recorder.read(lambda store: store.open_calls())
    except StoreError as error:
        log.error("what the run before left behind is not known: %s", error)
        return ()
    agents = house.settings.agents
    return [call if call.agent in agents else evolve(call, agent=DEFAULT_AGENT) for call in calls]


def _start(house: House, posting: httpx.AsyncClient, nursery: trio.Nursery) -> None:
    """What runs beside the calls."""
    settings, recorder = house.settings, house.recorder
    for name, llm in house.engines.llm.items():
        tell = partial(house.capacity.reached, "llm", name)
        nursery.start_soon(partial(keep_warm, llm, tell=tell))
    for name, tts in house.engines.tts.items():
        if isinstance(tts, CartesiaTts):  # one connection for all its replies
            nursery.start_soon(tts.run, partial(house.capacity.reached, "tts", name))
    nursery.start_soon(house.capacity.watch)
    nursery.start_soon(_prepare_all, settings, house.engines, house.book)
    nursery.start_soon(house.errands.run)
    nursery.start_soon(house.afterwards.run)
    nursery.start_soon(
        keep_tidy, recorder, settings.records.directory, settings.records.retention_days
    )
    if settings.webhooks:
        deliverer = Deliverer(settings.webhooks, posting, StoredOutbox(recorder), time.time)
        nursery.start_soon(deliverer.run)


def _settle() -> None:
    """Start-up is over: from now on, time taken is somebody's silence."""
    gc.collect()
    gc.freeze()  # a full collection need not walk through all modules in the middle of a call
    trio.lowlevel.add_instrument(SlowTaskWatch())


async def _prepare_all(settings: Settings, engines: EngineSet, book: PhraseBook) -> None:
    """Has every phrase at hand that sounds the same in every call; tries until it has."""
    missing = [
        _Missing(name, rank, voice, text, agent.language)
        for name, agent in settings.agents.items()
        for rank, voice in enumerate(engines.voices(agent))
        for text in constant_texts(agent)
    ]
    missing.sort(key=lambda phrase: phrase.rank)  # first what every call needs
    for pause_s in chain(PHRASE_RETRY_S, repeat(PHRASE_RETRY_S[-1])):
        missing = await _prepare(missing, book)
        if not missing:
            break
        await trio.sleep(pause_s)
    log.info("the agents' phrases are at hand")


async def _prepare(missing: Sequence["_Missing"], book: PhraseBook) -> list["_Missing"]:
    """Returns those that are not at hand now. A voice that has failed twice is taken to be away,
    and not tried again in the same round."""
    failed: list[_Missing] = []
    for phrase in missing:
        failures = sum(each.voice.identity == phrase.voice.identity for each in failed)
        if failures >= AWAY or not await phrase.prepare(book):
            failed.append(phrase)
    return failed


@frozen
class _Missing:
    """A phrase that an agent does not know by heart yet."""

    agent: str
    rank: int  # of the voice: a spare's is above 0
    voice: Tts
    text: str
    language: str

    async def prepare(self, book: PhraseBook) -> bool:
        """Whether it is at hand now."""
        try:
            await book.prepare(self.voice, self.text, self.language)
        except EngineError as error:
            log.warning("agent %s lacks phrases by heart, trying again: %s", self.agent, error)
            return False
        except OSError as error:
            log.warning("cannot keep a phrase of agent %s on disk: %s", self.agent, error)
        return True


async def _until_stopped(house: House) -> None:
    switchboard = house.switchboard
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        await _wait_stop(signals)
        switchboard.drain()
        log.info("draining", extra={"fields": {"calls": len(switchboard.live)}})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            with trio.move_on_after(house.settings.server.drain_s):
                await switchboard.register.wait_quiet()
            switchboard.close_all("shutdown")
            with trio.move_on_after(GOODBYE_S):
                await switchboard.register.wait_quiet()
            with trio.move_on_after(ANSWERS_S):
                await house.listening.exchanges.wait_idle()
            with trio.move_on_after(ERRANDS_S):
                await house.errands.busy.wait_idle()
            nursery.cancel_scope.cancel(reason="drained")


async def _wait_stop(signals: AsyncIterator[int]) -> None:
    """A closed terminal (SIGHUP) is no reason to drop calls."""
    async for number in signals:
        if number != signal.SIGHUP:
            return


async def _cancel_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    await _wait_stop(signals)
    log.warning("a second signal: ending at once")
    scope.cancel(reason="second signal")
