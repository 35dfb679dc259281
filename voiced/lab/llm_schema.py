"""The parts of a JSON Schema, for stand-ins that hold one against what their API takes. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

Place = tuple[str, ...]
"""The keys that lead to a part."""


def nodes(schema: Any, place: Place = ()) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Each part that is a schema itself, the whole first."""
    if not isinstance(schema, Mapping):
        return
    yield place, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, (*place, "properties", name))
    for number, each in enumerate(schema.get("anyOf", ())):
        yield from nodes(each, (*place, "anyOf", str(number)))
    yield from nodes(schema.get("items"), (*place, "items"))
