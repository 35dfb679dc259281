"""The extractions of all calls: of those that are over, and on demand.

The model serves live calls first, so two are under way at most. Whatever becomes of one, exactly
one record tells of it, so that a webhook does not wait in vain.
"""

import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol

import trio
from attrs import frozen

from voiced.call.chronicle import Journal, Nowhere
from voiced.call.extraction import Extraction, Questions, Status, extract, is_empty, moment
from voiced.call.parties import Entry
from voiced.dialog.extraction import VALUE, WORDS, missing
from voiced.dialog.history import Entry as Utterance
from voiced.dialog.history import Message
from voiced.errors import VoicedError
from voiced.ops.busy import Busy
from voiced.ops.log import bound_call
from voiced.records.model import Extracted

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
MAX_WAITING: Final = 256

AWAITED_S: Final = 30.0
"""So long at most the webhook of a call's end waits for what was learnt from the call."""

PLACE_S: Final = 5.0
"""So long who asks by hand waits for a place."""

STOPPED: Final = "voiced was stopped before it had an answer"
TOO_MANY: Final = "too many calls waited for the model"


class Curiosity(Protocol):
    """Knows what is to be learnt from which call."""

    def of_call(self, entry: Entry) -> Questions | None: ...

    def of_agent(self, name: str) -> Questions | None: ...


class Incurious:
    """Wants to know nothing."""

    def of_call(self, entry: Entry) -> Questions | None:
        """Nothing."""
        return None

    def of_agent(self, name: str) -> Questions | None:
        """Nothing."""
        return None


class Crowded(VoicedError):
    """Too many calls are being learnt from."""


@frozen
class Task:
    """One call to learn from. `began` is when it did, in Unix seconds."""

    sid: str
    questions: Questions
    said: Sequence[Message]
    began: float


class Extractions:
    """A queue of them, and its workers."""

    def __init__(
        self,
        curiosity: Curiosity | None = None,
        journal: Journal | None = None,
        busy: Busy | None = None,
    ) -> None:
        """`busy` counts what waits or is under way."""
        self.curiosity = curiosity or Incurious()
        self.busy = busy or Busy()
        self._journal = journal or Nowhere()
        self._send, self._receive = trio.open_memory_channel[Task](MAX_WAITING)
        self._places = trio.CapacityLimiter(AT_ONCE)

    def begin(self, entry: Entry) -> float:
        """The call is ending: has learnt from it what there is to learn; returns at once.

        Returns how long, in seconds, a webhook should wait for the record; 0: there is none, or it
        is there already.
        """
        questions = self.curiosity.of_call(entry)
        if questions is None:
            return 0.0
        task = Task(entry.sid, questions, said_in(entry), entry.opened_at)
        if is_empty(task.said):
            self._put(task, Extraction(Status.EMPTY, missing=missing(questions.schema, ())))
            return 0.0
        try:
            self._send.send_nowait(task)
        except (trio.WouldBlock, trio.BrokenResourceError):  # too many, or the daemon ends
            fields = {"call": task.sid}
            log.warning("too many calls wait to be learnt from", extra={"fields": fields})
            self._put(task, _failed(task, TOO_MANY))
            return 0.0
        self.busy.enter()
        return AWAITED_S

    async def run(self) -> None:
        """Works the queue off until cancelled; what is left then has failed."""
        with self._receive:
            try:
                async with trio.open_nursery() as nursery:
                    for _ in range(AT_ONCE):
                        nursery.start_soon(self._work)
            finally:
                self._give_up()

    def _give_up(self) -> None:
        for _ in range(self._receive.statistics().current_buffer_used):
            task = self._receive.receive_nowait()
            self._put(task, _failed(task, STOPPED))
            self.busy.leave()

    async def _work(self) -> None:
        async for task in self._receive:
            record = None
            try:
                async with self._places:
                    record = await self._learn(task)
            finally:
                if record is None:
                    self._put(task, _failed(task, STOPPED))
                self.busy.leave()

    async def now(self, task: Task) -> Extracted:
        """Learns from a call at once, live or past.

        Raises:
            Crowded: others are at it, and no place has come free in time.
        """
        with trio.move_on_after(PLACE_S) as patience:
            async with self._places:
                patience.deadline = float("inf")
                return await self._learn(task)
        raise Crowded("the model is busy with other calls; try again in a moment")

    async def _learn(self, task: Task) -> Extracted:
        began = trio.current_time()
        with bound_call(task.sid):
            extraction = await extract(task.questions, task.said, moment(task.began))
        return self._put(task, extraction, trio.current_time() - began)

    def _put(self, task: Task, extraction: Extraction, took_s: float = 0.0) -> Extracted:
        fields = {
            name: {VALUE: found.value, WORDS: found.words}
            for name, found in extraction.fields.items()
        }
        status, told = extraction.status.value, (extraction.missing, extraction.faults)
        record = Extracted(task.sid, time.time(), status, fields, *told)
        self._journal.put(record)
        extraction_ms, attempts = round(1000 * took_s), extraction.attempts
        figures = {"status": status, "extraction_ms": extraction_ms, "attempts": attempts}
        log.info("learnt from a call", extra={"fields": {"call": task.sid, **figures}})
        return record


def _failed(task: Task, why: str) -> Extraction:
    return Extraction(Status.FAILED, missing=missing(task.questions.schema, ()), faults=(why,))


def said_in(entry: Entry) -> list[Message]:
    """What has been said in a call that is not over, or just is."""
    past = entry.call.past() if entry.call else entry.past
    items = past.items if past else ()
    return [Message(item.role, item.text) for item in items if isinstance(item, Utterance)]
