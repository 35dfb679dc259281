"""The text of a configuration file -> `Settings`, or every problem in it at once."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import fields, fields_dict, frozen

from voiced.config.agent import TRANSFER
from voiced.config.declare import key_of, nearest
from voiced.config.engines import ENGINES
from voiced.config.lines import Path as KeyPath
from voiced.config.lines import line_numbers
from voiced.config.reader import Reader
from voiced.config.secrets import SecretSources
from voiced.config.settings import (
    DEFAULT_AGENT,
    SECTIONS,
    Agent,
    Route,
    Settings,
    Twilio,
    Webhook,
)
from voiced.config.template import TEMPLATES, strangers
from voiced.errors import ConfigError

UNVERIFIED = (
    "twilio.auth_token is not set, so no request can be verified and every call is refused; "
    "set it, or TWILIO_AUTH_TOKEN, or for a lab verify_signatures = false"
)

NAMED = (*ENGINES, "agent", "webhook")
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
    engines = {role: _engines(reader, role, tables[role]) for role in ENGINES}
    agents = _agents(reader, tables)
    webhooks = _webhooks(reader, tables["webhook"])
    routes = _routes(reader, document.get("route", []), tables["agent"])
    if reader.problems:
        raise ConfigError(reader.problems)
    # Nothing is None from here on: whatever has a problem is None, and there is no problem.
    complete: dict[str, Any] = {**sections, **engines, "agents": agents, "webhooks": webhooks}
    complete |= {"routes": tuple(routes)}
    settings = Settings(**complete, warnings=_warnings(complete["twilio"], complete["webhooks"]))
    return Reading(settings, tuple(reader.exposed))


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and numbers beyond Python's own limit
        found = re.search(r"^(.*?) \(at line (\d+), column (\d+)\)$", str(error))
        where, what = (f":{found[2]}", found[1]) if found else ("", str(error))
        raise ConfigError(
            [f"{name}{where}: this is not TOML: {what}; text stands in quotes, one key to a line"]
        ) from error


def _engines(reader: Reader, role: str, tables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _engine(reader, role, name, value) for name, value in tables.items()}


def _engine(reader: Reader, role: str, name: str, value: object) -> Any:
    path = (role, name)
    types = ENGINES[role]
    choice = " or ".join(f'"{known}"' for known in types)
    if not isinstance(value, dict):
        reader.problem(path, f"is not a table; an engine has a name, as in [{role}.kyutai]")
        return None
    _check_name(reader, path)
    chosen = value.get("type")
    if chosen is None:
        reader.problem((*path, "type"), f"is missing; use {choice}")
    elif not isinstance(chosen, str) or chosen not in types:
        hint = nearest(chosen, types) if isinstance(chosen, str) else f"; use {choice}"
        reader.problem((*path, "type"), f"is not a type of {role} engine{hint}")
    else:
        return reader.section(types[chosen], value, path, also=("type",))
    return None


def _check_name(reader: Reader, path: tuple[str, str]) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", path[1]):
        reader.problem(path, "is not a name; use letters, digits, - and _ only")


def _agents(reader: Reader, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Agent | None]:
    if DEFAULT_AGENT not in tables["agent"]:
        reader.problem(
            ("agent", DEFAULT_AGENT),
            f"is missing; add [agent.{DEFAULT_AGENT}], which answers when no route matches",
        )
    agents: dict[str, Agent | None] = {}
    for name, value in tables["agent"].items():
        _check_name(reader, ("agent", name))
        agents[name] = reader.section(Agent, value, ("agent", name))
        if isinstance(value, dict):
            for role in ENGINES:
                if isinstance(named := _raw(Agent, value, role), list | tuple):
                    _check_engines(reader, ("agent", name, role), named, tables[role])
            _check_tools(reader, name, value)
            _check_templates(reader, name, value)
    return agents


def _check_templates(reader: Reader, name: str, table: Mapping[str, Any]) -> None:
    """An agent's texts hold its own variables beside those that every agent has."""
    own = table.get("variables")
    for attribute in fields(Agent):
        text, check = table.get(attribute.name), key_of(attribute).check
        if check in TEMPLATES and isinstance(text, str):
            for fault in strangers(text, own if isinstance(own, dict) else ()):
                reader.problem(("agent", name, attribute.name), f"{fault}; use {check.use}")


def _check_tools(reader: Reader, name: str, table: Mapping[str, Any]) -> None:
    """The model can transfer only where there is somebody to transfer to."""
    tools, nobody = table.get("tools"), table.get("transfers", {}) == {}
    if isinstance(tools, list) and TRANSFER in tools and nobody:
        reader.problem(
            ("agent", name, "tools"),
            f"{TRANSFER} has nobody to transfer to; add [agent.{name}.transfers]",
        )


def _webhooks(reader: Reader, tables: Mapping[str, Any]) -> dict[str, Webhook | None]:
    for name in tables:
        _check_name(reader, ("webhook", name))
    return {
        name: reader.section(Webhook, value, ("webhook", name)) for name, value in tables.items()
    }


def _check_engines(
    reader: Reader, path: KeyPath, named: Sequence[object], engines: Iterable[str]
) -> None:
    """Holds an agent's list of engines against the engines that there are."""
    role = path[-1]
    if not named:
        reader.problem(path, f"is empty; name at least one [{role}.*]")
    for index, name in enumerate(named):
        if not isinstance(name, str):
            continue  # the section has told it
        if name not in engines:
            reader.problem(path, f"there is no [{role}.{name}]{nearest(name, engines)}")
        elif name in named[:index]:
            reader.problem(path, f"{name} stands there twice; a spare is another engine")


def _routes(reader: Reader, value: object, agents: Iterable[str]) -> list[Route | None]:
    if not isinstance(value, list):
        reader.problem(("route",), "is not a list of tables; write [[route]]")
        return []
    routes: list[Route | None] = []
    for index, table in enumerate(value):
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


def _warnings(twilio: Twilio, webhooks: Mapping[str, Webhook]) -> tuple[str, ...]:
    unverified = twilio.verify_signatures and not (twilio.auth_token or twilio.auth_token_secondary)
    return ((UNVERIFIED,) if unverified else ()) + tuple(
        f"webhook.{name} has no secret, so what it sends is not signed; "
        f"set webhook.{name}.secret, or the systemd credential of that name"
        for name, webhook in webhooks.items()
        if webhook.secret is None
    )
