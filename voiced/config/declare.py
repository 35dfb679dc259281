"""How a setting is declared: beside its type and default, its meaning and its limits.

The reader, the renderer and the reference in docs/configure.md all work from these
declarations, so a new key is one new field.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from attrs import Attribute, frozen

from voiced.config.lines import Path


@frozen
class Check:
    """A limit on a value. `use` says what is right, `fault` what is wrong ("" if nothing is).

    For a list or a table of texts it is a limit on each of them. A fault never quotes the value
    where that could be a secret, a number or speech.
    """

    use: str
    fault: Callable[[Any], str]


@frozen
class TableCheck:
    """A limit on a whole table: what is wrong in it, each with the place below the table."""

    use: str
    faults: Callable[[Mapping[str, object]], Iterable[tuple[Path, str]]]


Variable = Callable[[Mapping[str, Any]], str]
"""The environment variable of a key, from the section's values that stand before it."""
CREDENTIAL_ONLY = ""
"""In the place of a variable's name: a systemd credential may hold it, and no variable."""


@frozen
class Key:
    """What is known of a key beside its type and default; `names` limits those in a table, and
    `table` a table of any shape.
    """

    meaning: str
    check: Check | None
    variable: Variable | None
    names: Check | None
    table: TableCheck | None


def key(
    meaning: str,
    check: Check | None = None,
    variable: str | Variable | None = None,
    names: Check | None = None,
    table: TableCheck | None = None,
) -> dict[str, Key]:
    """The metadata of a setting's `attrs.field`."""
    if isinstance(variable, str):
        constant = variable
        return {"key": Key(meaning, check, lambda values: constant, names, table)}
    return {"key": Key(meaning, check, variable, names, table)}


def key_of(attribute: "Attribute[Any]") -> Key:
    return cast(Key, attribute.metadata["key"])


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` or, where nothing is near, `; known are X, Y`."""
    known = sorted(known)
    if close := difflib.get_close_matches(word, known, n=1, cutoff=0.5):
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(known)}" if known else ""


def between(least: float, most: float, unit: str = "") -> Check:
    def fault(value: float) -> str:
        # A NaN is in no range, so the test must be for what is right.
        return "" if least <= value <= most else f"{value} is out of range"

    return Check(f"a value from {least} to {most} {unit}".rstrip(), fault)


def url(*schemes: str, query: bool = False) -> Check:
    """An address without anything that would be lost or leaked: user, fragment and, unless it is
    allowed, query.
    """

    def fault(value: str) -> str:
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            return "it is not a URL"
        if parts.scheme not in schemes:
            return f"it does not begin with {' or '.join(f'{s}://' for s in schemes)}"
        if not parts.hostname:
            return "it names no host"
        if re.search(r"[\s\x00-\x1f]", value):
            return "it has a space in it"
        extra = {
            "a user": "@" in parts.netloc,
            "a query": "?" in value and not query,
            "a fragment": "#" in value,
        }
        return next((f"it has {what}" for what, there in extra.items() if there), "")

    parts = "host, port, path and query" if query else "host, port and path"
    return Check(f"{' or '.join(f'{s}://' for s in schemes)} with a {parts} only", fault)


def one_of(what: str, known: Sequence[str]) -> Check:
    """One of a few words; `what` is such a word with its article, as in `a tool`."""

    def fault(value: str) -> str:
        return "" if value in known else f"{value} is not {what}{nearest(value, known)}"

    return Check(f"{', '.join(known[:-1])} or {known[-1]}", fault)


def matches(pattern: str, fault: str, use: str) -> Check:
    return Check(use, lambda value: "" if re.fullmatch(pattern, value) else fault)


WEB = url("http", "https", query=True)
"""An address that something is sent to."""
TEXT = matches(r"(?s).*\S.*", "it is empty", "a text that is not empty")
NUMBER = r"\+[1-9][0-9]{5,14}"
NUMBER_FAULT, NUMBER_USE = "it is not a telephone number", "+ and the digits, as in +33123456789"
PHONE = matches(NUMBER, NUMBER_FAULT, NUMBER_USE)
PHONE_OR_NONE = matches(f"({NUMBER})?", NUMBER_FAULT, NUMBER_USE)
WORD = matches(
    "[a-z][a-z0-9_]{0,63}",
    "it is not a name",
    "a name of up to 64 small letters, digits and _, a letter first",
)
ENTRY_NAME = matches(
    r"(?s)(?=.*\S).{1,64}", "its name is empty or too long", "a name of 1 to 64 characters"
)
TOKEN = matches(
    "[!-~]+", "it has a space or a character outside ASCII", "the secret alone, as it was issued"
)
PREFIX = matches(
    r"\+[1-9][0-9]{0,14}",
    "it is not the beginning of a number",
    "+ and 1 to 15 digits, as in +33 or +1212",
)
ABSOLUTE = Check(
    "a path that begins with /", lambda path: "" if path.is_absolute() else "it is a relative path"
)
LANGUAGE_TAG = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"
LANGUAGE = matches(
    LANGUAGE_TAG,
    "it is not a language",
    "a language tag, as in fr, en or pt-BR",
)
