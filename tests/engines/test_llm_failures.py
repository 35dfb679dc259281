"""The words for what happens to an LLM's connection."""

import httpx
import pytest

from voiced.engines.llm_failures import LlmFailures
from voiced.errors import EngineAtCapacity, EngineBroken, EngineRefused, EngineTimeout
from voiced.wire.openai import ApiError

FAILURES = LlmFailures("local", "http://llm/v1", "small")


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
