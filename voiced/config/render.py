"""Settings -> text: the effective configuration as TOML, and the reference of all keys."""

import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_type_hints

from attrs import NOTHING, Attribute, Factory, evolve, fields, has

from voiced.config.declare import key_of
from voiced.config.engines import ENGINES
from voiced.config.reader import plain, written
from voiced.config.secrets import MASK, Secret
from voiced.config.settings import SECTIONS, Agent, Route, Settings, Tls, Webhook


def render(settings: Settings) -> str:
    """The effective configuration as TOML, defaults filled in and secrets masked."""
    groups: list[tuple[str, Any]] = [(f"[{name}]", getattr(settings, name)) for name in SECTIONS]
    named: dict[str, Mapping[str, Any]] = {role: getattr(settings, role) for role in ENGINES}
    webhooks = {name: _masked(webhook) for name, webhook in settings.webhooks.items()}
    named |= {"agent": settings.agents, "webhook": webhooks}
    for group, tables in named.items():
        groups += [(f"[{group}.{name}]", section) for name, section in tables.items()]
    groups += [("[[route]]", route) for route in settings.routes]
    return "\n".join("\n".join([header, *_section(header, s), ""]) for header, s in groups)


def _masked(webhook: Webhook) -> Webhook:
    """The webhook without what stands in its query: many a receiver wants a key there."""
    address, question, _ = webhook.url.partition("?")
    return evolve(webhook, url=f"{address}?***" if question else address)


def _section(header: str, section: Any) -> Iterator[str]:
    if isinstance(section, Mapping):
        for name, value in section.items():
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", name)
            yield f"{name if bare else toml(name)} = {toml(value)}"
        return
    if hasattr(section, "type"):
        yield f"type = {toml(section.type)}"
    nested = []
    for attribute in fields(type(section)):
        value = getattr(section, attribute.name)
        if has(type(value)) or (isinstance(value, Mapping) and value):
            nested.append((f"[{header[1:-1]}.{attribute.name}]", value))
        elif value is None:
            yield f"# {attribute.name} is not set"
        else:
            yield f"{attribute.name} = {toml(value)}"
    for inner, value in nested:
        yield from ("", inner, *_section(inner, value))


def toml(value: Any) -> str:
    """A setting as it is written in the file."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Mapping):
        return "{}"  # the others are tables with a header of their own
    if isinstance(value, tuple):
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
            for role, types in ENGINES.items()
            for name, kind in types.items()
        ),
        ("[agent.*]", Agent),
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
        if has(inner):
            continue
        declared = key_of(attribute)
        uses = [check.use for check in (declared.check, declared.names) if check]
        limit = f" Use {', under '.join(uses)}." if uses else ""
        cells = (f"`{attribute.name}`", written(inner), _default(kind, attribute))
        yield f"| {' | '.join(cells)} | {declared.meaning}{limit} |"
    yield ""


def _default(kind: type[Any], attribute: "Attribute[Any]") -> str:
    default: Any = attribute.default
    if default is NOTHING:
        return "required"
    if isinstance(default, Factory):  # type: ignore[arg-type]  # a class to attrs, not to mypy
        default = getattr(kind(), attribute.name)
    if isinstance(default, Secret):
        default = default.reveal()  # the published one of moshi-server
    return "not set" if default is None else f"`{toml(default)}`"
