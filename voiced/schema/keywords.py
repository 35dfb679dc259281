"""Is a schema right? What is wrong in it is told with its place."""

import difflib
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import fastjsonschema
from attrs import frozen

from voiced.schema.validator import FORMATS, TYPES, Validator

Path: TypeAlias = tuple[str | int, ...]
"""Keys and, in lists, indices."""

MAX_DEPTH: Final = 5
"""Levels of a schema, the top one counted: OpenAI's strict form began with no more."""
MAX_PROPERTIES: Final = 100

MAX_JSON_DEPTH: Final = 20

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_SHOWN: Final = 64


@frozen
class Keyword:
    """What a keyword may hold, and the types of value that it is for; none: for all."""

    use: str
    holds: Callable[[Any], bool]
    types: tuple[str, ...] = ()


def _is_number(value: object) -> bool:
    # `type`, not isinstance: True is an int to Python.
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def is_json(value: object, depth: int = MAX_JSON_DEPTH) -> bool:
    """Whether JSON has it: no date, NaN or infinity, and not nested deeper than that."""
    if isinstance(value, list | dict):
        items = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(is_json(item, depth - 1) for item in items)
    return _is_scalar(value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_list(holds: Callable[[Any], bool], least: int = 0) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, list | tuple) and len(value) >= least and all(map(holds, value))
    )


def _is_pattern(value: object) -> bool:
    if not isinstance(value, str):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what Python will take otherwise one day
        try:
            fastjsonschema.compile({"pattern": value})
        except (re.error, Warning, OverflowError, RecursionError):
            return False
    return True


def _choice(words: Iterable[str]) -> str:
    return "use " + " or ".join(f'"{word}"' for word in words)


_OTHERS: Final = tuple(word for word in TYPES if word != "object")
_SCALARS: Final = tuple(word for word in _OTHERS if word != "array")
_NUMBERS: Final = ("number", "integer")
_BOUND: Final = Keyword("use a number", _is_number, _NUMBERS)
_LENGTH: Final = Keyword("use a whole number from 0", _is_count, ("string",))
_COUNT: Final = Keyword("use a whole number from 0", _is_count, ("array",))
_WORDS: Final = Keyword("use text in quotes", _is_text)
_USE_PATTERN: Final = r"use a regular expression of Python's, a $ in brackets written \$"

KEYWORDS: Final[Mapping[str, Keyword]] = {
    "type": Keyword(_choice(TYPES), lambda value: value in tuple(TYPES)),
    "title": _WORDS,
    "description": _WORDS,
    "properties": Keyword("use a table of schemas", _is_table, ("object",)),
    "required": Keyword("use a list of names in quotes", _is_list(_is_text), ("object",)),
    "additionalProperties": Keyword("use true or false", lambda v: type(v) is bool, ("object",)),
    "items": Keyword("use a schema, which is a table", _is_table, ("array",)),
    "enum": Keyword("use a list of texts, numbers, true or false", _is_list(_is_scalar, 1)),
    "const": Keyword("use a text, a number, true or false", _is_scalar),
    "minimum": _BOUND,
    "maximum": _BOUND,
    "exclusiveMinimum": _BOUND,
    "exclusiveMaximum": _BOUND,
    "minLength": _LENGTH,
    "maxLength": _LENGTH,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "pattern": Keyword(_USE_PATTERN, _is_pattern, ("string",)),
    "format": Keyword(_choice(FORMATS), lambda value: value in tuple(FORMATS), ("string",)),
    "default": Keyword("use what JSON has; a date is a text in quotes", is_json),
}
_PAIRS: Final = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))


def faults(schema: Mapping[str, object], at: Path = ()) -> list[tuple[Path, str]]:
    """What is wrong with the schema of an object, each with its place; `at` begins them all.

    A sentence says what is wrong and what to do, and quotes names of keywords and properties only.
    """
    found = list(_faults(schema, at, 1))
    if "type" not in schema:
        found.append(((*at, "type"), 'is missing; use type = "object"'))
    elif schema["type"] in _OTHERS:
        found.append(((*at, "type"), 'is not that of a table with names; use "object"'))
    if (count := _count(schema)) > MAX_PROPERTIES:
        found.append(((*at, "properties"), f"are {count} in all; use {MAX_PROPERTIES} at most"))
    return found


def _faults(schema: Mapping[str, object], at: Path, depth: int) -> Iterator[tuple[Path, str]]:
    wrong = list(_wrong_keywords(schema, at))
    yield from wrong or _together(schema, at)
    for path, inner in _inner(schema, at):
        if not isinstance(path[-1], str) or not _NAME.fullmatch(path[-1]):
            yield path, "is not a name; use letters, digits, _ and -, a letter first"
        if not isinstance(inner, Mapping):
            yield path, 'is not a schema; use a table, as in { type = "string" }'
        elif depth == MAX_DEPTH:
            yield path, f"is too deep; use {MAX_DEPTH} levels at most"
        else:
            yield from _faults(inner, path, depth + 1)


def _inner(schema: Mapping[str, object], at: Path) -> Iterator[tuple[Path, object]]:
    """The schemas within this one."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        for name, inner in properties.items():
            yield (*at, "properties", name[:_SHOWN]), inner
    if isinstance(schema.get("items"), Mapping):
        yield (*at, "items"), schema["items"]


def _wrong_keywords(schema: Mapping[str, object], at: Path) -> Iterator[tuple[Path, str]]:
    kind = schema.get("type")
    for name, value in schema.items():
        here = (*at, name[:_SHOWN])
        keyword = KEYWORDS.get(name)
        if keyword is None:
            yield here, f"is not a keyword of a schema here{_nearest(name, KEYWORDS)}"
        elif not keyword.holds(value):
            yield here, f"has a wrong value; {keyword.use}"
        elif keyword.types and kind in tuple(TYPES) and kind not in keyword.types:
            yield here, f"is not for this type, but for {' and '.join(keyword.types)}; delete it"


def _together(schema: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, str]]:
    """Keywords that are right each, and wrong beside another."""
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in properties:
            what = f"{name[:_SHOWN]} is not one of its properties"
            yield (*at, "required"), f"{what}{_nearest(name, properties)}"
    for least, most in _PAIRS:
        if least in schema and most in schema and schema[least] > schema[most]:
            yield (*at, least), f"is above {most}; lower the one or raise the other"
    if schema.get("type") in _SCALARS:
        yield from _unfit(schema, at)


def _unfit(schema: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, str]]:
    """Values that the schema names itself, and would not take."""
    rest = dict(schema)
    for name in ("default", "enum", "const"):
        if name in schema:
            named = [rest.pop(name)] if name != "enum" else rest.pop(name)
            validator = Validator(rest)
            if any(validator.faults(value) for value in named):
                yield (*at, name), "does not fit what stands beside it; change one of them"


def _count(schema: Mapping[str, object], depth: int = 1) -> int:
    """Its properties, those of the schemas within it counted, too."""
    if depth > MAX_DEPTH:
        return 0
    inner = list(_inner(schema, ()))
    own = sum(path[0] == "properties" for path, _ in inner)
    return own + sum(_count(each, depth + 1) for _, each in inner if isinstance(each, Mapping))


def _nearest(word: str, known: Iterable[str]) -> str:
    known = [name[:_SHOWN] for name in known]
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(known)}" if known else "; it has none"
