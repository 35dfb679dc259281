"""What the stand-in for chat completions refuses of tools and of forms, as OpenAI does. Pure.

Source: OpenAI's "Chat" API reference, its guides to function calling and to structured outputs, and
the errors that its API answers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from voiced.lab.llm_model import Refused
from voiced.lab.llm_schema import nodes

LONGEST_ID = 40

_NO_SCHEMA = re.compile(r"gpt-(?:3\.5|4(?![o.\d]))")
_TAKEN = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const",
     "title", "description", "pattern", "format", "multipleOf",
     "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "minItems", "maxItems"}
)  # fmt: skip


def check_rounds(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every call of an answer is owed one message of its result, right behind the answer.

    Raises:
        Refused: OpenAI would answer 400.
    """
    owed: list[str] = []
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in owed:
                told = "messages with role 'tool' must be a response to a preceeding message with "
                raise Refused(f"Invalid parameter: {told}'tool_calls'.",
                              param=f"messages.[{number}].role")  # fmt: skip
            owed.remove(message["tool_call_id"])
            continue
        _check_answered(owed)
        owed = _ids(number, message)
    _check_answered(owed)


def check_form(model: str, data: Mapping[str, Any]) -> None:
    """What the answer is to be like: whether it may call tools, and the schema of its JSON.

    Raises:
        Refused: OpenAI would answer 400.
    """
    if "tool_choice" in data and not data.get("tools"):
        told = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are"
        raise Refused(f"{told} specified.", param="tool_choice")
    form = data.get("response_format") or {}
    if form.get("type") != "json_schema":
        return
    if _NO_SCHEMA.match(model):
        told = "'response_format' of type 'json_schema' is not supported with this model."
        raise Refused(f"Invalid parameter: {told}", param="response_format")
    schema = form["json_schema"]
    if not re.fullmatch(r"[\w-]{1,64}", schema["name"], re.ASCII):
        raise Refused("Invalid 'response_format.json_schema.name': string does not match pattern.",
                      "invalid_value", "response_format.json_schema.name")  # fmt: skip
    if schema.get("strict"):
        _check_strict(schema["name"], schema["schema"])


def _ids(number: int, message: Mapping[str, Any]) -> list[str]:
    ids = [str(call["id"]) for call in message.get("tool_calls") or ()]
    for index, each in enumerate(ids):
        if len(each) > LONGEST_ID:
            where = f"messages[{number}].tool_calls[{index}].id"
            told = f"Expected a string with maximum length {LONGEST_ID}, but got a string with "
            raise Refused(f"Invalid '{where}': string too long. {told}length {len(each)} instead.",
                          "string_above_max_length", where)  # fmt: skip
    return ids


def _check_answered(owed: Sequence[str]) -> None:
    if owed:
        told = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
        )
        raise Refused(told + ", ".join(owed))


def _check_strict(name: str, schema: Mapping[str, Any]) -> None:
    for place, node in nodes(schema):
        if fault := _fault(node) or (not place and _root_fault(node)):
            told = f"Invalid schema for response_format '{name}': In context={place}, {fault}"
            raise Refused(told, param="response_format")


def _root_fault(node: Mapping[str, Any]) -> str:
    return "" if node.get("type") == "object" else "schema must have type 'object'."


def _fault(node: Mapping[str, Any]) -> str:
    if strange := sorted(node.keys() - _TAKEN):
        return f"'{strange[0]}' is not permitted."
    if not node.keys() & {"type", "anyOf"}:
        return "schema must have a 'type' key."
    if "object" not in node.get("type", ()):
        return ""
    if node.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    missing = [key for key in node.get("properties", {}) if key not in node.get("required", ())]
    told = "'required' is required to be supplied and to be an array including every key in "
    return f"{told}properties. Missing '{missing[0]}'." if missing else ""
