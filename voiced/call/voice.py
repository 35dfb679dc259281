"""What a reply is said with: text as it comes, phrases by heart and sounds, in one order."""

import math
from collections.abc import Callable
from typing import Final

import trio
from attrs import frozen

from voiced.call.leg import Leg
from voiced.call.mouth import Lips, Mouth
from voiced.call.phrases import Rendered
from voiced.call.pipeline import TextSource, reading, speak
from voiced.dialog.events import SpeechEvent, SpokenAudio
from voiced.dialog.turn import Turn
from voiced.engines.roles import Tts
from voiced.errors import EngineError

AHEAD_MAX_S: Final = 10.0
AHEAD_MIN_S: Final = 6.0
"""The engine gets no more words while this much audio waits to be sent: a barge-in would throw it
away, the GPU would have worked for nothing, and a long reply must not fill the memory. It gets
them again long before the line runs dry."""

DRAFT_WORDS: Final = 12
"""The engine gets no more words of a draft: enough to speak until the next are there."""


@frozen
class Delivery:
    """How an agent speaks. `by_heart` gives a text as it was rendered beforehand, if it was."""

    tts: Tts
    language: str
    by_heart: Callable[[str], Rendered | None]


class Voice:
    """One reply's. Until `release` nothing is heard of what it says, or of a sound before it.

    A failure of an engine is kept until all that came before it has been said.
    """

    def __init__(self, turn: Turn, leg: Leg, delivery: Delivery) -> None:
        self.words: list[str] = []
        """All that it was given to say."""
        self.failure: EngineError | None = None
        self.mouth = Mouth(turn.heard, leg, Lips.CLOSED)
        self._turn = turn
        self._leg = leg
        self._delivery = delivery
        self._released = trio.Event()
        self._released_at = -math.inf

    @property
    def dry_at(self) -> float:
        """When the caller will have heard, or has heard, all that there is so far."""
        playout, now = self._leg.playout, trio.current_time()
        if waiting_s := playout.buffered_s:
            return max(playout.dry_at, now) + waiting_s
        return max(playout.dry_at, self._released_at)

    def release(self) -> None:
        """What is said from now on is heard, and what was said before."""
        self._released_at = trio.current_time()
        self._released.set()
        self._leg.begin(self._turn.number)
        self._open()

    @property
    def is_released(self) -> bool:
        """It is certain that this is heard."""
        return self._released.is_set()

    async def wait_released(self) -> None:
        """Returns when it is certain that this is heard."""
        await self._released.wait()

    def fail(self, failure: EngineError) -> None:
        """There will be no more of it; the first reason is the one that counts."""
        self.failure = self.failure or failure

    async def speak(self, source: TextSource) -> None:
        """Says the text as it comes; returns after the last audio, or a failure."""
        try:
            await speak(source, self._delivery.tts, self._delivery.language, self)
        except EngineError as failure:
            self.fail(failure)

    async def recite(self, text: str) -> None:
        """Says this behind all else, now: by heart if it is at hand."""
        if not text:
            return
        self.mouth.open()
        if rendered := self._delivery.by_heart(text):
            self.words += rendered.words
            self.mouth.recite(rendered)
        else:
            await self.speak(reading(text))
            self.mouth.join()

    def play(self, mulaw: bytes) -> None:
        """Has this sound behind all else, now."""
        self.mouth.open()
        self.mouth.receive(SpokenAudio(mulaw))
        self.mouth.join()

    def rest(self) -> None:
        """Nothing is to be heard for a while; that is no hole in what is said."""
        self.mouth.join()
        self._leg.playout.end()

    # --- what the pipeline tells ----------------------------------------------------------------

    def text(self) -> None:
        """The model's text came."""
        times = self._turn.times
        times.first_token = times.first_token or trio.current_time()

    async def word(self, word: str) -> None:
        """Waits while enough audio is ahead, or a draft has enough words."""
        if len(self.words) >= DRAFT_WORDS:
            await self._released.wait()
        self.words.append(word)
        self.mouth.expect(word)
        if (ahead_s := self._leg.playout.buffered_s) > AHEAD_MAX_S:
            await trio.sleep_until(trio.current_time() + ahead_s - AHEAD_MIN_S)

    def speech(self, event: SpeechEvent) -> None:
        """Into the playout."""
        if isinstance(event, SpokenAudio):
            times = self._turn.times
            times.first_audio = times.first_audio or trio.current_time()
        self.mouth.receive(event)
        self._open()

    def _open(self) -> None:
        """Nothing is said before there is a sound: until then a phrase may come first."""
        if self.is_released and not self.mouth.is_open and self.mouth.has_audio:
            self.mouth.open()
