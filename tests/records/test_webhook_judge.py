"""Independent judges of our webhooks: openssl, and what docs/webhooks.md tells a receiver."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from voiced.config.settings import EVENTS
from voiced.records.delivery import BACKOFF_S, GIVE_UP_S
from voiced.records.signing import sign

DOCUMENT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
SECRET = "whsec-of-a-test"
BODIES = [b"", b"{}", b'{"text":"d\xc3\xa9j\xc3\xa0 vu"}', bytes(range(256)), b"a.b\r\n" * 1000]

CALL = {
    "sid", "direction", "agent", "from", "to", "status", "started_at", "ended_at", "duration_s",
    "reason", "turns", "summary", "variables", "recording",
}  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture
def receiver() -> Callable[[str, str, bytes], bool]:
    """The function that the document gives to a receiver."""
    (code,) = blocks("python")
    names: dict[str, Callable[[str, str, bytes], bool]] = {}
    exec(code, names)  # type: ignore[arg-type]
    return names["is_from_voiced"]


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_openssl_makes_the_same_signature(body: bytes) -> None:
    run = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET],
        input=b"1767225600." + body,
        capture_output=True,
        check=True,
    )
    assert sign(SECRET, body, 1_767_225_600) == f"t=1767225600,v1={run.stdout.split()[-1].decode()}"


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_the_documented_receiver_takes_what_we_sign(
    receiver: Callable[[str, str, bytes], bool], body: bytes
) -> None:
    now = time.time()
    header = sign(SECRET, body, now)
    assert receiver(SECRET, header, body)
    assert not receiver("another", header, body)
    assert not receiver(SECRET, header, body + b"x")
    assert not receiver(SECRET, sign(SECRET, body, now - 302), body)
    assert not receiver(SECRET, sign(SECRET, body, now + 302), body)
    assert not receiver(SECRET, header.replace(f"t={int(now)}", f"t={int(now) - 1}"), body)


@pytest.mark.parametrize("header", ["", "t", "t=1", "t=x,v1=y", "t=1,v1=", "a,b,c", "t=1,v1=é"])
def test_the_documented_receiver_takes_any_header(
    receiver: Callable[[str, str, bytes], bool], header: str
) -> None:
    assert not receiver(SECRET, header, b"{}")


def test_it_takes_no_more_than_ten_lines() -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


def test_each_event_has_a_full_example() -> None:
    requests = [each for each in map(json.loads, blocks("json")) if "event" in each]
    examples = {each["event"]: each for each in requests if each["event"] in EVENTS}
    assert tuple(examples) == EVENTS
    assert len(requests) == len(EVENTS) + 1  # and what is sent before a call
    for example in examples.values():
        assert set(example["call"]) == CALL
        assert {"id", "event", "created_at", "call"} <= set(example)
    assert set(examples["call.started"]) == {"id", "event", "created_at", "call"}
    turn = examples["turn.ended"]["turn"]
    assert set(turn) == {"number", "at_s", "ending", "stages_ms", "caller", "agent"}
    for entry in examples["call.ended"]["transcript"]:
        assert set(entry) == {"role", "text", "at_s", "ending"}


def test_the_document_states_the_schedule() -> None:
    assert BACKOFF_S == (5, 30, 120, 600, 3600)
    assert GIVE_UP_S == 24 * 3600
    assert "5 s, 30 s, 2 min, 10 min, 1 h" in DOCUMENT
    assert "24 hours" in DOCUMENT
