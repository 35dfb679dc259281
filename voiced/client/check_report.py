"""What `voiced check` found: one row per part, a hint below for each that has to be mended."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, Final

from attrs import asdict, frozen

from voiced.client.text import paragraph, table
from voiced.config import DEFAULT_AGENT, Settings


class State(Enum):
    """How a part was found."""

    WORKS = "works"
    FAILED = "failed"
    NOT_CONFIGURED = "not configured"


class Answer(Enum):
    """A question about a part; the answer may have stayed out."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "-"


@frozen(kw_only=True)
class Row:
    """One part that a call needs.

    `first_ms`: an STT's first answer, an LLM's first token, a TTS's first audio. `real_time`:
    seconds of speech that a TTS makes in a second. `free` and `slots`: how much of a moshi-server's
    batch is free; None where that is not known. `hint`: what to do; may be there too where the part
    works.
    """

    role: str
    name: str
    where: str
    state: State
    reachable: Answer = Answer.UNKNOWN
    authorised: Answer = Answer.UNKNOWN
    first_ms: int | None = None
    real_time: float | None = None
    free: int | None = None
    slots: int | None = None
    hint: str = ""

    @property
    def what(self) -> str:
        return f"{self.role} {self.name}".strip()


HEADER: Final = ("WHAT", "WHERE", "REACHABLE", "AUTHORISED", "FIRST ms", "SPEED", "FREE")
ROLES: Final = ("stt", "llm", "tts")


def can_serve(settings: Settings, rows: Sequence[Row]) -> bool:
    """Whether a call to agent.default could be served with what was found."""
    return not list(missing(settings, rows))


def missing(settings: Settings, rows: Sequence[Row]) -> Iterator[str]:
    """What keeps agent.default from serving a call."""
    agent = settings.agents[DEFAULT_AGENT]
    working = {(row.role, row.name) for row in rows if row.state is State.WORKS}
    for role, names in zip(ROLES, (agent.stt, agent.llm, agent.tts), strict=True):
        if not any((role, name) in working for name in names):
            yield f"no {role} of agent.{DEFAULT_AGENT} works"
    twilio = settings.twilio
    if twilio.verify_signatures and not (twilio.auth_token or twilio.auth_token_secondary):
        yield "signatures must be verified, but there is no twilio.auth_token"


def report(settings: Settings, rows: Sequence[Row]) -> list[str]:
    """The table, the hints and the verdict, for people."""
    lines = table(HEADER, [_cells(row) for row in rows])
    hints = [line for row in rows if row.hint for line in paragraph(f"{row.what}: ", row.hint)]
    if hints:
        lines += ["", *hints]
    lacks = ", ".join(missing(settings, rows))
    return [*lines, "", f"no call can be served: {lacks}" if lacks else "a call can be served"]


def report_object(settings: Settings, rows: Sequence[Row]) -> dict[str, Any]:
    """The same for programs: `rows`, `missing`, and `ok` for the exit code."""
    lacks = list(missing(settings, rows))
    return {"ok": not lacks, "missing": lacks, "rows": [_object(row) for row in rows]}


def _cells(row: Row) -> tuple[str, ...]:
    if row.state is State.NOT_CONFIGURED:
        return (row.what, row.state.value, "", "", "", "", "")
    return (
        row.what,
        row.where,
        row.reachable.value,
        row.authorised.value,
        "-" if row.first_ms is None else str(row.first_ms),
        "-" if row.real_time is None else f"{row.real_time:.1f}x",
        "-" if row.slots is None else f"{row.free}/{row.slots}",
    )


def _object(row: Row) -> dict[str, Any]:
    told = asdict(row)
    known = {Answer.YES: True, Answer.NO: False, Answer.UNKNOWN: None}
    told |= {name: known[told[name]] for name in ("reachable", "authorised")}
    return told | {"state": row.state.value}
