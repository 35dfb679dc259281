"""Where the tools of one call are used: each is answered exactly once, whatever becomes of it.

What the model is told of a tool stands in the history from the moment that it is begun: first
that nothing is known of it, and in the end what came of it. A reply that is stopped takes its
tools with it, but for those that cannot be undone or are declared to go on; they end with the
call at the latest.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Final

import trio
from attrs import define, evolve, field, frozen

from voiced.call.toolbox import MAX_CALLS, Fetch, Job
from voiced.dialog import events as ev
from voiced.dialog.tools import Round, ToolCall, Used
from voiced.tools.model import Status

log = logging.getLogger(__name__)

UNKNOWN: Final = (
    '{"error": "the caller went on before it was finished; whether it was done is not known"}'
)
"""What the model is told of a tool that has not answered and was stopped."""

MOST_TOLD: Final = 8_000
"""Characters that the tools of one answer may tell together, each its share. They go to the model
beside the whole conversation, and a reply may ask for tools several times."""

_CUT: Final = " ... (cut)"

UNDER_WAY: Final = '{"status": "under way; do not ask for it again, its result follows"}'
"""And of one that goes on."""


@define
class Work:
    """What one answer asked for, under way. `wait` returns when all of it is done."""

    jobs: tuple[Job, ...]
    _results: dict[str, str] = field(factory=dict)
    _done: trio.Event = field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self._check()

    @property
    def is_done(self) -> bool:
        """Every job has its result."""
        return self._done.is_set()

    @property
    def say(self) -> str:
        """What to say while it is waited for."""
        return next((job.request.say for job in self.jobs if job.request and job.request.say), "")

    @property
    def progress(self) -> str:
        """What to say when that has been said."""
        requests = (job.request for job in self.jobs)
        return next((each.progress for each in requests if each and each.progress), "")

    def finish(self, call_id: str, result: str) -> None:
        """This job is done."""
        self._results[call_id] = result
        self._check()

    def _check(self) -> None:
        if len(self._results) == len(self.jobs):
            self._done.set()

    async def wait(self) -> None:
        await self._done.wait()

    def used(self) -> tuple[Used, ...]:
        """Every call and what came of it so far."""
        results = self._results
        return tuple(
            Used(job.call, results.get(job.call.id, _unanswered(job))) for job in self.jobs
        )


@frozen
class Workshop:
    """The tools of one call.

    `variables` are those of the call, which tools may send; `key` begins the keys of their
    requests, and is another for each call.
    """

    key: str
    variables: Mapping[str, str]
    events: trio.MemorySendChannel[ev.Event]

    def begin(self, work: Work, nursery: trio.Nursery, going_on: trio.Nursery) -> None:
        """Starts the requests, all at once: in `nursery`, the reply's, unless they are to go on
        without it. The other jobs are for the line and the voice; then they are `done`."""
        if work.jobs:
            self.events.send_nowait(ev.ToolsAsked(Round(work.used())))
        for job in work.jobs:
            if isinstance(job.work, Fetch):
                where = going_on if job.work.goes_on else nursery
                where.start_soon(self._fetch, job, job.work, work)

    async def _fetch(self, job: Job, fetch: Fetch, work: Work) -> None:
        began, call = trio.current_time(), job.call
        result, status = UNKNOWN, "cancelled"
        try:
            key = f"{self.key}-{call.id}"
            outcome = await fetch.request.use(fetch.arguments, self.variables, key)
            result, status = _share(outcome.result, len(work.jobs)), outcome.status.value
            if outcome.status not in (Status.OK, Status.DENIED):
                fields = {"tool": call.name, "status": status}
                log.warning("a tool failed: %s", outcome.detail, extra={"fields": fields})
        finally:  # also of one that is stopped
            work.finish(call.id, result)
            took_s = trio.current_time() - began
            answered = ev.ToolAnswered(call.id, call.name, result, status, took_s)
            has_room = self._offer(answered)
        if not has_room:
            await self.events.send(answered)

    def _offer(self, event: ev.Event) -> bool:
        """Tells of it now if there is room. Of one that is stopped no more can be done; what the
        model is told of that stands already."""
        try:
            self.events.send_nowait(event)
        except trio.WouldBlock:
            return False
        return True

    async def done(self, job: Job, result: str, status: str, work: Work) -> None:
        """Tells of a job that needed no request. Waits for room: an answer may ask for dozens."""
        work.finish(job.call.id, result)
        answered = ev.ToolAnswered(job.call.id, job.call.name, result, status, 0.0)
        await self.events.send(answered)


def _share(result: str, jobs: int) -> str:
    most = MOST_TOLD // min(jobs, MAX_CALLS)
    return result if len(result) <= most else result[:most] + _CUT


def _unanswered(job: Job) -> str:
    goes_on = isinstance(job.work, Fetch) and job.work.goes_on
    return UNDER_WAY if goes_on else UNKNOWN


def error(why: str) -> str:
    """A result that says why not."""
    return json.dumps({"error": why}, ensure_ascii=False)


def named(calls: Sequence[ToolCall], turn: int, before: int) -> tuple[ToolCall, ...]:
    """The calls by names of our own, unique in the call: servers use theirs again. `before` is
    how many the turn has had."""
    numbered = enumerate(calls, start=before)
    return tuple(evolve(call, id=f"call_{turn}_{number}") for number, call in numbered)
