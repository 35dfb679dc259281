"""One telephone call, answer to hang-up: a nursery, and the conductor that decides in it.

    leg.read  --- caller audio ---> ear --- words, pauses ---+
        |                                                    v
        +------ marks, hang-up -------------------------> conductor --- Stop, Ask, Say, Flush
                                                             ^                |
    leg.write <--- playout <--- mouth <--- reply ------------+----------------+

The conductor is the only task that decides; it takes one event at a time through the
`Conversation`, and carries out what that returns. When the nursery is closed, nothing of the call
is left, and the call checks that itself.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio
from attrs import evolve

from voiced.call import channels
from voiced.call.chronicle import Chronicle
from voiced.call.ear import Ear
from voiced.call.leg import Leg
from voiced.call.persona import Persona
from voiced.call.record import CallRecord
from voiced.call.replies import Replies
from voiced.call.scribe import Scribe
from voiced.call.stream import Books, Span, Stream
from voiced.dialog import events as ev
from voiced.dialog.conversation import Conversation
from voiced.dialog.manners import Action, BringIn, Flush, HangUp, Past, Pause, Resume, Say
from voiced.dialog.parting import Parting
from voiced.dialog.turn import Turn
from voiced.dialog.turns import Phase
from voiced.errors import EngineError
from voiced.ops import held
from voiced.records.model import Said

log = logging.getLogger(__name__)

GOODBYE_S: Final = 30.0
"""After `max_call_s`, the time to say goodbye in; then the call is cut, whatever it is doing."""


class Call:
    """One call; `run` is awaited once and returns when nothing of it is left."""

    def __init__(
        self,
        persona: Persona,
        stream: Stream,
        past: Past | None = None,
        books: Books | None = None,
        bring_in: Callable[[str], Persona] | None = None,
    ) -> None:
        """`past`: the call's earlier part, on another stream. `bring_in` gives another agent by
        its name, for a call that is handed over."""
        self.call_sid = stream.call_sid
        self._conversation = Conversation(persona.manners, past)
        self._send, self._events = channels.events()
        self._ear = Ear(persona.engines.stt)
        self._bring_in = bring_in
        self._books = books or Books()
        self._leg = Leg(
            stream.socket, stream.stream_sid, self._send, self._ear.put, self._books.recording
        )
        self._chronicle = Chronicle(self.call_sid, self._conversation, self._books.journal)
        self._replies = Replies(self.call_sid, persona, self._leg, self._send)
        self._scribe = Scribe(persona, self._conversation.history)
        self._span = Span.since(past)

    @property
    def parting(self) -> Parting | None:
        """How the call ends or ended on our side; None while it goes on."""
        return self._conversation.parting

    def take_said(self) -> tuple[Said, ...]:
        """What was said in the end and stands in no record yet; from now on it does."""
        return self._chronicle.untold()

    @property
    def answered(self) -> int:
        """How many utterances of the caller have been taken up on this stream."""
        return sum(1 for turn in self._conversation.turns if turn.utterance)

    def past(self) -> Past:
        """What another stream of this call has to know."""
        return evolve(self._conversation.past(), started_at=self._span.started_at)

    def request(self, event: ev.Event) -> None:
        """Has the house's wish carried out; returns at once. A call too busy for it is ending."""
        with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self._send.send_nowait(event)

    def close(self, reason: str) -> None:
        """Says goodbye and hangs up; returns at once."""
        self.request(ev.CloseRequested(Parting(reason)))

    async def run(self) -> CallRecord:
        """Conducts the call. Whatever goes wrong in it ends here."""
        with held.account() as account, self._send, self._events:
            apologise = lambda: self._replies.apologise(self.past().turns)  # noqa: E731
            try:
                for part in (self._converse, apologise):
                    try:
                        await part()
                        break
                    except Exception:  # one of the two broad ones: a bug ends the call, no more
                        log.exception("the call met a bug and is ended")
                        self._conversation.parting = Parting("internal")
            finally:
                self._span.ended_at = trio.current_time()
                if left := +account:
                    log.error("the call left something behind", extra={"fields": dict(left)})
        return self.record()

    def record(self) -> CallRecord:
        """What is known of the call so far."""
        return CallRecord(
            call_sid=self.call_sid,
            agent=self._replies.persona.name,
            started_at=self._span.started_at,
            ended_at=self._span.ended_at,
            reason=self._conversation.ended_by,
            turns=tuple(self._conversation.turns),
            leg=self._leg.statistics,
            playout=self._leg.playout.statistics(),
            stt=self._ear.statistics(),
            eager_hits=self._conversation.eagerness.hits,
            eager_misses=self._conversation.eagerness.misses,
        )

    async def _converse(self) -> None:
        limit = self._span.started_at + self._replies.persona.max_call_s
        try:
            with trio.move_on_at(limit + GOODBYE_S) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._leg.read, name=f"{self.call_sid}/read")
                    nursery.start_soon(self._leg.write, name=f"{self.call_sid}/write")
                    nursery.start_soon(self._hear, name=f"{self.call_sid}/hear")
                    if recording := self._books.recording:
                        nursery.start_soon(recording.run, name=f"{self.call_sid}/recording")
                    nursery.start_soon(_close_at, limit, self, name=f"{self.call_sid}/limit")
                    await self._conduct(nursery)
                    nursery.cancel_scope.cancel(reason="the call is over")
        finally:  # also when it was cut: what was heard is on record
            reason = "max-call" if scope.cancelled_caught else "cancelled"
            self._conversation.receive(ev.LegEnded(reason), trio.current_time())
            for _ in range(self._events.statistics().current_buffer_used):  # tools end last
                self._chronicle.settle(self._events.receive_nowait(), trio.current_time())
            self._chronicle.tell_turns()

    async def _conduct(self, nursery: trio.Nursery) -> None:
        conversation = self._conversation
        actions = conversation.start(trio.current_time())
        while True:
            for action in actions:
                await self._carry_out(action, nursery)
            self._chronicle.tell_turns()
            if conversation.phase is Phase.OVER:
                return
            if conversation.phase is Phase.LISTENING:
                self._scribe.look(nursery)
            deadline = conversation.deadline()
            event: ev.Event = ev.TimePassed()
            with trio.move_on_at(float("inf") if deadline is None else deadline):
                event = await self._events.receive()
                self._chronicle.note(event)
            actions = conversation.receive(event, trio.current_time())

    async def _carry_out(self, action: Action, nursery: trio.Nursery) -> None:
        match action:
            case Flush():
                self._ear.flush()
            case Pause():
                self._leg.playout.pause(trio.current_time())
            case Resume():
                self._leg.playout.resume(trio.current_time())
                self._leg.wake()
            case HangUp(parting=parting):
                self._scribe.introduction.begin(nursery, parting, self._conversation.history)
                with trio.CancelScope() as patience:
                    nursery.start_soon(self._drain, patience)
                    self._conversation.parting = await self._scribe.introduction.complete(parting)
            case BringIn(agent=agent, turn=turn) if self._bring_in:
                for following in self._follow(self._bring_in(agent), turn):
                    await self._carry_out(following, nursery)
            case _:
                if isinstance(action, Say):
                    self._scribe.introduction.begin(
                        nursery, self.parting, self._conversation.history
                    )
                await self._replies.carry_out(action, nursery)

    def _follow(self, persona: Persona, turn: Turn | None) -> tuple[Action, ...]:
        """Another agent takes over: its ear, its mind, its voice, its manners."""
        self._ear.follow(persona.engines.stt)
        self._replies.follow(persona)
        self._scribe.follow(persona)
        self._chronicle.happened("agent", {"agent": persona.name})
        return self._conversation.introduce(persona.manners, turn)

    async def _drain(self, patience: trio.CancelScope) -> None:
        """Takes what is still reported while the end is being prepared, or the queue would
        overflow; a caller who hangs up meanwhile waits for nothing any more."""
        async for event in self._events:
            self._chronicle.settle(event, trio.current_time())
            if isinstance(event, ev.LegEnded):
                self._conversation.part(Parting(event.reason))
                patience.cancel(reason="the caller has gone")

    async def _hear(self) -> None:
        try:
            await self._ear.run(self._send.send_nowait)
        except EngineError as error:
            log.warning("%s", error)
            self._send.send_nowait(ev.EarFailed(error))


async def _close_at(limit: float, call: Call) -> None:
    await trio.sleep_until(limit)
    call.close("max-call")
