"""An ear made of ears: the next one hears again what another may have missed, and goes on."""

from collections.abc import Callable, Sequence
from enum import Enum

import trio
from attrs import frozen

from voiced.audio.frame import SAMPLE_RATE
from voiced.dialog.events import Flushed, SttEvent
from voiced.engines.breaker import Breakers
from voiced.engines.fallback import Spares, Tell
from voiced.engines.fallback_memory import EarMemory
from voiced.engines.roles import Stt, SttStatistics, Transcription
from voiced.errors import EngineError

Hear = Callable[[SttEvent], None]


@frozen
class FallbackSttTiming:
    """Lengths of audio and time in seconds.

    `replay_s`: so much audio before an engine's last sign of life is heard again by the next, and
    all since then, up to `unheard_s`. `early_s`: so much is kept until there is a first sign.
    `proven_s`: an engine that has reported for so long works; one that
    fails sooner is not asked again before another has worked.
    """

    replay_s: float = 2.0
    unheard_s: float = 3.0
    early_s: float = 10.0
    proven_s: float = 5.0


class FallbackStt:
    """Several ears as one."""

    def __init__(
        self,
        engines: Sequence[Stt],
        breakers: Breakers,
        timing: FallbackSttTiming,
        tell: Tell,
    ) -> None:
        """`engines`: at least one, the preferred one first."""
        self._spares = Spares("stt", engines, breakers, tell)
        self._timing = timing

    @property
    def name(self) -> str:
        """The preferred ear's."""
        return self._spares.preferred.name

    def transcription(self) -> Transcription:
        """A new call's ear."""
        return FallbackTranscription(self._spares, self._timing)


class _Flush(Enum):
    NONE = 1
    ASKED = 2


class FallbackTranscription:
    """One call's ear, whichever engine listens."""

    def __init__(self, spares: Spares[Stt], timing: FallbackSttTiming) -> None:
        self._spares = spares
        self._proven_s = timing.proven_s
        self._memory = EarMemory(timing.replay_s, timing.unheard_s, timing.early_s)
        self._listening: Transcription | None = None
        self._flush = _Flush.NONE
        self._before = SttStatistics()

    def put(self, mulaw: bytes) -> None:
        """Takes the caller's audio, any length; never blocks; drops the oldest when late."""
        self._memory.put(mulaw)
        if self._listening:
            self._listening.put(mulaw)

    def flush(self) -> None:
        """Asks for everything said so far; what one engine leaves unanswered the next answers."""
        self._flush = _Flush.ASKED
        if self._listening:
            self._listening.flush()

    def statistics(self) -> SttStatistics:
        """Of all engines together."""
        early = SttStatistics(self._memory.dropped_bytes * 1000 // SAMPLE_RATE)
        return _sum(early, self._before, self._now())

    def _now(self) -> SttStatistics:
        return self._listening.statistics() if self._listening else SttStatistics()

    async def run(self, hear: Hear) -> None:
        """Listens until cancelled, with one engine at a time.

        An engine takes audio from the moment that the one before it failed.

        Raises:
            EngineError: the last engine's, after all have failed without one having worked.
        """
        search = self._spares.search()
        try:
            engine = search.begin(trio.current_time())
            while (error := await self._listen(engine, hear, search.succeeded)) is not None:
                engine = search.fail_over(error, trio.current_time())
        finally:
            search.leave()

    async def _listen(
        self, engine: Stt, hear: Hear, proven: Callable[[], None]
    ) -> EngineError | None:
        self._listening = engine.transcription()
        self._listening.put(self._memory.begin())
        if self._flush is _Flush.ASKED:
            self._listening.flush()
        proof = _Proof(self._proven_s, proven)

        def pass_on(event: SttEvent) -> None:
            proof.sign(trio.current_time())
            if isinstance(event, Flushed):
                self._flush = _Flush.NONE
            told = self._memory.hear(event)
            if told is not None:
                hear(told)

        try:
            await self._listening.run(pass_on)
        except EngineError as error:
            self._before, self._listening = _sum(self._before, self._now()), None
            return error
        return None


def _sum(*parts: SttStatistics) -> SttStatistics:
    return SttStatistics(sum(part.dropped_ms for part in parts), sum(part.steps for part in parts))


class _Proof:
    """Notices when an engine has reported for long enough."""

    def __init__(self, proven_s: float, proven: Callable[[], None]) -> None:
        self._proven_s = proven_s
        self._proven: Callable[[], None] | None = proven
        self._due: float | None = None

    def sign(self, now: float) -> None:
        """The engine reports something."""
        if self._due is None:
            self._due = now + self._proven_s
        elif now >= self._due and self._proven:
            self._proven()
            self._proven = None
