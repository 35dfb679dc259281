"""The words for what happens to an engine's connection, and what never stands in them."""

import httpx
import pytest

from voiced.engines.anthropic import COMPLAINTS
from voiced.engines.endpoint import Endpoint
from voiced.engines.http_failures import HttpFailures
from voiced.errors import EngineAtCapacity, EngineBroken, EngineRefused, EngineTimeout
from voiced.wire.api_error import ApiError

ENDPOINT = Endpoint("local", "llm", "http://llm/v1", "the model's server")
FAILURES = HttpFailures(ENDPOINT, "small", "it is late", "check model", COMPLAINTS)


@pytest.mark.parametrize(
    ("error", "kind", "words", "retryable"),
    [
        (httpx.ConnectTimeout(""), EngineTimeout, "did not take", True),
        (httpx.PoolTimeout(""), EngineAtCapacity, "in use", True),
        (httpx.ConnectError(""), EngineBroken, "no way", True),
        (httpx.ReadError(""), EngineBroken, "dropped", True),
        (httpx.UnsupportedProtocol(""), EngineRefused, "not an address", False),
        (httpx.InvalidURL(""), EngineRefused, "not an address", False),
    ],
)
def test_each_fault_of_the_connection_has_its_words(error, kind, words, retryable):
    told = FAILURES.dropped(error)
    assert type(told) is kind
    assert words in str(told)
    assert told.retryable == retryable


def test_a_code_that_could_be_anything_is_not_shown():
    api = ApiError("the caller said: my number is 0612345678", "", retryable=False)
    assert "0612345678" not in str(FAILURES.refused(400, api))
    assert "0612345678" not in str(FAILURES.failed(api))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("invalid_request_error", "messages.1: my temperature is 38, says 0612345678"),
        ("invalid_request_error", "messages.0: prompt is too long"),
    ],
)
def test_what_may_be_the_callers_words_is_not_taken_for_a_complaint(code, message):
    assert str(FAILURES.refused(400, ApiError(code, message, retryable=False))) == (
        "llm local: http://llm/v1 does not take the request (HTTP 400, invalid_request_error)"
    )


def test_an_account_without_credit_has_a_key_that_is_right():
    told = FAILURES.refused(403, ApiError("insufficient_quota", "", retryable=False))
    assert isinstance(told, EngineRefused)
    assert (told.key, "no credit left" in str(told)) == ("", True)


def test_a_code_that_is_the_status_is_not_repeated():
    told = FAILURES.refused(400, ApiError("http-400", "", retryable=False))
    assert str(told).endswith("does not take the request (HTTP 400)")
