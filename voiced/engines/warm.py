"""Keeps an LLM's connection open between calls: a TLS handshake costs the first caller dearly."""

import logging
from collections.abc import Callable
from typing import Final, Protocol

import trio

from voiced.engines.rooms import Reach
from voiced.errors import EngineAtCapacity, EngineError

IDLE_S: Final = 45.0
"""Servers and proxies close a connection that has been idle for a minute or more."""

AGAIN_S: Final = 5.0
"""A server that is away is asked again this soon: calls are refused meanwhile."""

_log = logging.getLogger(__name__)


class Warmable(Protocol):
    """An engine with a connection to keep.

    `last_used` is on Trio's clock, `-inf` at first; an attempt that failed counts too.
    """

    @property
    def last_used(self) -> float: ...

    async def warm(self) -> None: ...


def _keep_to_oneself(outcome: Reach) -> None:
    """For a caller who does not ask what came of it."""


async def keep_warm(
    llm: Warmable, idle_s: float = IDLE_S, tell: Callable[[Reach], None] = _keep_to_oneself
) -> None:
    """Warms the connection at once, and again each time it has been idle, until cancelled.

    `tell` learns what came of each attempt; a server that has no room just now is there. A
    failure is logged too, and that is all: whether calls are taken is judged elsewhere.
    """
    found = Reach.OK
    while True:
        if found is Reach.OK:
            await trio.sleep_until(llm.last_used + idle_s)
            if trio.current_time() < llm.last_used + idle_s:
                continue  # a call has used it meanwhile
        else:
            await trio.sleep_until(trio.current_time() + AGAIN_S)
        before = found
        found = await _warmed(llm, before)
        tell(found)


async def _warmed(llm: Warmable, before: Reach) -> Reach:
    """Logs a failure, unless it is the same as before."""
    try:
        await llm.warm()
    except EngineAtCapacity:
        return Reach.OK
    except EngineError as error:
        if before is Reach.OK:
            _log.warning("cannot warm up: %s", error)
        return Reach.FAILED
    return Reach.OK
