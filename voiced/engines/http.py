"""httpx for engines: one pooled client, our deadlines, our errors.

A connection whose answer was not read to its end is closed at once and never used again. httpx
sees to that when a response is closed; so what matters here is that each one is.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx
import trio
from attrs import frozen

from voiced.engines.http_failures import HttpFailures
from voiced.errors import EngineError, EngineTimeout
from voiced.wire.api_error import error_of

MAX_CONNECTIONS: Final = 256
KEEPALIVE_S: Final = 120.0
CONNECT_S: Final = 3.0
CLOSE_S: Final = 0.5
"""Closing does not wait for the far end; this bounds it should it ever."""

MAX_BODY: Final = 64 * 1024
"""No more is read of an answer that is not a stream, in bytes."""

_JSON: Final = "application/json"


def http_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The one client of all engines; its owner closes it. `Http` sets the other deadlines."""
    return httpx.AsyncClient(
        transport=transport,
        limits=httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
        ),
        timeout=httpx.Timeout(None, connect=CONNECT_S, pool=1.0),
        headers={"Accept-Encoding": "identity"},  # a compressing proxy would hold tokens back
    )


class NoAnswer(Exception):
    """A request failed before the first byte of what it asked for; another may succeed.

    `error` is what to raise if none is tried, `pause_s` the pause that the server asks for.
    """

    def __init__(self, error: EngineError, pause_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause_s = pause_s


@frozen
class Answer:
    """A response whose head has come."""

    response: httpx.Response
    _chunks: AsyncIterator[bytes]
    _failures: HttpFailures

    async def next(self, due: float) -> bytes | None:
        """The next bytes of the body; None at its end.

        Raises:
            EngineTimeout: none by `due`.
            EngineBroken: the connection dropped.
        """
        with trio.CancelScope(deadline=due):
            try:
                return await anext(self._chunks, None)
            except httpx.HTTPError as error:
                raise self._failures.dropped(error) from error
        raise self._failures.error(EngineTimeout, self._failures.late)

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.response.status_code

    async def refusal(self, due: float) -> NoAnswer:
        """What to raise for a status other than 200; the body says why.

        Raises:
            EngineError: as `next`.
        """
        body = b""
        while len(body) < MAX_BODY and (chunk := await self.next(due)) is not None:
            body += chunk
        api = error_of(self.status, body, self.response.headers)
        return NoAnswer(self._failures.refused(self.status, api), api.retry_after_s)

    async def abandon(self) -> None:
        """Ends the reading where it stands.

        httpx reads through generators within generators, and closing the outer one leaves the
        inner ones to the garbage collector. A read that is cancelled unwinds them all.
        """
        with trio.CancelScope(shield=True) as scope, suppress(httpx.HTTPError):
            scope.cancel()
            async for _ in self._chunks:
                pass

    async def finish(self, tail_s: float) -> None:
        """Lets the body end, so that the connection can be used again; waits `tail_s` at most."""
        with trio.move_on_after(tail_s), suppress(httpx.HTTPError):
            async for _ in self._chunks:
                pass


@frozen
class Http:
    """The client, as one engine uses it."""

    _client: httpx.AsyncClient
    _failures: HttpFailures

    @asynccontextmanager
    async def exchange(
        self, path: str, due: float, json: bytes | None = None
    ) -> AsyncGenerator[Answer]:
        """Posts the JSON, or gets what is there, at a path behind the engine's address; closes the
        response at once when the scope is left.

        Raises:
            EngineTimeout: no answer by `due`.
            NoAnswer: not reachable, or dropped before it answered.
        """
        response = await self._sent(path, due, json)
        answer = Answer(response, response.aiter_bytes(), self._failures)
        try:
            yield answer
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await answer.abandon()
                await response.aclose()

    async def _sent(self, path: str, due: float, json: bytes | None) -> httpx.Response:
        endpoint = self._failures.endpoint
        method, kind = ("GET", {}) if json is None else ("POST", {"Content-Type": _JSON})
        headers, url = {**endpoint.headers, **kind}, endpoint.url + path
        with trio.CancelScope(deadline=due):
            try:
                request = self._client.build_request(method, url, content=json, headers=headers)
                return await self._client.send(request, stream=True)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise NoAnswer(self._failures.dropped(error)) from error
        raise self._failures.error(EngineTimeout, "it did not answer in time")
