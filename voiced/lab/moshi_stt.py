"""The stand-in of moshi-server's STT module (type `BatchedAsr`): slots, the loop, connections.

Follows batched_asr.rs: Ready comes from the loop, one message and at most one frame per
connection and iteration, a step counter that all share, no pacing to real time, and an end
without a Close frame, whatever its cause.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

import msgpack
import numpy as np
import trio
from attrs import define, field, frozen

from voiced.lab.ear import Ear, EarFactory, SilenceMeter
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
from voiced.lab.server import Signal, WebSocket
from voiced.lab.stt_stream import STEP_S, SttStream
from voiced.lab.voice import FRAME_SAMPLES

WARM_UP_STEPS = 2
RECEIVE_LIMIT_S = 20.0
AUDIO_LIMIT_S = 120.0
SLOW_FACTOR = 3.0
FIELDS = {"Init": "type", "Audio": "pcm", "Marker": "id"}


@frozen
class SttTiming:
    """`step_ms` is the work of one step, `delay_steps` the lag of the words."""

    step_ms: float = 10.0
    delay_steps: int = 6
    pause_ms: float = 280.0


class Life(Enum):
    """A slot's way."""

    TAKEN = auto()  # its ear is being fetched
    NEW = auto()  # the loop has not seen it yet
    READY = auto()


@define(eq=False)
class SttSlot:
    """One place in the batch, and what stands between its connection and the loop."""

    inbox: trio.MemoryReceiveChannel[Message]
    outbox: trio.MemorySendChannel[bytes]
    stream: SttStream
    life: Life = Life.TAKEN
    silence: SilenceMeter = field(factory=SilenceMeter)
    markers: list[tuple[int, int]] = field(factory=list)
    """(step counter, id) of the markers that are owed."""


