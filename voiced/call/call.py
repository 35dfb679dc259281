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
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import trio
from attrs import define, field, frozen

from voiced.call import channels
from voiced.call.leg import Leg, MediaSocket
from voiced.call.mouth import Mouth
from voiced.call.phrases import PhraseBook
from voiced.call.record import CallRecord
from voiced.call.reply import Reply
from voiced.dialog import events as ev
from voiced.dialog.conversation import Action, Ask, Conversation, Flush, HangUp, Manners, Say, Stop
from voiced.dialog.heard import Heard
from voiced.dialog.turn import Ending, Phrase, Turn
from voiced.dialog.turns import Phase
from voiced.engines.roles import Engines
from voiced.errors import EngineError
from voiced.ops import held

log = logging.getLogger(__name__)

GOODBYE_S: Final = 30.0
"""After `max_call_s`, the time to say goodbye in; then the call is cut, whatever it is doing."""

BUG_APOLOGY_S: Final = 15.0
"""The longest that a call ended by a bug goes on apologising."""

NETWORK_S: Final = 0.5
"""Where no mark is waited for: the time that sent audio takes to the caller's ear."""


@frozen
class Persona:
    """An agent, ready to take a call; `texts` has a text for each phrase that it says."""

    name: str
    language: str
    manners: Manners
    texts: Mapping[Phrase, str]
    engines: Engines
    book: PhraseBook
    max_call_s: float


@define
class _Running:
    """The reply under way."""

    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)


