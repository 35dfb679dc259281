"""The texts of an agent: what may stand in braces in them, and what the owner adds to it."""

import re
from collections.abc import Iterable
from string import Formatter

from voiced.config.declare import TEXT, Check, matches, nearest

VARIABLES = ("name", "company", "caller", "called", "date")
"""What the texts of every agent may hold in braces; `str.format_map` fills them in."""
SHOWN = 64
"""Characters that a problem shows of what stands in braces."""


def places(template: str) -> list[str]:
    """The names in braces, each once; none in a text with a stray brace, for `TEMPLATE` tells that.

    What would be formatted, as in `{name!r}`, is named with that and so known to nobody.
    """
    try:
        held = list(Formatter().parse(template))
    except ValueError:
        return []
    found = [
        f"{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}"
        for _, name, spec, conversion in held
        if name is not None
    ]
    return list(dict.fromkeys(found))


def strangers(template: str, own: Iterable[str], what: str = "a variable") -> list[str]:
    """A fault for each thing in braces that is neither of `VARIABLES` nor of `own`."""
    known = {*VARIABLES, *own}
    return [
        f"{{{name[:SHOWN]}}} is not {what}{nearest(name, known)}"
        for name in places(template)
        if name not in known
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
