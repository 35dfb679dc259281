"""What an LLM's HTTP API says when it fails, from its status, its body and its headers.

Source: OpenAI's "Error codes" and SDK retry rules; the error bodies of Groq, Ollama, vLLM
(whose `code` is an integer), llama.cpp's server and Kokoro-FastAPI.
"""

import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from voiced.errors import WireError
from voiced.wire.fields import JsonObject, encodable, json_value

MAX_TEXT = 200
"""Codes and messages are cut to this many characters."""

_RETRYABLE_STATUS: Final = frozenset({408, 409, 429, 498})  # 498: Groq's flex tier is full
_RETRYABLE_CODE: Final = frozenset(
    {
        "rate_limit_exceeded",
        "server_error",
        "internal_server_error",
        "server_is_overloaded",
        "slow_down",
        "capacity_exceeded",
        "unavailable_error",
        "timeout",
        "tool_use_failed",  # Groq: the model wrote a malformed call; it may do better
    }
)
_FINAL_CODE: Final = frozenset({"insufficient_quota", "credit_balance_exhausted"})
_SECRET: Final = re.compile(r"\b(?:sk|gsk|key)[-_][\w*.-]+")
_MAX_WAIT_S = 120


@frozen
class ApiError:
    """A refusal or a failure.

    `code` is the API's own short word, or `http-<status>`. `message` is for a person's eyes:
    it is cut and its keys are masked, but it may quote the request, so it is not for logs.
    `retryable`: the same request may succeed later, after `retry_after_s` where given.
    """

    code: str
    message: str
    retryable: bool
    retry_after_s: float | None = None


def error_of(status: int, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """The error in a response that is not 2xx. Never raises: the body may be anything."""
    try:
        answer = json_value(body)
    except WireError:
        answer = None  # a proxy's HTML page
    detail = _detail(answer)
    code = _code(detail) or f"http-{status}"
    lowered = {name.lower(): value for name, value in headers.items()}
    stated = {"true": True, "false": False}.get(lowered.get("x-should-retry", ""))
    retryable = _is_retryable(status, code) if stated is None else stated
    return ApiError(code, _message(detail), retryable, _retry_after_s(lowered))


def error_in_stream(chunk: JsonObject) -> ApiError:
    """The error in an event of a stream that had begun with status 200."""
    detail = _detail(chunk)
    code = _code(detail) or "error"
    status = detail.get("code")
    retryable = _is_retryable(status if type(status) is int else 0, code)
    return ApiError(code, _message(detail), retryable)


def _detail(answer: object) -> JsonObject:
    """The object that holds code and message, wherever this server puts it."""
    if not isinstance(answer, dict):
        return {}
    raised = answer.get("detail")  # where FastAPI puts what its server raised
    told = raised if isinstance(raised, dict) else answer
    error = told.get("error", told)
    if isinstance(error, dict):
        return error
    return told if "message" in told else {"message": error}


def _code(detail: JsonObject) -> str:
    for key in ("code", "type"):
        value = detail.get(key)
        if isinstance(value, str) and value:
            return encodable(value)[:MAX_TEXT]
    return ""


def _message(detail: JsonObject) -> str:
    value = detail.get("message") or detail.get("detail")
    if not isinstance(value, str):
        return ""
    one_line = " ".join(encodable(value).split())
    return _SECRET.sub("***", one_line)[:MAX_TEXT]


def _is_retryable(status: int, code: str) -> bool:
    if code in _FINAL_CODE:  # a 429 that no waiting mends
        return False
    return status >= 500 or status in _RETRYABLE_STATUS or code in _RETRYABLE_CODE


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait asked for, in seconds; None where there is none, or a date, or it is absurd."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if 0 < wait_s <= _MAX_WAIT_S:
            return wait_s
    return None
