"""A call's hearing: one transcription after the other, where agents hear by different engines."""

from collections.abc import Callable

import trio

from voiced.dialog.events import SttEvent
from voiced.engines.roles import Stt, SttStatistics
from voiced.errors import EngineError


class Ear:
    """Hears by one engine at a time. `put` may be called before `run`."""

    def __init__(self, stt: Stt) -> None:
        self._stt = stt
        self._transcription = stt.transcription()
        self._listening = trio.CancelScope()
        self._before = SttStatistics()

    def put(self, mulaw: bytes) -> None:
        """The caller's audio, any length; never blocks."""
        self._transcription.put(mulaw)

    def flush(self) -> None:
        """Asks for everything said so far, soon; answered by one `Flushed`."""
        self._transcription.flush()

    def statistics(self) -> SttStatistics:
        """Of all engines that have heard this call."""
        now, before = self._transcription.statistics(), self._before
        return SttStatistics(before.dropped_ms + now.dropped_ms, before.steps + now.steps)

    def follow(self, stt: Stt) -> None:
        """Hears by this engine from now on; by the one there is, if it is called the same."""
        if stt.name == self._stt.name:
            return
        self._before, self._stt = self.statistics(), stt
        self._transcription = stt.transcription()
        self._listening.cancel(reason="another engine listens")

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        """Listens until cancelled.

        Raises:
            EngineError: as `Transcription.run`.
        """
        while True:
            with trio.CancelScope() as self._listening:
                await self._hear(hear)

    async def _hear(self, hear: Callable[[SttEvent], None]) -> None:
        transcription = self._transcription
        try:
            await transcription.run(hear)
        except EngineError:
            if transcription is self._transcription:
                raise  # or another engine listens already
