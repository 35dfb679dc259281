"""The media streams of one call, one after the other, on one recording and one script."""

import secrets
from collections.abc import Callable, Mapping
from functools import partial

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from voiced.audio.frame import FRAME_S
from voiced.lab.carrier import Carrier, Playback
from voiced.lab.phone_dial import CallSettings, Farewell, dial
from voiced.lab.phone_diary import Diary
from voiced.lab.phone_record import Ended, Recording
from voiced.lab.phone_reins import Demand, Reins
from voiced.lab.phone_script import Person
from voiced.lab.phone_stream import StreamCall
from voiced.lab.phone_wire import Connect, StreamMessages
from voiced.lab.script_player import ScriptPlayer

ENDED_BY = {
    Demand.END: Ended.COMPLETED,
    Demand.TIME_LIMIT: Ended.TIME_LIMIT,
    Demand.DOCUMENT: Ended.REDIRECTED,
}


@define(eq=False)
class Streams:
    """Opens, lives and leaves streams; the script goes on where the stream before it ended."""

    settings: CallSettings
    call_sid: str
    person: Person
    diary: Diary
    reins: Reins
    streamed: Callable[[Connect, Mapping[str, str]], None]
    """Told of what a stream's status callback is to hear."""
    all: list[StreamCall] = field(factory=list, init=False)
    recording: Recording = field(factory=Recording, init=False)
    player: ScriptPlayer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.player = ScriptPlayer(self.person.turns)

    @property
    def caller_left(self) -> bool:
        """Whether the last stream took the call with it."""
        return bool(self.all) and self.all[-1].caller_left

    async def connect(self, connect: Connect) -> None:
        """A stream from its upgrade to its close; what cannot be opened is a warning."""
        problem = await dial(connect, self.settings, partial(self._live, connect))
        if problem is not None:
            self.diary.warn(problem)
            fields = {"StreamEvent": "stream-error", "StreamError": problem.reason}
            self.streamed(connect, fields)

    async def _live(self, connect: Connect, socket: WebSocketConnection) -> Farewell:
        stream = self._open(socket)
        sid = {"StreamSid": stream.carrier.stream_sid}
        self.streamed(connect, {"StreamEvent": "stream-started", **sid})
        with self.reins.interruptible() as scope:
            await stream.run(connect.parameters, self.settings.max_call_s - stream.start_s)
        if scope.cancelled_caught and (order := self.reins.order) is not None:
            stream.ended = ENDED_BY[order.demand]
        self.streamed(connect, {"StreamEvent": "stream-stopped", **sid})
        if stream.ended is Ended.DROPPED:
            return Farewell.DROP
        from_here = stream.caller_left or scope.cancelled_caught
        if from_here and self.settings.farewell is Farewell.STOP:
            await stream.stop()
        return self.settings.farewell

    def _open(self, socket: WebSocketConnection) -> StreamCall:
        """A stream on its socket; between two streams the call was silent."""
        now, settings, sid = trio.current_time(), self.settings, "MZ" + secrets.token_hex(16)
        if self.diary.origin is None:
            self.diary.origin = now
        frames = round((now - self.diary.origin) / FRAME_S)
        if self.all:
            self.recording.fill(frames)
            self.player.acted(frames * FRAME_S)
        stream = StreamCall(
            socket,
            StreamMessages(sid, self.call_sid, settings.account_sid, settings.quirks),
            Carrier(sid, Playback(now)),
            self.player,
            self.person.speech,
            self.diary.tell,
            settings.chunk_bytes,
            self.recording,
            frames,
        )
        self.all.append(stream)
        return stream
