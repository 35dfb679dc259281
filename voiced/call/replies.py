"""Starts and stops the replies of a call: one at a time, each in a cancel scope of its own."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import trio
from attrs import define, field

from voiced.call.leg import Leg
from voiced.call.mouth import Mouth
from voiced.call.persona import Persona
from voiced.call.reply import Filler, Reply
from voiced.dialog.events import Event
from voiced.dialog.heard import Heard
from voiced.dialog.history import Message
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

    def __init__(self, persona: Persona, leg: Leg, events: trio.MemorySendChannel[Event]) -> None:
        self._persona = persona
        self._leg = leg
        self._events = events
        self._running: _Running | None = None

    async def carry_out(self, action: Action, nursery: trio.Nursery) -> None:
        """Does what the conversation wants done about its replies."""
        match action:
            case Ask(turn=turn, messages=messages):
                self._prepare(nursery, turn, messages).release()
            case Prepare(turn=turn, messages=messages):
                self._prepare(nursery, turn, messages)
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

    def _prepare(self, nursery: trio.Nursery, turn: Turn, messages: Sequence[Message]) -> Reply:
        """Has the model asked. Nothing is heard of it, or reported, before its release."""
        engines, persona = self._persona.engines, self._persona
        reply = Reply(turn, self._leg, self._events)
        how = (engines.llm, engines.tts, persona.language, persona.toolbox, self._filler())
        self._start(nursery, partial(reply.ask, messages, *how), reply, turn)
        return reply

    def _filler(self) -> Filler | None:
        persona = self._persona
        phrase = persona.by_heart(persona.texts.get(Phrase.FILLER, ""))
        after_s = persona.filler_s
        return Filler(phrase, after_s) if phrase and after_s else None

    def _say(self, nursery: trio.Nursery, turn: Turn) -> None:
        """Its phrases by heart where they are at hand, then its text."""
        persona = self._persona
        tts = persona.engines.tts
        texts = [persona.texts[phrase] for phrase in turn.phrases if persona.texts.get(phrase)]
        texts += [turn.text] if turn.text else []
        phrases = [persona.by_heart(text) or text for text in texts]
        reply = Reply(turn, self._leg, self._events)
        self._start(nursery, partial(reply.say, phrases, tts, persona.language), reply, turn)

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
        persona = self._persona
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
