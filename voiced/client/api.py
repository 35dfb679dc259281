"""The daemon's HTTP API as a client sees it: JSON back, or one sentence that says what to do."""

import ssl
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from socket import gaierror
from typing import Any, Final, TypeVar

import httpx
import trio

from voiced.client.address import Address
from voiced.client.text import shown
from voiced.engines.reach import why_unreachable
from voiced.errors import VoicedError, WireError
from voiced.wire import fields

Told = TypeVar("Told")
Parse = Callable[[object], Told]

ANSWER_S: Final = 10.0
"""A daemon answers at once; one that does not in this time will not."""

LONGEST_PAUSE_S: Final = 60.0


class ApiFailed(VoicedError):
    """The daemon was not reached (`status` 0), or said no.

    `code` is the API's own stable word, `pause_s` the pause that a full daemon asks for.
    """

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", pause_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.pause_s = pause_s


class Api:
    """One daemon."""

    def __init__(self, address: Address, http: httpx.AsyncClient) -> None:
        self.address = address
        self._http = http

    async def get(
        self,
        parse: Parse[Told],
        path: str,
        query: Mapping[str, str | int] | None = None,
        *,
        wait_s: float = 0.0,
    ) -> Told:
        """What is at `path`; `wait_s` is how long the daemon was asked to wait for news.

        Raises:
            ApiFailed: not there, not allowed, or not found.
        """
        request = self._http.build_request("GET", self._url(path), params=query)
        return self._read(parse, await self._sent(request, ANSWER_S + wait_s))

    async def post(self, parse: Parse[Told], path: str, body: Mapping[str, Any]) -> Told:
        """Has the daemon do something.

        Raises:
            ApiFailed: not there, not allowed, not possible.
        """
        request = self._http.build_request("POST", self._url(path), json=body)
        return self._read(parse, await self._sent(request, ANSWER_S))

    def _url(self, path: str) -> str:
        return f"{self.address.url}{path}"

    async def _sent(self, request: httpx.Request, patience_s: float) -> httpx.Response:
        if self.address.tls_name:
            request.extensions["sni_hostname"] = self.address.tls_name
            request.headers["Host"] = self.address.tls_name
        with trio.move_on_after(patience_s):
            try:
                return await self._http.send(request)
            except httpx.HTTPError as error:
                raise ApiFailed(_unreached(error, self.address.url)) from error
        told = f"the daemon at {self.address.url} did not answer within {patience_s:g} s"
        raise ApiFailed(told)

    def _read(self, parse: Parse[Told], response: httpx.Response) -> Told:
        if not response.is_success:
            raise self._refusal(response)
        try:
            return parse(fields.json_value(response.content))
        except WireError as error:
            told = f"what {self.address.url} answered is not what voiced does: {error}"
            raise ApiFailed(told, status=response.status_code) from error

    def _refusal(self, response: httpx.Response) -> ApiFailed:
        status = response.status_code
        code, message = _error(response)
        if status == httpx.codes.UNAUTHORIZED:
            lacks = "does not accept our token" if self.address.token else "asks for a token"
            message = (
                f"the daemon at {self.address.url} {lacks}: give the value of its api.token "
                "by --token, VOICED_API_TOKEN, or api.token in the configuration"
            )
        elif not message:
            message = (
                f"{self.address.url} answered HTTP {status}, and not as voiced does: "
                "is that the daemon's address?"
            )
        return ApiFailed(message, status=status, code=code, pause_s=_pause_s(response))


@asynccontextmanager
async def open_api(address: Address) -> AsyncGenerator[Api]:
    """The API at this address; connects when it is first asked."""
    token = address.token
    headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
    # A proxy of the environment is for the network; nobody's way to this machine leads there.
    async with httpx.AsyncClient(
        headers=headers,
        verify=ssl.create_default_context(),  # what this machine trusts
        timeout=None,
        trust_env=not address.is_here,
    ) as http:
        yield Api(address, http)


def _error(response: httpx.Response) -> tuple[str, str]:
    """The API's code and message; both empty where it is not the API that answered."""
    try:
        error = fields.child(fields.as_object(fields.json_value(response.content)), "error")
        return fields.text(error, "code"), shown(fields.text(error, "message"))
    except WireError:
        return "", ""


def _pause_s(response: httpx.Response) -> float:
    try:
        asked = float(response.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0
    return min(asked, LONGEST_PAUSE_S) if asked > 0 else 0.0


def _unreached(error: httpx.HTTPError, url: str) -> str:
    if not isinstance(error, httpx.ConnectError):
        return f"{url} dropped the connection: is that the daemon's address?"
    if any(isinstance(cause, ssl.SSLError | gaierror) for cause in _causes(error)):
        return why_unreachable(error, url, "voiced")
    return f"no daemon at {url}: is it running? systemctl status voiced"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
