"""The tools that a model has in a call, and what it means when it uses one.

Both end the call, and neither can be undone; so neither is carried out when the model asks for
it, but when the caller has heard the reply that it belongs to (`ReplyCommits`).
"""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import field, frozen

from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import Tool
from voiced.engines.roles import ToolCall

log = logging.getLogger(__name__)

HANG_UP: Final = "hang_up"
TRANSFER: Final = "transfer"
MAX_SUMMARY: Final = 400

_HANG_UP_TOOL: Final = Tool(
    HANG_UP,
    "Ends the call once the caller has heard your reply. Use it when the caller has said goodbye"
    " or wants nothing more; say goodbye in the same reply.",
)


@frozen
class Toolbox:
    """The tools that an agent may use: some of `hang_up` and `transfer`.

    `transfers` are the destinations by name; `warm` transfers are introduced.
    """

    names: tuple[str, ...] = ()
    transfers: Mapping[str, str] = field(factory=dict)
    warm: bool = False

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What the model is told of them."""
        hang_up = (_HANG_UP_TOOL,) if HANG_UP in self.names else ()
        transfer = TRANSFER in self.names and self.transfers
        return hang_up + ((self._transfer_tool(),) if transfer else ())

    def _transfer_tool(self) -> Tool:
        to = {"type": "string", "enum": list(self.transfers), "description": "whom to connect"}
        summary = {
            "type": "string",
            "description": "what the person who is called should know, in one or two sentences",
        }
        return Tool(
            TRANSFER,
            "Connects the caller with a person once they have heard your reply. Announce it in"
            " the same reply.",
            {
                "type": "object",
                "properties": {"to": to, "summary": summary},
                "required": ["to", "summary"] if self.warm else ["to"],
                "additionalProperties": False,
            },
        )

    def parting(self, calls: Sequence[ToolCall]) -> Parting | None:
        """How the call is to end; None: no tool was used, or none that there is."""
        known = {tool.name for tool in self.tools}
        for call in calls:
            parting = self._meaning(call) if call.name in known else None
            if parting is not None:
                return parting
            log.warning("the model asked for a tool, or in a way, that there is not")
        return None

    def _meaning(self, call: ToolCall) -> Parting | None:
        if call.name == HANG_UP:
            return Parting("agent")
        try:
            arguments = json.loads(call.arguments)
        except ValueError:
            return None
        if not isinstance(arguments, dict):
            return None
        to, summary = arguments.get("to"), arguments.get("summary")
        if not isinstance(to, str) or to not in self.transfers:
            return None
        said = summary[:MAX_SUMMARY] if isinstance(summary, str) else ""
        transfer = Transfer(self.transfers[to], self.warm, said)
        return Parting("transfer", (Phrase.TRANSFER,), transfer)
