"""The options of the operator's commands, and how their values are read."""

import argparse
import re
from pathlib import Path

from voiced.config import Secret
from voiced.config.declare import TOKEN
from voiced.config.engines import HTTP


def add_call_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> list[argparse.ArgumentParser]:
    """Adds and returns what an operator does with the calls of a running daemon."""
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
    dial.add_argument("number", type=number, metavar="NUMBER")
    dial.add_argument("--agent", default="", metavar="NAME")
    dial.add_argument("--var", type=variable, action="append", default=[], metavar="KEY=VALUE",
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
        command.add_argument("--url", type=url, metavar="URL", help="another daemon than ours")
        command.add_argument("--token", type=token, metavar="TOKEN", help="else VOICED_API_TOKEN")
    return list(added.values())


def add_trials(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> list[argparse.ArgumentParser]:
    """Adds and returns what tries a part of an agent: `speak`, `hear` and `route`."""
    speak = commands.add_parser("speak", help="has a voice say a text, and measures it")
    speak.add_argument("text", metavar="TEXT")
    speak.add_argument("--tts", default="", metavar="NAME", help="else the agent's first")
    speak.add_argument("--agent", default="", metavar="NAME", help="in whose language")
    speak.add_argument("-o", "--output", type=Path, metavar="FILE.wav", help="keeps the sound")
    hear = commands.add_parser("hear", help="plays a WAV file into an STT, in real time")
    hear.add_argument("file", type=Path, metavar="FILE.wav")
    hear.add_argument("--stt", default="", metavar="NAME", help="else agent.default's first")
    route = commands.add_parser("route", help="what an agent's intents make of a text")
    route.add_argument("text", metavar="TEXT")
    route.add_argument("--agent", default="", metavar="NAME", help="else agent.default")
    return [speak, hear, route]


def number(text: str) -> str:
    """As people write numbers; the daemon judges what is left."""
    return re.sub(r"[\s.()/-]", "", text)


def variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("write it as KEY=VALUE")
    return name, value


def url(text: str) -> str:
    if fault := HTTP.fault(text):
        raise argparse.ArgumentTypeError(f"{fault}; write {HTTP.use}")
    return text


def token(text: str) -> Secret:
    if fault := TOKEN.fault(text):
        raise argparse.ArgumentTypeError(fault)
    return Secret(text)
