"""The daemon from its first step to its last."""

import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import httpx
import trio
from attrs import evolve, frozen

from voiced.config import DEFAULT_AGENT, Settings
from voiced.daemon.imports import import_all
from voiced.daemon.orders import SIGNALS, Orders
from voiced.daemon.port import Port, open_port
from voiced.daemon.renewal import Read, Renewal
from voiced.daemon.standing import Standing
from voiced.engines.http import http_client
from voiced.house import Clients, House, build
from voiced.ops import garbage
from voiced.ops.metrics_lateness import watch_lateness
from voiced.ops.presence import Sign
from voiced.ops.publicnet import direct_client
from voiced.ops.systemd import Notifier, watchdog_s
from voiced.ops.watchdog import Watchdog
from voiced.records.delivery import Deliverer, webhook_client
from voiced.records.model import OpenCall
from voiced.records.outbox import StoredOutbox
from voiced.records.retention import keep_tidy
from voiced.records.store import Store, StoreError

log = logging.getLogger(__name__)

GOODBYE_S: Final = 10.0
"""A daemon that must end gives its calls this long to say goodbye."""

ANSWERS_S: Final = 1.0
"""For the answers that are under way when the last call is over: the carrier has asked what is
next, and has to be told."""

ERRANDS_S: Final = 5.0
"""For the requests to the carrier that are."""

LOOK_UP_S: Final = 2.0
"""For what the records know of a call, while the carrier waits for our answer."""


