"""What a stand-in model takes down of a call that it is shown: JSON, by rules. Pure.

A field may want its value alone, or the value and the words that it was taken from. The form comes
with the request, or stands in the prompt, one `name: {JSON Schema}` a line, where a server has no
other way to ask.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from voiced.lab.llm_facts import Fact, Topic, facts_in, plain_schema, today_in, value_of
from voiced.lab.llm_talk import Line, Party, Schema, Talk

_FIELD: Final = re.compile(r"^([\w-]+): (\{.*\})$", re.M)
_SPOKEN: Final = re.compile(r"^(Caller|Agent): (.+)$", re.M)
_SPEAKERS: Final = {"Caller": Party.CALLER, "Agent": Party.AGENT}
_BOOKS: Final = re.compile(r"\bbook a table\b", re.I)


def form_in(system: str) -> Schema | None:
    """The form that a prompt asks for in words; None: it asks for none."""
    if "JSON object" not in system:
        return None
    fields: dict[str, Any] = {}
    for name, schema in _FIELD.findall(system):
        try:
            value = json.loads(schema)
        except ValueError:
            continue
        fields[name] = {"properties": {"value": value, "words": {}}}
    return {"properties": fields} if fields else None


def notes(talk: Talk, form: Schema) -> str:
    """The JSON object: of each field what was said of it, or null."""
    lines = list(_transcript(talk)) or talk.lines
    known = facts_in(lines)
    today = today_in(talk.system)

    def taken(name: str, schema: Schema) -> Any:
        node = plain_schema(schema)
        inner = node.get("properties", {})
        topic = Topic.of(name)
        fact = known.get(topic) if topic else None
        wanted = inner.get("value", node)
        value = None if topic is None or fact is None else value_of(topic, fact, wanted, today)
        words = fact.words if fact else None
        if topic is Topic.BOOKED and fact is None and (asked := _asked(lines)):
            value, words = False, asked.words
        return {"value": value, "words": words} if "value" in inner else value

    fields = form.get("properties", {})
    return json.dumps({name: taken(name, schema) for name, schema in fields.items()})


def _transcript(talk: Talk) -> Iterator[Line]:
    """The call, as it stands in the first thing that the model is shown."""
    shown = next((line.text for line in talk.lines if line.who is Party.CALLER), "")
    for speaker, text in _SPOKEN.findall(shown):
        yield Line(_SPEAKERS[speaker], text)


def _asked(lines: list[Line]) -> Fact | None:
    """The words in which a table was asked for."""
    found = (_BOOKS.search(line.text) for line in lines if line.who is Party.CALLER)
    return next((Fact(each[0], each[0]) for each in found if each), None)
