"""The stand-in of moshi-server's TTS module (type `Py`): slots, the loop, one connection each.

Follows py_module.rs: one queued message per connection and tick, a slot taken by the first free
index and freed only on a tick, Ready before the model has done anything, everything queued is
still sent after the end, then a Close without a code.
"""

import unicodedata
from functools import lru_cache

import msgpack
import numpy as np
import trio
from attrs import define, field, frozen
from numpy.typing import NDArray

from voiced.lab.faults import Fault, Kind
from voiced.lab.moshi_link import (
    INBOX_MESSAGES,
    OUTBOX_MESSAGES,
    READY,
    Message,
    Pings,
    post,
    refuse_no_channel,
    transmit,
    unpack,
)
from voiced.lab.server import CLOSE_GRACE_S, Signal, WebSocket
from voiced.lab.tts_stream import DELAY_STEPS, Said, State, TtsStream
from voiced.lab.voice import FRAME_SAMPLES, RATE, Voice

FRAME_S = FRAME_SAMPLES / RATE
RECEIVE_LIMIT_S = 30.0
SLOW_FACTOR = 3.0
TEXT_TICK_S = 0.01
CLIP = 0.99
FIELDS = {"Text": "text", "Voice": "embeddings", "Eos": "type"}


@frozen
class TtsTiming:
    """`first_audio_ms` after the gate opens; then `speed` seconds of work per second of sound."""

    first_audio_ms: float = 250.0
    speed: float = 0.4


@define(eq=False)
class TtsSlot:
    """One place in the batch, and what stands between its connection and the loop."""

    voice: str
    inbox: trio.MemoryReceiveChannel[Message]
    outbox: trio.MemorySendChannel[bytes]
    stream: TtsStream = field(factory=TtsStream)
    credit: float = 0.0


