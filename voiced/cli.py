"""The command line. Exit codes: 0 fine, 1 failed, 2 usage, 78 bad configuration."""

import argparse
import importlib
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from voiced import __version__, daemon
from voiced.client import address
from voiced.client import commands as operate
from voiced.client.check import check, check_json
from voiced.client.run import ApiCommand, on, until_interrupted
from voiced.config import Secret, Settings, load, locate, render
from voiced.config.declare import TOKEN
from voiced.config.engines import HTTP
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
    asks = commands.add_parser("check", help="asks every engine and the carrier for real")
    asks.add_argument("--json", action="store_true", help="for programs")
    asks.set_defaults(run=_check)
    _add_call_commands(commands)
    for command in commands.choices.values():
        command.add_argument("--config", type=Path, metavar="FILE", help="default: VOICED_CONFIG,"
                             " else /etc/voiced/voiced.toml")  # fmt: skip
    _add_lab_commands(commands)
    return whole


def _add_call_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What an operator does with the calls of a running daemon."""
    added = {
        name: commands.add_parser(name, help=help_text)
        for name, help_text in (
            ("dial", "places a call, and prints its SID"),
            ("calls", "the live calls"),
            ("show", "draws the timeline of a call"),
            ("tail", "events as they come, until Ctrl-C"),
            ("interrupt", "has the agent stop speaking and listen"),
            ("hangup", "ends a call, with a goodbye"),
            ("say", "has the agent say a text, word for word"),
            ("transfer", "puts a caller through"),
        )
    }
    dial = added["dial"]
    dial.add_argument("number", type=_number, metavar="NUMBER")
    dial.add_argument("--agent", default="", metavar="NAME")
    dial.add_argument("--var", type=_variable, action="append", default=[], metavar="KEY=VALUE",
                      help="told to the agent; may be given again")  # fmt: skip
    dial.add_argument("--wait", action="store_true", help="follow it; 1 if nobody was reached")
    added["calls"].add_argument("--all", action="store_true", help="the past ones too")
    for name in ("show", "tail", "interrupt", "hangup", "say", "transfer"):
        added[name].add_argument("call", nargs="?" if name == "tail" else None, default="",
                                 metavar="CALL", help="its SID, or its beginning")  # fmt: skip
    for name in ("calls", "show"):
        added[name].add_argument("--json", action="store_true", help="for programs")
    added["say"].add_argument("text", metavar="TEXT")
    added["transfer"].add_argument("to", metavar="TO", help="a number, or a name in transfers")
    added["transfer"].add_argument("--warm", action="store_true", help="told what it is about")
    for command in added.values():
        command.add_argument("--url", type=_url, metavar="URL", help="another daemon than ours")
        command.add_argument("--token", type=_token, metavar="TOKEN", help="else VOICED_API_TOKEN")
        command.set_defaults(run=_on_calls)


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
    _add_exchange_options(phone)
    for command in (demo, lab, phone):
        command.set_defaults(run=_lab)


def _add_exchange_options(phone: argparse.ArgumentParser) -> None:
    """A REST API beside the telephone: the daemon's `twilio.api_url`."""
    phone.add_argument("--api-port", type=int, metavar="N",
                       help="serves Twilio's REST API here (0: any that is free)")  # fmt: skip
    phone.add_argument("--api-account", default="", help="the daemon's twilio.account_sid")
    phone.add_argument("--calls", type=int, default=1, metavar="N", help="to answer (default 1)")
    phone.add_argument("--from", dest="sender", default="", help="the person's number")
    phone.add_argument("--to", default="", help="the daemon's twilio.phone_number")
    phone.add_argument("--answer", action="store_true", help="waits for calls of the daemon's")
    phone.add_argument("--human", choices=["answered", "busy", "no-answer", "failed"],
                       default="answered", help="who is behind a transfer's number")  # fmt: skip
    phone.add_argument("--verdict", choices=["human", "busy", "no-answer", "failed", "machine"],
                       default="human", help="who answers a call of the daemon's")  # fmt: skip


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


def _check(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    ended = _until_interrupted(partial(check_json if arguments.json else check, settings, _tell))
    if ended is None:
        raise KeyboardInterrupt
    for warning in settings.warnings:
        _complain(warning)
    return ended


def _on_calls(arguments: argparse.Namespace) -> int:
    where = _address(arguments)
    ended = _until_interrupted(partial(on, where, _command(arguments), _tell))
    if ended is None and arguments.command != "tail":
        raise KeyboardInterrupt
    return ended or 0


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
    token = os.environ.get("VOICED_API_TOKEN", "").strip()
    return address.elsewhere(arguments.url, arguments.token or (_token(token) if token else None))


def _number(text: str) -> str:
    """As people write numbers; the daemon judges what is left."""
    return re.sub(r"[\s.()/-]", "", text)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("write it as KEY=VALUE")
    return name, value


def _url(text: str) -> str:
    if fault := HTTP.fault(text):
        raise argparse.ArgumentTypeError(f"{fault}; write {HTTP.use}")
    return text


def _token(text: str) -> Secret:
    if fault := TOKEN.fault(text):
        raise argparse.ArgumentTypeError(fault)
    return Secret(text)


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
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain about what is unwritten.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception:  # one of the two broad ones: a bug is told, and is a failure
        log.exception("voiced met a bug and ends; please report what follows")
    return EXIT_FAILED


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _complain(message: str) -> None:
    print(f"voiced: {message}", file=sys.stderr)  # noqa: T201
