"""Our half of a turn: history -> model -> speakable words -> voice -> playout.

All of it runs in the turn's cancel scope. If the model breaks in mid-sentence, what it said so
far is spoken to the end; if the voice breaks, what it said so far is played. When the caller has
heard that, the failure is reported: every reply ends in exactly one `ReplyFinished`, `ReplyEmpty`
or `ReplyFailed`, unless it is cancelled.

A reply may be a draft at first: model and voice work, but the lips are closed, no tool is used
and nothing is reported until `release`. If then, or later, nothing has come of it for some time,
a phrase by heart bridges the wait.
"""

import logging
from collections.abc import Sequence
from typing import Final

import trio
from attrs import frozen

from voiced.call.leg import Leg
from voiced.call.phrases import Rendered
from voiced.call.thinking import Thinking
from voiced.call.voice import Delivery, Voice
from voiced.dialog import events as ev
from voiced.dialog.turn import Turn

log = logging.getLogger(__name__)

ECHO_S: Final = 0.3
"""How long after the last frame the echo of the mark behind it is waited for: the lead of the
playout, and the network both ways."""


@frozen
class Filler:
    """A phrase for a caller who has waited `after_s` for an answer that is still not there."""

    phrase: Rendered
    after_s: float


class Reply:
    """One turn's reply; `think` or `say` is awaited once."""

    def __init__(
        self,
        turn: Turn,
        leg: Leg,
        events: trio.MemorySendChannel[ev.Event],
        delivery: Delivery,
    ) -> None:
        self._turn = turn
        self._leg = leg
        self._events = events
        self._voice = Voice(turn, leg, delivery)

    def release(self) -> None:
        """What is said from now on is heard, and what was said before."""
        self._voice.release()

    async def think(self, thinking: Thinking, filler: Filler | None = None) -> None:
        """Says what is thought out."""
        async with trio.open_nursery() as nursery:
            if filler:
                nursery.start_soon(self._fill, filler, thinking)
            await thinking.run(self._voice, nursery)
            await self._voice.wait_released()
            nursery.cancel_scope.cancel(reason="the answer is there")
        await self._report()

    async def say(self, phrases: Sequence[str]) -> None:
        """Says phrases by heart where they are at hand, the others with the live voice."""
        voice = self._voice
        voice.release()
        for phrase in phrases:
            await voice.recite(phrase)
        if voice.failure and voice.mouth.frames:
            log.warning("said in part: %s", voice.failure)
            voice.failure = None  # what could be said is worth hearing to its end
        await self._report()

    async def _fill(self, filler: Filler, thinking: Thinking) -> None:
        """Once, if it takes so long; the caller has had an answer of some kind then."""
        await self._voice.wait_released()
        await trio.sleep(filler.after_s)
        mouth, playout = self._voice.mouth, self._leg.playout
        if mouth.is_open or thinking.has_words:
            return
        mouth.recite(filler.phrase)
        playout.end()  # what comes behind it is no gap in it
        self._events.send_nowait(ev.FillerSaid(self._turn.number, playout.buffered_s))

    async def _report(self) -> None:
        turn, voice = self._turn.number, self._voice
        if voice.failure:
            log.warning("%s", voice.failure)
            await self._break_off()
            self._events.send_nowait(ev.ReplyFailed(turn, voice.failure))
        elif voice.mouth.frames:
            voice.mouth.finish()
            self._events.send_nowait(ev.ReplyFinished(turn, self._leg.playout.buffered_s))
        else:
            self._events.send_nowait(ev.ReplyEmpty(turn))

    async def _break_off(self) -> None:
        """Returns when the caller has heard what there is, and its marks are back."""
        if self._voice.mouth.frames:
            now, playout = trio.current_time(), self._leg.playout
            self._voice.mouth.break_off(now)
            waiting_s = playout.buffered_s
            last = now + waiting_s if waiting_s else playout.dry_at
            await trio.sleep_until(last + ECHO_S)
