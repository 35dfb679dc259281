from collections.abc import Iterator

import fake_daemon
import pytest


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_daemon.Daemon]:
    monkeypatch.delenv("VOICED_API_TOKEN", raising=False)
    with fake_daemon.daemon() as running:
        yield running
