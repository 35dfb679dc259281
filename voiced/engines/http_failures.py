"""The failures of an engine's HTTP API as engine errors that say what to mend.

Neither keys nor what was said stand in them: of a server's own words only its short code is kept,
and its sentence is only searched for what it complains of.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
from attrs import frozen

from voiced.engines.endpoint import AnyEngineError, Endpoint
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

NO_CREDIT: Final = "the account has no credit left"
TOO_LONG: Final = "the conversation is too long for the model"

_NO_CREDIT: Final = frozenset({"insufficient_quota", "credit_balance_exhausted"})
_BUSY: Final = frozenset({"rate_limit_exceeded", "server_is_overloaded", "slow_down",
    "rate_limit_error", "overloaded_error"})  # fmt: skip
_FULL: Final = frozenset({429, 498, 503, 529})
_BAD_REQUEST: Final = frozenset({400, 422})
_KEY_REFUSED: Final = frozenset({401, 403})
_CODE: Final = re.compile(r"[a-z0-9_-]{1,60}")

_TOLD: Final[Mapping[int, str]] = {
    401: "{where} does not accept the api_key (HTTP 401)",
    402: "the account at {where} has no credit left (HTTP {status})",
    403: "{where} does not accept the api_key for {model} (HTTP {shown})",
    404: "{where} has no model {model} (HTTP 404): {not_found}",
    413: "what is asked is too long for {where} (HTTP 413)",
    429: "{where} limits our rate (HTTP 429): the account's plan sets how many calls",
    498: "{where} is overloaded (HTTP 498)",
    503: "{where} is overloaded, or still loading its model (HTTP 503)",
    529: "{where} is overloaded (HTTP 529)",
}
"""Status -> what to say of it; of others it is said whether the request or the server failed."""


class FormRefused(EngineRefused):
    """It said no to the form that an answer was to have; never leaves `voiced.engines.llm`."""


@frozen
class Complaint:
    """What a request may be refused for. `pattern` is what the server's code or its sentence
    begins with: what the caller said may stand further on. `statuses` are those that it comes by.
    """

    pattern: str
    advice: str
    kind: type[EngineRefused] = EngineRefused
    statuses: frozenset[int] = _BAD_REQUEST


FORM: Final = Complaint(
    r"(?i).*?(?:response[_ ]format|json[_ ]schema|json[_ ]mode|json_validate_failed|output_format"
    r"|output_config(?!\.effort)|structured.outputs?|\bschema\b|\bgrammar\b)",
    "it takes no form for the answer",
    FormRefused,
    _BAD_REQUEST | {500, 501},
)
"""For requests that give the answer a form. Servers complain of it in many words, anywhere in the
sentence; Ollama and old versions of llama.cpp's server do as if the fault were their own."""


@frozen
class HttpFailures:
    """Words the failures of one engine.

    `late` is what to say where the next piece of an answer does not come, `not_found` what to do
    where the model is not there.
    """

    endpoint: Endpoint
    model: str
    late: str
    not_found: str
    complaints: Sequence[Complaint] = ()

    def error(
        self, kind: type[AnyEngineError], message: str, *, retryable: bool = True
    ) -> AnyEngineError:
        """An error of this engine, to be raised."""
        return self.endpoint.error(kind, message, retryable=retryable)

    def refused(self, status: int, api: ApiError) -> EngineError:
        """For an answer with another status than 200."""
        complaint = self._complaint(api, status)
        unpaid = api.code in _NO_CREDIT
        verdict = "failed" if status >= 500 or api.retryable else "does not take the request"
        advice = f": {complaint.advice}" if complaint else ""
        form = _TOLD.get(402 if unpaid else status, "{where} {verdict} (HTTP {shown}){advice}")
        told = form.format(
            where=self.endpoint.where,
            model=self.model,
            status=status,
            shown=", ".join([str(status), *_code(api, status)]),
            verdict=verdict,
            advice=advice,
            not_found=self.not_found,
        )
        kind = EngineRefused if unpaid else complaint.kind if complaint else _kind(status)
        error = self.error(kind, told, retryable=api.retryable and kind is not FormRefused)
        if isinstance(error, EngineRefused) and status in _KEY_REFUSED and not unpaid:
            error.key = "api_key"
        return error

    def failed(self, api: ApiError) -> EngineError:
        """For an error in the middle of an answer."""
        complaint = self._complaint(api)
        kind = EngineAtCapacity if api.code in _BUSY else EngineBroken
        advice = f": {complaint.advice}" if complaint else ""
        code = next(iter(_code(api)), "error")
        told = f"{self.endpoint.where} broke off its answer ({code}){advice}"
        return self.error(complaint.kind if complaint else kind, told, retryable=api.retryable)

    def dropped(self, error: httpx.HTTPError | httpx.InvalidURL) -> EngineError:
        """For whatever happens to the connection."""
        where = self.endpoint.where
        match error:
            case httpx.ConnectTimeout():
                return self.error(EngineTimeout, f"{where} did not take the connection in time")
            case httpx.PoolTimeout():
                return self.error(EngineAtCapacity, "all our connections to it are in use")
            case httpx.ConnectError():
                told = why_unreachable(error, where, self.endpoint.program)
                return self.error(EngineBroken, told)
            case httpx.UnsupportedProtocol() | httpx.InvalidURL():
                return self.error(EngineRefused, f"{where} is not an address", retryable=False)
        return self.error(EngineBroken, f"{where} dropped the connection")

    def _complaint(self, api: ApiError, status: int = 400) -> Complaint | None:
        for each in self.complaints:
            if status in each.statuses and any(
                re.match(each.pattern, told) for told in (api.code, api.message)
            ):
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