class Call:
    """One call; `run` is awaited once and returns when nothing of it is left."""

    def __init__(
        self, persona: Persona, socket: MediaSocket, *, call_sid: str, stream_sid: str
    ) -> None:
        self.call_sid = call_sid
        self._persona = persona
        self._conversation = Conversation(persona.manners)
        self._send, self._events = channels.events()
        self._ear = persona.engines.stt[0].transcription()
        self._leg = Leg(socket, stream_sid, self._send, self._ear.put)
        self._running: _Running | None = None
        self._told = 0
        self._started_at = self._ended_at = trio.current_time()

    def close(self, reason: str) -> None:
        """Says goodbye and hangs up; returns at once. A call too busy to take it is ending."""
        with suppress(trio.WouldBlock):
            self._send.send_nowait(ev.CloseRequested(reason))

    async def run(self) -> CallRecord:
        """Conducts the call. Whatever goes wrong in it ends here."""
        with held.account() as account, self._send, self._events:
            try:
                for part in (self._converse, self._apologise_for_bug):
                    try:
                        await part()
                        break
                    except Exception:  # one of the two broad ones: a bug ends the call, no more
                        log.exception("the call met a bug and is ended")
                        self._conversation.ended_by = "internal"
            finally:
                self._ended_at = trio.current_time()
                if left := +account:
                    log.error("the call left something behind", extra={"fields": dict(left)})
        return self.record()

    def record(self) -> CallRecord:
        """What is known of the call so far."""
        return CallRecord(
            call_sid=self.call_sid,
            agent=self._persona.name,
            started_at=self._started_at,
            ended_at=self._ended_at,
            reason=self._conversation.ended_by,
            turns=tuple(self._conversation.turns),
            leg=self._leg.statistics,
            playout=self._leg.playout.statistics(),
            stt=self._ear.statistics(),
        )

    async def _converse(self) -> None:
        limit = self._started_at + self._persona.max_call_s
        try:
            with trio.move_on_at(limit + GOODBYE_S) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._leg.read, name=f"{self.call_sid}/read")
                    nursery.start_soon(self._leg.write, name=f"{self.call_sid}/write")
                    nursery.start_soon(self._hear, name=f"{self.call_sid}/hear")
                    nursery.start_soon(_close_at, limit, self, name=f"{self.call_sid}/limit")
                    await self._conduct(nursery)
                    nursery.cancel_scope.cancel(reason="the call is over")
        finally:  # also when it was cut: what was heard is on record
            reason = "max-call" if scope.cancelled_caught else "cancelled"
            self._conversation.receive(ev.LegEnded(reason), trio.current_time())
            self._tell_turns()

    async def _conduct(self, nursery: trio.Nursery) -> None:
        conversation = self._conversation
        actions = conversation.start(trio.current_time())
        while True:
            for action in actions:
                await self._carry_out(action, nursery)
            self._tell_turns()
            if conversation.phase is Phase.OVER:
                return
            deadline = conversation.deadline()
            event: ev.Event = ev.TimePassed()
            with trio.move_on_at(float("inf") if deadline is None else deadline):
                event = await self._events.receive()
            actions = conversation.receive(event, trio.current_time())

    async def _carry_out(self, action: Action, nursery: trio.Nursery) -> None:
        match action:
            case Flush():
                self._ear.flush()
            case Stop():
                await self._stop()
            case Ask(turn=turn, messages=messages):
                engines = self._persona.engines
                ask = partial(
                    Reply(turn, self._leg, self._send).ask,
                    messages,
                    engines.llm[0],
                    engines.tts[0],
                    self._persona.language,
                )
                self._start(ask, nursery, turn.number)
            case Say(turn=turn):
                self._say(turn, nursery)
            case HangUp(reason=reason):
                log.debug("hanging up: %s", reason)

    def _say(self, turn: Turn, nursery: trio.Nursery) -> None:
        persona = self._persona
        tts = persona.engines.tts[0]
        texts = [persona.texts[phrase] for phrase in turn.phrases if persona.texts.get(phrase)]
        phrases = [persona.book.get(tts, text) or text for text in texts]
        say = partial(Reply(turn, self._leg, self._send).say, phrases, tts, persona.language)
        self._start(say, nursery, turn.number)

    def _start(
        self, reply: Callable[[], Awaitable[None]], nursery: trio.Nursery, turn: int
    ) -> None:
        self._running = running = _Running()

        async def run() -> None:
            try:
                with running.scope:
                    await reply()
            finally:
                running.done.set()

        nursery.start_soon(run, name=f"{self.call_sid}/reply-{turn}")

    async def _stop(self) -> None:
        """Cancel, join, clear: in another order a frame of the old reply could slip through."""
        if self._running:
            self._running.scope.cancel(reason="the reply is stopped")
            await self._running.done.wait()
        self._leg.clear()

    def _tell_turns(self) -> None:
        """Logs the turns that have ended since."""
        for turn in self._conversation.turns[self._told :]:
            if turn.ending is Ending.PENDING:
                return
            self._told += 1
            fields = turn.summary(self._conversation.started_at)
            speech = {"caller": turn.utterance, "agent": turn.heard.text}
            log.info("turn ended", extra={"fields": fields, "speech": speech})

    async def _hear(self) -> None:
        try:
            await self._ear.run(self._send.send_nowait)
        except EngineError as error:
            log.warning("%s", error)
            self._send.send_nowait(ev.EarFailed(error))

    async def _apologise_for_bug(self) -> None:
        """Nothing is trusted any more but the writer and what was rendered beforehand."""
        persona = self._persona
        apology = persona.book.get(persona.engines.tts[0], persona.texts.get(Phrase.APOLOGY, ""))
        if apology is None:
            return
        self._leg.clear()
        with trio.move_on_after(BUG_APOLOGY_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._leg.write, name=f"{self.call_sid}/write")
                mouth = Mouth(Heard(len(self._conversation.turns)), self._leg)
                for event in apology.speech:
                    mouth.receive(event)
                mouth.finish()
                said_at = trio.current_time() + self._leg.playout.buffered_s
                await trio.sleep_until(said_at + NETWORK_S)
                nursery.cancel_scope.cancel(reason="said")


async def _close_at(limit: float, call: Call) -> None:
    await trio.sleep_until(limit)
    call.close("max-call")
