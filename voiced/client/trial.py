"""Tries single engines as a call would use them, and keeps the times.

An engine's failure comes out of each trial alone, not in the group of a nursery.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio
from attrs import define, field, frozen

from voiced.dialog.events import Flushed, SpeechEvent, SpokenAudio, SttEvent
from voiced.dialog.history import Message, Role
from voiced.engines.roles import Kept, Llm, Stt, Transcription, Tts
from voiced.engines.rooms import Reach
from voiced.errors import EngineError

RATE: Final = 8_000
"""Bytes of the telephone's mu-law in a second."""

PACKET_S: Final = 0.020
PACKET_BYTES: Final = 160
SILENCE: Final = bytes([0xFF]) * PACKET_BYTES
"""A packet of the telephone without any sound."""

QUESTION: Final = "Say OK."
_LEAST_TO_JUDGE_S: Final = 0.16
"""Two frames of a voice; how fast fewer of them came says nothing."""

_LOOK_S: Final = 0.01
_WAITING_EVENTS: Final = 64


@frozen
class Gap:
    """A hole that the caller hears: after `at_s` of the speech, for `long_s`, in seconds."""

    at_s: float
    long_s: float


@define
class Sound:
    """What a voice sent: when, in seconds since it was asked, and the mu-law."""

    pieces: list[tuple[float, bytes]] = field(factory=list)

    @property
    def mulaw(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def first_s(self) -> float | None:
        """When the first audio came; None without any."""
        return self.pieces[0][0] if self.pieces else None

    @property
    def length_s(self) -> float:
        return sum(len(piece) for _, piece in self.pieces) / RATE

    @property
    def packets(self) -> int:
        """Packets of 20 ms that a caller would get; the last is filled up."""
        return -(-len(self.mulaw) // PACKET_BYTES)

    @property
    def real_time(self) -> float | None:
        """Seconds of sound in a second, from the first piece to the last."""
        if not self.pieces:
            return None
        (first_at, first), (last_at, _) = self.pieces[0], self.pieces[-1]
        sound_s, took_s = self.length_s - len(first) / RATE, last_at - first_at
        return sound_s / took_s if sound_s >= _LEAST_TO_JUDGE_S and took_s > 0 else None

    def gaps(self) -> list[Gap]:
        """Where a caller who hears it as it comes waits for a packet or longer."""
        found: list[Gap] = []
        dry_at = self.first_s or 0.0  # when all that has come will have been played
        played_s = 0.0
        for at, piece in self.pieces:
            if at - dry_at >= PACKET_S:
                found.append(Gap(played_s, at - dry_at))
            dry_at = max(dry_at, at) + len(piece) / RATE
            played_s += len(piece) / RATE
        return found


async def speaking(tts: Tts, words: Sequence[str]) -> Sound:
    """Has the voice say the words, which are all there from the start; takes its audio at once.

    Raises:
        EngineError: as `Tts.speak`.
    """
    sound, failure = Sound(), None
    words_in, words_out = trio.open_memory_channel[str](len(words))
    with words_in:
        for word in words:
            words_in.send_nowait(word)
    to_us, speech = trio.open_memory_channel[SpeechEvent](_WAITING_EVENTS)
    async with connected(tts), trio.open_nursery() as nursery:
        nursery.start_soon(_collect, sound, speech, trio.current_time())
        with to_us:
            try:
                await tts.speak(words_out, to_us)
            except EngineError as error:
                failure = error
    if failure is not None:
        raise failure
    return sound


async def _collect(
    sound: Sound, speech: trio.MemoryReceiveChannel[SpeechEvent], began: float
) -> None:
    async for event in speech:
        if isinstance(event, SpokenAudio) and event.mulaw:
            sound.pieces.append((trio.current_time() - began, event.mulaw))


@asynccontextmanager
async def connected(tts: Tts) -> AsyncGenerator[None]:
    """Opens the connection that the daemon keeps for a voice, where it keeps one. That it cannot
    be opened is not told here: whoever speaks finds it out.
    """
    if not isinstance(tts, Kept):
        yield
        return
    tried = trio.Event()

    def tell(outcome: Reach) -> None:
        tried.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tts.run, tell)
        await tried.wait()
        yield
        nursery.cancel_scope.cancel(reason="said")


async def thinking(llm: Llm) -> float | None:
    """When the model's first text came, in seconds since it was asked; None for an answer without
    any. The rest of the answer is not waited for.

    Raises:
        EngineError: as `Llm.complete`.
    """
    began, first = trio.current_time(), None
    failure: EngineError | None = None
    to_us, text = trio.open_memory_channel[str](0)

    async def wait(whole: trio.CancelScope) -> None:
        nonlocal first
        async for _ in text:
            first = trio.current_time() - began
            whole.cancel(reason="answered")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, nursery.cancel_scope)
        try:
            await llm.complete([Message(Role.CALLER, QUESTION)], to_us)
        except EngineError as error:
            failure = error
        nursery.cancel_scope.cancel(reason="over")
    if failure is not None:
        raise failure
    return first


async def listening(stt: Stt, mulaw: bytes) -> float | None:
    """When the ear's server first answered, in seconds since it was asked; None for one that is
    connected, and has nothing to say of this audio.

    Raises:
        EngineError: as `Transcription.run`.
    """
    failure: EngineError | None = None
    ear = stt.transcription()
    ear.put(mulaw)
    ear.flush()
    async with trio.open_nursery() as nursery:
        answer = _Answer(ear, nursery.cancel_scope, trio.current_time())
        nursery.start_soon(answer.watch)
        try:
            await ear.run(answer.hear)
        except EngineError as error:
            failure = error
        nursery.cancel_scope.cancel(reason="over")
    if failure is not None:
        raise failure
    return answer.first_s


@define(eq=False)
class _Answer:
    """The first that comes of an ear."""

    _ear: Transcription
    _whole: trio.CancelScope
    _began: float
    first_s: float | None = None

    def hear(self, event: SttEvent) -> None:
        """A flush is also answered by an engine that waits in vain for its server."""
        if not isinstance(event, Flushed) or self._ear.statistics().steps:
            self._answered()
        self._whole.cancel(reason="heard")

    async def watch(self) -> None:
        """An ear passes on no event for a message that says nothing; only its count grows."""
        due = self._began
        while not self._ear.statistics().steps:
            due += _LOOK_S
            await trio.sleep_until(due)
        self._answered()

    def _answered(self) -> None:
        self.first_s = trio.current_time() - self._began
        self._whole.cancel(reason="answered")


def quietly() -> None:
    """For commands that tell an engine's failure themselves: its warnings are not to be told too.

    Without any handler, Python's logging would write them to standard error.
    """
    logging.getLogger("voiced.engines").addHandler(logging.NullHandler())
