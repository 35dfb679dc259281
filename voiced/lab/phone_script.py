"""Scripts for a telephone behind an exchange: those of `script`, and one thing more to do.

    [[turn]]
    drop_stream = true      # the media socket's TCP connection is cut, the caller stays
    after = { into_reply_s = 1.0 }

The exchange then asks the stream's `action` what to do, as Twilio does when a stream breaks.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve, field, frozen

from voiced.errors import ConfigError
from voiced.lab.script import HangUp, Press, Turn, complete, parse_script

STAND_IN = "0"


@frozen
class DropStream(Press):
    """Cuts the media socket without a word. Of the network, not the caller: it presses nothing."""

    digits: str = field(default="", init=False)


@frozen
class Person:
    """Who is at the telephone: what they do, and the mu-law of each turn, empty without speech."""

    turns: Sequence[Turn] = field(default=(Turn(HangUp()),), converter=complete)
    speech: Sequence[bytes] = field(default=(b"",), repr=False)


def read_script(path: Path) -> tuple[Turn, ...]:
    """Reads a script, in which turns may `drop_stream`.

    Raises:
        ConfigError: everything that is wrong with it, turn by turn.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise ConfigError([f"{path}: not TOML: {error}"]) from None
    return parse(document, path)


def parse(document: Mapping[str, object], path: Path) -> tuple[Turn, ...]:
    """The turns of a TOML document that came from `path`."""
    tables = document.get("turn")
    if not isinstance(tables, list):
        return parse_script(document, path)
    drops = {
        n: table
        for n, table in enumerate(tables)
        if isinstance(table, dict) and "drop_stream" in table
    }
    problems = [
        f"{path}: turn {n + 1}: `drop_stream` can only be true"
        for n, table in drops.items()
        if table["drop_stream"] is not True
    ]
    plain = [_plain(table) if n in drops else table for n, table in enumerate(tables)]
    try:
        turns = parse_script({**document, "turn": plain}, path)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return tuple(
        evolve(turn, action=DropStream()) if n in drops else turn for n, turn in enumerate(turns)
    )


def _plain(table: Mapping[str, object]) -> dict[str, object]:
    """The turn with a key press in the drop's place, for everything else to be checked."""
    rest = {key: value for key, value in table.items() if key != "drop_stream"}
    return rest | {"drop_stream": None} if "press" in rest else rest | {"press": STAND_IN}
