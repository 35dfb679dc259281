"""Asks a moshi-server how many slots the module behind a route has, and how many are taken."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx
import trio
from attrs import field, frozen

from voiced.config import MoshiStt, MoshiTts
from voiced.engines.moshi_server import KEY_HEADER
from voiced.engines.reach import why_unreachable
from voiced.errors import EngineBroken, EngineError, EngineTimeout, WireError
from voiced.wire.moshi_modules import MAX_BYTES, Module, parse_modules

API: Final = "/api/"
CLOSE_S: Final = 0.5


@frozen
class Inquiry:
    """Where a server tells of its modules (`url`), and which of them is meant (`path`)."""

    engine: str
    role: str
    url: str
    path: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)

    async def ask(self, http: httpx.AsyncClient, answer_s: float) -> Module | None:
        """The module; None where the server does not tell of it.

        Raises:
            EngineTimeout: no whole answer within `answer_s`.
            EngineBroken: not reachable, failing, or no moshi-server.
        """
        try:
            data = await self._body(http, answer_s)
            modules = () if data is None else parse_modules(data)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._broken(why_unreachable(error, self.url, "moshi-server")) from error
        except WireError as error:
            raise self._broken(f"{self.url} is hardly moshi-server's: {error}") from error
        return next((module for module in modules if module.path == self.path), None)

    async def _body(self, http: httpx.AsyncClient, answer_s: float) -> bytes | None:
        """What it answers, up to a little more than `MAX_BYTES`; None for a 404."""
        body = b""
        request = http.build_request("GET", self.url, headers=self.headers)
        with trio.move_on_after(answer_s) as scope:
            response = await http.send(request, stream=True)
            try:
                if response.status_code == httpx.codes.NOT_FOUND:
                    return None
                if response.status_code != httpx.codes.OK:
                    raise self._broken(f"{self.url} failed (HTTP {response.status_code})")
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        # Leaving the loop would leave httpx's generators to the garbage
                        # collector; a read that is cancelled unwinds them.
                        scope.cancel(reason="too long")
            finally:
                with trio.move_on_after(CLOSE_S, shield=True):
                    await response.aclose()
        if scope.cancelled_caught and len(body) <= MAX_BYTES:
            told = f"{self.url} did not answer within {answer_s:g} s"
            raise EngineTimeout(self.engine, self.role, told, retryable=True)
        return body

    def _broken(self, told: str) -> EngineError:
        return EngineBroken(self.engine, self.role, told, retryable=True)


def inquiry(name: str, role: str, settings: MoshiStt | MoshiTts) -> Inquiry:
    """From the address of a route to that of `modules_info` on the same server.

    What stands before `/api/` is a proxy's and stays; the server does not know of it.
    """
    parts = urlsplit(settings.url)
    scheme = "https" if parts.scheme == "wss" else "http"
    prefix, api, route = parts.path.rpartition(API)
    host = parts.netloc.rpartition("@")[2]
    key = settings.api_key.reveal() if settings.api_key else ""
    return Inquiry(
        name,
        role,
        url=f"{scheme}://{host}{prefix}{API}modules_info",
        path=f"{api}{route}",
        headers={KEY_HEADER: key} if key else {},
    )
