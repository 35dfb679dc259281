"""One table of the file -> one settings object, with every problem in it noted."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from attrs import NOTHING, Attribute, define, field, fields, frozen, has

from voiced.config.declare import TOKEN, Check, key_of, nearest
from voiced.config.lines import Path as KeyPath
from voiced.config.secrets import Secret, SecretSources
from voiced.errors import ConfigError

Section = TypeVar("Section")

WRITTEN: Mapping[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text in quotes"),
    Path: ((str,), "a path in quotes"),
    Secret: ((str,), "text in quotes"),
    tuple[str, ...]: ((list,), 'a list of texts in quotes, as in ["one", "two"]'),
    Mapping[str, str]: ((dict,), "a table of names and texts in quotes"),
    Mapping[str, object]: ((dict,), "a table"),
}
"""A setting's type -> the TOML types that it takes, and how to say so."""
SHOWN_NAME = 64
"""Characters that a problem shows of a name that the owner of the file has chosen."""


def plain(hint: Any) -> Any:
    """The type of a setting without `| None`."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return kinds[0] if type(None) in get_args(hint) else hint


def listed(kind: Any) -> Any:
    """The settings class of an array of tables; None for what is none."""
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    return inner if inner and has(inner) else None


def written(kind: Any) -> str:
    """How a value of this type is written in the file."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f'"{member.value}"' for member in kind)
    return WRITTEN[kind][1]


def dotted(path: KeyPath) -> str:
    """`route[0].called` for `("route", 0, "called")`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def header(path: KeyPath) -> str:
    """`[agent.sales]` for such a path, `[[route]]` for `("route", 0)`."""
    name = ".".join(part for part in path if isinstance(part, str))
    return f"[[{name}]]" if isinstance(path[-1], int) else f"[{name}]"


@frozen
class Misfit:
    """A value of a type that the setting does not take."""

    use: str


def fit(kind: Any, value: Any) -> Any:
    """The file's value as the setting's type, or a `Misfit`."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next((member for member in kind if member.value == value), Misfit(written(kind)))
    accepted, words = WRITTEN[kind]
    # `type`, not isinstance: True is an int to Python, and no number to the reader of a file.
    if type(value) not in accepted:
        return Misfit(words)
    if kind in {Path, Secret}:
        return kind(value.strip())
    if accepted == (list,):
        return tuple(value) if all(isinstance(item, str) for item in value) else Misfit(words)
    return value


