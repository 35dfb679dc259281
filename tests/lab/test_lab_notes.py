"""What the stand-in model takes down of a call, in the form in which voiced asks for it."""

import json
from typing import Any

import pytest

from voiced.dialog.extraction import Finding, again, asking, read, wanted
from voiced.dialog.history import Message, Role
from voiced.lab.llm_ask import parse_request
from voiced.lab.llm_mind import answer
from voiced.lab.llm_model import as_json
from voiced.lab.llm_notes import form_in
from voiced.lab.llm_talk import Talk, from_chat
from voiced.wire.json_schema import NamedSchema
from voiced.wire.openai import ChatOptions, chat_request

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["guests", "day"],
    "properties": {
        "guests": {"type": "integer"},
        "day": {"type": "string", "format": "date"},
        "time": {"type": "string", "format": "time"},
        "booked": {"type": "boolean"},
        "wants_person": {"type": "boolean"},
        "reference": {"type": "string"},
        "name": {"type": "string"},
        "allergies": {"type": "array", "items": {"type": "string"}},
    },
}
TODAY = "Saturday, 2026-11-21, at 19:02 (CET, UTC+01:00)"
BOOKED = (
    "a: Hello, this is Chez Sesame.",
    "c: my name is ada i would like to book a table for five tomorrow at eight",
    "a: I am booking a—",
    "c: no i meant four people",
    "a: Your table for four tomorrow at eight is booked. Your reference is R7.",
    "c: can i speak to a person please",
)
FULL = (
    "c: can i book a table for four people tomorrow at noon",
    "a: There is no table left at noon. I could offer you one instead. Shall I book it?",
    "c: no thank you goodbye",
)


def said(*lines: str) -> list[Message]:
    roles = {"a": Role.AGENT, "c": Role.CALLER}
    return [Message(roles[line[0]], line[3:]) for line in lines]


def asked_in_form(messages: list[Message]) -> Talk:
    """As an engine asks that promises a form."""
    told = [{"role": each.role.value, "content": each.text} for each in messages]
    form = NamedSchema("call", wanted(SCHEMA))
    return parse_request(chat_request(ChatOptions("m"), told, schema=form)).talk


def asked_in_words(messages: list[Message]) -> Talk:
    """As an engine asks that can do no more."""
    told = [{"role": each.role.value, "content": each.text} for each in messages]
    return parse_request(as_json({"model": "m", "messages": told})).talk


@pytest.mark.parametrize("ask", [asked_in_form, asked_in_words])
def test_a_booking_is_taken_down_with_the_words_that_prove_it(ask: Any) -> None:
    messages = said(*BOOKED)
    text = answer(ask([*asking(SCHEMA, messages, "en", TODAY)])).text
    findings = read(text, SCHEMA, messages)
    assert (findings.faults, findings.missing) == ((), ())
    assert findings.fields == {
        "guests": Finding(4, "four people"),
        "day": Finding("2026-11-22", "tomorrow"),
        "time": Finding("20:00", "at eight"),
        "booked": Finding(value=True, words="is booked"),
        "wants_person": Finding(value=True, words="speak to a person"),
        "reference": Finding("R7", "reference is R7"),
        "name": Finding("ada", "my name is ada"),
    }


def test_what_was_not_booked_is_not_booked() -> None:
    messages = said(*FULL)
    told = asking(SCHEMA, messages, "en", TODAY)
    text = answer(asked_in_form([*told, *again("{}", ["guests: is missing"])])).text
    fields = read(text, SCHEMA, messages).fields
    assert fields["booked"] == Finding(value=False, words="book a table")
    assert fields["time"] == Finding("12:00", "at noon")


def test_of_a_call_about_nothing_there_is_nothing() -> None:
    messages = said("c: what time do you close")
    text = answer(asked_in_form([*asking(SCHEMA, messages, "en", TODAY)])).text
    found = read(text, SCHEMA, messages)
    assert (dict(found.fields), found.missing) == ({}, ("guests", "day"))


def test_a_field_without_words_gets_its_value_alone() -> None:
    items = from_chat([{"role": "user", "content": "a table for four people"}])
    form = {"properties": {"guests": {"type": "integer"}, "mood": {"type": "string"}}}
    assert json.loads(answer(Talk(items, form=form)).text) == {"guests": 4, "mood": None}


@pytest.mark.parametrize(
    "prompt", ["You are Sesame.", "Answer with one JSON object.", "A JSON object.\nday: {oops}"]
)
def test_a_prompt_that_names_no_fields_wants_words(prompt: str) -> None:
    assert form_in(prompt) is None
