"""Does a value fit a schema? What is wrong is told so that a model can mend it."""

import calendar
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import fastjsonschema
from attrs import Factory, field, frozen

TYPES: Final[Mapping[str, str]] = {
    "object": "an object", "array": "a list", "string": "a text", "number": "a number",
    "integer": "a whole number", "boolean": "true or false",
}  # fmt: skip
"""What a value may be, and how that is said."""
MAX_FAULTS: Final = 10
"""A model mends no more than these at once."""
_SAID: Final = frozenset({"title", "description", "default"})
"""For the model alone: nothing is held against them."""


def _is_date(text: str) -> bool:
    if not (found := re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text)):
        return False
    year, month, day = map(int, found.groups())
    return year > 0 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


def _is_time(text: str) -> bool:
    hour_minute, zone = r"([01][0-9]|2[0-3]):[0-5][0-9]", r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    return bool(re.fullmatch(rf"{hour_minute}(:[0-5][0-9](\.[0-9]+)?)?{zone}?", text))


def _is_date_time(text: str) -> bool:
    date, _, time = text.partition("T")
    return _is_date(date) and _is_time(time)


def _is_email(text: str) -> bool:
    return bool(re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", text))


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date": _is_date, "time": _is_time, "date-time": _is_date_time, "email": _is_email,
}  # fmt: skip
"""A time may do without seconds and zone, which people do not say, and models leave out."""


def _essence(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without what is for the model alone."""
    kept = {name: value for name, value in schema.items() if name not in _SAID}
    if "properties" in kept:
        kept["properties"] = {name: _essence(each) for name, each in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _essence(kept["items"])
    return kept


@frozen
class Validator:
    """Holds values against a schema that has no `faults`. A value is what JSON reads to.

    A property that is null, and not required, counts as left out: so models write it, and servers
    that promise a form have no other way for it.
    """

    schema: Mapping[str, object]
    _check: Callable[[object], object] = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(
            lambda self: fastjsonschema.compile(
                _essence(self.schema), formats=FORMATS, use_default=False, fast_fail=False
            ),
            takes_self=True,
        ),
    )

    def faults(self, value: object) -> list[str]:
        """Where the value does not fit and what it must be, for a model to mend it; at most ten.

        They quote nothing of the value but names that the schema has.
        """
        told: dict[tuple[str | None, bool], str] = {}
        try:
            self._check(self.tidy(value))
        except fastjsonschema.JsonSchemaValuesException as wrong:
            for error in wrong.errors:
                beside = error.rule == "additionalProperties"
                told.setdefault((error.name, beside), _sentence(error))
        return list(told.values())[:MAX_FAULTS]

    def tidy(self, value: object) -> object:
        """The value without the properties that are null and not required."""
        return _without_nulls(self.schema, value)


def _without_nulls(schema: Mapping[str, Any], value: object) -> object:
    if isinstance(value, dict) and "properties" in schema:
        required, properties = schema.get("required", ()), schema["properties"]
        return {
            name: _without_nulls(properties.get(name, {}), item)
            for name, item in value.items()
            if item is not None or name in required
        }
    if isinstance(value, list) and "items" in schema:
        return [_without_nulls(schema["items"], item) for item in value]
    return value


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_FORMAT_WORDS: Final = {
    "date": "a date that there is, as in 2026-11-30", "time": "a time, as in 19:30",
    "date-time": "a date and a time, as in 2026-11-30T19:30", "email": "an e-mail address",
}  # fmt: skip
_RULES: Final[Mapping[str, Callable[[Any], str]]] = {
    "type": lambda rule: f"must be {TYPES[rule]}",
    "format": lambda rule: f"must be {_FORMAT_WORDS[rule]}",
    "enum": lambda rule: f"must be one of {', '.join(map(_json, rule))}",
    "const": lambda rule: f"must be {_json(rule)}",
    "pattern": lambda rule: f"must match the pattern {rule}",
    "minimum": lambda rule: f"must be at least {rule}",
    "maximum": lambda rule: f"must be at most {rule}",
    "exclusiveMinimum": lambda rule: f"must be more than {rule}",
    "exclusiveMaximum": lambda rule: f"must be less than {rule}",
    "minLength": lambda rule: f"must have at least {rule} characters",
    "maxLength": lambda rule: f"must have at most {rule} characters",
    "minItems": lambda rule: f"must have at least {rule} items",
    "maxItems": lambda rule: f"must have at most {rule} items",
}


def _sentence(error: fastjsonschema.JsonSchemaValueException) -> str:
    definition, rule = error.definition, error.rule or ""
    if rule == "required":
        missing = [name for name in definition["required"] if name not in error.value]
        what = f"must have {', '.join(missing)}"
    elif rule == "additionalProperties":
        known = ", ".join(definition.get("properties", {})) or "nothing"
        what = f"must have {known} and nothing else" if known != "nothing" else "must be empty"
    else:
        what = _RULES[rule](definition[rule])
    where = (error.name or "").removeprefix("data").removeprefix(".")
    return f"{where}: {what}" if where else what
