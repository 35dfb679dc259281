"""One call's ear at Deepgram: audio out, words and pauses in, whichever protocol is spoken."""

import logging
import math
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Final

import trio
from attrs import define, field, frozen

from voiced.audio.frame import SAMPLE_RATE
from voiced.dialog.events import Flushed, PauseScored, SttEvent, TurnLikelyOver, TurnResumed
from voiced.engines.deepgram_audio import Outgoing
from voiced.engines.deepgram_ear import Ear, Heard
from voiced.engines.dial import Dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.roles import SttStatistics
from voiced.engines.socket import Socket, open_socket
from voiced.engines.watch import Watch
from voiced.errors import EngineBroken, EngineTimeout, WireError
from voiced.wire.deepgram import CLOSE_STREAM

log = logging.getLogger(__name__)

SURE: Final = 1.0
"""The score of a verdict: Deepgram has weighed it already, by the silence or the threshold that it
was asked for."""

VERDICT_S: Final = 2.0
"""A verdict is repeated for so long: said once, it would be overheard in a stream's first second,
or while a reply is being cut off."""

BYE_S: Final = 0.1
"""A goodbye that cannot be sent by then is not."""

_ID: Final = re.compile(rb"[\w-]{1,64}")

Hear = Callable[[SttEvent], None]


@frozen
class Dialect:
    """What the two protocols do differently.

    `flush`: asks for the last words. `hello_s`: a first message is owed within it; None: none is.
    `patience_s`: the longest wait for a message that is owed. From `idle_s` without
    audio `keep_alive` is sent every `again_s`; where it is empty, silence.
    """

    new_ear: Callable[[], Ear]
    message_bytes: int
    flush: str
    keep_alive: str
    hello_s: float | None
    patience_s: float
    idle_s: float
    again_s: float


class DeepgramTranscription:
    """`Outgoing` holds the audio, an `Ear` knows what the messages mean."""

    def __init__(self, endpoint: Endpoint, connect: Dial, dialect: Dialect, flush_s: float) -> None:
        self._endpoint = endpoint
        self._connect = connect
        self._dialect = dialect
        self._ear = dialect.new_ear()
        self._audio = Outgoing(dialect.message_bytes)
        self._flushes = _Flushes(flush_s)
        self._work = trio.Event()  # there is something to send
        self._watch = Watch(
            lambda: dialect.patience_s if self._audio.is_owed else math.inf,
            f"audio flows, but nothing has come back for more than {dialect.patience_s:g} s",
        )
        self._received = 0
        self._verdict_until_s = 0.0

    def put(self, mulaw: bytes) -> None:
        """Takes the caller's audio, any length; never blocks; drops the oldest when late."""
        self._audio.put(mulaw)
        if self._audio.is_ready:
            self._work.set()

    def flush(self) -> None:
        """Asks for everything said so far; flushes that overlap are answered as one."""
        self._flushes.ask()
        self._work.set()

    def statistics(self) -> SttStatistics:
        """`steps` are Deepgram's messages."""
        dropped_ms = self._audio.dropped_bytes * 1000 // SAMPLE_RATE
        return SttStatistics(dropped_ms, self._received)

    async def run(self, hear: Hear) -> None:
        """Connects and listens until cancelled.

        Raises:
            EngineRefused: wrong key, no credit, unknown model or language, wrong address.
            EngineAtCapacity: as many streams are open as the account may have.
            EngineTimeout: no connection, no first message, or none although audio is sent.
            EngineBroken: not reachable, dropped, closed, gave up, or spoke nonsense.
        """
        async with open_socket(self._endpoint, str, self._connect) as socket, _goodbye(socket):
            told = {"engine": self._endpoint.engine, "request_id": _request_id(socket)}
            log.info("Deepgram is connected", extra={"fields": told})
            await self._greeted(socket)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, socket, hear)
                nursery.start_soon(self._answer_late, hear)
                while True:
                    await self._tell(await self._next(socket), hear)

    async def _greeted(self, socket: Socket[str]) -> None:
        """Waits for the first message, where the protocol has one: no audio may go before it."""
        if self._dialect.hello_s is None:
            return
        with trio.move_on_after(self._dialect.hello_s):
            while not (await self._next(socket)).is_hello:
                pass
            return
        told = f"it said nothing within {self._dialect.hello_s:g} s of the connection"
        raise self._endpoint.error(EngineTimeout, told)

    async def _send(self, socket: Socket[str], hear: Hear) -> None:
        """Sends audio as it fills messages, and what must be sent where there is none."""
        idle_at = trio.current_time() + self._dialect.idle_s
        while True:
            with trio.move_on_at(idle_at) as waiting:
                await self._work.wait()
            self._work = trio.Event()
            if waiting.cancelled_caught:
                idle_at += self._dialect.again_s
                await self._bridge(socket)
            elif self._audio.is_ready:
                idle_at = trio.current_time() + self._dialect.idle_s
            while self._audio.is_ready:
                await trio.sleep_until(self._audio.due(trio.current_time()))
                await self._send_audio(socket, self._audio.take(trio.current_time()), hear)
            if self._flushes.is_asked:
                await self._flush(socket, hear)

    async def _send_audio(self, socket: Socket[str], audio: bytes, hear: Hear) -> None:
        self._watch.remind()
        await socket.send(audio)
        if self._ear.is_over and self._audio.stream_s <= self._verdict_until_s:
            hear(PauseScored(SURE, self._audio.stream_s))

    async def _bridge(self, socket: Socket[str]) -> None:
        """A sign of life; a stream that never had audio may not be held by signs alone."""
        if self._dialect.keep_alive and self._audio.sent_bytes:
            await socket.send(self._dialect.keep_alive)
        else:
            self._audio.put_silence()

    async def _flush(self, socket: Socket[str], hear: Hear) -> None:
        """Has the last words told. Where the utterance is over they have been, and Deepgram might
        not answer."""
        if self._ear.is_over:
            self._flushes.answer(hear)
            return
        self._flushes.sent()
        if rest := self._audio.take(trio.current_time(), rest=True):
            await self._send_audio(socket, rest, hear)
        await socket.send(self._dialect.flush)

    async def _answer_late(self, hear: Hear) -> None:
        """Answers the flushes that Deepgram does not answer in time, with the words so far."""
        while True:
            if await self._flushes.wait_late():
                for word in self._ear.rest():
                    hear(word)
                self._flushes.answer(hear)

    async def _next(self, socket: Socket[str]) -> Heard:
        data = await self._watch.receive(socket)
        if data is None:
            raise self._endpoint.error(EngineBroken, "it closed the connection in mid-call")
        self._received += 1
        self._audio.answered()
        try:
            heard = self._ear.receive(data.encode())
        except WireError as error:
            raise self._endpoint.error(EngineBroken, f"malformed message: {error}") from error
        if heard.failure:
            raise self._endpoint.error(EngineBroken, f"it gave up ({heard.failure})")
        if heard.warning:
            told = {"engine": self._endpoint.engine, "code": heard.warning}
            log.warning("Deepgram warns", extra={"fields": told})
        return heard

    async def _tell(self, heard: Heard, hear: Hear) -> None:
        if heard.is_resumed:
            hear(TurnResumed())
        for word in heard.words:
            hear(word)
            await trio.lowlevel.checkpoint()  # a long utterance must not fill the call's queue
        if heard.is_likely:
            hear(TurnLikelyOver())
        if heard.is_verdict:
            self._verdict_until_s = self._audio.stream_s + VERDICT_S
            hear(PauseScored(SURE, self._audio.stream_s))
        if heard.is_flushed or heard.is_verdict:
            self._flushes.answer(hear)


