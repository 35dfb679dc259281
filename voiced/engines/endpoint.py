"""Where an engine is, who asks, and how its failures are worded."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import urlsplit

from attrs import field, frozen

from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused

AnyEngineError = TypeVar("AnyEngineError", bound=EngineError)

UNAUTHORISED: Final = 401
REFUSALS: Final = {
    400: "it takes the address for something else: check the path and the query",
    401: "it does not accept the api_key",
    403: "it forbids us this address",
    404: "there is no such path: check the address",
}
"""What a refused upgrade means; an engine's own words may replace these."""


@frozen
class Endpoint:
    """The address of one engine in one role.

    `headers` carry the key, so they show in no repr. `program` is what should listen there.
    `ending` words the code and the reason that a WebSocket is closed with, where they say why.
    """

    engine: str
    role: str
    url: str
    program: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    refusals: Mapping[int, str] = field(factory=dict, repr=False)
    connect_s: float = 3.0
    ending: Callable[[int, str | None], str] = lambda code, reason: "it dropped the connection"

    @property
    def where(self) -> str:
        """The address as errors show it: a user or a query may hold a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{self.host}{parts.path}"

    @property
    def host(self) -> str:
        """Host and port, as in the Host header."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def target(self) -> str:
        """Path and query, as in the request line."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def error(
        self, kind: type[AnyEngineError], message: str, *, retryable: bool = True
    ) -> AnyEngineError:
        """An error of this engine, to be raised."""
        return kind(self.engine, self.role, message, retryable=retryable)

    def refusal(self, status: int) -> EngineError:
        """The error for an upgrade answered with this HTTP status."""
        meaning = self.refusals.get(status) or REFUSALS.get(status)
        if status == 429:
            return self.error(EngineAtCapacity, f"{self.where} has no room (HTTP 429)")
        if status >= 500:
            return self.error(EngineBroken, f"{self.where} failed (HTTP {status})")
        told = f"{self.where} refused (HTTP {status})" + (f": {meaning}" if meaning else "")
        return self.refused(told, status)

    def refused(self, told: str, status: int) -> EngineRefused:
        """The error of an engine that says no for good, by this status of HTTP or like HTTP's."""
        error = self.error(EngineRefused, told, retryable=False)
        error.key = "api_key" if status == UNAUTHORISED else ""
        return error
