"""The operator's commands, as typed, against a pretended daemon."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from fake_daemon import OTHER, SID, Answer, Asked, Daemon, call, daemon, error, event, page
from trio.testing import MockClock

from voiced import cli
from voiced.client import address, follow
from voiced.client.address import Address
from voiced.client.api import Api, ApiFailed
from voiced.client.model import Page
from voiced.config import Agent, Server, Settings

LOCAL = "voiced.toml"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "APART_S", 0.01)


def run(house: Daemon, *arguments: str) -> int:
    return cli.main([*arguments[:1], "--url", house.url, *arguments[1:]])


def out(capsys: pytest.CaptureFixture[str]) -> list[str]:
    told = capsys.readouterr()
    assert told.err == ""
    return told.out.splitlines()


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("voiced: ")


# --- dial ---------------------------------------------------------------------------------------


def test_dial_places_a_call_and_tells_its_sid(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("POST", "/v1/calls", Answer(201, call(status="queued")))
    assert run(house, "dial", "+33 6.12-34 (56)78", "--agent", "sales", "--var", "a=b=c") == 0
    assert out(capsys) == [SID]
    (asked,) = house.asked
    assert asked.body == {"to": "+33612345678", "agent": "sales", "variables": {"a": "b=c"}}


def test_dial_leaves_out_what_is_not_said(house: Daemon) -> None:
    house.on("POST", "/v1/calls", Answer(201, call()))
    assert run(house, "dial", "+33612345678") == 0
    assert house.asked[0].body == {"to": "+33612345678"}


@pytest.mark.parametrize(
    ("reason", "code"),
    [("completed", 0), ("busy", 1), ("failed", 1), ("no-answer", 1), ("canceled", 1)],
)
def test_dial_waits_for_the_end_and_tells_whether_anybody_was_reached(
    reason: str, code: int, house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = call(status="ended", reason=reason, duration_s=65, turns=3)
    house.on("POST", "/v1/calls", Answer(201, call(status="queued")))
    house.on("GET", f"/v1/calls/{SID}", call(status="queued"), ended)
    house.on(
        "GET", "/v1/events",
        {"events": [event(1, "call.status", status="ringing")], "last": 1},
        {"events": [event(2, "call.ended", reason=reason)], "last": 2},
    )  # fmt: skip
    assert run(house, "dial", "+33612345678", "--wait") == code
    lines = out(capsys)
    assert lines[0] == SID
    assert lines[1].endswith(f"{SID[:12]}  call.status status=ringing")
    assert lines[2].endswith(f"call.ended reason={reason}")
    assert lines[3] == f"{SID}: ended ({reason}), 1:05, 3 turns"
    first, second = house.requests("/v1/events")
    assert (first.query["after"], second.query["after"]) == ("0", "1")
    assert first.query["call"] == SID
    assert first.query["wait_s"] == "20"


@pytest.mark.parametrize("var", ["x", "=x"])
def test_a_variable_without_name_or_value_is_wrong_usage(var: str, house: Daemon) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(house, "dial", "+33612345678", "--var", var)


# --- calls --------------------------------------------------------------------------------------


def test_calls_are_a_table_of_the_live_ones(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    first = call(status="live", duration_s=12.2, turns=2, started_at=None)
    second = call(OTHER, direction="outbound", **{"from": "", "agent": "s\x1bles"})
    del second["started_at"]
    house.on("GET", "/v1/calls", page(first, next="abc"), page(second))
    assert run(house, "calls") == 0
    assert out(capsys) == [
        "SID           TIME  DIR  AGENT     FROM          TO            LENGTH  TURNS  STATUS",
        "CA0123456789  -     in   default   +33612345678  +33123456789  0:12    2      live",
        r"CAfedcba9876  -     out  s\x1bles  withheld      +33123456789  -       0      live",
    ]
    one, two = house.asked
    assert one.query == {"limit": "50", "state": "live"}
    assert two.query == {"limit": "50", "state": "live", "before": "abc"}


def test_sids_that_begin_alike_are_shown_as_far_as_they_differ(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", "/v1/calls", page(call(SID), call(SID[:-1] + "0"), call("short")))
    assert run(house, "calls", "--all") == 0
    _, first, second, third = out(capsys)
    assert first.startswith(f"{SID}  ")
    assert second.startswith(SID[:-1] + "0  ")
    assert third.startswith("short ")
    assert "state" not in house.asked[0].query


def test_long_values_keep_the_table_readable(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", "/v1/calls", page(call(agent="a" * 80, reason="r" * 80, status="s" * 80)))
    assert run(house, "calls") == 0
    assert max(map(len, out(capsys))) <= 100


def test_no_calls_is_a_sentence(house: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    house.on("GET", "/v1/calls", page())
    assert run(house, "calls") == 0
    assert out(capsys) == ["no calls"]


def test_calls_as_json_are_what_the_api_tells(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", "/v1/calls", page(call(more="é\x9b"), next="1"), page(call(OTHER)))
    assert run(house, "calls", "--json") == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text) == [call(more="é\x9b"), call(OTHER)]


def test_a_list_without_end_is_cut_and_that_is_told(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    fifty = [call(f"call-{number}") for number in range(50)]
    house.on("GET", "/v1/calls", page(*fifty, next="again"))
    assert run(house, "calls") == 0
    assert len(house.asked) == 20
    assert out(capsys)[-1] == "these are the newest 1000; there may be more"


# --- one call -----------------------------------------------------------------------------------


def test_show_draws_the_call_that_begins_so(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", "/v1/calls", page(call(OTHER), call(SID)))
    house.on("GET", f"/v1/calls/{SID}", call(SID))
    assert run(house, "show", "CA01") == 0
    assert out(capsys)[0] == SID


def test_show_takes_a_whole_sid_at_its_word(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", f"/v1/calls/{SID}", call(SID, timeline={"turns": []}))
    assert run(house, "show", SID, "--json") == 0
    assert json.loads("".join(out(capsys))) == call(SID, timeline={"turns": []})
    assert len(house.asked) == 1


def test_a_sid_that_is_the_beginning_of_another_is_meant_itself(house: Daemon) -> None:
    house.on("GET", "/v1/calls", page(call("call-12"), call("call-1")))
    house.on("GET", "/v1/calls/call-1", call("call-1"))
    assert run(house, "show", "call-1") == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("CAb", "no call has a SID that begins CAb; see `voiced calls --all`"),
        ("CA", f"2 calls have a SID that begins CA: {OTHER}, {SID}"),
        ("../x", "that is not the SID of a call; `voiced calls` shows them"),
    ],
)
def test_a_beginning_must_be_that_of_one_call(
    given: str, told: str, house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", "/v1/calls", page(call(OTHER), call(SID)))
    assert run(house, "show", given) == 1
    assert complaint(capsys) == told


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["interrupt", "CA01"], {}),
        (["hangup", "CA01"], {}),
        (["say", "CA01", "one moment"], {"text": "one moment"}),
        (["transfer", "CA01", "reception"], {"to": "reception", "warm": False}),
        (["transfer", "CA01", "+33123456789", "--warm"], {"to": "+33123456789", "warm": True}),
    ],
)
def test_acting_on_a_live_call(
    arguments: list[str], body: dict[str, Any], house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = arguments[0]
    house.on("GET", "/v1/calls", page(call(SID)))
    house.on("POST", f"/v1/calls/{SID}/{verb}", Answer(202, call(SID, status="transferring")))
    assert run(house, *arguments) == 0
    assert out(capsys) == [f"{SID}: {verb} is on its way; the call is transferring"]
    listed, acted = house.asked
    assert listed.query["state"] == "live"
    assert acted.body == body


def test_acting_on_no_live_call(house: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    house.on("GET", "/v1/calls", page())
    assert run(house, "hangup", "CA01") == 1
    assert complaint(capsys).startswith("no live call has a SID that begins CA01")


# --- tail ---------------------------------------------------------------------------------------


def test_tail_of_a_call_ends_with_it(house: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    long = event(2, "turn.ended", number=1, text="é" * 200, evil="\x1b[2J")
    house.on("GET", f"/v1/calls/{SID}", call(), call(status="ended", duration_s=1))
    house.on(
        "GET", "/v1/events",
        Answer(429, error("rate-limited", "too many"), {"Retry-After": "0"}),
        {"events": [event(1, "x", SID, status="live")], "last": 1},
        {"events": [long, event(3, "y", status="ended")], "last": 3},
    )  # fmt: skip
    assert run(house, "tail", SID) == 0
    lines = out(capsys)
    assert len(lines) == 4
    assert max(map(len, lines)) <= 100
    assert lines[-1] == f"{SID}: ended, 0:01, 0 turns"


def test_tail_of_a_call_that_is_over_tells_what_there_is_and_ends(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", f"/v1/calls/{SID}", call(status="ended"))
    house.on("GET", "/v1/events", {"events": [], "last": 9})
    assert run(house, "tail", SID) == 0
    assert out(capsys) == [f"{SID}: ended, -, 0 turns"]
    assert house.requests("/v1/events")[0].query["wait_s"] == "0"


def test_tail_of_a_quiet_call_looks_whether_it_lives(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", f"/v1/calls/{SID}", call(), call(status="ended"))
    house.on("GET", "/v1/events", {"events": [], "last": 3})
    assert run(house, "tail", SID) == 0
    assert len(out(capsys)) == 1


def test_tail_of_all_goes_on_until_interrupted(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(asked: Asked) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        return {"events": [], "last": 9}

    house.on(
        "GET", "/v1/events",
        {"events": [event(7, "old")], "last": 7},
        {"events": [event(8, "new") | {"at": None}], "last": 8},
        {"events": [], "last": 8},
        interrupt,
    )  # fmt: skip
    assert run(house, "tail") == 0
    assert out(capsys) == [f"--:--:--  {SID[:12]}  new"]
    queries = [asked.query for asked in house.asked[:4]]
    assert [query.get("after") for query in queries] == [None, "7", "8", "8"]


def test_an_interrupt_of_anything_else_is_1(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(asked: Asked) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        return {"events": [], "last": 9}

    house.on("POST", "/v1/calls", Answer(201, call()))
    house.on("GET", f"/v1/calls/{SID}", call())
    house.on("GET", "/v1/events", interrupt)
    assert run(house, "dial", "+33612345678", "--wait") == 1
    assert complaint(capsys) == "interrupted"


# --- where the daemon is, and what it may say ---------------------------------------------------


def configured(folder: Path, port: int, more: str = "") -> list[str]:
    path = folder / LOCAL
    path.write_text(f"""
        [server]
        host = "0.0.0.0"
        port = {port}
        [stt.kyutai]
        type = "moshi"
        [llm.local]
        type = "openai"
        [tts.kyutai]
        type = "moshi"
        [agent.default]
        language = "en"
        {more}
        """)
    path.chmod(0o600)
    return ["--config", str(path)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])


def test_no_daemon_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert cli.main(["calls", *configured(tmp_path, port)]) == 1
    assert complaint(capsys) == (
        f"no daemon at http://127.0.0.1:{port}: is it running? systemctl status voiced"
    )


@pytest.mark.parametrize(
    ("options", "sent"), [([], "Bearer ours"), (["--token", "given"], "Bearer given")]
)
def test_the_configured_daemon_gets_its_own_token(
    options: list[str], sent: str, house: Daemon, tmp_path: Path
) -> None:
    house.on("GET", "/v1/calls", page())
    port = int(house.url.rpartition(":")[2])
    where = configured(tmp_path, port, '[api]\ntoken = "ours"')
    assert cli.main(["calls", *where, *options]) == 0
    assert house.asked[0].headers["authorization"] == sent


@pytest.mark.parametrize(
    ("options", "variable", "sent"),
    [
        ([], None, None),
        ([], "env", "Bearer env"),
        (["--token", "given"], "env", "Bearer given"),
    ],
)
def test_another_daemon_gets_the_token_that_is_given(
    options: list[str], variable: str | None, sent: str | None, house: Daemon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if variable is not None:
        monkeypatch.setenv("VOICED_API_TOKEN", variable)
    house.on("GET", "/v1/calls", page())
    assert run(house, "calls", *options) == 0
    assert house.asked[0].headers.get("authorization") == sent


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", str(key), "-out", str(chain),
               "-addext", "subjectAltName=DNS:voice.example.com"]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as failed:
        pytest.skip(f"no certificate without openssl: {failed}")
    return chain, key


def test_a_daemon_with_tls_of_its_own_is_asked_on_loopback_and_proves_its_public_name(
    certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with daemon(context) as house:
        house.on("GET", "/v1/calls", page())
        where = tls_configured(tmp_path, house, *certificate)
        assert cli.main(["calls", *where]) == 1
        assert "the certificate of https://127.0.0.1:" in complaint(capsys)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert cli.main(["calls", *where]) == 0
        assert house.asked[0].headers["host"] == "voice.example.com"


def tls_configured(folder: Path, house: Daemon, chain: Path, key: Path) -> list[str]:
    port = int(house.url.rpartition(":")[2])
    tls = f'[server.tls]\ncertificate = "{chain}"\nprivate_key = "{key}"'
    options = configured(folder, port, tls)
    path = Path(options[1])
    path.write_text(
        path.read_text().replace("port =", 'public_url = "https://voice.example.com"\nport =')
    )
    return options


def test_a_daemon_that_hangs_up_is_told(house: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    house.on("GET", "/v1/calls", Answer(200, b"[", {"Content-Length": "9", "Connection": "close"}))
    assert run(house, "calls") == 1
    assert "dropped the connection" in complaint(capsys)


async def test_a_daemon_that_says_nothing_is_told(autojump_clock: MockClock) -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    async with httpx.AsyncClient(transport=httpx.MockTransport(silent), timeout=None) as http:
        with pytest.raises(ApiFailed, match="did not answer within 30 s"):
            await Api(Address("http://x"), http).get(Page.parse, "/v1/calls", wait_s=20)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8765"),
        ("::", "http://127.0.0.1:8765"),
        ("::1", "http://[::1]:8765"),
        ("10.0.0.7", "http://10.0.0.7:8765"),
    ],
)
def test_where_a_configured_daemon_is(host: str, url: str) -> None:
    of = Settings(server=Server(host=host), agents={"default": Agent()})
    assert address.configured(of).url == url


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://localhost:1", True), ("http://[::1]", True), ("https://voice.example.com/", False)],
)
def test_whether_it_is_on_this_machine(url: str, here: object) -> None:
    assert address.elsewhere(url, None).is_here is here


@pytest.mark.parametrize("options", [["--url", "ftp://x"], ["--token", "two words"]])
def test_an_address_or_token_that_is_none_is_wrong_usage(options: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["calls", *options])


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "asks for a token"), (["--token", "hush"], "does not accept our token")],
)
def test_a_daemon_that_wants_another_token(
    options: list[str], said: str, house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", "/v1/calls", Answer(401, error("unauthorised", "no")))
    assert run(house, "calls", *options) == 1
    told = complaint(capsys)
    assert said in told
    assert "api.token" in told
    assert "hush" not in told


def test_the_api_says_why_in_its_own_words(
    house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("POST", "/v1/calls", Answer(403, error("not-allowed", "see limits\x1b[2J")))
    assert run(house, "dial", "+33612345678") == 1
    assert complaint(capsys) == r"see limits\x1b[2J"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(502, b"<html>"), "answered HTTP 502, and not as voiced does"),
        (Answer(301, b"", {"Location": "https://x"}), "answered HTTP 301, and not as voiced does"),
        (Answer(400, {"error": {"code": 1}}), "answered HTTP 400, and not as voiced does"),
        (Answer(200, b"<html>"), "is not what voiced does: not JSON"),
        (Answer(200, {"calls": [{}]}), "is not what voiced does: sid: missing"),
        (Answer(200, page(call(duration_s="1"))), "duration_s: wrong type"),
        (Answer(200, page(call(started_at="noon"))), "started_at: not a time"),
        (Answer(200, page(call(started_at="2026-01-01T00:00:00"))), "without its zone"),
    ],
)
def test_what_is_not_a_voiced(
    answer: Answer, said: str, house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on("GET", "/v1/calls", answer)
    assert run(house, "calls") == 1
    assert said in complaint(capsys)


@pytest.mark.parametrize("pause", ["soon", "nan", "-1", "inf"])
def test_a_pause_that_is_none(
    pause: str, house: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = Answer(429, error("rate-limited", "too many requests"), {"Retry-After": pause})
    house.on("GET", "/v1/calls", busy)
    assert run(house, "calls") == 1
    assert complaint(capsys) == "too many requests"


def test_a_failing_tail_is_told(house: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    house.on("GET", "/v1/events", {"events": [], "last": 1}, Answer(500, error("internal", "oh")))
    assert run(house, "tail") == 1
    assert complaint(capsys) == "oh"


def test_a_reader_that_has_seen_enough_is_no_bug(house: Daemon) -> None:
    house.on("GET", "/v1/calls", page(*(call(f"call-{n}") for n in range(2000))))
    command = [sys.executable, "-m", "voiced", "calls", "--url", house.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def commands() -> Sequence[str]:
    return ("dial", "calls", "show", "tail", "interrupt", "hangup", "say", "transfer", "check")


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    text = capsys.readouterr().out
    assert f"usage: voiced {command}" in text
    assert "--config" in text
