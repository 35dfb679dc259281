"""Puts tool calls together from the fragments of a chat stream.

Fragments belong together by `index`, not by position or id: some servers send a new id with
each fragment. Where `index` is missing, a fragment with a new id begins a new call.
"""

from attrs import define, frozen

from voiced.errors import WireError
from voiced.wire.fields import JsonObject, optional_child, optional_text, optional_whole

MAX_CALLS = 64
MAX_ARGUMENTS = 256 * 1024
"""The longest arguments of all calls of one answer together, in characters."""


@frozen
class ToolCall:
    """A tool that the model asks for; `arguments` is its JSON text, `{}` where it sent none."""

    id: str
    name: str
    arguments: str


@define
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCalls:
    """The tool calls of one answer."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        self._length = 0

    def add(self, fragment: JsonObject) -> None:
        """Takes one item of `delta.tool_calls`.

        Raises:
            WireError: a field of the wrong type, or more than any tool can want.
        """
        call_id = optional_text(fragment, "id") or ""
        function = optional_child(fragment, "function")
        arguments = optional_text(function, "arguments") or ""
        call = self._calls.setdefault(self._index(fragment, call_id), _Call())
        call.id = call.id or call_id
        call.name = call.name or optional_text(function, "name") or ""
        call.arguments += arguments
        self._length += len(arguments)
        if len(self._calls) > MAX_CALLS or self._length > MAX_ARGUMENTS:
            raise WireError("tool calls too long")

    def result(self) -> tuple[ToolCall, ...]:
        """The calls in the order of their index; a missing id is made up.

        Raises:
            WireError: a call names no tool.
        """
        if not all(call.name for call in self._calls.values()):
            raise WireError("tool call without a name")
        return tuple(
            ToolCall(call.id or f"call_{index}", call.name, call.arguments or "{}")
            for index, call in sorted(self._calls.items())
        )

    def _index(self, fragment: JsonObject, call_id: str) -> int:
        index = optional_whole(fragment, "index")
        if index is not None:
            return index
        last = max(self._calls, default=0)
        is_new = call_id and last in self._calls and call_id != self._calls[last].id
        return last + 1 if is_new else last
