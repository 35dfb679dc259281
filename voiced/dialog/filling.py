"""Templates of a request: `{name}` in an address, a header or a body gives way to a value.

The values are what a model heard a caller say, so none may become more than a value: not another
path, not another host, not a header of its own. Doubled braces stand for a brace. What a template
may name is checked when the configuration is read; a value that is not there leaves nothing.
"""

import json
import re
from collections.abc import Mapping
from string import Formatter
from typing import Final
from urllib.parse import quote

from voiced.errors import VoicedError
from voiced.wire.fields import encodable

_ADDRESS: Final = re.compile(r"(?is)(https?://[^/?#{}]+)(/[^?#]*)?(\?[^#]*)?(#.*)?")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LEFT_OUT: Final = object()

Values = Mapping[str, object]


class NotFilled(VoicedError):
    """A value cannot stand where the template wants it. `name` is the placeholder's."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"the value of {name} cannot stand in {where}; send another one")
        self.name = name


def placeholders(template: str) -> tuple[str, ...]:
    """The names in braces, in their order; one that stands twice comes twice.

    Raises:
        ValueError: the template has a stray brace.
    """
    return tuple(name for _, name in _pieces(template) if name is not None)


def fill_text(template: str, values: Values) -> str:
    """The text with its values: a text as it is, anything else as JSON, nothing for a null.

    Raises:
        ValueError: the template has a stray brace.
    """
    return "".join(
        literal + ("" if name is None else text_of(values.get(name)))
        for literal, name in _pieces(template)
    )


def fill_url(template: str, values: Values) -> str:
    """The address without its fragment; every value is percent-encoded, its `/` and `.` too where
    a server might take them for the path's.

    Raises:
        NotFilled: with its value a segment of the path would be empty, `.` or `..`, for a server
            that decodes it too. To encode the dots would not do: `%2e` means the same as a dot.
        ValueError: no http or https address, a placeholder in its host, or a stray brace.
    """
    address = _ADDRESS.fullmatch(template)
    if address is None:
        raise ValueError("not an http or https address, or one with a placeholder in its host")
    base, path, query, _ = address.groups("")
    return (
        base + "/".join(_segment(each, values) for each in path.split("/")) + _quoted(query, values)
    )


def fill_header(template: str, values: Values) -> str:
    """The value of a header, without the space around it.

    Raises:
        NotFilled: a value holds a line's end or another control character, or a letter that is
            not in ISO 8859-1, which is all that a header can carry.
        ValueError: the template has a stray brace.
    """
    for name in placeholders(template):
        text = text_of(values.get(name))
        if _CONTROLS.search(text) or any(ord(letter) > 0xFF for letter in text):
            raise NotFilled(name, "a header")
    return fill_text(template, values).strip()


def fill_body(table: Mapping[str, object], values: Values) -> dict[str, object]:
    """The table with its values, tables and lists within it too; its keys stay as they are.

    A text that is one placeholder and nothing else takes the value with its own type; where there
    is no such value, the key, or the list's item, is left out.

    Raises:
        ValueError: a template has a stray brace.
    """
    filled = {key: _leaf(value, values) for key, value in table.items()}
    return {key: value for key, value in filled.items() if value is not _LEFT_OUT}


def text_of(value: object) -> str:
    """A value as it stands in a text: null as nothing, what is no text as compact JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return encodable(value)
    return encodable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _leaf(value: object, values: Values) -> object:
    if isinstance(value, Mapping):
        return fill_body(value, values)
    if isinstance(value, list | tuple):
        filled = [_leaf(each, values) for each in value]
        return [each for each in filled if each is not _LEFT_OUT]
    if not isinstance(value, str):
        return value
    pieces = _pieces(value)
    if len(pieces) == 1 and not pieces[0][0] and pieces[0][1] is not None:
        return values.get(pieces[0][1], _LEFT_OUT)
    return fill_text(value, values)


def _segment(template: str, values: Values) -> str:
    """One segment of a path."""
    names = placeholders(template)
    if names:
        raw = fill_text(template, values)
        if not raw or {".", ".."} & set(re.split(r"[/\\]", raw)):
            raise NotFilled(names[0], "the path of an address")
    return _quoted(template, values)


def _quoted(template: str, values: Values) -> str:
    return "".join(
        literal + ("" if name is None else quote(text_of(values.get(name)), safe=""))
        for literal, name in _pieces(template)
    )


def _pieces(template: str) -> list[tuple[str, str | None]]:
    """The literal texts, each with the placeholder behind it if there is one."""
    return [(literal, name) for literal, name, _, _ in Formatter().parse(template)]
