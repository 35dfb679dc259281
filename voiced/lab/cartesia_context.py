"""One context of the stand-in Cartesia: what was asked, what is spoken, when it is over."""

from collections.abc import Mapping
from itertools import cycle, pairwise
from typing import Any, Final

import numpy as np
import trio
from attrs import define, field, frozen

from voiced.audio import g711
from voiced.lab.cartesia_faults import ERRORS, CartesiaFault, Kind
from voiced.lab.cartesia_link import Link
from voiced.lab.resample import resample
from voiced.lab.voice import RATE, Voice

SAMPLE_RATE: Final = 8_000
DEFAULT_BUFFER_MS: Final = 3_000
INBOX_REQUESTS: Final = 4_096
CHUNK_BYTES: Final = (731, 1600, 333, 2048, 1)
"""Of any length, as the real ones."""

VARYING: Final = frozenset({"transcript", "continue", "flush", "duration"})
SLOW_FACTOR: Final = 3.0

Request = Mapping[str, Any]


@frozen
class CartesiaTiming:
    """`first_audio_ms` from the text to the first audio, then `speed` seconds of work per second
    of sound; a context without more text is over `expire_s` after its last audio, a connection
    without traffic after `idle_s`.
    """

    first_audio_ms: float = 90.0
    speed: float = 0.2
    expire_s: float = 1.0
    idle_s: float = 300.0


@define(eq=False)
class SpokenContext:
    """`run` speaks what `put` brings. `transcript` is all of it, joined letter for letter."""

    first: Request
    voice: Voice
    timing: CartesiaTiming
    fault: CartesiaFault
    transcript: str = ""
    chunks: int = 0
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    _requests: trio.MemorySendChannel[Request] = field(init=False)
    _inbox: trio.MemoryReceiveChannel[Request] = field(init=False)
    _sent_bytes: int = 0
    _waiting: str = ""
    _flushes: int = 0

    def __attrs_post_init__(self) -> None:
        self._requests, self._inbox = trio.open_memory_channel[Request](INBOX_REQUESTS)

    @property
    def id(self) -> str:
        context: str = self.first["context_id"]
        return context

    def put(self, request: Request) -> str:
        """Takes a request of this context; returns the field that differs, if any."""
        fixed = (self.first.keys() | request.keys()) - VARYING
        changed = sorted(key for key in fixed if self.first.get(key) != request.get(key))
        if changed:
            return changed[0]
        self.transcript += request["transcript"]
        self._requests.send_nowait(request)
        return ""

    def no_more(self) -> None:
        """Ends it with what has been brought, as a client's last request would."""
        self._requests.close()

    async def run(self, link: Link) -> None:
        """Speaks until the end is told or nobody says more; the last message is `done`."""
        with self.scope:
            while await self._listen():
                await self._speak(link)
            await self._speak(link)
            await link.done(self.id)

    async def _listen(self) -> bool:
        """Collects text until it is to be spoken; false if it is the last."""
        buffer_s = self.first.get("max_buffer_delay_ms", DEFAULT_BUFFER_MS) / 1000
        due = trio.current_time() + (self.timing.expire_s if self._sent_bytes else float("inf"))
        while (request := await self._next(due)) is not None:
            if not self._waiting:
                due = trio.current_time() + buffer_s
            self._waiting += request["transcript"]
            if not request.get("continue", False):
                return False
            if request.get("flush", False) or buffer_s == 0:
                return True
        return bool(self._waiting)

    async def _next(self, due: float) -> Request | None:
        """The next request; None where none comes in time."""
        try:
            with trio.move_on_at(due):
                return await self._inbox.receive()
        except trio.EndOfChannel:
            return {"transcript": "", "continue": False}
        return None

    async def _speak(self, link: Link) -> None:
        words, self._waiting = self._waiting.split(), ""
        if not words:
            return
        began = trio.current_time()
        sound = await self.voice.phrase(words, self.first.get("language", ""))
        starts = self._sent_bytes + np.cumsum([0, *(frames.size // 3 for frames in sound)])
        pcm = np.concatenate([frames.reshape(-1) for frames in sound])
        mulaw = g711.encode_float(resample(pcm, RATE, SAMPLE_RATE))
        if self.chunks >= self.fault.after:
            await self._strike(link)
        await trio.sleep_until(began + self.timing.first_audio_ms / 1000)
        await self._tell_words(link, words, starts / SAMPLE_RATE)
        await self._send(link, mulaw)
        self._flushes += 1
        await link.tell("flush_done", self.id, flush_done=True, flush_id=self._flushes)

    async def _tell_words(self, link: Link, words: list[str], starts: Any) -> None:
        if not self.first.get("add_timestamps"):
            return
        spans = list(pairwise(starts.tolist()))
        await link.tell(
            "timestamps",
            self.id,
            word_timestamps={
                "words": words,
                "start": [start for start, _ in spans],
                "end": [stop for _, stop in spans],
            },
        )

    async def _send(self, link: Link, mulaw: bytes) -> None:
        """In chunks of uneven lengths, at the voice's pace."""
        at = trio.current_time()
        pace = SLOW_FACTOR if self.fault.kind is Kind.SLOW else self.timing.speed
        lengths = cycle(CHUNK_BYTES)
        while mulaw:
            length = next(lengths)
            piece, mulaw = mulaw[:length], mulaw[length:]
            if self.chunks == self.fault.after > 0:
                await self._strike(link)
            at += len(piece) / SAMPLE_RATE * pace
            await link.chunk(self.id, piece, 1000 * len(piece) / SAMPLE_RATE * pace)
            self.chunks += 1
            self._sent_bytes += len(piece)
            await trio.sleep_until(at)

    async def _strike(self, link: Link) -> None:
        """The fault, if it is one that strikes in mid-speech; most are the end of the context."""
        match self.fault.kind:
            case Kind.HANG:
                await trio.sleep_forever()
            case Kind.DROP:
                link.drop()
            case Kind.RESET:
                link.reset()
            case Kind.CLOSE:
                await link.go_away()
            case Kind.MALFORMED:
                await link.say("{oops")
            case Kind.EARLY_DONE:
                await link.done(self.id)
            case Kind.STALE:
                await link.chunk("gone", b"\x00" * 160, 1.0)
                await link.done("gone")
                return
            case kind if kind in ERRORS:
                named = None if kind is Kind.AT_CAPACITY_NAMELESS else self.id
                await link.fail(named, *ERRORS[kind])
            case _:
                return
        self.scope.cancel()
        await trio.lowlevel.checkpoint()
