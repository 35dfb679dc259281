"""The command line. Exit codes: 0 fine, 1 failed, 2 usage, 78 bad configuration."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from voiced import __version__, daemon
from voiced.config import Settings, load, locate, render
from voiced.errors import ConfigError, StartupError, VoicedError
from voiced.ops import log as logs
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
    for command in (run, config):
        command.add_argument("--config", type=Path, metavar="FILE", help="default: VOICED_CONFIG,"
                             " else /etc/voiced/voiced.toml")  # fmt: skip
    _add_lab_commands(commands)
    return whole


def _add_lab_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser("demo", help="a whole call on this machine: no keys, no GPU")
    demo.add_argument("--folder", type=Path, default=Path("demo"), help="where the call is left")
    lab = commands.add_parser("lab", help="the stand-in engines, on ports of their own")
    for option, default, help_text in (
        ("--stt-port", 8190, "0: any that is free"),
        ("--tts-port", 8180, ""),
        ("--llm-port", 8111, ""),
        ("--stt-slots", 16, "batch_size of the STT"),
        ("--tts-slots", 8, "batch_size of the TTS"),
        ("--stt-delay-steps", 6, "steps of 80 ms before a word can be told"),
        ("--first-audio-ms", 250.0, "of the TTS, from its third word"),
        ("--speed", 0.4, "of the TTS: seconds of work for a second of sound"),
        ("--first-token-ms", 200.0, "of the LLM"),
        ("--tokens-per-s", 60.0, "of the LLM"),
    ):
        help_text = f"{help_text} (default {default})".strip()
        lab.add_argument(option, type=type(default), default=default, metavar="N", help=help_text)
    lab.add_argument("--voice", choices=["espeak", "tone"], default="espeak")
    lab.add_argument("--ear", choices=["sphinx", "words"], default="sphinx")
    lab.add_argument("--sentence", action="append", metavar="TEXT",
                     help="what the ear `words` hears, one for each burst of sound")  # fmt: skip
    lab.add_argument("--llm-log", type=Path, metavar="FILE", help="the LLM's requests, JSON lines")
    phone = commands.add_parser("phone", help="a software Twilio: calls a running daemon")
    phone.add_argument("url", nargs="?", default="http://127.0.0.1:8765", metavar="URL")
    says = phone.add_mutually_exclusive_group(required=True)
    says.add_argument("--say", action="append", metavar="TEXT", help="may be given again")
    says.add_argument("--wav", type=Path, metavar="FILE")
    says.add_argument("--script", type=Path, metavar="FILE", help="turns with barge-ins, TOML")
    phone.add_argument("--public-url", default="", help="the daemon's server.public_url")
    phone.add_argument("--auth-token", default="", help="signs as Twilio would")
    phone.add_argument("--folder", type=Path, help="where to leave what was heard")
    for command in (demo, lab, phone):
        command.set_defaults(run=_lab)


def _run(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    logs.set_up(settings.log, LogFormat(arguments.log_format))
    for warning in settings.warnings:
        log.warning("%s", warning)
    trio.run(daemon.run, settings)
    return 0


def _config(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    print(render(settings))  # noqa: T201  # this is what the command is for
    for warning in settings.warnings:
        _complain(warning)
    return 0


def _lab(arguments: argparse.Namespace) -> int:
    """The lab is imported only when asked for: an installed daemon may lack its libraries."""
    try:
        lab = importlib.import_module("voiced.lab.commands")
    except ModuleNotFoundError as error:
        raise StartupError(
            f"the lab needs {error.name}, which is not installed: pip install 'voiced[lab]'"
        ) from error
    return int(lab.COMMANDS[arguments.command](arguments))


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
    except Exception:  # one of the two broad ones: a bug is told, and is a failure
        log.exception("voiced met a bug and ends; please report what follows")
    return EXIT_FAILED


def _complain(message: str) -> None:
    print(f"voiced: {message}", file=sys.stderr)  # noqa: T201
