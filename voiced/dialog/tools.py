"""What a model may do beside speaking, and what came of it, in no engine's own form."""

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


@frozen
class ToolCall:
    """A tool that the model asks for; `arguments` is its JSON text, `{}` where it sent none."""

    id: str
    name: str
    arguments: str


@frozen
class Used:
    """A tool that was asked for, and the one thing that the model is told of it: a text, which
    may be JSON."""

    call: ToolCall
    result: str


@frozen
class Round:
    """One answer of the model that asked for tools, at least one; `text` is what it said beside.

    Model APIs want every call answered, right behind the answer that asked for it; so a round
    holds both, and none can be told without the other.
    """

    used: tuple[Used, ...]
    text: str = ""
