"""The tools and the intents of an agent, held against each other and against their agent."""

from collections.abc import Iterable, Mapping
from typing import Any

from voiced.config.declare import nearest
from voiced.config.intents import ACTIONS
from voiced.config.lines import Path as KeyPath
from voiced.config.raw import entries, tables_in, text_in, texts_in
from voiced.config.reader import Reader
from voiced.config.template import VARIABLES, places, strangers
from voiced.config.tools import SECRET, Method, leaves

_USE = (
    f"use the tool's parameters, {', '.join(f'{{{name}}}' for name in VARIABLES)} and the agent's "
    "own variables; a brace that is meant is written twice"
)
_RESERVED = frozenset({*VARIABLES, SECRET})


def check_tools(
    reader: Reader, path: KeyPath, agent: Mapping[str, Any], own: Iterable[str]
) -> None:
    """Names that are another's, what stands in braces, and what a tool needs beside.

    `own` are the agent's own variables.
    """
    _check_names(reader, path, agent, "tool")
    for index, tool in tables_in(agent, "tool"):
        here = (*path, "tool", index)
        properties = entries(entries(tool, "parameters"), "properties")
        taken = [name for name in properties if name in _RESERVED or name in own]
        for name in taken:
            place = (*here, "parameters", "properties", name)
            reader.problem(place, "is called like a variable; give it a name of its own")
        _check_places(reader, here, tool, {*properties, *own})
        if tool.get("commit") is True and not text_in(tool, "say").strip():
            reader.problem(
                (*here, "say"),
                "is missing; with commit = true it announces what the model does not",
            )
        if tool.get("method") == Method.GET.value and "body" in tool:
            what = 'is not for GET; delete it, or use method = "POST"'
            reader.problem((*here, "body"), what)


def _check_places(
    reader: Reader, path: KeyPath, tool: Mapping[str, Any], known: Iterable[str]
) -> None:
    """What stands in braces in a tool's request."""
    body = [(("body", *place), text) for place, text in leaves(entries(tool, "body"))]
    headers = [(("headers", name), text) for name, text in entries(tool, "headers").items()]
    for place, text in [(("url",), tool.get("url")), *headers, *body]:
        if not isinstance(text, str):
            continue
        if SECRET in places(text) and place[0] != "headers":
            reader.problem(
                (*path, *place), f"{{{SECRET}}} may stand in headers only; move it there"
            )
        for fault in strangers(text, {*known, SECRET}, "a parameter or a variable"):
            reader.problem((*path, *place), f"{fault}; {_USE}")


def check_intents(
    reader: Reader, path: KeyPath, agent: Mapping[str, Any], agents: Iterable[str]
) -> None:
    """Each intent has a name of its own, phrases of its own, and one action that there is."""
    _check_names(reader, path, agent, "intent")
    told: dict[str, str] = {}
    for index, intent in tables_in(agent, "intent"):
        here = (*path, "intent", index)
        if intent.get("phrases") == []:
            reader.problem((*here, "phrases"), "is empty; give it as many as you can think of")
        for place, phrase in enumerate(texts_in(intent, "phrases")):
            other = told.setdefault(phrase.casefold(), text_in(intent, "name"))
            if other != text_in(intent, "name"):
                what = f"the intent {other} has it, too; delete it in one of them"
                reader.problem((*here, "phrases", place), what)
        chosen = [action for action in ACTIONS if intent.get(action) not in (None, "", False)]
        if not chosen:
            reader.problem(here, f"does nothing; give it one of {', '.join(ACTIONS)}")
        elif len(chosen) > 1:
            reader.problem(here, f"has {' and '.join(chosen)}; keep one of them")
        _check_action(reader, here, intent, agent)
        check_other(reader, (*here, "agent"), text_in(intent, "agent"), agents)


def _check_action(
    reader: Reader, path: KeyPath, intent: Mapping[str, Any], agent: Mapping[str, Any]
) -> None:
    """The person or the tool that an intent names is there, and the tool wants nothing said."""
    person, people = text_in(intent, "transfer"), entries(agent, "transfers")
    if person and person not in people:
        what = f"there is no {person} in transfers{nearest(person, people)}"
        reader.problem((*path, "transfer"), what)
    name = text_in(intent, "tool")
    tools = {text_in(tool, "name"): tool for _, tool in tables_in(agent, "tool")}
    if name and name not in tools:
        what = f"there is no {name} among the tables [[agent.{path[1]}.tool]]{nearest(name, tools)}"
        reader.problem((*path, "tool"), what)
    elif name and (required := texts_in(entries(tools[name], "parameters"), "required")):
        what = f"{name} needs {', '.join(required)}, which no phrase can give it; use another tool"
        reader.problem((*path, "tool"), what)


def check_other(reader: Reader, path: KeyPath, name: str, agents: Iterable[str]) -> None:
    """Notes a problem where an agent hands the call to itself, or to one that there is not."""
    if name and name == path[1]:
        reader.problem(path, "is the agent itself; name another, or delete it")
    elif name and name not in agents:
        reader.problem(path, f"there is no [agent.{name}]{nearest(name, agents)}")


def _check_names(reader: Reader, path: KeyPath, agent: Mapping[str, Any], key: str) -> None:
    before: set[str] = set()
    for index, table in tables_in(agent, key):
        if (name := text_in(table, "name")) in before:
            what = f"an earlier {key} of this agent has it; give it another"
            reader.problem((*path, key, index, "name"), what)
        elif name:
            before.add(name)
