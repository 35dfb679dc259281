"""The tools that every agent may be given: what the model is told of them, and what it then means.

What ends the call or hands it over is no job: it is wanted, and done when it has been heard.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import field, frozen

from voiced.dialog.digits import DigitRule
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import Tool
from voiced.dialog.wish import Switch

HANG_UP: Final = "hang_up"
TRANSFER: Final = "transfer"
MAX_SUMMARY: Final = 400
MAX_KEYS: Final = 32


@frozen
class Recital:
    """Say this, word for word."""

    text: str


@frozen
class Tones:
    """Send these keys down the line, as tones."""

    keys: str


@frozen
class Keypad:
    """What the caller enters next goes by this rule."""

    rule: DigitRule


Meaning = Parting | Switch | Recital | Tones | Keypad


@frozen
class Gifts:
    """What an agent has that its built-in tools work with, each by name: `transfers` numbers,
    introduced if `warm`; `verbatim` texts. `agents` are those that it may hand over to."""

    transfers: Mapping[str, str] = field(factory=dict)
    warm: bool = False
    verbatim: Mapping[str, str] = field(factory=dict)
    agents: tuple[str, ...] = ()
    digits: DigitRule = field(factory=DigitRule)


@frozen
class BuiltIn:
    """One of them. `declare` gives None where the agent lacks what it needs; `read` takes
    arguments that fit what it declared."""

    declare: Callable[[Gifts], Tool | None]
    read: Callable[[Mapping[str, Any], Gifts], Meaning]


def _tool(name: str, description: str, properties: Mapping[str, object], *required: str) -> Tool:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Tool(name, description, schema | ({"required": list(required)} if required else {}))


def _one_of(names: object, meaning: str) -> dict[str, object]:
    return {"type": "string", "enum": list(names), "description": meaning}  # type: ignore[call-overload]


# --- ends and hand-overs ------------------------------------------------------------------------


def _hang_up(_: Gifts) -> Tool:
    return Tool(
        HANG_UP,
        "Ends the call once the caller has heard your reply. Use it when the caller has said"
        " goodbye or wants nothing more; say goodbye in the same reply.",
    )


def _transfer(gifts: Gifts) -> Tool | None:
    if not gifts.transfers:
        return None
    summary = {
        "type": "string",
        "description": "what the person who is called should know, in one or two sentences"
        + (": they hear it first" if gifts.warm else ""),
    }
    to = {"to": _one_of(gifts.transfers, "whom to connect"), "summary": summary}
    return _tool(
        TRANSFER,
        "Connects the caller with a person once they have heard your reply. Announce it in"
        " the same reply.",
        to,
        "to",
    )


def _put_through(arguments: Mapping[str, Any], gifts: Gifts) -> Parting:
    said = str(arguments.get("summary", ""))[:MAX_SUMMARY]
    transfer = Transfer(gifts.transfers[arguments["to"]], gifts.warm, said)
    return Parting("transfer", (Phrase.TRANSFER,), transfer)


def _switch(gifts: Gifts) -> Tool | None:
    if not gifts.agents:
        return None
    return _tool(
        "switch_agent",
        "Hands the call over to another agent, who knows all that was said and goes on at once."
        " Tell the caller in the same reply.",
        {"agent": _one_of(gifts.agents, "who takes over")},
        "agent",
    )


# --- the line and the voice ---------------------------------------------------------------------


def _send_digits(_: Gifts) -> Tool:
    keys = {"type": "string", "pattern": f"^[0-9*#ABCDw]{{1,{MAX_KEYS}}}$"}
    return _tool(
        "send_digits",
        "Presses keys of the telephone, for a machine at the other end that asks for them.",
        {"keys": keys | {"description": "0 to 9, * and #; w waits for half a second"}},
        "keys",
    )


def _collect_digits(_: Gifts) -> Tool:
    most = {"type": "integer", "minimum": 1, "maximum": MAX_KEYS}
    pause = {"type": "number", "minimum": 0.5, "maximum": 30}
    return _tool(
        "collect_digits",
        "Makes the next number that the caller enters on the keypad come to you as a whole. Ask"
        " for it in the same reply; it is in their next message.",
        {
            "most": most | {"description": "how many keys it has, where that is known"},
            "pause_s": pause | {"description": "the pause that ends it, in seconds"},
        },
    )


def _collect(arguments: Mapping[str, Any], gifts: Gifts) -> Keypad:
    usual = gifts.digits
    pause_s = float(arguments.get("pause_s", max(usual.timeout_s, 5.0)))
    return Keypad(DigitRule(usual.end, pause_s, int(arguments.get("most", usual.most))))


def _say_verbatim(gifts: Gifts) -> Tool | None:
    if not gifts.verbatim:
        return None
    return _tool(
        "say_verbatim",
        "Says a text that must be said word for word, behind what you say yourself. Do not"
        " repeat it.",
        {"text": _one_of(gifts.verbatim, "which")},
        "text",
    )


BUILT_IN: Final[Mapping[str, BuiltIn]] = {
    HANG_UP: BuiltIn(_hang_up, lambda arguments, gifts: Parting("agent")),
    TRANSFER: BuiltIn(_transfer, _put_through),
    "send_digits": BuiltIn(_send_digits, lambda arguments, gifts: Tones(arguments["keys"])),
    "collect_digits": BuiltIn(_collect_digits, _collect),
    "say_verbatim": BuiltIn(
        _say_verbatim, lambda arguments, gifts: Recital(gifts.verbatim[arguments["text"]])
    ),
    "switch_agent": BuiltIn(_switch, lambda arguments, gifts: Switch(arguments["agent"])),
}