@define(eq=False)
class TtsModule:
    """`run` the loop, and `speak` on each connection."""

    batch_size: int
    voice: Voice
    timing: TtsTiming = field(factory=TtsTiming)
    fault: Fault = field(factory=Fault)
    slots: list[TtsSlot | None] = field(init=False)
    _wake: trio.Event = field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.slots = [None] * self.batch_size

    @property
    def used_slots(self) -> int:
        return sum(slot is not None for slot in self.slots)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The model's loop: ticks while any slot is taken, each on its absolute deadline."""
        await self.voice.phrase(["ready"], "")  # warm up, as the real server does
        task_status.started()
        tick_at = trio.current_time()
        while True:
            if not self.used_slots:
                self._wake = trio.Event()
                await self._wake.wait()
                tick_at = trio.current_time()
                continue
            for index, slot in enumerate(self.slots):
                if slot is not None:
                    await self._tick(index, slot)
            tick_at = max(tick_at + self._tick_s(), trio.current_time())
            await trio.sleep_until(tick_at)

    def _tick_s(self) -> float:
        """A round with anybody's audio in it takes its time, one of text only is quick."""
        if not any(slot is not None and slot.stream.frames for slot in self.slots):
            return TEXT_TICK_S
        slow = self.fault.kind is Kind.SLOW
        return FRAME_S * (SLOW_FACTOR if slow else self.timing.speed)

    async def _tick(self, index: int, slot: TtsSlot) -> None:
        if self.fault.kind is Kind.ZOMBIE and slot.stream.frames >= self.fault.after:
            return
        try:
            self._read(slot, slot.inbox.receive_nowait())
        except trio.WouldBlock:
            pass
        except trio.EndOfChannel:
            self._free(index, slot)
            return
        if words := slot.stream.wanted():
            slot.stream.give(words, await self.voice.phrase(words, slot.voice))
        for _step in range(self._steps(slot)):
            for item in slot.stream.step():
                post(slot.outbox, pack(item))
        if slot.stream.state is State.DONE:
            self._free(index, slot)

    def _steps(self, slot: TtsSlot) -> int:
        """One step a tick; a newcomer's cheap first steps are slipped in between (tts.py)."""
        if slot.stream.offset >= DELAY_STEPS:
            return 1
        tick_s = self._tick_s()
        slot.credit += (DELAY_STEPS + 1) * tick_s / max(self.timing.first_audio_ms / 1000, tick_s)
        steps = int(slot.credit)
        slot.credit -= steps
        return steps

    def _read(self, slot: TtsSlot, message: Message) -> None:
        if message["type"] == "Eos":
            slot.stream.close()
        elif message["type"] == "Text":
            if any(is_poison(word) for word in message["text"].split()):
                self.fault = Fault(Kind.ZOMBIE)  # the real loop dies of an index error
                return
            slot.stream.put(message["text"])

    def _free(self, index: int, slot: TtsSlot) -> None:
        slot.outbox.close()
        slot.inbox.close()
        self.slots[index] = None

    async def speak(self, ws: WebSocket, voice: str) -> None:
        """One connection, from the upgrade to its end."""
        index = next((i for i, slot in enumerate(self.slots) if slot is None), None)
        if index is None or self.fault.kind is Kind.AT_CAPACITY:
            await refuse_no_channel(ws)
            return
        to_loop, inbox = trio.open_memory_channel[Message](INBOX_MESSAGES)
        outbox, to_client = trio.open_memory_channel[bytes](OUTBOX_MESSAGES)
        slot = TtsSlot(voice, inbox, outbox)
        if self.fault.kind is not Kind.NEVER_READY:
            post(outbox, READY)
        self.slots[index] = slot
        self._wake.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._transmit, ws, to_client)
            await self._receive(ws, to_loop)
            to_client.close()  # the transmitter finishes its message, and says goodbye
            nursery.cancel_scope.deadline = trio.current_time() + CLOSE_GRACE_S
        ws.drop()

    async def _transmit(self, ws: WebSocket, to_client: trio.MemoryReceiveChannel[bytes]) -> None:
        await transmit(ws, to_client, lambda: self.fault, Pings.ALWAYS)
        await ws.close()

    async def _receive(self, ws: WebSocket, to_loop: trio.MemorySendChannel[Message]) -> None:
        """Reads until the client is gone, or dumb for 30 s; forwards until it makes no sense."""
        while True:
            frame: bytes | str | Signal = Signal.CLOSED
            with trio.move_on_after(RECEIVE_LIMIT_S):
                frame = await ws.receive()
            if frame is Signal.CLOSED:
                to_loop.close()
                return
            if isinstance(frame, Signal):
                continue
            if self.fault.kind is Kind.RESET_ON_SEND:
                ws.reset()
            message = decode(frame)
            if message is None:
                to_loop.close()
                continue
            try:
                await to_loop.send(message)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                continue  # the utterance is over: what comes now is ignored


def decode(frame: bytes | str) -> Message | None:
    """A client's message; None for what the real server cannot decode (py_module.rs)."""
    if isinstance(frame, str):
        return {"type": "Text", "text": frame}
    if frame == b"\x00":
        return {"type": "Eos"}
    message = unpack(frame)
    if message is None or FIELDS.get(message["type"], "?") not in message:
        return None
    if message["type"] == "Text" and not isinstance(message["text"], str):
        return None
    return message


def is_poison(word: str) -> bool:
    """A word without a visible character: it tokenises to nothing."""
    return all(unicodedata.category(character) in {"Cc", "Cf"} for character in word)


def pack(item: Said | NDArray[np.float32]) -> bytes:
    """A Text with float64 times, or an Audio: 1,920 float32 in an array, clamped, 9,619 bytes."""
    if not isinstance(item, Said):
        return _pack_audio(np.clip(item, -CLIP, CLIP).tobytes())
    times = {"start_s": item.start_s, "stop_s": item.stop_s}
    packed: bytes = msgpack.packb({"type": "Text", "text": item.text, **times})
    return packed


@lru_cache(maxsize=256)  # tones and silence come back; speech hardly ever
def _pack_audio(pcm: bytes) -> bytes:
    samples = np.frombuffer(pcm, np.float32).tolist()
    packed: bytes = msgpack.packb({"type": "Audio", "pcm": samples}, use_single_float=True)
    return packed
