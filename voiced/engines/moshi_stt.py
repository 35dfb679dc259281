"""Hears through moshi-server: one connection per call, from its first packet to its end.

Source: moshi-server 0.6.4, rust/moshi-server/src/batched_asr.rs and asr.rs.
"""

import math
from collections.abc import Callable

import trio
from attrs import frozen

from voiced.audio import g711
from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE
from voiced.audio.resample import Upsampler
from voiced.config import engines as config
from voiced.dialog.events import Flushed, PauseScored, SttEvent, WordHeard
from voiced.engines.dial import Dial, dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.moshi_ear import STEP_BYTES, Ear, EarModel
from voiced.engines.moshi_server import decoded, moshi_endpoint, wait_ready
from voiced.engines.roles import SttStatistics, Transcription
from voiced.engines.socket import Socket, open_socket
from voiced.engines.watch import Watch
from voiced.errors import EngineBroken
from voiced.wire import moshi

_A_SILENT_STEP = g711.decode_float(bytes([MULAW_SILENCE]) * STEP_BYTES)

Hear = Callable[[SttEvent], None]


@frozen
class SttTiming:
    """Deadlines in seconds.

    `ready_s`: from the open connection to `Ready`. `step_s`: the longest wait for the next step
    while audio is under way. `flush_s`: a flush is answered by then, come what may.
    """

    ready_s: float = 3.0
    step_s: float = 2.0
    flush_s: float = 1.0


class MoshiStt:
    """A `BatchedAsr` module of a moshi-server."""

    def __init__(
        self,
        name: str,
        settings: config.MoshiStt,
        *,
        model: EarModel | None = None,
        timing: SttTiming | None = None,
        connect: Dial = dial,
    ) -> None:
        self.name = name
        key = settings.api_key.reveal() if settings.api_key else ""
        self._endpoint = moshi_endpoint(name, "stt", settings.url, key)
        self._model = model or EarModel()
        self._timing = timing or SttTiming()
        self._connect = connect

    def transcription(self) -> Transcription:
        """A new call's ear."""
        return MoshiTranscription(self._endpoint, self._connect, self._model, self._timing)


class MoshiTranscription:
    """One call's ear. See `Ear` for what becomes of the audio."""

    def __init__(
        self, endpoint: Endpoint, connect: Dial, model: EarModel, timing: SttTiming
    ) -> None:
        self._endpoint = endpoint
        self._connect = connect
        self._timing = timing
        self._ear = Ear(model)
        self._work = trio.Event()  # there is something to send
        self._asked = trio.Event()  # a flush waits for its answer
        self._answered = trio.Event()
        self._watch = Watch(
            self._patience_s, f"audio flows, but no step came within {timing.step_s:g} s"
        )

    def put(self, mulaw: bytes) -> None:
        """Takes the caller's audio, any length; never blocks; drops the oldest when late."""
        self._ear.put(mulaw)
        self._send_if_ready()

    def flush(self) -> None:
        """Asks for everything said so far; flushes that overlap are answered as one."""
        if self._ear.flush():
            self._answered = trio.Event()
            self._asked.set()
        self._send_if_ready()

    def statistics(self) -> SttStatistics:
        dropped_ms = self._ear.dropped_bytes * 1000 // SAMPLE_RATE
        return SttStatistics(dropped_ms, self._ear.heard_steps)

    async def run(self, hear: Hear) -> None:
        """Connects and listens until cancelled.

        Raises:
            EngineRefused: wrong key, wrong path, not a moshi-server.
            EngineAtCapacity: all slots are taken.
            EngineTimeout: no connection, no `Ready`, or no step although audio is sent.
            EngineBroken: not reachable, dropped, or spoke nonsense.
        """
        async with open_socket(self._endpoint, bytes, self._connect) as socket:
            await wait_ready(socket, self._timing.ready_s)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, socket, hear)
                nursery.start_soon(self._answer_late, hear)
                await self._receive(socket, hear)

    def _patience_s(self) -> float:
        return self._timing.step_s if self._ear.is_owed else math.inf

    def _send_if_ready(self) -> None:
        """Wakes the sender for a whole step, not for each packet."""
        if self._ear.is_ready:
            self._work.set()

    async def _send(self, socket: Socket[bytes], hear: Hear) -> None:
        """Sends whole steps as they fill up. Silence takes the same way through the resampler."""
        upsampler = Upsampler()
        upsampler.feed(_A_SILENT_STEP)  # from now on a step comes out for a step: 2 ms later
        while True:
            await self._work.wait()
            self._work = trio.Event()
            while taken := self._ear.take():
                self._watch.remind()
                samples = upsampler.feed(g711.decode_float(taken))
                for frame in samples.reshape(-1, moshi.FRAME_SAMPLES):
                    await socket.send(moshi.stt_audio(frame))
                if not self._ear.model.reports_steps:
                    hear(PauseScored(None, self._ear.stream_s))

    async def _receive(self, socket: Socket[bytes], hear: Hear) -> None:
        while (data := await self._watch.receive(socket)) is not None:
            match decoded(self._endpoint, moshi.parse_stt, data):
                case moshi.Word(text=text, start_s=start_s) if text.strip():
                    hear(WordHeard(text.strip(), start_s))
                case moshi.Step(pause_scores=scores):
                    self._step(scores, hear)
                case moshi.ServerError(message=message):
                    raise self._endpoint.error(EngineBroken, f"it reported: {message}")
        raise self._endpoint.error(EngineBroken, "it closed the connection in mid-call")

    def _step(self, scores: tuple[float, ...], hear: Hear) -> None:
        flushed = self._ear.step()
        head = self._ear.model.pause_head
        score = scores[head] if head is not None and head < len(scores) else None
        hear(PauseScored(score, self._ear.stream_s))
        if flushed:
            self._answered.set()
            hear(Flushed())
        self._send_if_ready()  # there is room for more

    async def _answer_late(self, hear: Hear) -> None:
        """Answers the flushes that moshi-server does not answer in time."""
        while True:
            await self._asked.wait()
            self._asked, answered = trio.Event(), self._answered
            with trio.move_on_after(self._timing.flush_s):
                await answered.wait()
            if not answered.is_set() and self._ear.give_up():
                hear(Flushed())
