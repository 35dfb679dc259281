"""The words for what Anthropic's Messages refuse."""

import pytest

from voiced.engines.anthropic_failures import AnthropicFailures
from voiced.engines.llm_failures import LlmFailures
from voiced.wire.anthropic_stream import ApiError

FAILURES = AnthropicFailures(LlmFailures("claude", "https://api", "claude-haiku-5-5"), 200)


def told(message: str, code: str = "invalid_request_error") -> str:
    return str(FAILURES.refused(400, ApiError(code, message, retryable=False)))


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("temperature: Extra inputs are not permitted", "remove temperature"),
        ("`temperature` is deprecated for this model.", "remove temperature"),
        ('"thinking.type.disabled" is not supported for this model.', "kept from thinking"),
        ("max_tokens: 500000 > 128000, which is the maximum", "mend max_tokens"),
        ("prompt is too long: 210000 tokens > 200000 maximum", "conversation is too long"),
        ("Your credit balance is too low to access the API.", "no credit left"),
    ],
)
def test_what_a_request_is_refused_for_is_told_in_our_words(message: str, advice: str) -> None:
    assert advice in told(message)
    assert message not in told(message)


def test_what_may_be_the_callers_words_is_neither_shown_nor_taken_for_a_complaint() -> None:
    assert told("messages.1: my temperature is 38, says 0612345678") == (
        "llm claude: https://api does not take the request (HTTP 400, invalid_request_error)"
    )
    assert told("", "my number is 0612345678").endswith("(HTTP 400)")
    assert told("", "http-400").endswith("(HTTP 400)")
