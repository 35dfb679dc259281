"""Starts and stops the replies of a call: one at a time, each in a cancel scope of its own."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import trio
from attrs import define, field

from voiced.call.leg import Leg
from voiced.call.mouth import Mouth
from voiced.call.persona import Persona
from voiced.call.reply import Reply
from voiced.dialog.events import Event
from voiced.dialog.heard import Heard
from voiced.dialog.history import Message
from voiced.dialog.parting import Phrase
from voiced.dialog.turn import Turn

BUG_APOLOGY_S: Final = 15.0
"""The longest that a call ended by a bug goes on apologising."""

NETWORK_S: Final = 0.5
"""Where no mark is waited for: the time that sent audio takes to the caller's ear."""


@define
class _Running:
    """The reply under way."""

    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)


class Replies:
    """Those of one call."""

    def __init__(self, persona: Persona, leg: Leg, events: trio.MemorySendChannel[Event]) -> None:
        self._persona = persona
        self._leg = leg
        self._events = events
        self._running: _Running | None = None

    def ask(self, nursery: trio.Nursery, turn: Turn, messages: Sequence[Message]) -> None:
        """Starts the turn's reply: the model is asked."""
        engines, persona = self._persona.engines, self._persona
        reply = Reply(turn, self._leg, self._events)
        model, voice = engines.llm, engines.tts
        ask = partial(reply.ask, messages, model, voice, persona.language, persona.toolbox)
        self._start(nursery, ask, turn)

    def say(self, nursery: trio.Nursery, turn: Turn) -> None:
        """Starts the turn's reply: its phrases by heart where they are at hand, then its text."""
        persona = self._persona
        tts = persona.engines.tts
        texts = [persona.texts[phrase] for phrase in turn.phrases if persona.texts.get(phrase)]
        texts += [turn.text] if turn.text else []
        phrases = [persona.book.get(tts, text) or text for text in texts]
        reply = Reply(turn, self._leg, self._events)
        self._start(nursery, partial(reply.say, phrases, tts, persona.language), turn)

    def _start(
        self, nursery: trio.Nursery, reply: Callable[[], Awaitable[None]], turn: Turn
    ) -> None:
        self._running = running = _Running()

        async def run() -> None:
            try:
                with running.scope:
                    await reply()
            finally:
                running.done.set()

        nursery.start_soon(run, name=f"reply-{turn.number}")

    async def stop(self) -> None:
        """Cancel, join, clear: in another order a frame of the old reply could slip through."""
        if self._running:
            self._running.scope.cancel(reason="the reply is stopped")
            await self._running.done.wait()
        self._leg.clear()

    async def apologise(self, turn: int) -> None:
        """After a bug nothing is trusted but the writer and what was rendered beforehand."""
        persona = self._persona
        apology = persona.book.get(persona.engines.tts, persona.texts.get(Phrase.APOLOGY, ""))
        if apology is None:
            return
        self._leg.clear()
        with trio.move_on_after(BUG_APOLOGY_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._leg.write)
                mouth = Mouth(Heard(turn), self._leg)
                for event in apology.speech:
                    mouth.receive(event)
                mouth.finish()
                said_at = trio.current_time() + self._leg.playout.buffered_s
                await trio.sleep_until(said_at + NETWORK_S)
                nursery.cancel_scope.cancel(reason="said")
