"""Tools: declared for an agent, asked for by the stand-in of the LLM, and answered at once."""

import json
import re
from collections.abc import Mapping
from itertools import cycle, islice

from attrs import frozen

from bench.reactor import Link


@frozen
class Tool:
    """One, with arguments that fit it."""

    name: str
    description: str
    parameters: Mapping[str, object]
    arguments: Mapping[str, object]


_DAY = {"type": "string", "format": "date", "description": "the day, as 2026-03-01"}
_GUESTS = {"type": "integer", "minimum": 1, "maximum": 12, "description": "how many will come"}


def _object(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(properties),
            "additionalProperties": False}  # fmt: skip


TOOLS = (
    Tool(
        "free_tables",
        "Tells which tables are free. Ask for the day and the number of guests first.",
        _object(day=_DAY, guests=_GUESTS),
        {"day": "2026-03-01", "guests": 4},
    ),
    Tool(
        "todays_menu",
        "Tells what there is to eat, and for whom it is fit.",
        _object(diet={"type": "string", "enum": ["any", "vegetarian", "vegan", "halal"]}),
        {"diet": "vegetarian"},
    ),
    Tool(
        "find_booking",
        "Finds a booking that the caller has made, by the name and the day that it is for.",
        _object(booked_by={"type": "string", "maxLength": 60}, day=_DAY),
        {"booked_by": "Ada Lovelace", "day": "2026-03-01"},
    ),
)
ARGUMENTS = {tool.name: json.dumps(tool.arguments) for tool in TOOLS}
ANSWER = json.dumps({"tables": [{"number": 7, "seats": 4}, {"number": 9, "seats": 6}]})
"""Whichever is used."""


def declared(agent: str, tools: int) -> str:
    """So many of them for an agent, in its configuration; `{{tool}}` is the port they go to."""
    return "".join(
        f'[[agent.{agent}.tool]]\nname = "{tool.name}"\ndescription = "{tool.description}"\n'
        f'url = "http://127.0.0.1:{{tool}}/{tool.name}"\nallow_private = true\n'
        f"[agent.{agent}.tool.parameters]\n{_toml(tool.parameters)}"
        for tool in TOOLS[:tools]
    )


def _toml(table: Mapping[str, object]) -> str:
    """Its keys, a line each; nested tables inline, with braces that `str.format` leaves alone."""
    return "".join(f"{name} = {_inline(value)}\n" for name, value in table.items())


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name} = {_inline(each)}" for name, each in value.items())
        return f"{{{{ {inner} }}}}"
    return json.dumps(value)


def calls_of(request: bytes, tools: int) -> list[dict[str, object]]:
    """So many calls, in the API's form, of the tools that a request offers; in turn."""
    offered = [each["function"]["name"] for each in json.loads(request)["tools"]]
    return [
        {"index": index, "id": f"call{index}", "type": "function",
         "function": {"name": name, "arguments": ARGUMENTS[name]}}
        for index, name in enumerate(islice(cycle(offered), tools))
    ]  # fmt: skip


# --- HTTP -----------------------------------------------------------------------------------------


_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def whole_request(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Head, body, and what came behind; None while it is not all there."""
    head, end, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    size = int(length[1]) if length else 0
    return (head, body[:size], body[size:]) if end and len(body) >= size else None


_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER.encode())
)


class ToolLink:
    """A connection to the server behind the tools, which needs no time; one request each."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._data = b""
        link.received = self._received

    def _received(self, data: bytes) -> None:
        self._data += data
        if whole_request(self._data):
            self._data = b""
            self._link.send(_ANSWER)
