"""The failures of an LLM's HTTP API as engine errors that say what to mend.

Neither keys nor what was said stand in them: of a server's own words only its short code is kept.
"""

import re
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
)
from voiced.wire.openai import ApiError

AnyEngineError = TypeVar("AnyEngineError", bound=EngineError)

_NO_CREDIT: Final = frozenset({"insufficient_quota", "credit_balance_exhausted"})
_BUSY: Final = frozenset({"rate_limit_exceeded", "server_is_overloaded", "slow_down"})
_FULL: Final = frozenset({429, 498, 503, 529})
_CODE: Final = re.compile(r"[a-z0-9_-]{1,60}")


@frozen
class LlmFailures:
    """Words the failures of one LLM."""

    engine: str
    base_url: str
    model: str

    def error(
        self, kind: type[AnyEngineError], message: str, *, retryable: bool = True
    ) -> AnyEngineError:
        """An error of this engine, to be raised."""
        return kind(self.engine, "llm", message, retryable=retryable)

    def refused(self, status: int, api: ApiError) -> EngineError:
        """For an answer with another status than 200."""
        if api.code in _NO_CREDIT:
            told = f"the account at {self.base_url} has no credit left (HTTP {status})"
            return self.error(EngineRefused, told, retryable=False)
        match status:
            case 401 | 403:
                told = f"{self.base_url} does not accept the api_key (HTTP {status})"
            case 404:
                told = (
                    f"{self.base_url} has no model {self.model} (HTTP 404): "
                    f"with Ollama, `ollama pull {self.model}`; else check model and base_url"
                )
            case 429:
                told = f"{self.base_url} limits our rate (HTTP 429)"
            case 503:
                told = f"{self.base_url} is overloaded, or still loading its model (HTTP 503)"
            case _:
                told = f"{self.base_url} failed (HTTP {status}{_shown(api, status)})"
        if status in _FULL:
            return self.error(EngineAtCapacity, told, retryable=api.retryable)
        kind = EngineBroken if status >= 500 else EngineRefused
        return self.error(kind, told, retryable=api.retryable)

    def failed(self, api: ApiError) -> EngineError:
        """For an error in the middle of an answer."""
        kind = EngineAtCapacity if api.code in _BUSY else EngineBroken
        told = f"{self.base_url} broke off its answer ({_shown(api, 0).lstrip(', ') or 'error'})"
        return self.error(kind, told, retryable=api.retryable)

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


def _shown(api: ApiError, status: int) -> str:
    """The server's own code, where it is one and says more than the status."""
    known = _CODE.fullmatch(api.code) and api.code != f"http-{status}"
    return f", {api.code}" if known else ""
