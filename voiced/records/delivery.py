"""Webhooks: what waits in the outbox is sent to its endpoint, signed, until that takes it.

An event that was written with its call is delivered at least once: nothing leaves the outbox but
by an answer of the endpoint or by giving up. Each endpoint gets one delivery at a time, so a dead
one costs the others nothing.
"""

import logging
import random
import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from heapq import heappop, heappush
from typing import Final

import httpx
import trio
from attrs import frozen

from voiced.config import Webhook
from voiced.errors import VoicedError
from voiced.ops.publicnet import SENDING_FAULTS, direct_client, kind_of
from voiced.records.model import Delivery
from voiced.records.outbox import Outbox
from voiced.records.posting import signed_request

log = logging.getLogger(__name__)

MAX_AT_ONCE: Final = 8
BATCH: Final = 64
"""How many deliveries are looked at at once; only the first of each endpoint is taken."""

ATTEMPT_S: Final = 10.0
CLOSE_S: Final = 0.5
MAX_ANSWER: Final = 4 * 1024
"""No more is read of an answer, in bytes; nothing in it matters."""

CLAIM_S: Final = 20.0
"""Longer than an attempt. Of a daemon that dies in one, another sends it again after so long."""

BACKOFF_S: Final = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""The pause after the first attempt, the second and so on; the last one is then the pause."""

JITTER: Final = 0.2
MAX_RETRY_AFTER_S: Final = 3600.0
GIVE_UP_S: Final = 24 * 3600.0
REFUSALS: Final = 3
"""Attempts at an endpoint that says that the request itself is wrong."""

OUTBOX_AGAIN_S: Final = 30.0

_PASSING: Final = frozenset({408, 409, 425, 429})  # may be otherwise next time

webhook_client = direct_client
_OUTBOX_FAULTS: Final = (VoicedError, sqlite3.Error)


@frozen
class Outcome:
    """What became of an attempt: a status, or the kind of `error` where there is none."""

    status: int = 0
    error: str = ""
    retry_after: str = ""

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"status {self.status}" if self.status else self.error


def next_attempt(delivery: Delivery, outcome: Outcome, now: float) -> float | None:
    """When to try again after a failure, in Unix seconds; None to give up."""
    made = delivery.attempts + 1
    refused = 400 <= outcome.status < 500 and outcome.status not in _PASSING
    if outcome.status == httpx.codes.GONE or (refused and made >= REFUSALS):
        return None
    pause = BACKOFF_S[min(made, len(BACKOFF_S)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    at = now + max(pause, _asked_pause_s(outcome.retry_after, now))
    return at if at <= delivery.created_at + GIVE_UP_S else None


def _asked_pause_s(retry_after: str, now: float) -> float:
    """What a Retry-After header asks for, seconds or a date; 0 where it is neither."""
    pause = 0.0
    if re.fullmatch(r"[0-9]+", retry_after):
        pause = float(retry_after)
    elif retry_after:
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            date = parsedate_to_datetime(retry_after)
            pause = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return min(max(pause, 0.0), MAX_RETRY_AFTER_S)


class Deliverer:
    """Sends what is due. Two daemons may have one outbox: who claims a delivery sends it.

    `http` is a client of its own, see `webhook_client`; `wall` gives Unix seconds.
    """

    def __init__(
        self,
        webhooks: Mapping[str, Webhook],
        http: httpx.AsyncClient,
        outbox: Outbox,
        wall: Callable[[], float],
    ) -> None:
        self._webhooks = webhooks
        self._http = http
        self._outbox = outbox
        self._wall = wall
        self._slots = trio.CapacityLimiter(MAX_AT_ONCE)  # first come, first served
        self._busy: set[str] = set()
        self._failing: set[str] = set()
        self._later: list[float] = []
        self._wake = trio.Event()

    async def run(self) -> None:
        """Delivers until it is cancelled. What is under way then is sent again another time."""
        async with trio.open_nursery() as nursery:
            # It begins only when this task waits, so that no change passes unseen before.
            nursery.start_soon(self._work, nursery)
            while True:
                try:
                    await self._outbox.wait_change()
                except _OUTBOX_FAULTS:
                    await trio.sleep(OUTBOX_AGAIN_S)
                self._wake.set()

    async def _work(self, nursery: trio.Nursery) -> None:
        """Starts deliveries whenever there may be something to start."""
        complained = False
        while True:
            self._wake = trio.Event()
            try:
                next_at = await self._start_due(nursery)
                complained = False
            except _OUTBOX_FAULTS as fault:
                if not complained:
                    what = {"error": type(fault).__name__}
                    log.warning("the webhooks' outbox cannot be read", extra={"fields": what})
                complained = True
                next_at = self._wall() + OUTBOX_AGAIN_S
            with trio.CancelScope(deadline=trio.current_time() + next_at - self._wall()):
                await self._wake.wait()

    async def _start_due(self, nursery: trio.Nursery) -> float:
        """Starts what can be started; returns when there may be more, in Unix seconds.

        What was due by now and is not started belongs to an endpoint that was busy when the outbox
        was asked: its delivery may be done by the time of the answer. It says when it is free.
        """
        now, busy = self._wall(), set(self._busy)
        due = await self._outbox.due(now, BATCH)
        for delivery in sorted(due, key=lambda each: each.id):
            if delivery.webhook not in busy:
                busy.add(delivery.webhook)
                self._busy.add(delivery.webhook)
                nursery.start_soon(self._deliver, delivery)
        while self._later and self._later[0] <= now:
            heappop(self._later)
        next_due = await self._outbox.next_due()
        soonest = [*self._later[:1], *([] if next_due is None else [next_due])]
        return min((at for at in soonest if at > now), default=float("inf"))

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            webhook = self._webhooks.get(delivery.webhook)
            if webhook is None:
                await self._book(partial(self._outbox.give_up, delivery.id, "not configured"))
                return
            async with self._slots:
                if not await self._claimed(delivery):
                    return
                outcome = await self._attempt(webhook, delivery)
            self._tell(delivery.webhook, outcome)
            await self._settle(delivery, outcome)
        finally:
            self._busy.discard(delivery.webhook)
            self._wake.set()

    async def _claimed(self, delivery: Delivery) -> bool:
        """False where another daemon sends it. What cannot be noted is no reason not to send."""
        now = self._wall()
        try:
            return await self._outbox.claim(delivery.id, now, now + CLAIM_S)
        except _OUTBOX_FAULTS:
            return True

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Has the outbox note what became of an attempt."""
        if outcome.succeeded:
            await self._book(partial(self._outbox.delivered, delivery.id))
            return
        at = next_attempt(delivery, outcome, self._wall())
        if at is None:
            await self._book(partial(self._outbox.give_up, delivery.id, str(outcome)))
            return
        await self._book(partial(self._outbox.postpone, delivery.id, at, str(outcome)))
        heappush(self._later, at)

    async def _book(self, note: Callable[[], Awaitable[None]]) -> None:
        """Notes it, sooner or later: what is not noted would be sent again at once."""
        while True:
            try:
                return await note()
            except _OUTBOX_FAULTS:
                await trio.sleep(OUTBOX_AGAIN_S)

    def _tell(self, name: str, outcome: Outcome) -> None:
        """Logs that an endpoint begins to fail, or works again."""
        what = {"status": outcome.status} if outcome.status else {"error": outcome.error}
        fields = {"fields": {"webhook": name, **what}}
        if outcome.succeeded and name in self._failing:
            self._failing.discard(name)
            log.info("a webhook works again", extra=fields)
        elif not outcome.succeeded and name not in self._failing:
            self._failing.add(name)
            log.warning("a webhook fails", extra=fields)

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        """One exchange. The status counts from the moment that it is there."""
        outcome = Outcome(error="timeout")
        try:
            with trio.move_on_after(ATTEMPT_S):
                told = (delivery.event, delivery.event_id, delivery.body)
                request = await signed_request(webhook, *told, self._wall())
                response = await self._http.send(request, stream=True, follow_redirects=False)
                try:
                    retry_after = response.headers.get("Retry-After", "").strip()
                    outcome = Outcome(response.status_code, retry_after=retry_after)
                    await _skim(response)
                finally:
                    with trio.move_on_after(CLOSE_S, shield=True):
                        await response.aclose()
        except SENDING_FAULTS as error:
            return outcome if outcome.status else Outcome(error=kind_of(error))
        return outcome


async def _skim(response: httpx.Response) -> None:
    """Reads the beginning of an answer, so that its sender does not see it refused.

    A read that is cancelled unwinds httpx's generators; one that is left is for the collector.
    """
    read = 0
    with trio.CancelScope() as scope:
        async for part in response.aiter_raw():
            read += len(part)
            if read >= MAX_ANSWER:
                scope.cancel()
