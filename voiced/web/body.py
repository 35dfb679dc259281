"""The JSON that operators send, read strictly: every fault names its field."""

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from voiced.web.problem import Fault
from voiced.wire.fields import encodable

MAX_TEXT: Final = 2_000
MAX_VARIABLES: Final = 50
MAX_VARIABLE: Final = 500

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


def invalid(field: str, message: str) -> Fault:
    """A value that we cannot use."""
    return Fault(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{field}: {message}", field)


class Body:
    """One JSON object. Fields that nobody asks for are refused: a misspelt one must not pass."""

    def __init__(self, data: bytes, known: Iterable[str]) -> None:
        """An empty body is an empty object.

        Raises:
            Fault: not a JSON object (400), or a field that there is not (422).
        """
        try:
            value = json.loads(data) if data.strip() else {}
        except (ValueError, RecursionError):
            raise Fault(HTTPStatus.BAD_REQUEST, "bad-json", "the body is not JSON") from None
        if not isinstance(value, dict):
            raise Fault(HTTPStatus.BAD_REQUEST, "bad-json", "the body is not a JSON object")
        names = tuple(known)
        for name in value:
            if name not in names:
                told = f"is not a field here; known: {', '.join(names) or 'none'}"
                raise invalid(name[:100], told)
        self._fields: Mapping[str, object] = value

    def text(self, name: str, default: str | None = None, most: int = MAX_TEXT) -> str:
        """A text that is not empty; without a default it must be there."""
        value = self._fields.get(name, default)
        if value is None:
            raise invalid(name, "is missing")
        if not isinstance(value, str) or (not value.strip() and value != default):
            raise invalid(name, "must be a text that is not empty")
        if len(value) > most:
            raise invalid(name, f"must be {most} characters at most")
        return _sound(name, value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._fields.get(name, default)
        if not isinstance(value, bool):
            raise invalid(name, "must be true or false")
        return value

    def texts(self, name: str, known: Iterable[str]) -> Mapping[str, str]:
        """An object whose values are texts, and whose names are known ones."""
        value = self._fields.get(name, {})
        if not isinstance(value, dict) or len(value) > MAX_VARIABLES:
            raise invalid(name, f"must be an object with {MAX_VARIABLES} names at most")
        names = sorted(known)
        for key, text in value.items():
            path = f"{name}.{key[:40]}"
            if not _NAME.fullmatch(key) or key not in names:
                raise invalid(path, f"this agent knows no such variable; known: {', '.join(names)}")
            if not isinstance(text, str) or len(text) > MAX_VARIABLE:
                raise invalid(path, f"must be a text of {MAX_VARIABLE} characters at most")
            _sound(path, text)
        return value


def _sound(path: str, text: str) -> str:
    """The text itself, where engines can be sent it: JSON can hold halves of characters."""
    if encodable(text) != text:
        raise invalid(path, "holds half a character: a surrogate without its other half")
    return text
