"""The lab's commands are loaded one by one: a telephone call needs no more than the daemon."""

import signal
import socket
import subprocess
import sys
import wave
from functools import partial
from importlib.metadata import requires
from pathlib import Path

import pytest
import trio
from attrs import asdict
from packaging.requirements import Requirement
from test_phone_call import Daemon
from trio_websocket import serve_websocket

from voiced import cli
from voiced.errors import StartupError
from voiced.lab import commands, demo_command, lab_command
from voiced.lab.demo import Chosen
from voiced.lab.engines import LabSettings

EXTRA = sorted(
    {
        each.name
        for each in map(Requirement, requires("voiced") or ())
        if each.marker and each.marker.evaluate({"extra": "lab"})
    }
)
"""The libraries of the extra `lab`: the package does not have them."""
PACKAGED = f"""
import sys
sys.modules.update(dict.fromkeys({EXTRA}))
from voiced.lab import espeak
espeak.LIBRARY = "not-installed.so"
from voiced import cli
sys.exit(cli.main(sys.argv[1:]))
"""
"""voiced where neither they nor espeak-ng are installed."""


def packaged(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PACKAGED, *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def hello(folder: Path) -> Path:
    sound = folder / "hello.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(b"\x00\x10" * 800)
    return sound


async def test_a_call_with_a_sound_file_needs_none_of_the_extra(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    assert EXTRA == ["matplotlib", "pocketsphinx"]
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    daemon = Daemon(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", "")
    nursery.start_soon(trio.serve_listeners, daemon.webhook, listeners)
    server = await nursery.start(serve_websocket, daemon.media, "127.0.0.1", 0, None)
    daemon.media_url = f"ws://127.0.0.1:{server.port}/close-now"
    daemon.connect()
    words = ["phone", daemon.url, "--wav", str(hello(tmp_path)), "--folder", str(tmp_path)]
    done = await trio.to_thread.run_sync(partial(packaged, *words))
    assert (done.returncode, done.stderr) == (0, "")
    assert "the agent closed the stream" in done.stdout
    assert (tmp_path / "call.wav").is_file()
    assert daemon.events()[:3] == ["connected", "start", "media"]


def test_a_spoken_call_without_its_voice_is_a_sentence() -> None:
    done = packaged("phone", "http://127.0.0.1:1", "--say", "hello")
    assert done.returncode == 1
    assert done.stderr == "voiced: the lab's voice is missing: apt install espeak-ng\n"


def test_what_is_missing_is_told_for_pip_and_for_the_package() -> None:
    done = packaged("demo")
    assert done.returncode == 1
    assert done.stderr == (
        "voiced: voiced demo needs matplotlib, which is not installed: pip install 'voiced[lab]'; "
        "the Debian package does not have it, but a checkout does after make setup\n"
    )


def test_the_lab_is_loaded_without_its_ear() -> None:
    done = packaged("lab", "--stt-port", "0", "--tts-port", "0", "--llm-port", "0")
    assert done.returncode == 1
    assert done.stderr == (
        "voiced: the lab's ear needs pocketsphinx, which is not installed: "
        "pip install 'voiced[lab]'; the Debian package does not have it, but a checkout does "
        "after make setup\n"
    )


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = packaged("lab", "--ear", "words", "--voice", "tone", "--stt-port", str(port))
    assert done.returncode == 1
    assert done.stderr == (
        f"voiced: the lab cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_only_what_is_asked_for_is_loaded() -> None:
    code = "import sys; import voiced.lab.phone_command; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "voiced.lab.phone" in loaded
    assert not {"voiced.lab.demo", "voiced.lab.engines", *EXTRA} & loaded


def test_every_command_of_the_lab_has_options() -> None:
    assert set(commands.COMMANDS) == {"lab", "phone", "demo"}
    for command in commands.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            cli.parser().parse_args([command, "--help"])
        assert ended.value.code == 0


def test_a_missing_library_is_a_start_up_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "voiced.lab.demo_command", None)
    with pytest.raises(StartupError, match="voiced demo needs voiced"):
        commands.COMMANDS["demo"](cli.parser().parse_args(["demo"]))


def test_the_lab_serves_with_its_options_until_a_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[LabSettings] = []

    class Serving:
        def configuration(self) -> str:
            return "[stt.lab]"

        def tools(self) -> str:
            return "[[agent.default.tool]]"

    async def run(settings: LabSettings, task_status: trio.TaskStatus[Serving]) -> None:
        asked.append(settings)
        task_status.started(Serving())
        signal.raise_signal(signal.SIGTERM)
        await trio.sleep_forever()

    monkeypatch.setattr(lab_command, "run_lab", run)
    words = ["lab", "--stt-port", "1", "--tts-slots", "3", "--sentence", "a", "--sentence", "b"]
    assert commands.COMMANDS["lab"](cli.parser().parse_args(words)) == 0
    assert capsys.readouterr().out == f"[stt.lab]\n[[agent.default.tool]]\n{commands.READY}\n"
    (settings,) = asked
    assert (settings.stt_port, settings.tts_batch_size) == (1, 3)
    assert list(settings.sentences) == ["a", "b"]
    assert settings.bookings_port == 8199
    assert commands.COMMANDS["lab"](cli.parser().parse_args(["lab", "--bookings-port", "9"])) == 0
    assert asked[-1].bookings_port == 9


def test_a_lab_of_free_ports_has_all_of_them_free() -> None:
    settings = LabSettings(stt_port=0, tts_port=0, llm_port=0)
    assert {value for name, value in asdict(settings).items() if name.endswith("_port")} == {0}


def test_the_demo_s_options_choose_its_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, Chosen]] = []

    async def run(folder: Path, chosen: Chosen) -> int:
        await trio.lowlevel.checkpoint()
        asked.append((folder, chosen))
        return 3

    monkeypatch.setattr(demo_command, "run_demo", run)
    demo = commands.COMMANDS["demo"]
    assert demo(cli.parser().parse_args(["demo"])) == 3
    words = ["demo", "--folder", "/f", "--stt", "flux", "--llm", "anthropic", "--tts", "cartesia"]
    assert demo(cli.parser().parse_args(words)) == 3
    assert asked == [
        (Path("demo"), Chosen("lab", "lab", "lab")),
        (Path("/f"), Chosen("flux", "anthropic", "cartesia")),
    ]
