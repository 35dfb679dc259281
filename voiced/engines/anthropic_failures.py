"""The failures of Anthropic's Messages as engine errors that say what to mend.

Neither keys nor what was said stand in them: the server's own sentence is only searched for the
name of what it complains of.
"""

import re
from typing import Final

from attrs import frozen

from voiced.engines.llm_failures import LlmFailures
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused
from voiced.wire.anthropic_stream import ApiError

_BUSY: Final = frozenset({"rate_limit_error", "overloaded_error"})
_FULL: Final = frozenset({429, 503, 529})
_CODE: Final = re.compile(r"[a-z0-9_-]{1,60}")

_COMPLAINTS: Final = (
    (re.compile(r"(?i)\bcredit balance\b"), "the account has no credit left"),
    (re.compile(r"(?i)\bprompt is too long\b"), "the conversation is too long for the model"),
    (re.compile(r"^\W?max_tokens\b"), "mend max_tokens"),
    (re.compile(r"^\W?(?:temperature|top_[pk])\b"), "remove temperature, the model takes none"),
    (
        re.compile(r"^\W?(?:thinking|output_config)\b"),
        "this version of voiced does not know how this model is kept from thinking, use another",
    ),
)
"""What a 400 complains of, and what to do."""


@frozen
class AnthropicFailures:
    """Words the failures of one LLM; those of the connection are the same everywhere."""

    connection: LlmFailures
    max_tokens: int

    def refused(self, status: int, api: ApiError) -> EngineError:
        """For an answer with another status than 200."""
        where, model = self.connection.base_url, self.connection.model
        match status:
            case 400:
                told = f"{where} does not take the request{_shown(status, api)}{_advice(api)}"
            case 401:
                told = f"{where} does not accept the api_key (HTTP 401)"
            case 402:
                told = f"the account at {where} has no credit left (HTTP 402)"
            case 403:
                told = f"the api_key does not open {model} at {where} (HTTP 403)"
            case 404:
                told = (
                    f"{where} has no model {model} (HTTP 404): check model, and base_url, which "
                    "stands without /v1"
                )
            case 413:
                told = f"the conversation is too long for {where} (HTTP 413)"
            case 429:
                told = f"{where} limits our rate (HTTP 429): the account's plan sets how many calls"
            case 503 | 529:
                told = f"{where} is overloaded (HTTP {status})"
            case _:
                told = f"{where} failed{_shown(status, api)}"
        return self.connection.error(_kind(status), told, retryable=api.retryable)

    def failed(self, api: ApiError) -> EngineError:
        """For an error in the middle of an answer."""
        kind = EngineAtCapacity if api.code in _BUSY else EngineBroken
        code = api.code if _CODE.fullmatch(api.code) else "error"
        told = f"{self.connection.base_url} broke off its answer ({code})"
        return self.connection.error(kind, told, retryable=api.retryable)

    def declined(self) -> EngineError:
        """For an answer that the model, or the classifier that watches it, declined to give."""
        told = f"{self.connection.model} declines to answer (refusal): see what the prompt asks"
        return self.connection.error(EngineRefused, told, retryable=False)

    def wordless(self) -> EngineError:
        """For an answer that was at its limit before its first word."""
        told = (
            f"{self.connection.model} used its max_tokens of {self.max_tokens} up before its first "
            "word; thinking counts too: raise max_tokens, or use a model that need not think"
        )
        return self.connection.error(EngineRefused, told, retryable=False)


def _kind(status: int) -> type[EngineError]:
    if status in _FULL:
        return EngineAtCapacity
    return EngineBroken if status >= 500 else EngineRefused


def _advice(api: ApiError) -> str:
    for pattern, advice in _COMPLAINTS:
        if pattern.search(api.message):
            return f": {advice}"
    return ""


def _shown(status: int, api: ApiError) -> str:
    """The status, and the server's own code, where it is one and says more."""
    known = _CODE.fullmatch(api.code) and api.code != f"http-{status}"
    return f" (HTTP {status}, {api.code})" if known else f" (HTTP {status})"
