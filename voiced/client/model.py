"""What the daemon's API tells, as the commands use it.

Read with forgiveness: only what a command cannot do without must be there, so that a daemon of
another version can be asked too.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from voiced.errors import WireError
from voiced.wire import fields
from voiced.wire.fields import JsonObject

UNREACHED: Final = frozenset({"busy", "failed", "no-answer", "canceled"})
"""Reasons of an outbound call that reached nobody."""


@frozen
class Call:
    """One call, live or past; `raw` is all that the API tells of it."""

    sid: str
    direction: str
    agent: str
    caller: str
    called: str
    status: str
    started_at: datetime | None
    duration_s: float | None
    reason: str
    turns: int
    summary: Mapping[str, object]
    variables: Mapping[str, object]
    recording: bool
    raw: JsonObject = field(repr=False)

    @property
    def is_over(self) -> bool:
        return self.status == "ended"

    @classmethod
    def parse(cls, told: object) -> "Call":
        """From the API's JSON.

        Raises:
            WireError: it is no call.
        """
        call = fields.as_object(told)
        return cls(
            sid=fields.text(call, "sid"),
            direction=fields.optional_text(call, "direction") or "",
            agent=fields.optional_text(call, "agent") or "",
            caller=fields.optional_text(call, "from") or "",
            called=fields.optional_text(call, "to") or "",
            status=fields.text(call, "status"),
            started_at=moment(call, "started_at"),
            duration_s=optional_number(call, "duration_s"),
            reason=fields.optional_text(call, "reason") or "",
            turns=fields.optional_whole(call, "turns") or 0,
            summary=fields.optional_child(call, "summary"),
            variables=fields.optional_child(call, "variables"),
            recording=call.get("recording") is True,
            raw=call,
        )


@frozen
class Turn:
    """One turn of a call; `at_s` is when its reply became audible, None if it never did."""

    number: int
    at_s: float | None
    ending: str
    stages_ms: Mapping[str, float]
    caller: str
    agent: str

    @property
    def is_cut(self) -> bool:
        """The caller barged in."""
        return self.ending in {"cut", "interrupted"}

    @classmethod
    def parse(cls, told: object) -> "Turn":
        turn = fields.as_object(told)
        stages = fields.optional_child(turn, "stages_ms")
        return cls(
            number=fields.whole(turn, "number"),
            at_s=optional_number(turn, "at_s"),
            ending=fields.optional_text(turn, "ending") or "",
            stages_ms={name: fields.number(stages, name) for name in stages},
            caller=fields.optional_text(turn, "caller") or "",
            agent=fields.optional_text(turn, "agent") or "",
        )


@frozen
class Happening:
    """Something in the course of a call; `id` is 0 where the API gives none."""

    id: int
    at: datetime | None
    sid: str
    kind: str
    detail: Mapping[str, object]

    @classmethod
    def parse(cls, told: object) -> "Happening":
        event = fields.as_object(told)
        return cls(
            id=fields.optional_whole(event, "id") or 0,
            at=moment(event, "at"),
            sid=fields.optional_text(event, "call") or "",
            kind=fields.text(event, "kind"),
            detail=fields.optional_child(event, "detail"),
        )

    @property
    def ends_call(self) -> bool:
        return self.kind == "call.ended" or self.detail.get("status") == "ended"


@frozen
class Failure:
    """An engine failed in a call."""

    at: datetime | None
    role: str
    engine: str
    reason: str
    message: str

    @classmethod
    def parse(cls, told: object) -> "Failure":
        failure = fields.as_object(told)
        names = ("role", "engine", "reason", "message")
        return cls(
            moment(failure, "at"),
            *(fields.optional_text(failure, name) or "" for name in names),
        )


@frozen
class Learnt:
    """What was learnt from a call: by field its value, and the words that it is from, "" where
    these are not proven."""

    status: str
    fields: Mapping[str, tuple[object, str]]
    missing: tuple[str, ...]
    faults: tuple[str, ...]

    @classmethod
    def parse(cls, told: object) -> "Learnt":
        learnt = fields.as_object(told)
        found = fields.optional_child(learnt, "fields")
        named = {name: fields.as_object(each) for name, each in found.items()}
        return cls(
            status=fields.text(learnt, "status"),
            fields={
                name: (each.get("value"), fields.optional_text(each, "words") or "")
                for name, each in named.items()
            },
            missing=tuple(map(str, fields.optional_array(learnt, "missing"))),
            faults=tuple(map(str, fields.optional_array(learnt, "faults"))),
        )


@frozen
class Timeline:
    """A call, all that happened in it, what was said, and what was learnt from it."""

    call: Call
    turns: tuple[Turn, ...]
    events: tuple[Happening, ...]
    failures: tuple[Failure, ...]
    learnt: Learnt | None = None

    @classmethod
    def parse(cls, told: object) -> "Timeline":
        """From the answer to `GET /v1/calls/<sid>`.

        Raises:
            WireError: it is no call.
        """
        call = fields.as_object(told)
        timeline = fields.optional_child(call, "timeline")
        return cls(
            Call.parse(call),
            tuple(map(Turn.parse, fields.optional_array(timeline, "turns"))),
            tuple(map(Happening.parse, fields.optional_array(timeline, "events"))),
            tuple(map(Failure.parse, fields.optional_array(timeline, "engine_failures"))),
            Learnt.parse(learnt) if (learnt := call.get("extraction")) else None,
        )


@frozen
class Page:
    """Some calls, newest first; `next` is the cursor of those before them, if there are any."""

    calls: tuple[Call, ...]
    next: str | None

    @classmethod
    def parse(cls, told: object) -> "Page":
        page = fields.as_object(told)
        calls = tuple(map(Call.parse, fields.array(page, "calls")))
        return cls(calls, fields.optional_text(page, "next"))


@frozen
class Poll:
    """The answer to one long poll; `last` is the number to go on from."""

    events: tuple[Happening, ...]
    last: int

    @classmethod
    def parse(cls, told: object) -> "Poll":
        poll = fields.as_object(told)
        events = tuple(map(Happening.parse, fields.array(poll, "events")))
        return cls(events, events[-1].id if events else fields.whole(poll, "last"))


def optional_number(parent: Mapping[str, Any], key: str) -> float | None:
    """A finite number; None where it is absent or null."""
    return None if parent.get(key) is None else fields.number(dict(parent), key)


def moment(parent: JsonObject, key: str) -> datetime | None:
    """A time in ISO 8601 with its zone; None where it is absent or null."""
    text = fields.optional_text(parent, key)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WireError(f"{key}: not a time") from None
    if at.tzinfo is None:
        raise WireError(f"{key}: a time without its zone")
    return at
