"""What a caller does, and when: a script of turns.

    [[turn]]
    say = "what time do you open on saturday"
    after = "greeting-ends"

    [[turn]]
    say = "wait, do you have vegetarian dishes"
    after = { into_reply_s = 2.0 }      # a barge-in

    [[turn]]
    press = "1#"
    after = { silence_s = 1.5 }

    [[turn]]
    hang_up = true

A turn does one thing: `say` text, play a `wav` file, `press` keys or `hang_up`. Without `after`
it waits for the end of the reply (of the greeting, before the first turn). A script that does
not hang up does so at the end of the last reply.
"""

import tomllib
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from attrs import frozen

from voiced.errors import ConfigError


class Cue(Enum):
    """What a turn waits for."""

    REPLY_ENDS = "reply-ends"
    INTO_REPLY = "into_reply_s"
    SILENCE = "silence_s"


@frozen
class After:
    """A cue, and its seconds where it has any."""

    cue: Cue = Cue.REPLY_ENDS
    seconds: float = 0.0


@frozen
class Say:
    """Text for the caller's voice."""

    text: str


@frozen
class Play:
    """A WAV file."""

    path: Path


@frozen
class Press:
    """Keys of the telephone."""

    digits: str


@frozen
class HangUp:
    """The end."""


Action = Say | Play | Press | HangUp


@frozen
class Turn:
    """One thing that the caller does."""

    action: Action
    after: After = After()


DEMO_CALL = (
    Turn(Say("do you have vegetarian dishes")),
    Turn(Say("i would like to book a table for five tomorrow at eight")),
    Turn(Say("no i meant four people"), After(Cue.INTO_REPLY, 0.8)),
    # Longer than from the announcement to what came of it, or the caller would speak in between.
    Turn(Say("can i speak to a person please"), After(Cue.SILENCE, 2.0)),
    Turn(HangUp(), After(Cue.SILENCE, 20.0)),
)


def complete(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns, with a hang-up behind the last reply where they have none."""
    if turns and isinstance(turns[-1].action, HangUp):
        return tuple(turns)
    return (*turns, Turn(HangUp()))


def read_script(path: Path) -> tuple[Turn, ...]:
    """Reads a script; the WAV files in it are relative to its folder.

    Raises:
        ConfigError: everything that is wrong with it, turn by turn.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise ConfigError([f"{path}: not TOML: {error}"]) from None
    return parse_script(document, path)


def parse_script(document: Mapping[str, object], path: Path) -> tuple[Turn, ...]:
    """The turns of a TOML document that came from `path`."""
    problems = [f"{path}: unknown key `{key}`; write [[turn]] tables" for key in document]
    problems = [problem for problem in problems if "key `turn`" not in problem]
    tables = document.get("turn")
    if not isinstance(tables, list) or not tables:
        raise ConfigError([*problems, f"{path}: no turns; begin each with a line [[turn]]"])
    turns = []
    for number, table in enumerate(tables, start=1):
        try:
            turns.append(_turn(table, path.parent, first=number == 1))
        except ValueError as error:
            problems.append(f"{path}: turn {number}: {error}")
    early = [n for n, turn in enumerate(turns[:-1], start=1) if isinstance(turn.action, HangUp)]
    problems += [f"{path}: turn {n}: hangs up; delete the turns behind it" for n in early[:1]]
    if problems:
        raise ConfigError(problems)
    return complete(turns)


def _turn(table: object, folder: Path, *, first: bool) -> Turn:
    if not isinstance(table, dict):
        raise ValueError("is no table; begin it with a line [[turn]]")
    fields = dict(table)
    after = _after(fields.pop("after", None), first=first)
    if len(fields) != 1:
        raise ValueError("needs exactly one of say, wav, press, hang_up beside after")
    return Turn(_action(*fields.popitem(), folder), after)


def _action(key: str, value: object, folder: Path) -> Action:
    match key, value:
        case "say", str(text) if text.strip():
            return Say(text)
        case "wav", str(name) if name:
            return Play(folder / name)
        case "press", str(digits) if digits and set(digits) <= set("0123456789*#ABCD"):
            return Press(digits)
        case "hang_up", True:
            return HangUp()
        case (("say" | "wav"), _):
            raise ValueError(f"`{key}` must be a text that is not empty")
        case "press", _:
            raise ValueError("`press` must be a text of the keys 0-9 * # A-D")
        case "hang_up", _:
            raise ValueError("`hang_up` can only be true")
    raise ValueError(f"unknown key `{key}`; the keys are say, wav, press, hang_up, after")


def _after(value: object, *, first: bool) -> After:
    match value:
        case None | "reply-ends":
            return After()
        case "greeting-ends" if first:
            return After()
        case "greeting-ends":
            raise ValueError("only the first turn can wait for the greeting; write reply-ends")
        case {"into_reply_s": seconds, **rest} if not rest and _is_time(seconds):
            return After(Cue.INTO_REPLY, float(seconds))
        case {"silence_s": seconds, **rest} if not rest and _is_time(seconds):
            return After(Cue.SILENCE, float(seconds))
    raise ValueError(
        '`after` must be "greeting-ends", "reply-ends", { into_reply_s = 2.0 }'
        " or { silence_s = 1.5 }"
    )


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3_600