async def run(
    settings: Settings,
    *,
    reload: Read | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs the daemon; started once it listens.

    The first SIGTERM or SIGINT takes no more calls and waits up to `drain_s` for those under
    way; a second one ends them at once, and so does the first while nothing is served yet.
    SIGHUP takes the settings that `reload` returns: it is called in a thread, and may raise
    `ConfigError`. Without it, SIGHUP does nothing.

    Raises:
        StartupError: it cannot listen.
    """
    orders, notifier = Orders(), Notifier.of(os.environ)
    with trio.open_signal_receiver(*SIGNALS) as signals, notifier:
        async with open_port(settings.server) as port, trio.open_nursery() as heeding:
            heeding.start_soon(orders.heed, signals)
            with orders.life:
                await _Run(port, orders, notifier, reload).live(
                    settings, lambda: task_status.started()
                )
            notifier.tell(STOPPING=1)
            heeding.cancel_scope.cancel(reason="over")


@frozen
class _Run:
    port: Port
    orders: Orders
    notifier: Notifier
    reload: Read | None

    async def live(self, settings: Settings, started: Callable[[], None]) -> None:
        async with _clients() as clients, webhook_client() as posting:
            house = build(settings, clients, self.port.presence.name)
            async with trio.open_nursery() as records:
                # Outside of all else: what a call's end puts on record must still find it.
                await records.start(house.recorder.run)
                async with trio.open_nursery() as nursery:
                    await self._begin(house, posting, nursery)
                    standing = Standing(house, self.notifier)
                    renewal = Renewal(house, standing, nursery)
                    renewal.start()
                    nursery.start_soon(standing.run)
                    asked = trio.Event()
                    nursery.start_soon(self.port.serve, house, nursery, asked)
                    nursery.start_soon(self._serve, standing, renewal, asked)
                    started()
                    await self.orders.stop.wait()
                    await self._drain(house, standing, nursery)
                    nursery.cancel_scope.cancel(reason="stopped")
                records.cancel_scope.cancel(reason="stopped")

    async def _begin(self, house: House, posting: httpx.AsyncClient, nursery: trio.Nursery) -> None:
        """What there is to begin but once."""
        orphans = house.orphans.adopt(await self._left_behind(house))
        house.afterwards.inherit = partial(self._inherit, house)
        _start(house, posting, nursery)
        if within_s := watchdog_s(os.environ, os.getpid()):
            pacers, knock = partial(_pacers, house), self.port.knock
            nursery.start_soon(Watchdog(self.notifier, within_s, pacers, knock).run)
        nursery.start_soon(house.orphans.settle, orphans)
        _settle(house, nursery)
        self.orders.started()

    async def _left_behind(self, house: House) -> Sequence[OpenCall]:
        """The calls of a run that has crashed; none while another run, whose they may be, lives."""
        if self.port.presence.others(Sign.ALIVE):
            return ()
        return await _open_calls(house)

    async def _inherit(self, house: House, sid: str, at: str) -> None:
        """A call that nobody has here is ours from now on, if a daemon that is gone had put it
        through: that one did not wait for it, and `_left_behind` need not have seen it."""
        if not await self.port.is_gone(at):
            return
        calls: Sequence[OpenCall] = ()
        with trio.move_on_after(LOOK_UP_S):
            await house.recorder.flush()  # its end may have been ours, a moment ago
            calls = await _open_calls(house, partial(_if_put_through, sid))
        if not house.orphans.inherit(sid, calls):
            log.debug("the carrier asks about a call that is over", extra={"fields": {"call": sid}})

    async def _serve(self, standing: Standing, renewal: Renewal, asked: trio.Event) -> None:
        """Gets ready, and reads the configuration again when told to; until an order to stop."""
        with self.orders.service:
            await standing.wait_asked()
            asked.set()
            self.port.presence.show(Sign.SERVING)
            standing.ready()
            while True:
                await self.orders.wait_again()
                if self.reload:
                    await renewal.renew(self.reload)

    async def _drain(self, house: House, standing: Standing, nursery: trio.Nursery) -> None:
        switchboard = house.switchboard
        switchboard.drain()
        log.info("draining", extra={"fields": {"calls": len(switchboard.live)}})
        standing.draining()
        self.port.hand_over()
        with self.orders.patience:
            with trio.move_on_after(house.settings.server.drain_s):
                await switchboard.register.wait_quiet()
            switchboard.close_all("shutdown")
            with trio.move_on_after(GOODBYE_S):
                await switchboard.register.wait_quiet()
            await self.port.close(house, nursery)
            with trio.move_on_after(ANSWERS_S):
                await house.listening.exchanges.wait_idle()
            with trio.move_on_after(ERRANDS_S):
                await house.errands.busy.wait_idle()


def _if_put_through(sid: str, store: Store) -> Sequence[OpenCall]:
    """The open calls, where this is one of them. Most that are asked for are over: one is read."""
    call = store.call(sid)
    return store.open_calls() if call and call["status"] == "transferring" else ()


async def _open_calls(
    house: House, query: Callable[[Store], Sequence[OpenCall]] = Store.open_calls
) -> Sequence[OpenCall]:
    """What the run before left behind; whose agent is gone, the default one takes."""
    try:
        calls = await house.recorder.read(query)
    except StoreError as error:
        log.error("what the run before left behind is not known: %s", error)
        return ()
    agents = house.settings.agents
    return [call if call.agent in agents else evolve(call, agent=DEFAULT_AGENT) for call in calls]


def _start(house: House, posting: httpx.AsyncClient, nursery: trio.Nursery) -> None:
    """What runs beside the calls, whatever they sound like."""
    settings, recorder = house.settings, house.recorder
    nursery.start_soon(watch_lateness, house.metrics.late)
    nursery.start_soon(house.errands.run)
    nursery.start_soon(house.afterwards.run)
    nursery.start_soon(
        keep_tidy, recorder, settings.records.directory, settings.records.retention_days
    )
    if settings.webhooks:
        deliverer = Deliverer(settings.webhooks, posting, StoredOutbox(recorder), time.time)
        nursery.start_soon(deliverer.run)


@asynccontextmanager
async def _clients() -> AsyncIterator[Clients]:
    async with (
        http_client() as engines,
        httpx.AsyncClient() as carrier,
        direct_client() as tools,
    ):
        yield Clients(engines, carrier, tools)


def _pacers(house: House) -> Mapping[str, float]:
    """The worst lateness of each live call's audio, in seconds."""
    live = house.switchboard.live.items()
    return {sid: call.record().leg.take_lateness() for sid, call in live}


def _settle(house: House, nursery: trio.Nursery) -> None:
    """Start-up is over: from now on, time taken is somebody's silence."""
    import_all()
    garbage.settle()
    register, slow_tasks = house.switchboard.register, house.slow_tasks
    nursery.start_soon(garbage.Garbage(register, excuse=slow_tasks.watch).run)
    slow_tasks.watch()
