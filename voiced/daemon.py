"""The composition root: builds everything from the settings and runs it until told to stop."""

import gc
import logging
import signal
from collections.abc import AsyncIterator
from datetime import date
from itertools import chain, repeat
from typing import Final

import trio

from voiced.call.call import Persona
from voiced.call.persona import constant_texts, persona, variables
from voiced.call.phrases import PhraseBook
from voiced.call.switchboard import Parties, PersonaFor, Switchboard
from voiced.config import Settings
from voiced.engines.build import EngineSet, build_engines
from voiced.engines.llm_http import http_client
from voiced.engines.roles import Tts
from voiced.engines.warm import keep_warm
from voiced.errors import EngineError
from voiced.ops.slowtask import SlowTaskWatch
from voiced.web.door import Door
from voiced.web.server import Listening, open_listeners
from voiced.web.tokens import Tokens

log = logging.getLogger(__name__)

GOODBYE_S: Final = 10.0
"""A daemon that must end gives its calls this long to say goodbye."""

PHRASE_RETRY_S: Final = (5.0, 15.0, 60.0)
"""Pauses between attempts to render the phrases while a voice is away; the last one repeats."""


async def run(
    settings: Settings, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Runs the daemon; started once it listens.

    The first SIGTERM or SIGINT takes no more calls and waits up to `drain_s` for those under
    way; a second one ends them at once.

    Raises:
        StartupError: it cannot listen, or an engine's type is not supported.
    """
    async with http_client() as http:
        engines = build_engines(settings, http)
        book = PhraseBook(settings.records.directory / "phrases")
        switchboard = Switchboard(_personas(settings, engines, book), settings.server.max_calls)
        listening = Listening(Door(settings, switchboard, Tokens()))
        listeners = await open_listeners(settings.server)
        async with trio.open_nursery() as house:
            for llm in engines.llm.values():
                house.start_soon(keep_warm, llm)
            house.start_soon(_prepare_all, settings, engines, book)
            house.start_soon(listening.serve, listeners, house)
            _settle()
            log.info("listening", extra={"fields": {"port": settings.server.port}})
            task_status.started()
            await _until_stopped(switchboard, settings.server.drain_s)
            house.cancel_scope.cancel(reason="stopped")


def _settle() -> None:
    """Start-up is over: from now on, time taken is somebody's silence."""
    gc.collect()
    gc.freeze()  # a full collection need not walk through all modules in the middle of a call
    trio.lowlevel.add_instrument(SlowTaskWatch())


def _personas(settings: Settings, engines: EngineSet, book: PhraseBook) -> PersonaFor:
    of = {name: engines.of(agent) for name, agent in settings.agents.items()}

    def persona_for(parties: Parties) -> Persona:
        agent = settings.agents[parties.agent]
        said = variables(agent, caller=parties.caller, called=parties.called, today=date.today())
        return persona(parties.agent, agent, of[parties.agent], book, said)

    return persona_for


async def _prepare_all(settings: Settings, engines: EngineSet, book: PhraseBook) -> None:
    """Has every phrase at hand that sounds the same in every call; tries until it has."""
    missing = [
        (name, text) for name, agent in settings.agents.items() for text in constant_texts(agent)
    ]
    for pause_s in chain(PHRASE_RETRY_S, repeat(PHRASE_RETRY_S[-1])):
        failed = []
        for name, text in missing:
            agent = settings.agents[name]
            if not await _prepare(name, engines.of(agent).tts[0], text, agent.language, book):
                failed.append((name, text))
        missing = failed
        if not missing:
            break
        await trio.sleep(pause_s)
    log.info("the agents' phrases are at hand")


async def _prepare(name: str, tts: Tts, text: str, language: str, book: PhraseBook) -> bool:
    """Whether the phrase is at hand now."""
    try:
        await book.prepare(tts, text, language)
    except EngineError as error:
        log.warning("agent %s has a phrase less by heart, trying again: %s", name, error)
        return False
    except OSError as error:
        log.warning("cannot keep a phrase of agent %s on disk: %s", name, error)
    return True


async def _until_stopped(switchboard: Switchboard, drain_s: float) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        await _wait_stop(signals)
        switchboard.drain()
        log.info("draining", extra={"fields": {"calls": len(switchboard.live)}})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            with trio.move_on_after(drain_s):
                await switchboard.wait_empty()
            switchboard.close_all("shutdown")
            with trio.move_on_after(GOODBYE_S):
                await switchboard.wait_empty()
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
