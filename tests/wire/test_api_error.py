"""Errors of LLM servers, in all their bodies."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.wire.api_error import MAX_TEXT, ApiError, error_of


def openai_body(code: object, kind: str = "requests", message: str = "m") -> bytes:
    return json.dumps(
        {"error": {"message": message, "type": kind, "param": None, "code": code}}
    ).encode()


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "context_length_exceeded", False),
        (400, "tool_use_failed", True),
        (401, "invalid_api_key", False),
        (403, "unsupported_country_region_territory", False),
        (404, "model_not_found", False),
        (408, "odd", True),
        (409, "odd", True),
        (413, "odd", False),
        (429, "rate_limit_exceeded", True),
        (429, "insufficient_quota", False),
        (429, "credit_balance_exhausted", False),
        (498, "capacity_exceeded", True),
        (500, "odd", True),
        (503, "slow_down", True),
        (504, "odd", True),
    ],
)
def test_status_and_code_say_whether_to_try_again(
    *, status: int, code: str, retryable: bool
) -> None:
    assert error_of(status, openai_body(code), {}) == ApiError(code, "m", retryable)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (openai_body(404, "NotFoundError"), "NotFoundError", "m"),
        (openai_body(None, "api_error"), "api_error", "m"),
        (b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
         "unavailable_error", "Loading model"),
        (b'{"error":"model \'x\' not found"}', "http-404", "model 'x' not found"),
        (b'{"object":"error","message":"no","type":"BadRequest","code":400}', "BadRequest", "no"),
        (b'{"detail":"Not Found"}', "http-404", "Not Found"),
        (b'{"detail":[{"msg":"x"}]}', "http-404", ""),
        (b'{"detail":{"error":"invalid_model","message":"no tts-9","type":"bad_request"}}',
         "bad_request", "no tts-9"),
        (b'{"detail":{"error":{"code":"c","message":"m"}}}', "c", "m"),
        (b'{"detail":{"error":"processing_error"}}', "http-404", "processing_error"),
        (b'{"error":{"code":"c","detail":{"code":"d"},"message":"m"}}', "c", "m"),
        (b'{"error":null}', "http-404", ""),
        (b'{"error":[1]}', "http-404", ""),
        (b"<html>nginx</html>", "http-404", ""),
        (b"[]", "http-404", ""),
        (b"", "http-404", ""),
        (b"\xff", "http-404", ""),
    ],
)  # fmt: skip
def test_each_servers_body_is_understood(body: bytes, code: str, message: str) -> None:
    error = error_of(404, body, {})
    assert (error.code, error.message) == (code, message)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": "3", "Retry-After-MS": "250"}, 0.25),
        ({"retry-after": "1.5", "retry-after-ms": "soon"}, 1.5),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "121"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_wait_asked_for_is_in_seconds_and_sane(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert error_of(429, b"", headers).retry_after_s == wait_s


def test_the_server_may_overrule_the_table() -> None:
    assert not error_of(503, b"", {"X-Should-Retry": "false"}).retryable
    assert error_of(400, b"", {"x-should-retry": "true"}).retryable
    assert not error_of(400, b"", {"x-should-retry": "perhaps"}).retryable


def test_messages_are_short_single_lines_without_keys() -> None:
    said = "Incorrect API key provided: sk-proj-ab12*****xyz.\nSee\r\nhttps://x.test " + "y" * 300
    error = error_of(401, openai_body("invalid_api_key", message=said), {})
    assert error.message.startswith("Incorrect API key provided: *** See https://x.test yyy")
    assert len(error.message) == MAX_TEXT
    assert len(error_of(401, openai_body("c" * 999), {}).code) == MAX_TEXT


@given(st.integers(400, 599), st.binary(), st.dictionaries(st.text(), st.text()))
def test_an_error_is_understood_from_anything(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    assert error_of(status, body, headers).code
