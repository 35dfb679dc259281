"""Answers in a form, and rounds, of the LLMs in `llm_house`."""

from collections.abc import Sequence

import trio
from llm_house import MESSAGES, House

from voiced.dialog.history import Told
from voiced.dialog.tools import Round, Tool, ToolCall, Used
from voiced.engines.roles import AsJson, Completion, Form

NOTES = AsJson(
    "notes",
    {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
)
TRANSFER = Tool("transfer", "Connects the caller.", {"type": "object", "properties": {}})
ASKED = Round((Used(ToolCall("call_1", "transfer", '{"to": "kitchen"}'), "nobody there"),), "Wait.")


async def answered(
    ours: House,
    form: Form | None = None,
    messages: Sequence[Told] = MESSAGES,
    tools: Sequence[Tool] = (),
) -> tuple[str, Completion]:
    """What came of it, as `House.complete` tells it."""
    write, read = trio.open_memory_channel[str](100)
    with write, read:
        completion = await ours.llm.complete(messages, write, tools, form)
        write.close()
        return "".join([piece async for piece in read]), completion
