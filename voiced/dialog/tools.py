"""What a model may do beside speaking, in no engine's own form."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Tool:
    """One tool. `parameters` is a JSON Schema of type `object`, as every model API takes it."""

    name: str
    description: str
    parameters: Mapping[str, object] = field(
        factory=lambda: {"type": "object", "properties": {}, "additionalProperties": False}
    )
