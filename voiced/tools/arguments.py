"""The arguments that a model sends with a tool call: read strictly, for they are acted on."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Final

MAX_ARGUMENTS: Final = 64 * 1024
"""The longest text, in characters."""

MAX_DEPTH: Final = 32
"""How deep objects and arrays may stand in each other; what handles them further is recursive."""


def parse_arguments(text: str) -> Mapping[str, object] | None:
    """The object that the text is; None where it is none that could be acted on.

    That is: broken JSON, another value than an object, a name twice in one object, a number that
    is not finite, half a surrogate pair, more than `MAX_ARGUMENTS` or `MAX_DEPTH`.
    """
    if len(text) > MAX_ARGUMENTS:
        return None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite
        )
        if not isinstance(value, dict) or _is_too_deep(value):
            return None
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of two values for one name neither is sure to be the one that was meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _finite(text: str) -> float:
    """`1e999` is well-formed JSON, and infinite as a float."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _is_too_deep(value: object) -> bool:
    """Level by level, since recursion is what a deep value would break."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
