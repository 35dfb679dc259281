"""Settings -> text: the effective configuration as TOML, and the reference of all keys."""

import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_type_hints

from attrs import NOTHING, Attribute, Factory, fields, has

from voiced.config.declare import key_of
from voiced.config.embeddings import EMBEDDINGS
from voiced.config.engines import ENGINES
from voiced.config.intents import Intent
from voiced.config.masked import masked
from voiced.config.reader import listed, plain, written
from voiced.config.secrets import MASK, Secret
from voiced.config.settings import SECTIONS, Agent, Route, Settings, Tls, Webhook
from voiced.config.tools import HttpTool, PreCall


def render(settings: Settings) -> str:
    """The effective configuration as TOML, defaults filled in and secrets masked."""
    shown = masked(settings)
    groups: list[tuple[str, Any]] = [(name, getattr(shown, name)) for name in SECTIONS]
    named: dict[str, Mapping[str, Any]] = {role: getattr(shown, role) for role in ENGINES}
    named |= {"embeddings": shown.embeddings, "agent": shown.agents, "webhook": shown.webhooks}
    for group, tables in named.items():
        groups += [(f"{group}.{name}", section) for name, section in tables.items()]
    groups.append(("route", shown.routes))
    return "\n".join(line for path, section in groups for line in _tables(path, section))


def _tables(path: str, section: Any) -> Iterator[str]:
    """A table with its header and those within it, or an array of tables."""
    if isinstance(section, tuple):
        for each in section:
            yield from (f"[[{path}]]", *_section(path, each))
    else:
        yield from (f"[{path}]", *_section(path, section))


def _section(path: str, section: Any) -> Iterator[str]:
    """The keys of a table, and behind them the tables in it, for TOML wants them in this order."""
    if hasattr(section, "type"):
        yield f"type = {toml(section.type)}"
    nested: list[tuple[str, Any]] = []
    for name, value in _items(section):
        if _has_header(value):
            nested.append((f"{path}.{name}", value))
        else:
            yield f"# {name} is not set" if value is None else f"{name} = {toml(value)}"
    yield ""
    for inner, value in nested:
        yield from _tables(inner, value)


def _items(section: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(section, Mapping):
        yield from ((each.name, getattr(section, each.name)) for each in fields(type(section)))
        return
    yield from ((_named(name), value) for name, value in section.items())


def _named(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)


def _has_header(value: Any) -> bool:
    if isinstance(value, tuple | Mapping) and value:
        return isinstance(value, Mapping) or has(type(value[0]))
    return has(type(value))


def toml(value: Any) -> str:
    """A setting as it is written in the file."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_named(name)} = {toml(item)}" for name, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml(item) for item in value)}]"
    if isinstance(value, Secret):
        value = MASK
    if isinstance(value, str | Path):
        # JSON's strings are TOML's, but for DEL, which TOML wants escaped.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def reference() -> str:
    """Every key as Markdown tables: type, default, meaning."""
    sections: list[tuple[str, type[Any]]] = [
        *((f"[{name}]", kind) for name, kind in SECTIONS.items()),
        ("[server.tls]", Tls),
        *(
            (f'[{role}.*] with type = "{name}"', kind)
            for role, types in {**ENGINES, "embeddings": EMBEDDINGS}.items()
            for name, kind in types.items()
        ),
        ("[agent.*]", Agent),
        ("[[agent.*.tool]]", HttpTool),
        ("[[agent.*.intent]]", Intent),
        ("[agent.*.pre_call]", PreCall),
        ("[[route]]", Route),
        ("[webhook.*]", Webhook),
    ]
    return "\n".join(line for header, kind in sections for line in _reference(header, kind))


def _reference(header: str, kind: type[Any]) -> Iterator[str]:
    yield from (f"### `{header}`", "", cleandoc(kind.__doc__ or ""), "")
    yield from ("| key | type | default | meaning |", "|---|---|---|---|")
    hints = get_type_hints(kind)
    for attribute in fields(kind):
        inner = plain(hints[attribute.name])
        if has(inner) or listed(inner):
            continue
        declared = key_of(attribute)
        checks = (declared.check, declared.names, declared.table)
        uses = [check.use for check in checks if check]
        limit = f" Use {', under '.join(uses)}." if uses else ""
        cells = (f"`{attribute.name}`", written(inner), _default(kind, attribute))
        yield f"| {' | '.join(cells)} | {declared.meaning}{limit} |"
    yield ""


def _default(kind: type[Any], attribute: "Attribute[Any]") -> str:
    default: Any = attribute.default
    if default is NOTHING:
        return "required"
    if isinstance(default, Factory):  # type: ignore[arg-type]  # a class to attrs, not to mypy
        default = default.factory(kind()) if default.takes_self else default.factory()
    if isinstance(default, Secret):
        default = default.reveal()  # the published one of moshi-server
    return "not set" if default is None else f"`{toml(default)}`"
