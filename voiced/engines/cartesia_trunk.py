"""The connection that all replies in Cartesia's voice share, so that it is there before a call is.

Cartesia closes it after five minutes without traffic; it is renewed before, since a reply must not
meet the close on its way. A far end that is gone without a word (a firewall that forgot us) is
found by pings, and by a reply that hears nothing.
"""

import logging
from collections.abc import Callable
from typing import TypeAlias

import trio
from attrs import define, frozen

from voiced.engines.cartesia_line import Line
from voiced.engines.cartesia_reply import Reply
from voiced.engines.dial import Dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.rooms import Reach
from voiced.engines.socket import open_socket
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineTimeout

log = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[Reach], None]


@frozen
class TrunkTiming:
    """In seconds: the connection is renewed when nothing has passed on it for `idle_s`, pinged
    every `alive_s` and given up without an answer within `pong_s`; between two attempts to connect
    lie at least `again_s`.
    """

    idle_s: float = 240.0
    alive_s: float = 30.0
    pong_s: float = 3.0
    again_s: float = 5.0


@define(eq=False)
class Trunk:
    """Carries replies; `line` is the shared connection, while `run` keeps one."""

    endpoint: Endpoint
    _timing: TrunkTiming
    _connect: Dial
    line: Line | None = None

    async def speak(self, reply: Reply) -> None:
        """On the shared connection. Where there is none, or it ends before anything was spoken, on
        one of the reply's own.

        Raises:
            EngineError: as `CartesiaTts.speak`.
        """
        line = self.line
        if line is not None and line.is_open:
            asked_at = trio.current_time()
            try:
                return await reply.speak(line, self.endpoint)
            except EngineTimeout:
                if line.heard_at < asked_at:
                    line.abandon()
                raise
            except EngineBroken:
                if line.is_open or not reply.can_go_on:
                    raise
        await self._speak_alone(reply)

    async def _speak_alone(self, reply: Reply) -> None:
        async with (
            open_socket(self.endpoint, str, self._connect) as socket,
            trio.open_nursery() as nursery,
        ):
            line = Line(socket)
            nursery.start_soon(line.serve)
            await reply.speak(line, self.endpoint)
            nursery.cancel_scope.cancel()

    async def run(self, tell: Tell) -> None:
        """Keeps the connection until cancelled; `tell` learns what came of each attempt."""
        found = Reach.OK
        while True:
            again_at = trio.current_time() + self._timing.again_s
            found = await self._keep_one(found, tell)
            await trio.sleep_until(again_at)

    async def _keep_one(self, before: Reach, tell: Tell) -> Reach:
        """Connects, and returns when that connection has ended, or there was none."""
        try:
            async with open_socket(self.endpoint, str, self._connect) as socket:
                if before is Reach.FAILED:
                    log.info("connected again", extra={"fields": {"engine": self.endpoint.engine}})
                tell(Reach.OK)
                await self._keep(Line(socket))
        except EngineAtCapacity:
            tell(Reach.OK)  # it is there
        except EngineError as error:
            if before is Reach.OK:
                log.warning("cannot keep a connection: %s", error)
            tell(Reach.FAILED)
            return Reach.FAILED
        return Reach.OK

    async def _keep(self, line: Line) -> None:
        self.line = line
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew, line)
                nursery.start_soon(self._prove, line)
                await line.serve()
                nursery.cancel_scope.cancel()
        finally:
            self.line = None

    async def _renew(self, line: Line) -> None:
        due = line.used_at
        while due < line.used_at + self._timing.idle_s:
            due = line.used_at + self._timing.idle_s
            await trio.sleep_until(due)
        line.abandon()

    async def _prove(self, line: Line) -> None:
        while True:
            await trio.sleep(self._timing.alive_s)
            if not await line.answers(self._timing.pong_s):
                break
        log.warning("the connection is dead", extra={"fields": {"engine": self.endpoint.engine}})
        line.abandon()
