"""The failures of an LLM's HTTP API as engine errors that say what to mend.

Neither keys nor what was said stand in them: of a server's own words only its short code is kept,
and its sentence is only searched for what it complains of.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import httpx
from attrs import frozen

from voiced.engines.reach import why_unreachable
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
    RequestRefused,
)
from voiced.wire.api_error import ApiError

AnyEngineError = TypeVar("AnyEngineError", bound=EngineError)

NO_CREDIT: Final = "the account has no credit left"
TOO_LONG: Final = "the conversation is too long for the model"

_NO_CREDIT: Final = frozenset({"insufficient_quota", "credit_balance_exhausted"})
_BUSY: Final = frozenset({"rate_limit_exceeded", "server_is_overloaded", "slow_down",
    "rate_limit_error", "overloaded_error"})  # fmt: skip
_FULL: Final = frozenset({429, 498, 503, 529})
_BAD_REQUEST: Final = frozenset({400, 422})
_CODE: Final = re.compile(r"[a-z0-9_-]{1,60}")

_TOLD: Final[Mapping[int, str]] = {
    401: "{where} does not accept the api_key (HTTP 401)",
    402: "the account at {where} has no credit left (HTTP {status})",
    403: "{where} does not accept the api_key for {model} (HTTP {shown})",
    404: "{where} has no model {model} (HTTP 404): {not_found}",
    413: "the conversation is too long for {where} (HTTP 413)",
    429: "{where} limits our rate (HTTP 429): the account's plan sets how many calls",
    498: "{where} is overloaded (HTTP 498)",
    503: "{where} is overloaded, or still loading its model (HTTP 503)",
    529: "{where} is overloaded (HTTP 529)",
}
"""Status -> what to say of it; of others it is said whether the request or the server failed."""


@frozen
class Complaint:
    """What a request may be refused for. `pattern` is what the server's code or its sentence
    begins with: what the caller said may stand further on.
    """

    pattern: str
    advice: str
    kind: type[EngineRefused] = EngineRefused


@frozen
class LlmFailures:
    """Words the failures of one LLM. `not_found` says what to do where its model is not there."""

    engine: str
    base_url: str
    model: str
    max_tokens: int = 200
    not_found: str = "check model and base_url"
    complaints: Sequence[Complaint] = ()

    def error(
        self, kind: type[AnyEngineError], message: str, *, retryable: bool = True
    ) -> AnyEngineError:
        """An error of this engine, to be raised."""
        return kind(self.engine, "llm", message, retryable=retryable)

    def refused(self, status: int, api: ApiError) -> EngineError:
        """For an answer with another status than 200."""
        complaint = self._complaint(api) if status in _BAD_REQUEST else None
        unpaid = api.code in _NO_CREDIT
        verdict = "failed" if status >= 500 or api.retryable else "does not take the request"
        advice = f": {complaint.advice}" if complaint else ""
        form = _TOLD.get(402 if unpaid else status, "{where} {verdict} (HTTP {shown}){advice}")
        told = form.format(
            where=self.base_url,
            model=self.model,
            status=status,
            shown=", ".join([str(status), *_code(api, status)]),
            verdict=verdict,
            advice=advice,
            not_found=self.not_found,
        )
        kind = EngineRefused if unpaid else complaint.kind if complaint else _kind(status)
        return self.error(kind, told, retryable=api.retryable)

    def failed(self, api: ApiError) -> EngineError:
        """For an error in the middle of an answer."""
        complaint = self._complaint(api)
        kind = EngineAtCapacity if api.code in _BUSY else EngineBroken
        advice = f": {complaint.advice}" if complaint else ""
        code = next(iter(_code(api)), "error")
        told = f"{self.base_url} broke off its answer ({code}){advice}"
        return self.error(complaint.kind if complaint else kind, told, retryable=api.retryable)

    def declined(self) -> EngineError:
        """For an answer that the model, or the filter that watches it, declined to give."""
        told = f"{self.model} declines to answer: see what the prompt asks"
        return self.error(RequestRefused, told, retryable=False)

    def wordless(self) -> EngineError:
        """For an answer that was at its limit before its first word: another may be in time."""
        told = (
            f"{self.model} used its max_tokens of {self.max_tokens} up before its first word; "
            "thinking counts too: have it think less, or raise max_tokens"
        )
        return self.error(EngineRefused, told)

    def dropped(self, error: httpx.HTTPError | httpx.InvalidURL) -> EngineError:
        """For whatever happens to the connection."""
        match error:
            case httpx.ConnectTimeout():
                told = f"{self.base_url} did not take the connection in time"
                return self.error(EngineTimeout, told)
            case httpx.PoolTimeout():
                return self.error(EngineAtCapacity, "all our connections to it are in use")
            case httpx.ConnectError():
                told = why_unreachable(error, self.base_url, "the model's server")
                return self.error(EngineBroken, told)
            case httpx.UnsupportedProtocol() | httpx.InvalidURL():
                told = f"base_url {self.base_url} is not an address"
                return self.error(EngineRefused, told, retryable=False)
        return self.error(EngineBroken, f"{self.base_url} dropped the connection")

    def _complaint(self, api: ApiError) -> Complaint | None:
        for each in self.complaints:
            if re.match(each.pattern, api.code) or re.match(each.pattern, api.message):
                return each
        return None


def _kind(status: int) -> type[EngineError]:
    if status in _FULL:
        return EngineAtCapacity
    if status == 413:
        return RequestRefused
    return EngineBroken if status >= 500 else EngineRefused


def _code(api: ApiError, status: int = 0) -> Sequence[str]:
    """The server's own code, where it is one and says more than the status."""
    known = _CODE.fullmatch(api.code) and api.code != f"http-{status}"
    return (api.code,) if known else ()
