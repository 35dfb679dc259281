"""One media stream as the telephone lives it: a frame each 20 ms, both ways, on one clock.

Tick n stands at origin + n x 20 ms. It looks at what the caller heard in the 20 ms before it,
asks the script what the caller does, and sends what the caller said in those 20 ms. So both
lines are recorded sample by sample at the same place, and a latency is a difference of places.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed

from voiced.audio.frame import FRAME_S, FRAME_SAMPLES, MULAW_SILENCE, SILENT_FRAME
from voiced.lab.carrier import Carrier
from voiced.lab.phone_ear import PAUSE_S, Utterance
from voiced.lab.phone_record import Ended, Kind, PhoneEvent, Recording
from voiced.lab.phone_script import DropStream
from voiced.lab.phone_wire import StreamMessages
from voiced.lab.script import HangUp, Press, Say
from voiced.lab.script_player import REPLY_GAP_S, ScriptPlayer


class Socket(Protocol):
    """What is asked of a WebSocket; both raise `ConnectionClosed` when it is closed."""

    async def get_message(self) -> str | bytes: ...

    async def send_message(self, message: str) -> None: ...


@define
class StreamCall:
    """The life of a stream, between the upgrade and the close."""

    socket: Socket
    messages: StreamMessages
    carrier: Carrier
    player: ScriptPlayer
    speech: Sequence[bytes]
    """For each turn of the script its mu-law; empty where it says nothing."""
    tell: Callable[[PhoneEvent], None]
    chunk_bytes: int = FRAME_SAMPLES
    recording: Recording = field(factory=Recording)
    """Of the whole call; it may hold an earlier stream."""
    start_frame: int = 0
    """The frames of the call before this stream."""
    ended: Ended = field(default=Ended.HUNG_UP, init=False)
    _saying: bytes = field(default=b"", init=False)
    _unsent: bytearray = field(factory=bytearray, init=False)

    @property
    def caller_left(self) -> bool:
        """Whether the call ended from this side, and the stream with it."""
        return self.ended in {Ended.HUNG_UP, Ended.TOO_LONG}

    @property
    def start_s(self) -> float:
        """When the stream began, in the time of the call."""
        return self.start_frame * FRAME_S

    async def run(self, parameters: Mapping[str, str], max_call_s: float) -> None:
        """Plays the script to its end, or to the stream's, or until it is cancelled."""
        for message in self.messages.prelude(parameters):
            await self._send(message)
        self._tell(Kind.CONNECTED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nursery.cancel_scope)
            self.ended = Ended.TOO_LONG
            with trio.move_on_at(self.carrier.playback.origin + max_call_s):
                self.ended = await self._speak()
            nursery.cancel_scope.cancel(reason="the caller is done")

    async def stop(self) -> None:
        """Says that the caller has gone."""
        await self._send(self.messages.stop())

    async def _listen(self, scope: trio.CancelScope) -> None:
        statistics = self.carrier.playback.statistics
        try:
            while True:
                message = await self.socket.get_message()
                now, warned, clears = (
                    trio.current_time(),
                    len(self.carrier.warnings),
                    statistics.clears,
                )
                echoes = self.carrier.receive(message, now)
                for warning in self.carrier.warnings[warned:]:
                    self._tell(Kind.WARNING, f"{warning.code} {warning.reason}")
                if statistics.clears > clears:
                    self._tell(Kind.CLEARED)
                await self._echo(echoes)
        except ConnectionClosed as closed:
            clean = closed.reason is not None and closed.reason.code != 1006
            self.ended = Ended.SERVER_CLOSED if clean else Ended.LOST
            scope.cancel(reason="the stream is closed")

    async def _speak(self) -> Ended:
        playback, tick = self.carrier.playback, 1
        while True:
            deadline = playback.origin + tick * FRAME_S
            await trio.sleep_until(min(deadline, playback.next_due() or math.inf))
            now = trio.current_time()
            await self._echo(playback.advance(now))
            if now >= deadline:
                if (ended := await self._frame(tick)) is not None:
                    return ended
                tick += 1

    async def _frame(self, tick: int) -> Ended | None:
        """The 20 ms that end at this tick; how the stream ends, if it does."""
        heard = self.carrier.playback.window((tick - 1) * FRAME_SAMPLES, tick * FRAME_SAMPLES)
        now_s, runs = self.start_s + tick * FRAME_S, self.recording.agent_ear.runs
        quiet_s = now_s - runs[-1].stop_s if runs else math.inf
        before = len(runs)
        self.recording.hear(heard)
        if len(runs) > before and quiet_s > REPLY_GAP_S:
            self._tell(Kind.AGENT_SPEAKS, at_s=runs[-1].start_s)
        if not self._saying:
            index = self.player.cue(runs, now_s)
            if index is not None and (ended := await self._act(index, now_s)) is not None:
                return ended
        said, self._saying = self._saying[:FRAME_SAMPLES], self._saying[FRAME_SAMPLES:]
        if said and not self._saying:
            self.player.acted(now_s)
        await self._send_audio(said.ljust(FRAME_SAMPLES, bytes([MULAW_SILENCE])))
        return None

    async def _act(self, index: int, now_s: float) -> Ended | None:
        """Begins a turn of the script; how the stream ends by it, if it does."""
        action, runs = self.player.turns[index].action, self.recording.agent_ear.runs
        if isinstance(action, HangUp):
            return Ended.HUNG_UP
        if isinstance(action, DropStream):
            self._tell(Kind.DROPPED)
            self.player.acted(now_s)
            return Ended.DROPPED
        if isinstance(action, Press):
            self._tell(Kind.PRESSED, action.digits)
            for digit in action.digits:
                await self._send(self.messages.digit(digit))
            self.player.acted(now_s)
            return None
        words = action.text if isinstance(action, Say) else action.path.name
        start_s = now_s - FRAME_S
        if runs and start_s - runs[-1].stop_s < PAUSE_S:
            self._tell(Kind.BARGE_IN, at_s=start_s)
        self._tell(Kind.CALLER_SPEAKS, words, at_s=start_s)
        self._saying = self.speech[index] or SILENT_FRAME
        stop_s = start_s + len(self._saying) / (FRAME_SAMPLES / FRAME_S)
        self.recording.utterances.append(Utterance(index + 1, words, start_s, stop_s))
        return None

    async def _send_audio(self, frame: bytes) -> None:
        self.recording.say(frame)
        self._unsent += frame
        while len(self._unsent) >= self.chunk_bytes:
            await self._send(self.messages.media(bytes(self._unsent[: self.chunk_bytes])))
            del self._unsent[: self.chunk_bytes]

    async def _echo(self, names: Sequence[str]) -> None:
        for name in names:
            await self._send(self.messages.mark(name))

    async def _send(self, message: str) -> None:
        # A closed socket is reported once, by the listener.
        with suppress(ConnectionClosed):
            await self.socket.send_message(message)

    def _tell(self, kind: Kind, text: str = "", at_s: float | None = None) -> None:
        if at_s is None:
            at_s = self.start_s + trio.current_time() - self.carrier.playback.origin
        self.tell(PhoneEvent(at_s, kind, text))
