"""The command line. Exit codes: 0 fine, 1 failed, 2 usage, 78 bad configuration."""

import argparse
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Final

import trio

from voiced import __version__, daemon
from voiced.audio import wavfile
from voiced.audio.frame import SAMPLE_RATE, SILENT_FRAME, Framer
from voiced.audio.level import Level, LevelChange
from voiced.client import address
from voiced.client import commands as operate
from voiced.client.arguments import add_call_commands, add_trials, token
from voiced.client.check import check, check_json
from voiced.client.choice import TrialError
from voiced.client.hear import Line, Packet, hear
from voiced.client.route import route
from voiced.client.run import ApiCommand, on, until_interrupted
from voiced.client.speak import Keep, Text, speak
from voiced.config import Settings, load, locate, render
from voiced.daemon.port import turn_away
from voiced.dialog.events import SpeechStarted, SpeechStopped
from voiced.errors import ConfigError, VoicedError
from voiced.lab import commands as lab
from voiced.lab.options import add_lab_commands
from voiced.ops import log as logs
from voiced.ops.catalog_kinds import Priority
from voiced.ops.journal import is_journal
from voiced.ops.log import LogFormat

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 78  # EX_CONFIG of sysexits.h; systemd does not restart on it

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    whole = argparse.ArgumentParser(
        prog="voiced", description="Answers and places telephone calls with an AI voice."
    )
    whole.add_argument("--version", action="version", version=f"voiced {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="the daemon")
    run.set_defaults(run=_run)
    run.add_argument("--log-format", choices=[each.value for each in LogFormat], default="text")
    config = commands.add_parser("config", help="the effective configuration, secrets masked")
    config.set_defaults(run=_config)
    asks = commands.add_parser("check", help="asks every engine and the carrier for real")
    asks.add_argument("--json", action="store_true", help="for programs")
    asks.set_defaults(run=_check)
    for trial, does in zip(add_trials(commands), (_speak, _hear, _route), strict=True):
        trial.set_defaults(run=does)
    for command in add_call_commands(commands):
        command.set_defaults(run=_on_calls)
    for command in commands.choices.values():
        command.add_argument("--config", type=Path, metavar="FILE", help="default: VOICED_CONFIG,"
                             " else /etc/voiced/voiced.toml")  # fmt: skip
    for command in add_lab_commands(commands):
        command.set_defaults(run=_lab)
    return whole


def _run(arguments: argparse.Namespace) -> int:
    try:
        settings = _settings(arguments)
    except ConfigError:
        turn_away()  # nobody is answered before it is mended
        raise
    logs.set_up(settings.log, LogFormat(arguments.log_format))
    for warning in settings.warnings:
        log.warning("%s", warning)
    trio.run(partial(daemon.run, settings, reload=partial(_settings, arguments)))
    return 0


def _config(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    print(render(settings))  # noqa: T201  # this is what the command is for
    for warning in settings.warnings:
        _complain(warning, Priority.WARNING)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    ended = _to_its_end(partial(check_json if arguments.json else check, settings, _tell))
    for warning in settings.warnings:
        _complain(warning, Priority.WARNING)
    return ended


def _speak(arguments: argparse.Namespace) -> int:
    settings, path = _settings(arguments), arguments.output
    text = Text(arguments.text, arguments.tts, arguments.agent)
    keep = Keep(path, lambda mulaw: path.write_bytes(wavfile.mono(mulaw))) if path else None
    return _to_its_end(partial(speak, settings, text, keep, _tell))


def _hear(arguments: argparse.Namespace) -> int:
    settings, path = _settings(arguments), arguments.file
    try:
        mulaw = wavfile.telephone(path.read_bytes())
    except OSError as error:
        raise TrialError(f"{path}: cannot be read ({error.strerror})") from None
    except wavfile.WavError as error:
        raise TrialError(f"{path}: {error}") from None
    line = Line(_packets(mulaw), len(mulaw) / SAMPLE_RATE)
    return _to_its_end(partial(hear, settings, arguments.stt, line, _tell))


def _route(arguments: argparse.Namespace) -> int:
    settings, text = _settings(arguments), arguments.text
    return _to_its_end(partial(route, settings, arguments.agent, text, _tell))


def _packets(mulaw: bytes) -> Iterator[Packet]:
    """The sound as a call's line brings it, and silence without end; judged as in a call."""
    level, framer = Level(), Framer()
    sound = [*framer.feed(mulaw), *framer.flush()]
    for frame in chain(sound, repeat(SILENT_FRAME)):
        match level.feed(frame):
            case LevelChange.SPEECH_STARTED:
                yield Packet(frame, SpeechStarted())
            case LevelChange.SPEECH_STOPPED:
                yield Packet(frame, SpeechStopped(level.quiet_s))
            case _:
                yield Packet(frame)


def _on_calls(arguments: argparse.Namespace) -> int:
    where = _address(arguments)
    ended = _until_interrupted(partial(on, where, _command(arguments), _tell))
    if ended is None and arguments.command != "tail":
        raise KeyboardInterrupt
    return ended or 0


def _to_its_end(command: Callable[[], Awaitable[int]]) -> int:
    ended = _until_interrupted(command)
    if ended is None:
        raise KeyboardInterrupt
    return ended


def _until_interrupted(command: Callable[[], Awaitable[int]]) -> int | None:
    return trio.run(until_interrupted, command)


def _command(arguments: argparse.Namespace) -> ApiCommand:
    match arguments.command:
        case "dial":
            new = operate.NewCall(arguments.number, arguments.agent, dict(arguments.var))
            return partial(operate.dial_and_wait if arguments.wait else operate.dial, new)
        case "calls":
            told = operate.calls_json if arguments.json else operate.calls
            return partial(told, "" if arguments.all else "live")
        case "show":
            return partial(operate.show_json if arguments.json else operate.show, arguments.call)
        case "tail":
            return partial(operate.tail, arguments.call)
    body: dict[str, object] = {}
    if arguments.command == "say":
        body = {"text": arguments.text}
    elif arguments.command == "transfer":
        body = {"to": arguments.to, "warm": arguments.warm}
    return partial(operate.act, arguments.command, arguments.call, body)


def _address(arguments: argparse.Namespace) -> address.Address:
    if arguments.url is None:
        return address.configured(_settings(arguments), arguments.token)
    known = os.environ.get("VOICED_API_TOKEN", "").strip()
    return address.elsewhere(arguments.url, arguments.token or (token(known) if known else None))


def _lab(arguments: argparse.Namespace) -> int:
    return lab.COMMANDS[arguments.command](arguments)


def _settings(arguments: argparse.Namespace) -> Settings:
    return load(locate(arguments.config, os.environ), os.environ)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        return EXIT_CONFIG
    except VoicedError as error:
        _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain about what is unwritten.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception:  # one of the two broad ones: a bug is told, and is a failure
        log.exception("voiced met a bug and ends; please report what follows")
    return EXIT_FAILED


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _complain(message: str, priority: Priority = Priority.ERR) -> None:
    """Where the journal listens, each line has its priority before it.

    Source: sd-daemon(3).
    """
    mark = ""
    if is_journal(os.environ.get("JOURNAL_STREAM", ""), logs.STDERR):
        mark = f"<{priority.value}>"
    for line in f"voiced: {message}".splitlines():
        print(f"{mark}{line}", file=sys.stderr)  # noqa: T201
