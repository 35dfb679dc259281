"""Looking into tables as they were written, where nothing is known to be of its type."""

from collections.abc import Mapping
from typing import Any


def text_in(table: Mapping[str, Any], key: str) -> str:
    """The text of a key; empty where there is none."""
    value = table.get(key)
    return value if isinstance(value, str) else ""


def texts_in(table: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts; empty where there is anything else."""
    value = table.get(key)
    fine = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return list(value or ()) if fine else []


def entries(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table of a key; empty where there is none."""
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def tables_in(table: Mapping[str, Any], key: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The tables of an array, each with its place in it; empty where there are none."""
    value = table.get(key)
    items = enumerate(value) if isinstance(value, list) else ()
    return [(index, item) for index, item in items if isinstance(item, dict)]
