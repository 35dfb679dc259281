"""What an agent asks of other systems: the tools of the model, and one question before a call."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from voiced.config.declare import (
    CREDENTIAL_ONLY,
    TEXT,
    WEB,
    WORD,
    Check,
    TableCheck,
    between,
    key,
    matches,
)
from voiced.config.lines import Path
from voiced.config.secrets import Secret
from voiced.config.template import TEMPLATE
from voiced.schema import faults, is_json

HANG_UP: Final = "hang_up"
TRANSFER: Final = "transfer"
SEND_DIGITS: Final = "send_digits"
COLLECT_DIGITS: Final = "collect_digits"
SAY_VERBATIM: Final = "say_verbatim"
SWITCH_AGENT: Final = "switch_agent"
BUILT_IN: Final = (HANG_UP, TRANSFER, SEND_DIGITS, COLLECT_DIGITS, SAY_VERBATIM, SWITCH_AGENT)
"""The tools that voiced has itself."""

SECRET: Final = "secret"
"""Stands in braces in a header for the tool's secret."""

MAX_BODY_DEPTH: Final = 20
_OURS: Final = frozenset(
    {"connection", "content-length", "content-type", "host", "idempotency-key",
     "transfer-encoding", "upgrade"}
)  # fmt: skip


class Method(Enum):
    """How a tool asks."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class OnBargeIn(Enum):
    """What becomes of a tool's request when the caller interrupts."""

    CANCEL = "cancel"
    DETACH = "detach"


def leaves(
    value: object, at: Path = (), depth: int = MAX_BODY_DEPTH
) -> Iterator[tuple[Path, object]]:
    """What stands in nested tables and lists, each with its place; at that depth they count as
    leaves themselves."""
    if not isinstance(value, dict | list) or not depth:
        yield at, value
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(item, (*at, name), depth - 1)


def _name_fault(name: str) -> str:
    return f"voiced has a tool {name} of its own" if name in BUILT_IN else WORD.fault(name)


def _url_fault(template: str) -> str:
    if fault := TEMPLATE.fault(template) or WEB.fault(template):
        return fault
    return "it has braces in its host" if "{" in urlsplit(template).netloc else ""


def _header_fault(name: str) -> str:
    if name.lower() in _OURS:
        return "voiced sends this header itself"
    return _HEADER_NAME.fault(name)


def _header_text_fault(template: str) -> str:
    return TEMPLATE.fault(template) or _HEADER_TEXT.fault(template)


def _body_faults(body: Mapping[str, object]) -> Iterator[tuple[Path, str]]:
    for path, leaf in leaves(body):
        if isinstance(leaf, str) and (fault := TEMPLATE.fault(leaf)):
            yield path, f"{fault}; a brace that is meant is written twice"
        elif not is_json(leaf, depth=0):
            yield path, "JSON cannot hold it; put a date in quotes, and do not nest so deep"


_HEADER_NAME: Final = matches(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", "it is not a header", "")
_HEADER_TEXT: Final = matches(
    "[ -~\xa1-\xff]+", "it is empty, or has what a header cannot hold", ""
)
TOOL_NAME: Final = Check(f"{WORD.use}, other than {', '.join(BUILT_IN)}", _name_fault)
TOOL_URL: Final = Check(f"{WEB.use}, and no braces before the path", _url_fault)
HEADER_NAME: Final = Check(
    f"the name of a header, other than {', '.join(sorted(_OURS))}", _header_fault
)
HEADER_TEXT: Final = Check("one line of Latin letters", _header_text_fault)
BODY: Final = TableCheck(
    "a table; a text in it that is one `{parameter}` alone takes its type", _body_faults
)
OBJECT: Final = TableCheck("a JSON Schema of type `object`", faults)
OBJECT_OR_NONE: Final = TableCheck(OBJECT.use, lambda schema: faults(schema) if schema else [])

ALLOW_PRIVATE: Final = "Whether the address may be in a private network."


def no_parameters() -> dict[str, object]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


@frozen(kw_only=True)
class HttpTool:
    """A tool of the model: a request to a web server of yours. In `url`, `headers` and `body` may
    stand the tool's parameters and what may stand in the agent's texts, in braces.
    """

    name: str = field(metadata=key("What the model calls it; another for each.", TOOL_NAME))
    description: str = field(
        metadata=key("What it does and when to use it; the model reads this.", TEXT)
    )
    parameters: Mapping[str, object] = field(
        factory=no_parameters, metadata=key("What the model has to say for it.", table=OBJECT)
    )
    method: Method = field(default=Method.POST, metadata=key("How it asks."))
    url: str = field(metadata=key("Whom it asks.", TOOL_URL))
    headers: Mapping[str, str] = field(
        factory=dict,
        metadata=key(
            "What it sends beside; here alone `{secret}` may stand.", HEADER_TEXT, names=HEADER_NAME
        ),
    )
    secret: Secret | None = field(
        default=None,
        metadata=key("`{secret}` in the headers.", variable=CREDENTIAL_ONLY),
    )
    body: Mapping[str, object] | None = field(
        default=None,
        metadata=key(
            "The JSON that is sent. Not set: all parameters; with `GET` and `DELETE`, in the query "
            "those that the `url` does not have.",
            table=BODY,
        ),
    )
    timeout_s: float = field(
        default=10, metadata=key("How long it may take.", between(0.1, 60, "s"))
    )
    say: str = field(default="", metadata=key("Said while the caller waits for it.", TEMPLATE))
    progress: str = field(
        default="", metadata=key("Said again every few seconds while it takes long.", TEMPLATE)
    )
    commit: bool = field(
        default=False,
        metadata=key(
            "Whether it changes something, as a booking does: then it is used when the caller has "
            "heard it announced, by `say` where the model does not, and goes on from there."
        ),
    )
    on_barge_in: OnBargeIn = field(
        default=OnBargeIn.CANCEL,
        metadata=key(
            "What becomes of the request when the caller interrupts: it is given up, or goes on; "
            "with `commit` it goes on in any case."
        ),
    )
    allow_private: bool = field(default=False, metadata=key(ALLOW_PRIVATE))


@frozen(kw_only=True)
class PreCall:
    """Whom voiced asks who calls, while the carrier connects the call. The request is signed as a
    webhook's is.
    """

    url: str = field(metadata=key("Whom it asks.", WEB))
    secret: Secret | None = field(
        default=None,
        metadata=key(
            "What signs the request; without one it is not signed.", variable=CREDENTIAL_ONLY
        ),
    )
    timeout_s: float = field(
        default=1.0,
        metadata=key(
            "How long the answer may take, from the call's admission on; then the call goes on "
            "without.",
            between(0.1, 5, "s"),
        ),
    )
    allow_private: bool = field(default=False, metadata=key(ALLOW_PRIVATE))