@define(eq=False)
class SttModule:
    """`run` the loop, and `listen` on each connection."""

    batch_size: int
    new_ear: EarFactory
    timing: SttTiming = field(factory=SttTiming)
    fault: Fault = field(factory=Fault)
    slots: list[SttSlot | None] = field(init=False)
    _ears: dict[int, Ear] = field(factory=dict)
    """An ear is dear to make, so each slot keeps its own for the next connection."""
    _step_idx: int = WARM_UP_STEPS
    _wake: trio.Event = field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.slots = [None] * self.batch_size

    @property
    def used_slots(self) -> int:
        return sum(slot is not None for slot in self.slots)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The model's loop: iterates as long as any slot has something to do."""
        self._ears[0] = await self.new_ear()
        task_status.started()
        while True:
            wake = self._wake = trio.Event()
            began = trio.current_time()
            if await self._iterate():
                slow = self.fault.kind is Kind.SLOW
                work_s = STEP_S * SLOW_FACTOR if slow else self.timing.step_ms / 1000
                await trio.sleep_until(began + work_s)
            else:
                await wake.wait()

    async def _iterate(self) -> bool:
        """One message and one frame of each slot; false if there was nothing to do."""
        work = [self._read(index, slot) for index, slot in self._live_slots()]
        frames = [(i, slot, slot.stream.next_frame()) for i, slot in self._live_slots()]
        stepping = [(i, slot, frame) for i, slot, frame in frames if frame is not None]
        if stepping:
            self._step_idx += 1
            async with trio.open_nursery() as nursery:
                for index, slot, frame in stepping:
                    nursery.start_soon(self._step, self._ears[index], slot, frame)
        for _index, slot in self._live_slots():
            self._echo_markers(slot)
        return bool(stepping) or any(work)

    def _live_slots(self) -> list[tuple[int, SttSlot]]:
        kind, after = self.fault.kind, self.fault.after
        return [
            (index, slot)
            for index, slot in enumerate(self.slots)
            if slot is not None
            and slot.life is not Life.TAKEN
            and not (kind is Kind.NEVER_READY and slot.life is Life.NEW)
            and not (kind is Kind.ZOMBIE and slot.life is Life.READY and slot.stream.steps >= after)
        ]

    def _read(self, index: int, slot: SttSlot) -> bool:
        if slot.life is Life.NEW:
            slot.life = Life.READY
            post(slot.outbox, READY)
        try:
            message = slot.inbox.receive_nowait()
        except trio.WouldBlock:
            return False
        except trio.EndOfChannel:
            slot.outbox.close()
            slot.inbox.close()
            self._ears[index].restart()
            self.slots[index] = None
            return True
        if message["type"] == "Audio":
            slot.stream.put(np.asarray(message["pcm"], np.float32))
        elif message["type"] == "Marker":
            lag = self.timing.delay_steps + slot.stream.buffered // FRAME_SAMPLES
            slot.markers.append((self._step_idx + lag, message["id"]))
        else:
            self._ears[index].restart()
            slot.stream = self._new_stream()
            post(slot.outbox, READY)
        return True

    def _new_stream(self) -> SttStream:
        return SttStream(self.timing.delay_steps, self.timing.pause_ms / 1000)

    async def _step(self, ear: Ear, slot: SttSlot, frame: Any) -> None:
        silence_s = slot.silence.measure(frame)
        words = await ear.hear(frame, silence_s)
        for message in slot.stream.step(self._step_idx, silence_s, words):
            post(slot.outbox, pack(message))

    def _echo_markers(self, slot: SttSlot) -> None:
        due = [marker for marker in slot.markers if marker[0] <= self._step_idx]
        for marker in due:
            slot.markers.remove(marker)
            post(slot.outbox, pack({"type": "Marker", "id": marker[1]}))

    async def listen(self, ws: WebSocket) -> None:
        """One connection, from the upgrade to its end."""
        index = next((i for i, slot in enumerate(self.slots) if slot is None), None)
        if index is None or self.fault.kind is Kind.AT_CAPACITY:
            await refuse_no_channel(ws)
            return
        to_loop, inbox = trio.open_memory_channel[Message](INBOX_MESSAGES)
        outbox, to_client = trio.open_memory_channel[bytes](OUTBOX_MESSAGES)
        slot = self.slots[index] = SttSlot(inbox, outbox, self._new_stream())
        with to_loop, to_client:
            if index not in self._ears:
                self._ears[index] = await self.new_ear()
            slot.life = Life.NEW
            self._wake.set()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(transmit, ws, to_client, lambda: self.fault, Pings.WHEN_QUIET)
                await self._receive(ws, to_loop)
                nursery.cancel_scope.cancel(reason="the client is gone")
        self._wake.set()
        ws.drop()

    async def _receive(self, ws: WebSocket, to_loop: trio.MemorySendChannel[Message]) -> None:
        """Reads until the client is gone, makes no sense, or is silent for too long."""
        last_audio_s = trio.current_time()
        while True:
            frame: bytes | str | Signal = Signal.CLOSED
            with trio.move_on_after(RECEIVE_LIMIT_S):
                frame = await ws.receive()
            if isinstance(frame, bytes):
                last_audio_s = trio.current_time()
                if self.fault.kind is Kind.RESET_ON_SEND:
                    ws.reset()
                if (message := decode(frame)) is None:
                    return
                await to_loop.send(message)
                self._wake.set()
            elif frame is Signal.CLOSED or trio.current_time() - last_audio_s > AUDIO_LIMIT_S:
                return


def decode(frame: bytes) -> Message | None:
    """A client's message; None for what the real server cannot decode (asr.rs)."""
    message = unpack(frame)
    if message is None or FIELDS.get(message["type"], "?") not in message:
        return None
    if message["type"] == "Audio" and not isinstance(message["pcm"], list):
        return None  # bin is refused: "expected a sequence"
    return message


def pack(message: Mapping[str, Any]) -> bytes:
    """A server's message: the scores are float32, times float64."""
    single = message["type"] == "Step"
    packed: bytes = msgpack.packb(message, use_single_float=single)
    return packed
