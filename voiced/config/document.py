"""The text of a configuration file -> `Settings`, or every problem in it at once."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, fields_dict, frozen

from voiced.config.agents import read_agents
from voiced.config.declare import nearest
from voiced.config.embeddings import EMBEDDINGS
from voiced.config.engines import ENGINES
from voiced.config.lines import line_numbers
from voiced.config.reader import Reader
from voiced.config.secrets import SecretSources
from voiced.config.settings import SECTIONS, Route, Settings, Webhook
from voiced.config.warnings import warnings
from voiced.errors import ConfigError

NAMED = (*ENGINES, "embeddings", "agent", "webhook")
"""The groups of tables that the owner of the file names."""


@frozen
class Reading:
    """The settings, and the names of the secrets that stand in the file itself."""

    settings: Settings
    exposed: tuple[str, ...]


def parse(text: str, name: str, sources: SecretSources | None = None) -> Settings:
    """The settings in a TOML text; `name` is what the problems call it.

    Raises:
        ConfigError: with one sentence for each thing to mend.
    """
    return read(text, name, sources or SecretSources()).settings


def read(text: str, name: str, sources: SecretSources) -> Reading:
    """As `parse`, and tells which secrets the text holds."""
    document = _toml(text, name)
    reader = Reader(name, line_numbers(text), sources)
    reader.unknown(document, (*SECTIONS, *NAMED, "route"), ())
    sections = {
        section: reader.section(kind, document.get(section, {}), (section,))
        for section, kind in SECTIONS.items()
    }
    tables = {group: reader.table(document.get(group, {}), (group,)) for group in NAMED}
    typed = {**ENGINES, "embeddings": EMBEDDINGS}
    engines = {
        group: {
            name: _engine(reader, (group, name), each, types)
            for name, each in tables[group].items()
        }
        for group, types in typed.items()
    }
    agents = read_agents(reader, tables)
    webhooks = _webhooks(reader, tables["webhook"])
    routes = _routes(reader, document.get("route", []), tables["agent"])
    if reader.problems:
        raise ConfigError(reader.problems)
    # Nothing is None from here on: whatever has a problem is None, and there is no problem.
    complete: dict[str, Any] = {**sections, **engines, "agents": agents, "webhooks": webhooks}
    complete |= {"routes": tuple(routes)}
    settings = Settings(**complete)
    return Reading(evolve(settings, warnings=warnings(settings)), tuple(reader.exposed))


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and numbers beyond Python's own limit
        found = re.search(r"^(.*?) \(at line (\d+), column (\d+)\)$", str(error))
        where, what = (f":{found[2]}", found[1]) if found else ("", str(error))
        raise ConfigError(
            [f"{name}{where}: this is not TOML: {what}; text stands in quotes, one key to a line"]
        ) from error


def _engine(
    reader: Reader, path: tuple[str, str], value: object, types: Mapping[str, type[Any]]
) -> Any:
    """An engine, or embeddings: `type` says which settings it has."""
    choice = " or ".join(f'"{known}"' for known in types)
    if not isinstance(value, dict):
        reader.problem(path, f"is not a table; an engine has a name, as in [{path[0]}.kyutai]")
        return None
    reader.check_name(path)
    chosen = value.get("type")
    if chosen is None:
        reader.problem((*path, "type"), f"is missing; use {choice}")
    elif not isinstance(chosen, str) or chosen not in types:
        hint = nearest(chosen, types) if isinstance(chosen, str) else f"; use {choice}"
        reader.problem((*path, "type"), f"is not a type of {path[0]} engine{hint}")
    else:
        return reader.section(types[chosen], value, path, also=("type",))
    return None


def _webhooks(reader: Reader, tables: Mapping[str, Any]) -> dict[str, Webhook | None]:
    for name in tables:
        reader.check_name(("webhook", name))
    return {
        name: reader.section(Webhook, value, ("webhook", name)) for name, value in tables.items()
    }


def _routes(reader: Reader, value: object, agents: Iterable[str]) -> list[Route | None]:
    routes: list[Route | None] = []
    for index, table in enumerate(reader.tables(value, ("route",))):
        path = ("route", index)
        agent = _raw(Route, table, "agent")
        if isinstance(agent, str) and agent not in agents:
            reader.problem((*path, "agent"), f"there is no [agent.{agent}]{nearest(agent, agents)}")
        route = reader.section(Route, table, path)
        if route and any(earlier and earlier.answers_as(route) for earlier in routes):
            reader.problem(
                (*path, "called"),
                "an earlier route has it, with the same caller and hours; delete one of them",
            )
        routes.append(route)
    return routes


def _raw(kind: type[Any], table: object, name: str) -> object:
    """A key's value in a table, else its default, also where the section has a problem."""
    default = fields_dict(kind)[name].default
    return table.get(name, default) if isinstance(table, dict) else None