@define
class Reader:
    """Reads sections, and collects what is wrong with them."""

    name: str
    lines: Mapping[KeyPath, int]
    sources: SecretSources
    exposed: list[str] = field(factory=list)
    """The secrets that stand in the file itself."""
    _names: dict[KeyPath, str] = field(factory=dict)
    """What the tables in arrays are called."""
    _problems: list[tuple[int, str]] = field(factory=list)

    def problem(self, path: KeyPath, what: str) -> None:
        """Notes a sentence about a key; it gets the line of the key, or of what is around it."""
        within = (path[:length] for length in range(len(path), 0, -1))
        line = next((self.lines[part] for part in within if part in self.lines), 0)
        where = f"{self.name}:{line}" if line else self.name
        self._problems.append((line, f"{where}: {dotted(path)}: {what}"))

    @property
    def problems(self) -> tuple[str, ...]:
        """The sentences, in the order of the file."""
        return tuple(text for _, text in sorted(self._problems, key=lambda problem: problem[0]))

    def table(self, value: object, path: KeyPath) -> Mapping[str, Any]:
        """The value if it is a table; else notes the problem and gives an empty one."""
        if isinstance(value, dict):
            return value
        self.problem(path, f"is not a table; write {header(path)}")
        return {}

    def tables(self, value: object, path: KeyPath) -> list[Any]:
        """The value if it is an array, each item with its name; else notes the problem."""
        if not isinstance(value, list):
            self.problem(path, f"is not a list of tables; write {header((*path, 0))}")
            return []
        for index, table in enumerate(value):
            if isinstance(table, dict) and isinstance(name := table.get("name"), str):
                self._names[*path, index] = name
        return value

    def check_name(self, path: KeyPath) -> None:
        """Notes a problem where the last of the path cannot be the name of a table."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", str(path[-1])):
            self.problem(path, "is not a name; use letters, digits, - and _ only")

    def unknown(self, table: Iterable[str], known: Iterable[str], path: KeyPath) -> None:
        known = list(known)
        for name in table:
            if name not in known:
                self.problem((*path, name), f"is not a key of voiced{nearest(name, known)}")

    def section(
        self, kind: type[Section], value: object, path: KeyPath, also: tuple[str, ...] = ()
    ) -> Section | None:
        """The settings of one table, or None where it has a problem.

        `also` names the keys that the table may have beside the settings.
        """
        before = len(self._problems)
        table = self.table(value, path)
        if len(self._problems) > before:
            return None
        attributes = fields(kind)  # type: ignore[arg-type]  # any settings class
        self.unknown(table, (*also, *(attribute.name for attribute in attributes)), path)
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        for attribute in attributes:
            raw, origin = self._find(attribute, table, values, path)
            if raw is None and attribute.default is NOTHING:
                self.problem((*path, attribute.name), f"is missing; {key_of(attribute).meaning}")
            elif raw is not None:
                here = (*path, attribute.name)
                values[attribute.name] = self._value(
                    attribute, plain(hints[attribute.name]), raw, here, origin
                )
        if len(self._problems) > before:
            return None
        try:
            return kind(**values)
        except ConfigError as error:  # keys that do not go together
            for what in error.problems:
                self.problem(path, what)
        return None

    def _find(
        self,
        attribute: "Attribute[Any]",
        table: Mapping[str, Any],
        values: Mapping[str, Any],
        path: KeyPath,
    ) -> tuple[Any, str]:
        """The raw value and, where it is not the file's, where it comes from."""
        variable = key_of(attribute).variable
        raw = table.get(attribute.name)
        if variable is None or raw not in (None, ""):
            return raw, ""
        here = (*path, attribute.name)
        try:
            found = self.sources.find(self._called(here), variable(values))
        except UnicodeDecodeError:
            self.problem(here, "its systemd credential is not UTF-8; store it as plain text")
            return None, ""
        return found or (None, "")

    def _called(self, path: KeyPath) -> str:
        """What a secret is called elsewhere: its path, with names for the places in arrays."""
        return dotted(
            tuple(self._names.get(path[: end + 1], part) for end, part in enumerate(path))
        )

    def _value(
        self, attribute: "Attribute[Any]", kind: Any, raw: Any, path: KeyPath, origin: str
    ) -> Any:
        if has(kind):
            return self.section(kind, raw, path)
        if inner := listed(kind):
            tables = enumerate(self.tables(raw, path))
            return tuple(self.section(inner, table, (*path, index)) for index, table in tables)
        if kind == Mapping[str, object]:
            return self._free(attribute, raw, path)
        if kind == Mapping[str, str]:
            return self._entries(attribute, self.table(raw, path), path)
        value = fit(kind, raw)
        if isinstance(value, Misfit):
            self.problem(path, f"has a value of the wrong kind; use {value.use}")
            return None
        check = key_of(attribute).check
        tested = value
        if kind is Secret:
            check, tested = TOKEN, value.reveal()
            if not origin and value != attribute.default:
                self.exposed.append(self._called(path))
        if check and isinstance(value, tuple):
            return self._items(check, value, path)
        if check and (fault := check.fault(tested)):
            self.problem(path, f"{fault}{f' ({origin})' if origin else ''}; use {check.use}")
            return None
        return value

    def _entries(
        self, attribute: "Attribute[Any]", table: Mapping[str, Any], path: KeyPath
    ) -> Mapping[str, Any]:
        """A table of texts, each and its name held against the limits on its own line."""
        names = key_of(attribute).names
        for name in table:
            if names and (fault := names.fault(name)):
                self.problem((*path, name[:SHOWN_NAME]), f"{fault}; use {names.use}")
        return {
            name: self._value(attribute, str, raw, (*path, name), "") for name, raw in table.items()
        }

    def _free(self, attribute: "Attribute[Any]", raw: Any, path: KeyPath) -> Mapping[str, Any]:
        """A table of any shape, each fault in it told on its own line."""
        check, table = key_of(attribute).table, self.table(raw, path)
        if check and table is raw:
            for place, fault in check.faults(table):
                self.problem((*path, *place), fault)
        return table

    def _items(self, check: Check, items: tuple[str, ...], path: KeyPath) -> tuple[str, ...]:
        """A list of texts, each held against the limit and those before it."""
        for index, item in enumerate(items):
            if fault := check.fault(item):
                self.problem((*path, index), f"{fault}; use {check.use}")
            elif item in items[:index]:
                self.problem((*path, index), "it stands there twice; delete one of them")
        return items
