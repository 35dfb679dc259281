"""Writes what the command line and the settings tell of themselves, for the package: the pages
voiced(1) and voiced.toml(5), and the completion. `python tests/packaging/manual_pages.py`.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from voiced.cli import parser
from voiced.config import reference

PACKAGING = Path(__file__).parents[2] / "packaging"
PARTS = PACKAGING / "man" / "parts"
MADE = '.\\" Made by tests/packaging/manual_pages.py.\n'


def commands() -> Mapping[str, tuple[str, argparse.ArgumentParser]]:
    """Name -> what it does, and its options."""
    (them,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in them._choices_actions}
    return {name: (helps[name], command) for name, command in them.choices.items()}


def options(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in command._actions if a.option_strings and a.dest != "help"]


def operands(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in command._actions if not action.option_strings]


def value_of(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def roff(text: str) -> str:
    """Text, as it is: a backslash, a hyphen and a line's first full stop mean something."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def bold(text: str) -> str:
    return f"\\fB{roff(text)}\\fR"


def italic(text: str) -> str:
    return f"\\fI{roff(text)}\\fR"


def synopsis(name: str, command: argparse.ArgumentParser) -> str:
    words = [bold(name)]
    for action in operands(command):
        operand = italic(value_of(action))
        words.append(f"[{operand}]" if action.nargs == "?" else operand)
    if options(command):
        words.append("[\\fIOPTIONS\\fR]")
    return " ".join(words)


def told(action: argparse.Action) -> Iterator[str]:
    value = italic(value_of(action)) if value_of(action) else ""
    names = ", ".join(map(bold, action.option_strings)) or value
    yield from (".TP", f"{names} {value}".strip() if action.option_strings else names)
    default = action.default
    about = roff(action.help or "")
    if action.choices and isinstance(default, str) and default:
        about = f"{about} (default {roff(default)})".strip()
    yield about or "\\&"


def commands_page() -> str:
    """voiced(1)."""
    about = (parser().description or "").rstrip(".")
    lines = [
        '.TH VOICED 1 "" "voiced" "User Commands"',
        ".SH NAME",
        f"voiced \\- {roff(about[:1].lower() + about[1:])}",
        ".SH SYNOPSIS",
        ".B voiced",
        "\\fICOMMAND\\fR [\\fIOPTIONS\\fR]",
        ".SH DESCRIPTION",
        "One program: the daemon, and what is done with it. voiced(8) tells of the service.",
        ".SH COMMANDS",
    ]
    for name, (about, command) in commands().items():
        lines += [f".SS {synopsis(name, command)}", roff(about[:1].upper() + about[1:]) + "."]
        explained = [a for a in operands(command) if a.help] + options(command)
        for action in explained:
            if action.dest != "config":
                lines += told(action)
    lines += [
        ".SH OPTIONS",
        ".TP",
        f"{bold('--config')} {italic('FILE')}",
        roff("The configuration, for the commands that read one: all but demo, lab and phone."),
        ".TP",
        bold("--version"),
        "Which voiced it is.",
        ".TP",
        f"{bold('-h')}, {bold('--help')}",
        "All options of a command.",
        (PARTS / "voiced.1.end").read_text().rstrip(),
    ]
    return MADE + "\n".join(lines) + "\n"


def inline(text: str) -> str:
    """Markdown's code in bold; the rest as it is."""
    parts = text.replace("\\|", "|").split("`")
    return "".join(bold(part) if at % 2 else roff(part) for at, part in enumerate(parts))


def keys(markdown: str) -> Iterator[str]:
    """`voiced.config.reference()` as man's macros: a section for each table, a row for each key."""
    for line in markdown.splitlines():
        if line.startswith("### "):
            yield f".SS {inline(line[4:])}"
        elif row := re.match(r"\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", line):
            key, kind, default, meaning = row.groups()
            without = "required" if default == "required" else f"default: {inline(default)}"
            yield from (".TP", f"{bold(key)} ({inline(kind)}; {without})", inline(meaning))
        elif line and not line.startswith("|"):
            yield inline(line)


def settings_page() -> str:
    """voiced.toml(5)."""
    page = (PARTS / "voiced.toml.5").read_text()
    return MADE + page.replace("@KEYS@", "\n".join(keys(reference())))


def completion() -> str:
    """For bash: the commands; of each the options, and what an option may be."""
    cases, values, files = [], [], []
    for name, (_, command) in commands().items():
        words = " ".join(o for a in options(command) for o in a.option_strings if o[:2] == "--")
        cases.append(f"    {name}) words='{words} --help' ;;")
        for action in options(command):
            after = "|".join(f"{name}:{option}" for option in action.option_strings)
            if action.choices:
                values.append(f"    {after}) words='{' '.join(map(str, action.choices))}' ;;")
            elif action.type is Path:
                files.append(after)
        if any(operand.type is Path for operand in operands(command)):
            files.append(f"{name}:{name}")
    paths = "|\\\n".join(f"    {each}" for each in files)
    return (
        (PARTS / "voiced.bash")
        .read_text()
        .replace("@COMMANDS@", " ".join(commands()))
        .replace("@OPTIONS@", "\n".join(cases))
        .replace("@VALUES@", "\n".join(values) + f"\n{paths})")
    )


def pages() -> Mapping[Path, str]:
    """What is made, and its text."""
    return {
        PACKAGING / "man" / "voiced.1": commands_page(),
        PACKAGING / "man" / "voiced.toml.5": settings_page(),
        PACKAGING / "completion" / "voiced.bash": completion(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
