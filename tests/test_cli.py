"""The command line, as a person or systemd meets it."""

import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trio
from daemon_process import LAUNCH

from voiced import __version__, cli, daemon
from voiced.audio import wavfile
from voiced.client.speak import Keep, Text
from voiced.daemon import port
from voiced.ops.presence import Presence, Sign

OURS = ("run", "config", "check", "speak", "hear", "demo", "lab", "phone")
MINIMAL = """
[stt.kyutai]
type = "moshi"
url = "ws://127.0.0.1:1/api/asr-streaming"
[llm.local]
type = "openai"
base_url = "http://127.0.0.1:1/v1"
model = "m"
[tts.kyutai]
type = "moshi"
url = "ws://127.0.0.1:1/api/tts_streaming"
voice = "v"
[agent.default]
language = "en"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "voiced.toml"
    path.write_text(f'{MINIMAL}[records]\ndirectory = "{tmp_path}"\n')
    path.chmod(0o600)
    return path


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    return exited.value.code


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    text = capsys.readouterr().out
    for command in (*OURS, "dial", "calls", "show", "tail", "interrupt", "hangup", "say"):
        assert re.search(rf"\n    {command}\s", text)
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("command", OURS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command, "--help") == 0
    assert f"usage: voiced {command}" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"voiced {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "--fast"], ["run", "--log-format=x"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments) == 2
    assert capsys.readouterr().err.startswith("usage: voiced")


@pytest.mark.parametrize("command", ["run", "config", "check", "calls"])
def test_a_missing_configuration_is_78_and_a_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.toml"
    assert cli.main([command, "--config", str(missing)]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"voiced: {missing}: there is no such file; copy ")


def test_every_problem_of_a_configuration_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "[server]\nport = 0\nhots = 1\nmax_calls = -1\n")
    assert cli.main(["run", "--config", str(config)]) == 78
    told = capsys.readouterr().err
    assert all(key in told for key in ("server.port", "server.hots", "server.max_calls"))
    assert "Traceback" not in told


# --- a wrong configuration, and who waits at systemd's socket -------------------------------------


ASKS = b"POST /twilio/after HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b"


@pytest.fixture
def shared() -> Iterator[socket.socket]:
    """voiced.socket's."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as there:
        yield there


@contextmanager
def waiting(there: socket.socket, count: int) -> Iterator[list[socket.socket]]:
    """Guests whom nobody has let in yet; every second one says nothing."""
    with ExitStack() as stack:
        guests = [socket.create_connection(there.getsockname(), 5) for _ in range(count)]
        for number, guest in enumerate(guests):
            stack.enter_context(guest)
            if number % 2:
                guest.sendall(ASKS)
        yield guests


def activated(config: Path, there: socket.socket) -> "subprocess.CompletedProcess[str]":
    """`voiced run` of a wrong configuration, with a socket of systemd's."""
    config.write_text(config.read_text() + "[server]\nport = 0\n")
    given = there.fileno()
    command = [sys.executable, "-m", "voiced", "run", "--config", str(config)]
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, str(given), *command], check=False, capture_output=True,
        text=True, timeout=30, pass_fds=[given], env={**os.environ, "LISTEN_FDS": "1"},
    )  # fmt: skip


