"""Reading JSON and msgpack from outside: the value of the right type, or a `WireError`.

An error names the field, never its content. Text comes out without lone surrogates, so that it
can always be encoded again, for a log or another wire.
"""

import json
import sys
from typing import Any, Final, TypeAlias

from voiced.errors import WireError

JsonObject: TypeAlias = dict[str, Any]

_MAX_FLOAT: Final = sys.float_info.max


def json_value(data: str | bytes) -> object:
    """Parses UTF-8 JSON.

    Raises:
        WireError: it is not JSON, not UTF-8, or nested too deeply to parse.
    """
    try:
        return json.loads(data if isinstance(data, str) else data.decode())
    except (ValueError, RecursionError):
        raise WireError("not JSON") from None


def as_object(value: object) -> JsonObject:
    """The value itself, where it is an object (a msgpack map)."""
    if not isinstance(value, dict):
        raise WireError("not an object")
    return value


def as_list(value: object) -> list[Any]:
    """The value itself, where it is an array."""
    if not isinstance(value, list):
        raise WireError("not an array")
    return value


def encodable(text: str) -> str:
    """The text without lone surrogates, which JSON escapes can smuggle in."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()


def child(parent: JsonObject, key: str) -> JsonObject:
    """A required object."""
    value = parent.get(key)
    if not isinstance(value, dict):
        raise _fault(key, value)
    return value


def optional_child(parent: JsonObject, key: str) -> JsonObject:
    """An object; empty where it is absent or null."""
    return {} if parent.get(key) is None else child(parent, key)


def array(parent: JsonObject, key: str) -> list[Any]:
    """A required array."""
    value = parent.get(key)
    if not isinstance(value, list):
        raise _fault(key, value)
    return value


def optional_array(parent: JsonObject, key: str) -> list[Any]:
    """An array; empty where it is absent or null."""
    return [] if parent.get(key) is None else array(parent, key)


def text(parent: JsonObject, key: str) -> str:
    """A required string."""
    value = parent.get(key)
    if not isinstance(value, str):
        raise _fault(key, value)
    return encodable(value)


def optional_text(parent: JsonObject, key: str) -> str | None:
    """A string; None where it is absent or null."""
    return None if parent.get(key) is None else text(parent, key)


def whole(parent: JsonObject, key: str) -> int:
    """A required integer, written as a number or as a string of one."""
    value = parent.get(key)
    if type(value) is int:  # a bool is not a number here
        return value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    raise _fault(key, value)


def optional_whole(parent: JsonObject, key: str) -> int | None:
    """An integer as in `whole`; None where it is absent or null."""
    return None if parent.get(key) is None else whole(parent, key)


def number(parent: JsonObject, key: str) -> float:
    """A required finite number."""
    value = parent.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _fault(key, value)
    if not abs(value) <= _MAX_FLOAT:  # also what compares with nothing: not a number
        raise _fault(key, value)
    return float(value)


def _fault(key: str, value: object) -> WireError:
    return WireError(f"{key}: missing" if value is None else f"{key}: wrong type")
