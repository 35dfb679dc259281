"""A voice made of voices: the next one says what another has not said."""

import math
from collections.abc import Sequence
from enum import Enum

import trio
from attrs import define, field, frozen

from voiced.dialog.events import SpeechEvent
from voiced.engines.breaker import Breakers
from voiced.engines.fallback import Search, Spares, Tell
from voiced.engines.fallback_utterance import Utterance
from voiced.engines.roles import Tts
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineTimeout

Words = trio.MemoryReceiveChannel[str]
Speech = trio.MemorySendChannel[SpeechEvent]


@frozen
class FallbackTtsTiming:
    """Deadlines and pauses in seconds.

    `slot_s`: a voice without a free slot is asked again for so long, after the pauses `pauses_s`;
    one that takes its time to say no, since it tries by itself, is not asked again.

    While there is a spare: `first_s` from the first word to the first audio, `stall_s` from one
    piece of audio to the next. They count only while audio is owed: the text has ended, or the
    voice takes no more words, or more than `lookahead_letters` are unsaid. A voice may hold back
    fewer to see how the sentence goes.
    """

    slot_s: float = 0.3
    pauses_s: tuple[float, ...] = (0.04, 0.08, 0.16)
    first_s: float = 3.0
    stall_s: float = 2.5
    lookahead_letters: int = 80


class FallbackTts:
    """Several voices as one.

    `identity` is the preferred voice's. Another may speak instead, so a phrase to be kept under
    that name must be rendered by one of `engines`, not by this.
    """

    def __init__(
        self,
        engines: Sequence[Tts],
        breakers: Breakers,
        timing: FallbackTtsTiming,
        tell: Tell,
    ) -> None:
        """`engines`: at least one, the preferred one first."""
        self._spares = Spares("tts", engines, breakers, tell)
        self._timing = timing

    @property
    def engines(self) -> Sequence[Tts]:
        """The voices one by one, the preferred one first."""
        return self._spares.engines

    @property
    def name(self) -> str:
        """The preferred voice's."""
        return self._spares.preferred.name

    @property
    def identity(self) -> str:
        """The preferred voice's, by which its phrases are found."""
        return self._spares.preferred.identity

    async def speak(self, words: Words, speech: Speech) -> None:
        """Speaks the words as they come, whoever says them, on one clock.

        A word that breaks off is said again, whole; it is reported once.

        Raises:
            EngineError: the last voice's, after all have failed with words unsaid.
        """
        search = self._spares.search()
        reply = _Reply(words, speech, search, self._timing)
        try:
            engine = search.begin(trio.current_time())
            while (error := await reply.say(engine)) is not None:
                if not reply.take_up():
                    search.failed(error, trio.current_time())
                    break
                engine = search.fail_over(error, trio.current_time())
        finally:
            search.leave()


class _Text(Enum):
    OPEN = 1
    ENDED = 2


@define(eq=False)
class _Reply:
    """What has come of one reply's words so far, and the text they come from."""

    words: Words
    speech: Speech
    search: Search[Tts]
    timing: FallbackTtsTiming
    utterance: Utterance = field(factory=Utterance)
    _text: _Text = _Text.OPEN
    _given: trio.MemorySendChannel[str] | None = None
    _waiting: trio.CancelScope = field(factory=trio.CancelScope)

    def take_up(self) -> bool:
        """A voice has failed; returns whether there is anything left for another to do."""
        self.utterance = self.utterance.remainder()
        return bool(self.utterance.words) or self._text is _Text.OPEN

    async def say(self, engine: Tts) -> EngineError | None:
        """Has this voice say what is left, and returns its failure; where it has no slot, tries
        for a while."""
        due = trio.current_time() + self.timing.slot_s
        for pause_s in self.timing.pauses_s:
            began = trio.current_time()
            error = await self._attempt(engine)
            now = trio.current_time()
            again = isinstance(error, EngineAtCapacity) and not self.utterance.has_audio
            if not again or now + pause_s + (now - began) > due:
                return error
            await trio.sleep(pause_s)
        return await self._attempt(engine)

    async def _attempt(self, engine: Tts) -> EngineError | None:
        words_out, words = trio.open_memory_channel[str](8)
        self._given = words_out
        speech_out, speech = trio.open_memory_channel[SpeechEvent](8)
        voice = _Voice(engine)
        with words_out, words, speech_out, speech:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._give, words_out)
                nursery.start_soon(voice.speak, words, speech_out)
                is_live = await self._pass_on(speech)
                nursery.cancel_scope.cancel()
        if not is_live:
            told = "it has words to speak, but no audio comes"
            return EngineTimeout(engine.name, "tts", told, retryable=True)
        if voice.failure:
            return voice.failure
        dumb = self.utterance.words and not self.utterance.has_audio
        if dumb and self.search.has_spare(trio.current_time()):
            told = "it has taken the words and made no sound"
            return EngineBroken(engine.name, "tts", told, retryable=True)
        for event in self.utterance.finish():
            await self.speech.send(event)
        if self.utterance.has_audio:
            self.search.succeeded()
        return None

    async def _give(self, out: trio.MemorySendChannel[str]) -> None:
        """First what others have left unsaid, then the words as they come."""
        with out:
            for word in tuple(self.utterance.words):
                self._remind()
                await out.send(word)
            async for word in self.words:
                self.utterance.give(word)
                self._remind()
                await out.send(word)
            self._text = _Text.ENDED
            self._remind()

    async def _pass_on(self, speech: trio.MemoryReceiveChannel[SpeechEvent]) -> bool:
        """Passes on what the voice says; returns whether it came to an end by itself."""
        try:
            while (event := await self._next(speech)) is not None:
                for each in self.utterance.receive(event):
                    await self.speech.send(each)
        except trio.EndOfChannel:
            return True
        return False

    async def _next(self, speech: trio.MemoryReceiveChannel[SpeechEvent]) -> SpeechEvent | None:
        """None: it is late."""
        while True:
            due = trio.current_time() + self._patience_s()
            with trio.CancelScope(deadline=due) as self._waiting:
                return await speech.receive()
            if self._patience_s() < math.inf:
                return None

    def _remind(self) -> None:
        """Audio may be owed now; a deadline that runs already is not put off."""
        if self._waiting.deadline == math.inf:
            self._waiting.deadline = trio.current_time() + self._patience_s()

    def _patience_s(self) -> float:
        if not self._is_owed() or not self.search.has_spare(trio.current_time()):
            return math.inf
        return self.timing.stall_s if self.utterance.has_audio else self.timing.first_s

    def _is_owed(self) -> bool:
        """The voice has all there is, or more than it needs, or takes no more."""
        if self._text is _Text.ENDED or self._given is None:
            return self._text is _Text.ENDED
        given = self._given.statistics()
        is_full = given.current_buffer_used >= given.max_buffer_size
        return is_full or self.utterance.unsaid_letters > self.timing.lookahead_letters


@define(eq=False)
class _Voice:
    """One voice at work."""

    engine: Tts
    failure: EngineError | None = None

    async def speak(self, words: Words, speech: Speech) -> None:
        """Keeps a failure to itself, so that all audio that came before it is passed on."""
        with speech:
            try:
                await self.engine.speak(words, speech)
            except EngineError as error:
                self.failure = error
