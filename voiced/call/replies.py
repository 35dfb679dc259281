"""Starts and stops the replies of a call: one at a time, each in a cancel scope of its own."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio
from attrs import define, field

from voiced.call.leg import Leg
from voiced.call.mouth import Mouth
from voiced.call.persona import Persona
from voiced.call.reply import Filler, Reply
from voiced.call.thinking import Mind, Thinking
from voiced.call.voice import Delivery
from voiced.call.workshop import Workshop
from voiced.dialog.events import Event
from voiced.dialog.heard import Heard
from voiced.dialog.manners import Action, Ask, Discard, Prepare, Release, Say, Stop
from voiced.dialog.parting import Phrase
from voiced.dialog.turn import Turn

BUG_APOLOGY_S: Final = 15.0
"""The longest that a call ended by a bug goes on apologising."""

NETWORK_S: Final = 0.5
"""Where no mark is waited for: the time that sent audio takes to the caller's ear."""


@define
class _Running:
    """The reply under way."""

    reply: Reply
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)


class Replies:
    """Those of one call."""

    def __init__(
        self, sid: str, persona: Persona, leg: Leg, events: trio.MemorySendChannel[Event]
    ) -> None:
        """`sid`: the call's."""
        self._sid = sid
        self.persona = persona
        self._leg = leg
        self._events = events
        self._running: _Running | None = None

    async def carry_out(self, action: Action, nursery: trio.Nursery) -> None:
        """Does what the conversation wants done about its replies."""
        match action:
            case Ask():
                self._prepare(nursery, action).release()
            case Prepare(turn=turn, messages=messages):
                self._prepare(nursery, Ask(turn, messages))
            case Release():
                if self._running:
                    self._running.reply.release()
            case Discard():
                await self._discard()
            case Say(turn=turn):
                self._say(nursery, turn)
            case Stop():  # cancel, join, clear: or a frame of the old reply could slip through
                decided = trio.current_time()
                await self._discard()
                self._leg.clear(decided)

    def follow(self, persona: Persona) -> None:
        """Another agent speaks from now on."""
        self.persona = persona

    def _prepare(self, nursery: trio.Nursery, ask: Ask) -> Reply:
        """Has the model asked. Nothing is heard of it, or reported, before its release."""
        persona = self.persona
        shop, patience_s = self._shop(), persona.filler_s
        filler = persona.texts.get(Phrase.FILLER, "")
        mind = Mind(
            persona.engines.llm, persona.toolbox, shop, patience_s, persona.reflexes, filler
        )
        thinking = Thinking(ask.turn, mind, ask.messages, ask.calls, nursery)
        reply = self._reply(ask.turn)
        self._start(nursery, partial(reply.think, thinking, self._filler()), reply, ask.turn)
        return reply

    def _shop(self) -> Workshop:
        return Workshop(self._sid, self.persona.variables, self._events)

    def _reply(self, turn: Turn) -> Reply:
        persona = self.persona
        delivery = Delivery(persona.engines.tts, persona.language, persona.by_heart)
        return Reply(turn, self._leg, self._events, delivery)

    def _filler(self) -> Filler | None:
        persona = self.persona
        phrase = persona.by_heart(persona.texts.get(Phrase.FILLER, ""))
        after_s = persona.filler_s
        return Filler(phrase, after_s) if phrase and after_s else None

    def _say(self, nursery: trio.Nursery, turn: Turn) -> None:
        """Its phrases by heart where they are at hand, then its text."""
        texts = [self.persona.texts.get(phrase, "") for phrase in turn.phrases]
        reply = self._reply(turn)
        self._start(nursery, partial(reply.say, [*texts, turn.text]), reply, turn)

    def _start(
        self, nursery: trio.Nursery, say: Callable[[], Awaitable[None]], reply: Reply, turn: Turn
    ) -> None:
        self._running = running = _Running(reply)

        async def run() -> None:
            try:
                with running.scope:
                    await say()
            finally:
                running.done.set()

        nursery.start_soon(run, name=f"reply-{turn.number}")

    async def _discard(self) -> None:
        if self._running:
            self._running.scope.cancel(reason="the reply is stopped")
            await self._running.done.wait()

    async def apologise(self, turn: int) -> None:
        """After a bug nothing is trusted but the writer and what was rendered beforehand."""
        persona = self.persona
        apology = persona.by_heart(persona.texts.get(Phrase.APOLOGY, ""))
        if apology is None:
            return
        self._leg.clear(trio.current_time())
        with trio.move_on_after(BUG_APOLOGY_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._leg.write)
                mouth = Mouth(Heard(turn), self._leg)
                mouth.recite(apology)
                mouth.finish()
                said_at = trio.current_time() + self._leg.playout.buffered_s
                await trio.sleep_until(said_at + NETWORK_S)
                nursery.cancel_scope.cancel(reason="said")