@asynccontextmanager
async def _goodbye(socket: Socket[str]) -> AsyncGenerator[None]:
    """Says it when the scope is left, and waits for no answer."""
    try:
        yield
    finally:
        with trio.move_on_after(BYE_S, shield=True):
            await socket.send(CLOSE_STREAM)


def _request_id(socket: Socket[str]) -> str:
    """Deepgram's name for this connection, for its support; empty where it gave none."""
    given = socket.header("dg-request-id")
    return given.decode() if _ID.fullmatch(given) else ""


class _State(Enum):
    NONE = 1
    ASKED = 2
    SENT = 3


@define
class _Flushes:
    """The one flush that is under way, if any. One asked for meanwhile puts it off: what answers
    the second answers both."""

    patience_s: float
    _state: _State = _State.NONE
    _asked: trio.Event = field(factory=trio.Event)
    _answered: trio.Event = field(factory=trio.Event)

    @property
    def is_asked(self) -> bool:
        """Somebody wants one, and nobody has seen to it."""
        return self._state is _State.ASKED

    def ask(self) -> None:
        if self._state is _State.NONE:
            self._answered = trio.Event()
            self._asked.set()
        self._state = _State.ASKED

    def sent(self) -> None:
        """Deepgram has been asked."""
        self._state = _State.SENT

    def answer(self, hear: Hear) -> None:
        """There is an answer, for whoever waits for it."""
        if self._state is not _State.NONE:
            self._state = _State.NONE
            self._answered.set()
            hear(Flushed())

    async def wait_late(self) -> bool:
        """Returns for each flush, when it is answered or its time is up: whether it is late."""
        await self._asked.wait()
        self._asked, answered = trio.Event(), self._answered
        with trio.move_on_after(self.patience_s):
            await answered.wait()
        return not answered.is_set()
