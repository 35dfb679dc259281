"""The agents of a file, each held against itself and against what else is in the file.

All of it looks at the tables as they were written: also where a section has a problem, whatever
else is wrong with it is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import fields, fields_dict

from voiced.config.actions import check_intents, check_other, check_tools
from voiced.config.agent import DEFAULT_AGENT, Agent
from voiced.config.declare import key_of, nearest
from voiced.config.engines import ENGINES
from voiced.config.intents import Intent
from voiced.config.lines import Path as KeyPath
from voiced.config.raw import entries, tables_in, text_in, texts_in
from voiced.config.reader import Reader
from voiced.config.template import TEMPLATES, strangers
from voiced.config.tools import SAY_VERBATIM, SWITCH_AGENT, TRANSFER, HttpTool

Groups = Mapping[str, Mapping[str, Any]]
"""The tables of the file that have names, by group."""

_NEEDS: Mapping[str, tuple[str, str]] = {
    TRANSFER: ("transfers", "nobody to transfer to; add [agent.{}.transfers]"),
    SAY_VERBATIM: ("verbatim", "no text to say; add [agent.{}.verbatim]"),
    SWITCH_AGENT: ("switches", "no agent to switch to; name some in agent.{}.switches"),
}
"""A built-in tool -> the key that it needs, and what is missing without."""


def read_agents(reader: Reader, groups: Groups) -> dict[str, Agent | None]:
    """Name -> the agent, or None where its section has a problem."""
    if DEFAULT_AGENT not in groups["agent"]:
        reader.problem(
            ("agent", DEFAULT_AGENT),
            f"is missing; add [agent.{DEFAULT_AGENT}], which answers when no route matches",
        )
    agents: dict[str, Agent | None] = {}
    for name, value in groups["agent"].items():
        path = ("agent", name)
        reader.check_name(path)
        agents[name] = reader.section(Agent, value, path)
        if isinstance(value, dict):
            own = entries(value, "variables")
            _check_engines(reader, path, value, groups)
            _check_needs(reader, path, value)
            _check_others(reader, path, value, groups["agent"])
            _check_templates(reader, path, value, own)
            check_tools(reader, path, value, own)
            check_intents(reader, path, value, groups["agent"])
    return agents


def _check_engines(reader: Reader, path: KeyPath, table: Mapping[str, Any], groups: Groups) -> None:
    """An agent's engines are there, each once, and so are its embeddings."""
    for role in ENGINES:
        named = table.get(role, fields_dict(Agent)[role].default)
        if isinstance(named, list | tuple):
            _check_spares(reader, (*path, role), named, groups[role])
    name, known = text_in(table, "embeddings"), groups["embeddings"]
    if name and name not in known:
        what = f"there is no [embeddings.{name}]{nearest(name, known)}"
        reader.problem((*path, "embeddings"), what)


def _check_spares(
    reader: Reader, path: KeyPath, named: Sequence[object], engines: Iterable[str]
) -> None:
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


def _check_needs(reader: Reader, path: KeyPath, table: Mapping[str, Any]) -> None:
    """The model can transfer only where there is somebody to transfer to, and so on."""
    for tool in dict.fromkeys(texts_in(table, "tools")):
        needed, missing = _NEEDS.get(tool, ("", ""))
        if needed and not table.get(needed, None):
            reader.problem((*path, "tools"), f"{tool} has {missing.format(path[-1])}")


def _check_others(
    reader: Reader, path: KeyPath, table: Mapping[str, Any], agents: Iterable[str]
) -> None:
    """The other agents that an agent names."""
    for index, name in enumerate(texts_in(table, "switches")):
        check_other(reader, (*path, "switches", index), name, agents)
    for language, name in entries(table, "languages").items():
        if isinstance(name, str) and name != path[-1]:  # its own language is its own
            check_other(reader, (*path, "languages", language), name, agents)


def _check_templates(
    reader: Reader, path: KeyPath, table: Mapping[str, Any], own: Iterable[str]
) -> None:
    """An agent's texts hold its own variables beside those that every agent has."""
    _check_texts(reader, Agent, path, table, own)
    for key, kind in (("tool", HttpTool), ("intent", Intent)):
        for index, inner in tables_in(table, key):
            _check_texts(reader, kind, (*path, key, index), inner, own)


def _check_texts(
    reader: Reader, kind: type[Any], path: KeyPath, table: Mapping[str, Any], own: Iterable[str]
) -> None:
    for attribute in fields(kind):
        check = key_of(attribute).check
        if check not in TEMPLATES:
            continue
        here, value = (*path, attribute.name), table.get(attribute.name)
        texts = {(*here, name): text for name, text in entries(table, attribute.name).items()}
        for place, text in (texts or {here: value}).items():
            for fault in strangers(text, own) if isinstance(text, str) else ():
                reader.problem(place, f"{fault}; use {check.use}")
