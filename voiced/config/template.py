"""The texts of an agent: what may stand in braces in them, and what the owner adds to it."""

import re
from collections.abc import Iterable
from string import Formatter

from voiced.config.declare import TEXT, Check, matches, nearest

VARIABLES = ("name", "company", "caller", "called", "date")
"""What the texts of every agent may hold in braces; `str.format_map` fills them in."""


def strangers(template: str, own: Iterable[str]) -> list[str]:
    """A fault for each thing in braces that is neither of `VARIABLES` nor of the agent's `own`.

    A text with a stray brace has none, for `TEMPLATE` tells that.
    """
    known = {*VARIABLES, *own}
    try:
        held = list(Formatter().parse(template))
    except ValueError:
        return []
    strange = [
        name
        for _, name, spec, conversion in held
        if name is not None and (name not in known or spec or conversion)
    ]
    return [
        f"{{{name}}} is not a variable{nearest(name, known)}" for name in dict.fromkeys(strange)
    ]


def _brace_fault(template: str) -> str:
    try:
        list(Formatter().parse(template))
    except ValueError:
        return "it has a stray brace"
    return ""


def _name_fault(name: str) -> str:
    if name in VARIABLES:
        return "every agent has one of this name"
    return "" if re.fullmatch("[a-z][a-z0-9_]{0,31}", name) else "it is not the name of a variable"


TEMPLATE = Check(
    f"only the variables {', '.join(f'{{{name}}}' for name in VARIABLES)} and the agent's own; "
    "a brace that is meant to be spoken is written twice",
    _brace_fault,
)
"""Its braces only: which variables there are is known when the agent's section has been read."""
PROMPT = Check(TEMPLATE.use, lambda value: TEXT.fault(value) or TEMPLATE.fault(value))
TEMPLATES = (TEMPLATE, PROMPT)
VARIABLE_NAME = Check(
    "a name of its own, of up to 32 small letters, digits and _ with a letter first", _name_fault
)
VARIABLE_TEXT = matches(r"(?s).{0,500}", "it is too long", "500 characters at most")