def rest(guest: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    parts = []
    while part := guest.recv(4096):
        parts.append(part)
    return b"".join(parts)


def is_empty(there: socket.socket) -> bool:
    there.settimeout(0)
    try:
        there.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def test_who_waits_for_a_daemon_of_a_wrong_configuration_is_turned_away(
    config: Path, shared: socket.socket
) -> None:
    with waiting(shared, 200) as guests:
        done = activated(config, shared)
        assert (done.returncode, done.stderr.count("server.port")) == (78, 1)
        assert is_empty(shared), "systemd would start it again, for them"
        for guest in guests:
            head, _, body = rest(guest).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert head.endswith(b"\r\nconnection: close")
            assert body == b""


def test_nobody_is_turned_away_from_another_daemon(config: Path, shared: socket.socket) -> None:
    """An upgrade that fails: the old one serves the same socket."""
    other = Presence([shared.fileno()])
    other.show(Sign.ALIVE)
    with waiting(shared, 1):
        assert activated(config, shared).returncode == 78
        assert not is_empty(shared)
    other.hide(*Sign)


def test_a_socket_that_cannot_be_hides_no_problem(config: Path) -> None:
    with socket.socket() as deaf:
        done = activated(config, deaf)
    assert done.returncode == 78
    assert "server.port" in done.stderr


def test_turning_away_has_an_end(shared: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "MAX_AWAY", 3)
    monkeypatch.setattr(port, "AWAY_S", -1.0)
    monkeypatch.setattr(port, "listeners_from", lambda environ, pid: [shared])
    shared.settimeout(0)
    with waiting(shared, 4):
        port.turn_away()
        assert not is_empty(shared)
        assert is_empty(shared)


def test_who_speaks_late_is_answered_all_the_same(
    shared: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "listeners_from", lambda environ, pid: [shared])
    shared.settimeout(0)
    with waiting(shared, 1) as (guest,):
        monkeypatch.setattr(port.time, "sleep", lambda seconds: guest.sendall(ASKS))
        port.turn_away()
        assert rest(guest).startswith(b"HTTP/1.1 503 ")


def test_a_guest_that_has_gone_costs_nothing(
    shared: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "listeners_from", lambda environ, pid: [shared])
    shared.settimeout(0)
    with waiting(shared, 2) as (gone, there):
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()  # a reset
        port.turn_away()
        assert rest(there).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("command", ["run", "config"])
def test_in_the_journal_each_line_of_a_problem_has_its_priority(config: Path, command: str) -> None:
    config.write_text(config.read_text() + "[server]\nport = 0\nhots = 1\n")
    lines = journalled(command, "--config", str(config))
    assert len(lines) == 2
    assert all(line.startswith(f"<3>voiced: {config}:") for line in lines)


def test_in_the_journal_a_warning_is_one(config: Path) -> None:
    (line,) = journalled("config", "--config", str(config))
    assert line.startswith("<4>voiced: twilio.auth_token is not set")


def test_in_the_journal_a_problem_of_several_lines_has_it_on_each(config: Path) -> None:
    config.write_text(config.read_text() + '[webhook."a\\nb"]\nurl = "https://h"\n')
    first, second = journalled("run", "--config", str(config))
    assert re.fullmatch(rf"<3>voiced: {config}:\d+: webhook.a", first)
    assert second.startswith("<3>b: is not a name; ")


def test_the_configuration_is_shown_without_its_secrets(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICED_CONFIG", str(config))
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "hushhush")
    assert cli.main(["config"]) == 0
    shown, told = capsys.readouterr()
    assert "[agent.default]" in shown
    assert "hushhush" not in shown + told


def test_a_port_that_is_taken_is_1_and_a_sentence(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        config.write_text(config.read_text() + f"[server]\nport = {port}\n")
        done = voiced("run", "--config", str(config))
    assert done.returncode == 1
    assert f"voiced: cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bug_is_1_with_its_traceback(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def broken(settings: object) -> str:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(cli, "render", broken)
    assert cli.main(["config", "--config", str(config)]) == 1
    assert "voiced met a bug" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_an_interrupt_is_1(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(settings: object) -> None:
        await trio.lowlevel.checkpoint()
        raise KeyboardInterrupt

    monkeypatch.setattr(daemon, "run", interrupted)
    monkeypatch.setattr(cli.logs, "set_up", lambda *arguments: None)
    assert cli.main(["run", "--config", str(config)]) == 1


def test_the_options_need_none_of_the_labs_libraries() -> None:
    code = "import sys; from voiced import cli; cli.parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"matplotlib", "pocketsphinx"} & set(done.stdout.split())


def test_speaking_with_a_voice_that_is_away_is_1_and_a_sentence(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = config.with_name("said.wav")
    assert cli.main(["speak", "Hello", "-o", str(output), "--config", str(config)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("voiced: tts kyutai: nothing listens at ws://127.0.0.1:1/api/tts")
    assert not output.exists()


def test_what_is_spoken_is_kept_as_a_wav(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def spoken(settings: object, text: Text, keep: Keep, tell: object) -> int:
        await trio.lowlevel.checkpoint()
        assert text == Text("Hello", "kyutai", "default")
        keep.write(b"\xff" * 80)
        return 0

    monkeypatch.setattr(cli, "speak", spoken)
    output = config.with_name("said.wav")
    asked = ["speak", "Hello", "--tts", "kyutai", "--agent", "default", "-o", str(output)]
    assert cli.main([*asked, "--config", str(config)]) == 0
    assert output.read_bytes()[:4] == b"RIFF"
    assert len(output.read_bytes()) == 44 + 160


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read (No such file or directory)"), (b"Ogg", "not a WAV file")],
)
def test_hearing_what_is_no_sound_is_1_and_a_sentence(
    config: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    path = config.with_name("caller.wav")
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["hear", str(path), "--config", str(config)]) == 1
    assert capsys.readouterr().err.startswith(f"voiced: {path}: {said}")


def test_hearing_with_an_ear_that_is_away_is_1_and_a_sentence(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config.with_name("caller.wav")
    path.write_bytes(wavfile.mono(b"\xff" * 160))
    assert cli.main(["hear", str(path), "--config", str(config)]) == 1
    assert "voiced: stt kyutai: nothing listens at" in capsys.readouterr().err


def voiced(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "voiced", *arguments],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def journalled(*arguments: str) -> list[str]:
    """What it says where standard error is a stream into the journal."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            found = os.fstat(theirs.fileno())
            environ = dict(os.environ) | {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
            environ.pop("TWILIO_AUTH_TOKEN", None)
            command = [sys.executable, "-m", "voiced", *arguments]
            subprocess.run(
                command, check=False, stdout=subprocess.DEVNULL, stderr=theirs, env=environ,
                timeout=30,
            )  # fmt: skip
        with ours.makefile() as stream:
            return stream.read().splitlines()


def test_it_runs_as_a_module() -> None:
    done = voiced("--version")
    assert (done.returncode, done.stdout) == (0, f"voiced {__version__}\n")
