"""What a stand-in model says and does: a restaurant's host, by rules. Pure.

JSON, where that is wanted                     llm_notes
what has come of a tool                        llm_booking
the caller's words: a person, a question, a table, a goodbye, and manners
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from voiced.lab import restaurant as says
from voiced.lab.llm_booking import BOOK, FIND, TRANSFER, Booking
from voiced.lab.llm_facts import Topic, agrees, facts_in
from voiced.lab.llm_notes import form_in, notes
from voiced.lab.llm_talk import Answer, Line, Party, Result, Talk, ToolUse

HANG_UP: Final = "hang_up"
_REPEAT: Final = re.compile(r"\brepeat\b")


def answer(talk: Talk) -> Answer:
    """The model's answer: words, JSON in place of them, and the tools that it asks for."""
    form = talk.form or form_in(talk.system)
    if form is not None:
        return Answer(notes(talk, form))
    tables = Booking.in_hand(talk)
    if result := _of_a_table(talk.fresh):
        return tables.after(result)
    if not talk.fresh and _wants_person(talk):
        return Answer(says.PUTS_THROUGH, (ToolUse(TRANSFER, _whom(talk)),))
    if BOOK not in talk.tools:
        return _spoken(talk, says.RULES)
    honest = (*says.QUESTIONS, *says.FAREWELLS[1:], *says.MANNERS)
    if talk.fresh:  # of another tool: it knows no more than before
        return _spoken(talk, honest)
    elsewhere = (*says.QUESTIONS, *says.FAREWELLS)
    if _rule(talk, elsewhere) is None and (booked := tables.answer()):
        return booked
    if _REPEAT.search(talk.question) and talk.last_said:
        return Answer(f"Of course. {talk.last_said.rstrip('—')}")
    return _spoken(talk, honest)


def _of_a_table(results: Sequence[Result]) -> Result | None:
    """The latest word of the book."""
    return next((each for each in reversed(results) if each.tool in {BOOK, FIND}), None)


def _wants_person(talk: Talk) -> bool:
    if TRANSFER not in talk.may_use:
        return False
    accepts = talk.last_said.endswith(says.PUT_THROUGH) and agrees(talk.question)
    return accepts or Topic.WANTS_PERSON in facts_in([Line(Party.CALLER, talk.question)])


def _whom(talk: Talk) -> dict[str, Any]:
    """The first of those whom the tool names; and what the person should know, where it asks."""
    fields = talk.tools[TRANSFER].get("properties", {})
    to = next(iter(fields.get("to", {}).get("enum", ())), "person")
    if "summary" not in fields:
        return {"to": to}
    known = facts_in(talk.lines)
    booked = (
        f" A table is booked, {known[Topic.REFERENCE].said}." if Topic.REFERENCE in known else ""
    )
    return {"to": to, "summary": f"The caller wants to speak to a person.{booked}"}


def _spoken(talk: Talk, rules: Sequence[says.Rule]) -> Answer:
    """By the first rule that fits. Who says goodbye hangs up, where that may be asked for."""
    text = _rule(talk, rules) or says.OTHERWISE
    ends = text.endswith("Goodbye.") and HANG_UP in talk.may_use
    return Answer(text, (ToolUse(HANG_UP),) if ends else ())


def _rule(talk: Talk, rules: Sequence[says.Rule]) -> str | None:
    """What the first rule says that matches the caller's last words and whose names are known."""
    known = _remembered(talk.lines)
    for rule in rules:
        if re.search(rule.pattern, talk.question):
            try:
                return rule.answer.format_map(known)
            except KeyError:
                continue
    return None


def _remembered(lines: Sequence[Line]) -> Mapping[str, str]:
    """What the caller has said of a booking, by the names that stand in the rules."""
    facts = facts_in([line for line in lines if line.who is Party.CALLER])
    names = {Topic.GUESTS: "people", Topic.DAY: "day", Topic.TIME: "time"}
    said = {names[topic]: fact.said.lower() for topic, fact in facts.items() if topic in names}
    if said.get("day", "").endswith("day") and said["day"] != "today":
        said["day"] = said["day"].capitalize()
    return said
