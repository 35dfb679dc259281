"""Learns from one call what its agent wants to know: asks the model, and asks again."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Final

import trio
from attrs import define, evolve, field, frozen

from voiced.call import channels
from voiced.dialog.extraction import (
    Finding,
    Findings,
    again,
    asking,
    missing,
    read,
    recent,
    wanted,
)
from voiced.dialog.history import Message, Role, Told
from voiced.engines.roles import AsJson, Completion, Llm
from voiced.errors import EngineError
from voiced.wire.answer import CUT

log = logging.getLogger(__name__)

ATTEMPTS: Final = 3
EXTRACT_S: Final = 20.0
MAX_ANSWER: Final = 32_000
"""Characters of an answer; what comes behind is not read."""

NAME: Final = "call"

LATE: Final = f"the model did not finish within {EXTRACT_S:g} s"
TOO_LONG: Final = "the answer was cut off: raise the model's max_tokens, or ask for less"

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Status(Enum):
    """What came of it."""

    COMPLETE = "complete"
    PARTIAL = "partial"  # a required field is missing, or something in the answer did not fit
    FAILED = "failed"  # the model failed, or gave nothing that could be read
    EMPTY = "empty"  # the caller said nothing


@frozen
class Questions:
    """What an agent wants to know of its calls, and whom to ask. `schema` is that of an object;
    the model has room for `tokens` of a transcript."""

    llm: Llm
    schema: Mapping[str, object]
    language: str
    tokens: int = 6_000


@frozen
class Extraction:
    """What was learnt. `faults` quote nothing of what was said."""

    status: Status
    fields: Mapping[str, Finding] = field(factory=dict)
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    attempts: int = 0


async def extract(questions: Questions, said: Sequence[Message], today: str) -> Extraction:
    """Asks up to three times, within 20 s; what is wrong with an answer, the model is told.

    `today` is when the call began, see `moment`. Whatever fails, what has been learnt so far is
    returned: nothing is raised.
    """
    if is_empty(said):
        return Extraction(Status.EMPTY, missing=missing(questions.schema, ()))
    work = _Work(questions, recent(said, questions.tokens))
    with trio.move_on_after(EXTRACT_S) as patience:
        await work.run(today)
    if patience.cancelled_caught:
        work.late()
    return work.result()


def is_empty(said: Sequence[Message]) -> bool:
    """Whether there is nothing to learn: the caller has not said anything."""
    return not any(each.role is Role.CALLER and each.text.strip() for each in said)


def moment(at: float) -> str:
    """Unix seconds as the model is told them, by the clock of this machine's zone."""
    local = datetime.fromtimestamp(at).astimezone()
    offset = local.strftime("%z")
    zone = f"{local.tzname()}, UTC{offset[:3]}:{offset[3:]}"
    return f"{_DAYS[local.weekday()]}, {local:%Y-%m-%d}, at {local:%H:%M} ({zone})"


@frozen
class _Answer:
    text: str
    ended: str


@define
class _Work:
    """One extraction under way. `failures` are the model's, and end it."""

    questions: Questions
    said: Sequence[Message]
    best: Findings | None = None
    failures: tuple[str, ...] = ()
    attempts: int = 0

    async def run(self, today: str) -> None:
        schema = self.questions.schema
        told: tuple[Told, ...] = asking(schema, self.said, self.questions.language, today)
        while self.attempts < ATTEMPTS:
            self.attempts += 1
            answer = await self._ask(told)
            if answer is None:
                return
            findings = read(answer.text, schema, self.said)
            if findings.faults and answer.ended == CUT:
                findings = evolve(findings, faults=(*findings.faults, TOO_LONG))
            self._take(findings)
            if not findings.faults:
                return
            told += again(answer.text, findings.faults)

    async def _ask(self, told: Sequence[Told]) -> _Answer | None:
        """The model's answer; None: it failed."""
        form = AsJson(NAME, wanted(self.questions.schema))
        pieces: list[str] = []
        completion: Completion | None = None
        text_out, text_in = channels.text()
        try:
            with text_in:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_collect, text_in, pieces)
                    with text_out:
                        completion = await self.questions.llm.complete(told, text_out, (), form)
        except* EngineError as group:
            reasons = (each.reason for each in group.exceptions if isinstance(each, EngineError))
            log.warning("nothing more is learnt from a call: %s", group.exceptions[0])
            self.failures += tuple(f"the model failed: {reason}" for reason in reasons)
        return _Answer("".join(pieces), completion.finish_reason) if completion else None

    def _take(self, findings: Findings) -> None:
        """An answer without faults counts, else the one that has most; of equals the later."""
        best = self.best
        if best is None or not findings.faults or len(findings.fields) >= len(best.fields):
            self.best = findings

    def late(self) -> None:
        """Time is up, whatever the model is doing."""
        self.failures += (LATE,)

    def result(self) -> Extraction:
        best = self.best or Findings(missing=missing(self.questions.schema, ()))
        faults = (*best.faults, *self.failures)
        failed = self.best is None or not best.is_readable or self.failures not in ((), (LATE,))
        status = Status.PARTIAL if faults or best.missing else Status.COMPLETE
        return Extraction(
            Status.FAILED if failed else status, best.fields, best.missing, faults, self.attempts
        )


async def _collect(text: trio.MemoryReceiveChannel[str], pieces: list[str]) -> None:
    """Takes all of an answer, and keeps as much of it as is read."""
    room = MAX_ANSWER
    async for piece in text:
        pieces.append(piece[:room])
        room = max(0, room - len(piece))
