"""Keeps an LLM's connection open between calls: a TLS handshake costs the first caller dearly."""

import logging
from typing import Final, Protocol

import trio

from voiced.errors import EngineError

IDLE_S: Final = 45.0
"""Servers and proxies close a connection that has been idle for a minute or more."""

_log = logging.getLogger(__name__)


class Warmable(Protocol):
    """An engine with a connection to keep.

    `last_used` is on Trio's clock, `-inf` at first; an attempt that failed counts too.
    """

    last_used: float

    async def warm(self) -> None: ...


async def keep_warm(llm: Warmable, idle_s: float = IDLE_S) -> None:
    """Warms the connection at once, and again each time it has been idle, until cancelled.

    A failure is logged and nothing else: the daemon's readiness is judged elsewhere.
    """
    while True:
        await trio.sleep_until(llm.last_used + idle_s)
        if trio.current_time() < llm.last_used + idle_s:
            continue  # a call has used it meanwhile
        try:
            await llm.warm()
        except EngineError as error:
            _log.warning("cannot warm up: %s", error)
