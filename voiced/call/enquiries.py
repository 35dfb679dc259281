"""Finding out who calls, while the carrier connects the call: nobody waits for it beyond its time.

It begins when a call is admitted; the agent is told of what has come when the media stream opens.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import trio
from attrs import evolve, frozen

from voiced.call.memory import RECALL_S
from voiced.call.parties import Enquiry, Entry
from voiced.call.precall import Answer, ask
from voiced.config import Agent, PreCall
from voiced.ops.log import bound_call

log = logging.getLogger(__name__)

WAITING: Final = 64
"""Enquiries that have not begun: they do at once, so more of them are a bug's."""

LATE: Final = "timeout"
"""What came of the webhook until something has, also where both ends of the wait are at once."""

SHOWN: Final = 8
SHOWN_LENGTH: Final = 32
"""How many names of an endpoint's the log shows, and how much of each."""

Recall = Callable[[str, str, str], Awaitable[str]]
"""From a person's number, an agent's name and its language to a paragraph, in `RECALL_S` at most;
raises nothing."""


@frozen
class _Task:
    entry: Entry
    enquiry: Enquiry
    agent: Agent
    began: float


class Enquiries:
    """Those of all calls. `agent_of`: an agent's settings as they are now, by its name; `http` is
    a `publicnet.direct_client`."""

    def __init__(
        self,
        agent_of: Callable[[str], Agent | None],
        recall: Recall,
        http: httpx.AsyncClient,
    ) -> None:
        self._agent_of = agent_of
        self._recall = recall
        self._http = http
        self._send, self._receive = trio.open_memory_channel[_Task](WAITING)

    def begin(self, entry: Entry) -> None:
        """Starts on a call that has been admitted just now; returns at once."""
        agent = self._agent_of(entry.parties.agent)
        if agent is None or not (agent.pre_call or agent.remember):
            return
        now = trio.current_time()
        longest_s = max(
            agent.pre_call.timeout_s if agent.pre_call else 0.0, RECALL_S if agent.remember else 0.0
        )
        enquiry = Enquiry(now + longest_s, status=LATE if agent.pre_call else "")
        try:
            self._send.send_nowait(_Task(entry, enquiry, agent, now))
        except trio.WouldBlock:
            return
        entry.enquiry = enquiry

    def drop(self, entry: Entry) -> None:
        """The call is gone."""
        if entry.enquiry:
            entry.enquiry.scope.cancel(reason="the call is gone")

    async def run(self) -> None:
        """Carries them out until cancelled."""
        async with trio.open_nursery() as nursery:
            async for task in self._receive:
                nursery.start_soon(self._find_out, task)

    async def _find_out(self, task: _Task) -> None:
        try:
            with task.enquiry.scope, bound_call(task.entry.sid):
                async with trio.open_nursery() as nursery:
                    if task.agent.pre_call:
                        nursery.start_soon(self._ask, task, task.agent.pre_call)
                    if task.agent.remember:
                        nursery.start_soon(self._remember, task)
        finally:
            task.enquiry.done.set()

    async def _ask(self, task: _Task, pre_call: PreCall) -> None:
        answer = Answer(LATE)
        with trio.move_on_at(task.began + pre_call.timeout_s):
            answer = await ask(pre_call, _shown(task.entry), task.agent.variables, self._http)
        enquiry = task.enquiry
        enquiry.known, enquiry.status = evolve(enquiry.known, facts=answer.facts), answer.status
        _tell(task.entry.parties.agent, answer)

    async def _remember(self, task: _Task) -> None:
        parties = task.entry.parties
        memory = await self._recall(parties.person, parties.agent, task.agent.language)
        task.enquiry.known = evolve(task.enquiry.known, memory=memory)


def _shown(entry: Entry) -> dict[str, object]:
    """The call as the endpoint is told of it; one that we have just placed has no SID yet."""
    parties = entry.parties
    return {
        "sid": entry.sid if entry.is_named else None,
        "direction": parties.direction.value,
        "agent": parties.agent,
        "from": parties.caller,
        "to": parties.called,
        "variables": dict(parties.variables),
    }


def _tell(agent: str, answer: Answer) -> None:
    if answer.status != "ok":
        fields = {"agent": agent, "error": answer.status}
        if answer.code:
            fields |= {"status": str(answer.code)}
        log.warning("the pre-call webhook told nothing", extra={"fields": fields})
    if answer.strangers:
        names = [name[:SHOWN_LENGTH] for name in answer.strangers[:SHOWN]]
        fields = {"agent": agent, "names": ",".join(names)}
        log.info("the pre-call webhook told what does not count", extra={"fields": fields})
