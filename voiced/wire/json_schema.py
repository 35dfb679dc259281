"""JSON Schemas as model APIs promise to keep to them: of `voiced.schema` a subset each.

A keyword outside of its subset has an API refuse the whole request, so it is left out: whoever
asked has to hold the answer against the schema anyway. What would change the answer's shape
if it were left out cannot be promised at all.

Source: the guides to structured outputs of OpenAI ("Supported schemas") and Anthropic ("JSON Schema
limitations"), and the schemas that their SDKs make.
"""

import sys
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from attrs import frozen

from voiced.wire.fields import JsonObject

_COMMON: Final = frozenset({"type", "enum", "const", "title", "description", "format"})
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}


class Optional(Enum):
    """How a property is told that need not be there."""

    LEFT_OUT = auto()
    NULL = auto()  # every property is required, so it may be null instead


@frozen
class NamedSchema:
    """What an answer's JSON has to fit, and what that is called."""

    name: str
    schema: Mapping[str, object]


@frozen
class Subset:
    """What an API takes of a schema, beside properties and items.

    `min_items` is the most that `minItems` may ask for.
    """

    keywords: frozenset[str]
    formats: frozenset[str]
    optional: Optional
    min_items: int = sys.maxsize


OPENAI: Final = Subset(
    _COMMON
    | {"pattern", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
       "maxItems"},
    _FORMATS,
    Optional.NULL,
)  # fmt: skip
ANTHROPIC: Final = Subset(_COMMON | {"default"}, _FORMATS | {"uri"}, Optional.LEFT_OUT, 1)


class _Unpromised(Exception):
    """No answer's shape can be kept to this."""


def promised(schema: Mapping[str, object], subset: Subset) -> JsonObject | None:
    """The schema as the API takes it; None where it cannot be promised.

    That is where it leaves a shape open: an object of any keys, a list or a property of anything.
    """
    try:
        root = _node(schema, subset)
    except _Unpromised:
        return None
    return root if root["type"] == "object" else None


def _node(given: Any, subset: Subset) -> JsonObject:
    if not isinstance(given, Mapping):
        raise _Unpromised
    node = {key: value for key, value in given.items() if key in subset.keywords}
    node["type"] = _type(given)
    if node.get("format") not in subset.formats:
        node.pop("format", None)
    if node["type"] == "object":
        node |= _members(given, subset)
    if node["type"] == "array":
        node["items"] = _node(given.get("items"), subset)
        if "minItems" in given:
            node["minItems"] = min(given["minItems"], subset.min_items)
    return node


def _type(given: Mapping[str, Any]) -> str:
    """Its type, or that of the values it names; APIs want one, and only one."""
    named = [given["const"]] if "const" in given else given.get("enum", ())
    kinds = {_TYPES.get(type(value)) for value in named}
    kind = given.get("type") or (kinds.pop() if len(kinds) == 1 else None)
    if not isinstance(kind, str):
        raise _Unpromised
    return kind


def _members(given: Mapping[str, Any], subset: Subset) -> JsonObject:
    """An object's properties. One that does not say whether it is closed is, if it has any."""
    properties = given.get("properties", {})
    if given.get("additionalProperties", not properties) is not False:
        raise _Unpromised
    required = given.get("required", ())
    nodes = {name: _node(each, subset) for name, each in properties.items()}
    if subset.optional is Optional.NULL:
        nodes = {
            name: node if name in required else {"anyOf": [node, {"type": "null"}]}
            for name, node in nodes.items()
        }
        required = nodes
    return {"properties": nodes, "required": list(required), "additionalProperties": False}
