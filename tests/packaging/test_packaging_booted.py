"""What `make test-deb` runs in booted systems agrees with voiced; none is booted here."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from manual_pages import PACKAGING

from voiced.ops.catalog import EVENTS
from voiced.records import schema
from voiced.wire.twilio_rest import parse_call

DEB = PACKAGING / "deb"
SID = "CA" + "0" * 32


@pytest.mark.parametrize("name", sorted(path.name for path in DEB.glob("*.sh")))
def test_bash_can_read_it(name: str) -> None:
    ran = subprocess.run(["bash", "-n", DEB / name], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_event_it_looks_for_is_the_end_of_a_call() -> None:
    (wanted,) = re.findall(r"^CALL_ENDED=(\w+)$", (DEB / "booted.sh").read_text(), re.M)
    assert [event.name for event in EVENTS if event.id == wanted] == ["call-ended"]


def test_ci_runs_it() -> None:
    ci = (PACKAGING.parent / ".ci" / "run").read_text()
    assert re.findall(r"^make (.*)$", ci, re.M) == ["test", "test-deb"]


@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_without_root_it_says_loudly_that_nothing_is_tested() -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    script = (DEB / "test.sh").read_text()  # which nobody might not be able to read
    ran = subprocess.run([*nobody, "bash"], input=script, capture_output=True, text=True, cwd="/")
    assert ran.returncode == 0
    assert "NOT TESTED: the package in booted systems (bookworm trixie noble)" in ran.stderr
    assert "not root" in ran.stderr


def test_the_older_code_that_is_upgraded_from_is_of_this_history() -> None:
    (commit,) = re.findall(r"^older=(\w{40})$", (DEB / "test.sh").read_text(), re.M)
    found = git("cat-file", "-t", commit)
    if found != "commit":
        pytest.skip("a shallow history, or none")
    assert git("ls-tree", "--name-only", commit, "packaging/deb/build.sh")


def git(*arguments: str) -> str:
    """What git says; "" where it fails."""
    ran = subprocess.run(
        ["git", "-C", PACKAGING.parent, *arguments], capture_output=True, text=True
    )
    return ran.stdout.strip() if ran.returncode == 0 else ""


def test_the_schema_that_a_later_version_brings_is_one_step_on(tmp_path: Path) -> None:
    (step,) = re.findall(r'echo "(MIGRATIONS = .*)" \\$', (DEB / "test.sh").read_text(), re.M)
    namespace = vars(schema) | {}
    exec(step.replace("\\", ""), namespace)
    (*known, added) = namespace["MIGRATIONS"]
    assert tuple(known) == schema.MIGRATIONS
    with closing(sqlite3.connect(tmp_path / "voiced.db")) as records:
        schema.migrate(records)
        records.execute(added)


def from_cache(command: str, cache: Path, path: str) -> str:
    """What a function of cache.sh finds without fetching anything."""
    script = f'. "{DEB}/cache.sh"; {command}'
    ran = subprocess.run(
        ["/bin/bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"CACHE": str(cache), "PATH": path, "HOME": "/nonexistent"},
    )
    return ran.stdout.strip()


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_promtool_is_the_systems_or_else_the_one_that_was_fetched(tmp_path: Path) -> None:
    fetched = program(tmp_path / "cache/prometheus/usr/bin/promtool")
    assert from_cache("promtool", tmp_path / "cache", "/nonexistent") == str(fetched)
    ours = program(tmp_path / "bin/promtool")
    assert from_cache("promtool", tmp_path / "cache", str(ours.parent)) == str(ours)


@pytest.mark.skipif(
    Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg").exists(), reason="the system has them"
)
def test_ubuntus_keys_are_fetched_once(tmp_path: Path) -> None:
    keys = tmp_path / "keys/usr/share/keyrings/ubuntu-archive-keyring.gpg"
    keys.parent.mkdir(parents=True)
    keys.touch()
    assert from_cache("ubuntu_keys", tmp_path, "/nonexistent") == str(keys)


def test_a_caller_telephones_and_says_that_nobody_answered(tmp_path: Path) -> None:
    tones = [sys.executable, "-I", DEB / "tones.py", "1", tmp_path / "endless.wav"]
    subprocess.run(tones, check=True)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        ran = subprocess.run(
            [sys.executable, "-I", DEB / "caller.py", "late", "0", "AC" + "1" * 32, "t", url],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "(ended: not connected)" in ran.stdout
    assert (tmp_path / "late" / "call.json").exists()


def test_somebody_speaks_as_often_as_they_are_told_to(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-I", DEB / "tones.py", "3", tmp_path / "a.wav"], check=True)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert file.getnframes() == 3 * 4 * 8000
        second = file.readframes(file.getnframes())[: 2 * 8000]
    assert not any(second)  # they listen first


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-I", DEB / "carrier.py", str(port), tmp_path / "asked"]
    with subprocess.Popen(program, stderr=subprocess.DEVNULL) as running:
        yield f"http://127.0.0.1:{port}/2010-04-01/Accounts/AC/Calls/{SID}.json"
        running.kill()


def test_the_carrier_speaks_as_voiced_reads_it_and_notes_orders(
    carrier: str, tmp_path: Path
) -> None:
    retrying = httpx.HTTPTransport(retries=8)  # until it listens
    with httpx.Client(transport=retrying, trust_env=False) as client:
        found = parse_call(client.get(carrier).content)
        client.post(carrier, data={"Status": "completed"})
    assert (found.sid, found.status, found.is_over) == (SID, "ringing", False)
    assert (tmp_path / "asked").read_text().endswith(f"/Calls/{SID}.json Status=completed\n")


def test_the_prober_notices_who_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        port, enough = closed.getsockname()[1], tmp_path / "enough"
        program = [sys.executable, "-I", DEB / "probe.py", str(port), enough]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout
            lines = [running.stdout.readline() for _ in range(3)]
            enough.touch()
    assert [line.split()[0] for line in lines] == ["ConnectionRefusedError"] * 3
    assert running.returncode == 0
