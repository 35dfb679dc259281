"""Which line of a TOML text a key stands on; tomllib does not say.

The text is known to be valid TOML, so splitting it into tokens is enough: strings and comments
are one token each, and whatever is nested in brackets belongs to the statement it began in.
"""

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""Keys and, in arrays of tables, indices: `("route", 0, "called")`."""

TOKEN = re.compile(
    r'''
      """ (?: \\. | [^\\] )*? """ "{0,2}
    | \'\'\' .*? \'\'\' '{0,2}
    | " (?: \\. | [^"\\] )* "
    | ' [^']* '
    | \# [^\n]*
    | [\[\]{}=.,\n]
    | [^\s\[\]{}=.,"'\#]+
    ''',
    re.VERBOSE | re.DOTALL,
)
OPENING, CLOSING = frozenset("[{"), frozenset("]}")


def line_numbers(text: str) -> dict[Path, int]:
    """The line, counted from 1, on which each table and key first appears."""
    lines: dict[Path, int] = {}
    lengths: dict[Path, int] = {}  # of arrays of tables, so far
    table: Path = ()
    for line, tokens in _statements(text):
        names = _key(tokens)
        if tokens[0] != "[":
            path = (*table, *names)
        elif tokens[1] == "[":
            array = (*_inside(names[:-1], lengths), names[-1])
            lengths[array] = lengths.get(array, 0) + 1
            path = table = (*array, lengths[array] - 1)
        else:
            path = table = _inside(names, lengths)
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], line)
    return lines


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each header or key with its value, as tokens, and the line where it begins."""
    line, first, depth = 1, 1, 0
    tokens: list[str] = []
    for match in TOKEN.finditer(text + "\n"):
        token = match.group()
        if token == "\n" and depth == 0:
            if tokens:
                yield first, tokens
            tokens = []
        elif token != "\n" and not token.startswith("#"):
            first = first if tokens else line
            tokens.append(token)
            depth += (token in OPENING) - (token in CLOSING)
        line += token.count("\n")


def _key(tokens: list[str]) -> list[str]:
    """The names of a header, or of the key before the equals sign."""
    end = tokens.index("=") if tokens[0] != "[" else len(tokens)
    return [_unquote(token) for token in tokens[:end] if token not in {"[", "]", "."}]


def _unquote(token: str) -> str:
    return str(tomllib.loads(f"k = {token}")["k"]) if token[0] in "\"'" else token


def _inside(names: list[str], lengths: dict[Path, int]) -> Path:
    """A header's path; a name that is an array of tables stands for its latest table."""
    path: Path = ()
    for name in names:
        path += (name,)
        if path in lengths:
            path += (lengths[path] - 1,)
    return path
