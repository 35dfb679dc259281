"""Our half of a turn: history -> model -> speakable words -> voice -> playout.

All of it runs in the turn's cancel scope. If the model breaks in mid-sentence, what it said so
far is spoken to the end; if the voice breaks, what it said so far is played. When the caller has
heard that, the failure is reported: every reply ends in exactly one `ReplyFinished`, `ReplyEmpty`
or `ReplyFailed`, unless it is cancelled.

A reply may be a draft at first: model and voice work, but the lips are closed and nothing is
reported until `release`. If then, or later, nothing has come of it for `filler_s`, a phrase by
heart bridges the wait.
"""

import logging
from collections.abc import Sequence
from typing import Final

import trio
from attrs import frozen

from voiced.call.leg import Leg
from voiced.call.mouth import Lips, Mouth
from voiced.call.phrases import Rendered
from voiced.call.pipeline import TextSource, reading, speak
from voiced.call.toolbox import Toolbox
from voiced.dialog import events as ev
from voiced.dialog.history import Message
from voiced.dialog.turn import Turn
from voiced.engines.roles import Llm, ToolCall, Tts
from voiced.errors import EngineError

log = logging.getLogger(__name__)

AHEAD_MAX_S: Final = 10.0
AHEAD_MIN_S: Final = 6.0
"""The voice gets no more words while this much audio waits to be sent: a barge-in would throw it
away, the GPU would have worked for nothing, and a long reply must not fill the memory. It gets
them again long before the line runs dry."""

DRAFT_WORDS: Final = 12
"""The voice gets no more words of a draft: enough to speak until the next are there."""

ECHO_S: Final = 0.3
"""How long after the last frame the echo of the mark behind it is waited for: the lead of the
playout, and the network both ways."""


@frozen
class Filler:
    """A phrase for a caller who has waited `after_s` for an answer that is still not there."""

    phrase: Rendered
    after_s: float


class Reply:
    """One turn's reply; `ask` or `say` is awaited once."""

    def __init__(self, turn: Turn, leg: Leg, events: trio.MemorySendChannel[ev.Event]) -> None:
        self._turn = turn
        self._leg = leg
        self._events = events
        self._mouth = Mouth(turn.heard, leg, Lips.CLOSED)
        self._failure: EngineError | None = None
        self._released = trio.Event()
        self._words = 0

    def release(self) -> None:
        """What is said from now on is heard, and what was said before."""
        self._released.set()
        self._leg.begin(self._turn.number)
        self._open()

    async def ask(
        self,
        messages: Sequence[Message],
        llm: Llm,
        tts: Tts,
        language: str,
        toolbox: Toolbox,
        filler: Filler | None = None,
    ) -> None:
        """Asks the model and speaks its answer."""
        used: tuple[ToolCall, ...] = ()

        async def think(text: trio.MemorySendChannel[str]) -> None:
            nonlocal used
            try:
                used = (await llm.complete(messages, text, toolbox.tools)).tool_calls
            except EngineError as error:
                self._failure = error  # once what was said so far has been spoken

        async with trio.open_nursery() as nursery:
            if filler:
                nursery.start_soon(self._fill, filler)
            await self._speak(think, tts, language)
            await self._released.wait()
            nursery.cancel_scope.cancel(reason="the answer is there")
        if parting := toolbox.parting(used):
            self._events.send_nowait(ev.ReplyCommits(self._turn.number, parting))
        await self._report()

    async def say(self, phrases: Sequence[Rendered | str], tts: Tts, language: str) -> None:
        """Says phrases by heart, those given as text with the live voice."""
        self.release()
        self._mouth.open()
        for phrase in phrases:
            if isinstance(phrase, Rendered):
                self._mouth.recite(phrase)
            else:
                await self._speak(reading(phrase), tts, language)
                self._mouth.join()
        if self._failure and self._mouth.frames:
            log.warning("said in part: %s", self._failure)
            self._failure = None  # what could be said is worth hearing to its end
        await self._report()

    async def _speak(self, source: TextSource, tts: Tts, language: str) -> None:
        try:
            await speak(source, tts, language, self)
        except EngineError as error:
            self._failure = self._failure or error

    async def _fill(self, filler: Filler) -> None:
        """Once, if it takes so long; the caller has had an answer of some kind then."""
        await self._released.wait()
        await trio.sleep(filler.after_s)
        if self._mouth.is_open:
            return
        self._mouth.recite(filler.phrase)
        self._leg.playout.end()  # what comes behind it is no gap in it
        self._events.send_nowait(ev.FillerSaid(self._turn.number, self._leg.playout.buffered_s))

    async def _report(self) -> None:
        turn = self._turn.number
        if self._failure:
            log.warning("%s", self._failure)
            await self._break_off()
            self._events.send_nowait(ev.ReplyFailed(turn, self._failure))
        elif self._mouth.frames:
            self._mouth.finish()
            self._events.send_nowait(ev.ReplyFinished(turn, self._leg.playout.buffered_s))
        else:
            self._events.send_nowait(ev.ReplyEmpty(turn))

    async def _break_off(self) -> None:
        """Returns when the caller has heard what there is, and its marks are back."""
        if self._mouth.frames:
            now, playout = trio.current_time(), self._leg.playout
            self._mouth.break_off(now)
            waiting_s = playout.buffered_s
            last = now + waiting_s if waiting_s else playout.dry_at
            await trio.sleep_until(last + ECHO_S)

    # --- what the pipeline tells ----------------------------------------------------------------

    def text(self) -> None:
        """The model's text came."""
        times = self._turn.times
        times.first_token = times.first_token or trio.current_time()

    async def word(self, word: str) -> None:
        """Waits while enough audio is ahead, or a draft has enough words."""
        if self._words >= DRAFT_WORDS:
            await self._released.wait()
        self._words += 1
        self._mouth.expect(word)
        if (ahead_s := self._leg.playout.buffered_s) > AHEAD_MAX_S:
            await trio.sleep_until(trio.current_time() + ahead_s - AHEAD_MIN_S)

    def speech(self, event: ev.SpeechEvent) -> None:
        """Into the playout."""
        if isinstance(event, ev.SpokenAudio):
            times = self._turn.times
            times.first_audio = times.first_audio or trio.current_time()
        self._mouth.receive(event)
        self._open()

    def _open(self) -> None:
        """Nothing is said before there is a sound: until then a phrase may come first."""
        if self._released.is_set() and not self._mouth.is_open and self._mouth.has_audio:
            self._mouth.open()
