"""What Cartesia's errors mean, and what becomes of them in a log."""

import pytest

from voiced.engines.cartesia_failures import failed
from voiced.engines.endpoint import Endpoint
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused
from voiced.wire.cartesia import Failure

HERE = Endpoint("sonic", "tts", "wss://cartesia.test/tts/websocket", "Cartesia")


@pytest.mark.parametrize(
    ("failure", "kind", "told"),
    [
        (Failure(429, "concurrency_limited", "x"), EngineAtCapacity, "no more replies at once"),
        (Failure(429, "", ""), EngineAtCapacity, "(status 429)"),
        (Failure(0, "concurrency_limited", ""), EngineAtCapacity, "(concurrency_limited)"),
        (Failure(402, "", ""), EngineRefused, "no credit"),
        (Failure(429, "quota_exceeded", ""), EngineRefused, "no credit"),
        (Failure(401, "", ""), EngineRefused, "does not accept the api_key"),
        (Failure(403, "", ""), EngineRefused, "plan"),
        (Failure(400, "", "Invalid voice: no such"), EngineRefused, "check voice"),
        (Failure(404, "voice_not_found", ""), EngineRefused, "check voice"),
        (Failure(400, "invalid_model", ""), EngineRefused, "check model"),
        (Failure(422, "", "Unsupported language"), EngineRefused, "agent's language"),
        (Failure(400, "", "generation_config.speed: too high"), EngineRefused, "check speed"),
        (Failure(400, "invalid_emotion", ""), EngineRefused, "check speed, volume and emotion"),
        (Failure(400, "", "say hello"), EngineRefused, "does not take the request (status 400)"),
        (Failure(500, "", "oops"), EngineBroken, "it failed (status 500)"),
        (Failure(0, "", ""), EngineBroken, "it failed"),
    ],
)
def test_an_error_says_what_to_mend(failure: Failure, kind: type[EngineError], told: str) -> None:
    error = failed(HERE, failure)
    assert type(error) is kind
    assert told in str(error)
    assert error.retryable is (kind is not EngineRefused)
    assert getattr(error, "key", "") == ("api_key" if failure.status == 401 else "")


def test_what_was_said_is_not_told() -> None:
    error = failed(HERE, Failure(400, "Bonjour Mme Durand", "cannot say: Bonjour Mme Durand"))
    assert "Durand" not in str(error)
