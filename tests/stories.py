"""A whole call in virtual time: a caller, a carrier and three engines, all pretended.

The carrier is the lab's strict model of Twilio; the engines are fakes of the roles, with the
latencies of real ones. Each word of the agent sounds as 300 ms of one byte value, so what the
caller's ear received can be told word by word, whatever voiced believes.

A test takes pytest-trio's `autojump_clock` as an argument, and reads like the call it tells:

    async with on_the_line(Line(llm=FakeLlm(["At nine"]))) as line:
        await line.answer()                 # the greeting, to its end
        await line.says("when do you open")
        await line.answer()
        assert line.ear == ["At", "nine"]
    assert line.record.reason == "hangup"   # the caller hangs up where the story ends

Whatever the story, `on_the_line` proves at its end that no engine is at work any more, that the
carrier had nothing to complain of, that it was never more than 100 ms ahead, and that nothing of
an old reply followed a `clear`.
"""

import json
import math
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import trio
from attrs import define, evolve, field, frozen
from dtmf_ear import keys

from voiced.call.call import Call
from voiced.call.equipment import Reflexes
from voiced.call.persona import Persona
from voiced.call.phrases import PhraseBook, Rendered, key, render
from voiced.call.record import CallRecord
from voiced.call.stream import Books, Stream
from voiced.call.toolbox import Toolbox
from voiced.dialog.events import (
    Flushed,
    PauseScored,
    SpeechEvent,
    SpokenAudio,
    SpokenWord,
    SttEvent,
    WordHeard,
)
from voiced.dialog.history import Told
from voiced.dialog.manners import Manners, Past
from voiced.dialog.parting import Phrase
from voiced.dialog.tools import Round, Tool, ToolCall
from voiced.engines.roles import Completion, Engines, Form, SttStatistics
from voiced.errors import EngineError
from voiced.lab.carrier import Carrier, Playback
from voiced.records.model import Record
from voiced.tools.model import Outcome, Status

SID = "MZ" + "2" * 32
CALL_SID = "CA" + "3" * 32
WORD_S = 0.3
WORD_SAMPLES = 2400
STT_DELAY_S = 0.48
LOUD = bytes([0x90, 0x10] * 80)
SILENT = b"\xff" * 160

T = TypeVar("T")

SOUNDS = range(1, 101)
"""What the words of the live voice sound like, one after the other, round and round."""

GREETING = "Hello how can I help"
GOODBYE = "Goodbye"
APOLOGY = "Sorry"
STILL_THERE = "Still there"
PUTTING_THROUGH = "One moment please"
NOBODY = "Nobody was there"
BACK_AGAIN = "Here I am again"
MESSAGE = "This is a message for you"
FILLER = "Just a second"
CHECKING = "Let me look"
STILL_CHECKING = "Still looking"
BY_HEART = {
    GREETING: 200,
    GOODBYE: 201,
    APOLOGY: 202,
    STILL_THERE: 203,
    PUTTING_THROUGH: 204,
    NOBODY: 205,
    BACK_AGAIN: 206,
    MESSAGE: 207,
    FILLER: 208,
    CHECKING: 209,
    STILL_CHECKING: 210,
}
"""What the phrases sound like when they are said by heart."""


@frozen
class Late:
    """An answer of an engine that takes its time."""

    seconds: float
    then: "str | EngineError | Uses"


@frozen
class Uses:
    """An answer that uses a tool, or `more` of them, behind these words."""

    tool: str
    arguments: str = "{}"
    says: str = ""
    more: tuple[tuple[str, str], ...] = ()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        asked = ((self.tool, self.arguments), *self.more)
        return tuple(ToolCall("1", tool, arguments) for tool, arguments in asked)  # one id for all


def sound(index: int) -> int:
    """The byte that the agent's n-th word sounds like."""
    return SOUNDS[index % len(SOUNDS)]


@define
class FakeStt:
    """Hears what `Line.says` says, 480 ms late; a flush makes it 100 ms."""

    name: str = "ear"
    spoken: list[tuple[float, str]] = field(factory=list)  # when each word ends
    fails: Exception | None = None
    fails_after_s: float = 0.2
    scores: Callable[[float], float | None] | None = None
    flush_s: float = 0.1
    language: str = ""
    open: int = 0

    def transcription(self) -> "FakeTranscription":
        return FakeTranscription(self)


@define
class FakeTranscription:
    stt: FakeStt
    _hear: Callable[[SttEvent], None] | None = None
    _bytes: int = 0
    _reported: int = 0
    _flush: trio.Event = field(factory=trio.Event)

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        self.stt.open += 1
        try:
            self._hear = hear
            with trio.move_on_after(self.stt.fails_after_s if self.stt.fails else math.inf):
                await self._answer_flushes(hear)
            raise self.stt.fails or AssertionError
        finally:
            self._hear = None
            self.stt.open -= 1

    async def _answer_flushes(self, hear: Callable[[SttEvent], None]) -> None:
        while True:
            await self._flush.wait()
            asked = trio.current_time()
            await trio.sleep(self.stt.flush_s)
            self._flush = trio.Event()
            self._report(asked)
            hear(Flushed())

    def put(self, mulaw: bytes) -> None:
        steps = self._bytes // 640
        self._bytes += len(mulaw)
        if self._hear is None or self._bytes // 640 == steps:
            return
        now = trio.current_time()
        self._report(now - STT_DELAY_S)
        self._hear(PauseScored(self._score(now), self._bytes / 8000))

    def _score(self, now: float) -> float | None:
        if self.stt.scores:
            return self.stt.scores(now)
        last = max((end for end, _ in self.stt.spoken), default=-math.inf)
        return 0.001 if now < last + 0.25 else 0.97

    def _report(self, until: float) -> None:
        for end, word in self.stt.spoken[self._reported :]:
            if end > until:
                return
            self._reported += 1
            assert self._hear
            self._hear(WordHeard(word, end - WORD_S, self.stt.language))

    def flush(self) -> None:
        self._flush.set()

    def statistics(self) -> SttStatistics:
        return SttStatistics()


@define
class FakeTool:
    """A tool of the operator's: what it was used with, and when each use began and ended."""

    takes_s: float = 0.2
    result: str = '{"free": true}'
    status: Status = Status.OK
    used: list[Mapping[str, object]] = field(factory=list)
    keys: list[str] = field(factory=list)
    began: list[float] = field(factory=list)
    ended: list[float] = field(factory=list)
    open: int = 0

    async def __call__(
        self, arguments: Mapping[str, object], variables: Mapping[str, str], key: str
    ) -> Outcome:
        self.used.append(arguments)
        self.keys.append(key)
        self.began.append(trio.current_time())
        self.open += 1
        try:
            await trio.sleep(self.takes_s)
        finally:
            self.open -= 1
            self.ended.append(trio.current_time())
        return Outcome(self.result, self.status, "the tool's server", self.takes_s)


Answer = str | Exception | tuple[str, EngineError] | Late | Uses


@define
class FakeLlm:
    """Answers from a list: a text, an error, a text and then an error, or either of them late."""

    answers: list[Answer] = field(factory=list)
    name: str = "mind"
    first_token_s: float = 0.2
    asked: list[tuple[Told, ...]] = field(factory=list)
    forms: list[Form | None] = field(factory=list)
    offered: list[tuple[str, ...]] = field(factory=list)  # the names of the tools, each time
    open: int = 0
    last_used: float = -math.inf

    async def complete(
        self,
        messages: Sequence[Told],
        text: trio.MemorySendChannel[str],
        tools: Sequence[Tool] = (),
        form: Form | None = None,
    ) -> Completion:
        self.asked.append(tuple(messages))
        self.forms.append(form)
        self.offered.append(tuple(tool.name for tool in tools))
        answer = self.answers.pop(0) if self.answers else "Yes indeed sir"
        self.open += 1
        try:
            late = answer if isinstance(answer, Late) else Late(self.first_token_s, "")
            await trio.sleep(late.seconds)
            answer = late.then if answer is late else answer
            if isinstance(answer, Exception):
                raise answer
            uses = answer if isinstance(answer, Uses) else None
            said, error = answer if isinstance(answer, tuple) else (answer, None)
            for piece in (uses.says if uses else str(said)).split():
                await text.send(piece + " ")
                await trio.sleep(1 / 60)
            if error:
                raise error
            calls = uses.calls if uses else ()
            return Completion("tool_calls" if calls else "stop", calls)
        finally:
            self.open -= 1

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()


@define
class FakeTts:
    """Speaks each word for 300 ms, at 0.4 of real time, 250 ms after the first."""

    name: str = "voice"
    identity: str = "fake voice"
    fails: Exception | None = None
    fails_after: int = 0  # words
    fails_in_s: float = 0.0
    said: list[str] = field(factory=list)
    made: list[tuple[float, int]] = field(factory=list)  # of each word: when, in which reply
    open: int = 0
    replies: int = 0
    first_audio_s: float = 0.25
    speed: float = 0.4
    word_s: float = WORD_S

    async def speak(
        self, words: trio.MemoryReceiveChannel[str], speech: trio.MemorySendChannel[SpeechEvent]
    ) -> None:
        self.open += 1
        self.replies += 1
        reply = self.replies
        try:
            await trio.sleep(self.first_audio_s / 5)  # until it is ready
            start_s = 0.0
            count = 0
            async for word in words:
                if self.fails and count >= self.fails_after:
                    await trio.sleep(self.fails_in_s)
                    raise self.fails
                if count == 0:
                    await trio.sleep(self.first_audio_s * 4 / 5)
                count += 1
                await speech.send(SpokenWord(word, start_s, start_s + self.word_s))
                await trio.sleep(self.word_s * self.speed)
                audio = bytes([sound(len(self.said))]) * round(8000 * self.word_s)
                await speech.send(SpokenAudio(audio))
                self.said.append(word)
                self.made.append((trio.current_time(), reply))
                start_s += self.word_s
        finally:
            self.open -= 1


@define
class FakeSocket:
    """The media socket, with the carrier's playback model at the far end."""

    carrier: Carrier
    inbox: trio.MemoryReceiveChannel[str | bytes]
    to_us: trio.MemorySendChannel[str | bytes]
    network_s: float = 0.0  # that a mark's echo takes
    takes_until: float = math.inf
    sent: list[tuple[float, str]] = field(factory=list)
    _under_way: deque[tuple[float, str]] = field(factory=deque)

    async def receive(self) -> str | bytes | None:
        try:
            return await self.inbox.receive()
        except trio.EndOfChannel:
            return None

    async def send(self, messages: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        if now >= self.takes_until:
            await trio.sleep_forever()
        for message in messages:
            self.sent.append((now, message))
            self.echo(self.carrier.receive(message, now))

    def echo(self, names: Sequence[str]) -> None:
        now = trio.current_time()
        self._under_way += [(now + self.network_s, name) for name in names]
        while self._under_way and self._under_way[0][0] <= now:
            _, name = self._under_way.popleft()
            self.deliver({"event": "mark", "streamSid": SID, "mark": {"name": name}})

    def deliver(self, message: object) -> None:
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the call is over
            self.to_us.send_nowait(text)

    @property
    def events(self) -> list[tuple[float, str, str]]:
        """What was sent: when, the kind, and the mark's name or the payload."""
        parsed = ((at, json.loads(message)) for at, message in self.sent)
        return [(at, m["event"], "".join(m.get(m["event"], {}).values())) for at, m in parsed]

    def times(self, kind: str) -> list[float]:
        """When each message of a kind was sent."""
        return [at for at, event, _ in self.events if event == kind]


@define
class FakeJournal:
    """What was put down of a call, in order."""

    records: list[Record] = field(factory=list)

    def put(self, record: Record) -> None:
        self.records.append(record)

    def of(self, kind: type[T]) -> list[T]:
        """The records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]


@define
class FakeRecording:
    """Listens in, and writes down what it was told and when."""

    caller_packets: list[tuple[int | None, bytes]] = field(factory=list)
    agent_frames: list[bytes] = field(factory=list)
    cleared_at: list[float] = field(factory=list)
    open: int = 0

    def caller(self, timestamp_ms: int | None, mulaw: bytes) -> None:
        self.caller_packets.append((timestamp_ms, mulaw))

    def agent(self, mulaw: bytes) -> None:
        self.agent_frames.append(mulaw)

    def clear(self) -> None:
        self.cleared_at.append(trio.current_time())

    async def run(self) -> None:
        self.open += 1
        try:
            await trio.sleep_forever()
        finally:
            self.open -= 1


@define
class Line:
    """One call, told by a test."""

    stt: FakeStt = field(factory=FakeStt)
    llm: FakeLlm = field(factory=FakeLlm)
    tts: FakeTts = field(factory=FakeTts)
    manners: Manners = field(factory=lambda: Manners("You are a test.", idle_prompt_s=0))
    max_call_s: float = 600.0
    by_heart: bool = True
    toolbox: Toolbox = field(factory=Toolbox)
    filler_s: float = 0.0
    past: Past | None = None
    reflexes: Reflexes | None = None
    history_tokens: float = math.inf
    agents: Mapping[str, "Line"] = field(factory=dict)  # to whom it may be handed over
    journal: FakeJournal = field(factory=FakeJournal)
    recording: FakeRecording | None = None
    socket: FakeSocket = field(init=False)
    call: Call = field(init=False)
    record: CallRecord = field(init=False)
    over: trio.Event = field(factory=trio.Event)
    network_s: float = 0.0
    sends_until: float = math.inf  # then the carrier is silent
    _loud_until: float = -math.inf
    _over_at: float = math.inf
    _quiet_ticks: int = 1
    _tick: trio.Event = field(factory=trio.Event)

    # --- what the caller does -------------------------------------------------------------------

    async def says(self, text: str) -> None:
        """Speaks at one word in 300 ms; returns when the last one is said."""
        begin = trio.current_time()
        words = text.split()
        self.stt.spoken += [(begin + WORD_S * (n + 1), word) for n, word in enumerate(words)]
        await self.makes_noise(WORD_S * len(words))

    async def makes_noise(self, seconds: float) -> None:
        """The line is loud, without a word."""
        self._loud_until = trio.current_time() + seconds
        await trio.sleep_until(self._loud_until)

    async def waits(self, seconds: float) -> None:
        """Says nothing for that long."""
        await trio.sleep(seconds)

    def presses(self, keys: str) -> None:
        """All of them in one instant, as the carrier tells of them."""
        for digit in keys:
            dtmf = {"track": "inbound_track", "digit": digit}
            self.socket.deliver({"event": "dtmf", "streamSid": SID, "dtmf": dtmf})

    def hangs_up(self) -> None:
        self.socket.deliver({"event": "stop", "streamSid": SID, "stop": {}})

    def drops(self) -> None:
        """The socket goes without a word."""
        self.socket.to_us.close()

    async def agent_speaks(self) -> None:
        """Returns when the caller hears the agent."""
        await self.until(lambda: self._quiet_ticks == 0)

    async def agent_is_quiet(self) -> None:
        """Returns when the caller has heard nothing for half a second."""
        await self.until(lambda: self._quiet_ticks >= 25)

    async def answer(self) -> None:
        """The agent speaks, and comes to the end."""
        await self.agent_speaks()
        await self.agent_is_quiet()

    async def until(self, condition: Callable[[], bool], within_s: float = 60.0) -> None:
        """Looks every 20 ms."""
        with trio.fail_after(within_s):
            await trio.lowlevel.checkpoint()
            while not condition():
                await self._tick.wait()

    def _is_sounding(self) -> bool:
        head = self.socket.carrier.playback.head(trio.current_time())
        return self.socket.carrier.playback.window(max(0, head - 1), head) not in (b"", b"\xff")

    # --- what the test looks at -----------------------------------------------------------------

    @property
    def heard_until(self) -> float:
        """When the caller heard the last of the agent's audio, on Trio's clock."""
        playback = self.socket.carrier.playback
        return playback.origin + playback.heard(trio.current_time())[-1].stop / 8000

    @property
    def over_at(self) -> float:
        """When the call was over on our side."""
        return self._over_at

    @property
    def ear(self) -> list[str]:
        """The words that reached the caller's ear whole, of those said with the live voice."""
        words, voice, before, word = [], enumerate(self.tts.said), 0, ""
        for byte, samples in self._runs():
            if byte not in SOUNDS or samples < 80:  # a tone has every byte, for an instant
                continue
            if byte != before:  # or it was broken off, and is said again
                # What was said and never sent is passed over.
                word = next(word for index, word in voice if sound(index) == byte)
            before = byte
            words += [word] if samples == WORD_SAMPLES else []
        return words

    @property
    def phrases(self) -> list[str]:
        """The phrases by heart that reached the caller's ear whole."""
        texts = {byte: text for text, byte in BY_HEART.items()}
        return [
            texts[byte]
            for byte, samples in self._runs()
            if byte in texts and samples == WORD_SAMPLES * len(texts[byte].split())
        ]

    @property
    def pressed(self) -> str:
        """The keys that reached the far end as tones."""
        playback = self.socket.carrier.playback
        return keys(playback.window(0, playback.head(min(trio.current_time(), self._over_at))))

    def _runs(self) -> list[tuple[int, int]]:
        """What was heard: each sound, and for how many samples on end."""
        playback = self.socket.carrier.playback
        head = playback.head(min(trio.current_time(), self._over_at))
        audio = np.frombuffer(playback.window(0, head), np.uint8)
        starts = np.flatnonzero(np.diff(audio, prepend=-1))
        lengths = np.diff(starts, append=len(audio))
        return list(zip(audio[starts].tolist(), lengths.tolist(), strict=True))

    @property
    def told(self) -> list[tuple[str, ...]]:
        """What the model was last told, without the prompt; of tools, their results."""
        return [
            ("tool", each.text, *(used.result for used in each.used))
            if isinstance(each, Round)
            else (each.role.value, each.text)
            for each in self.llm.asked[-1][1:]
        ]

    def persona(self, book: PhraseBook) -> Persona:
        texts = {
            Phrase.GREETING: GREETING,
            Phrase.GOODBYE: GOODBYE,
            Phrase.APOLOGY: APOLOGY,
            Phrase.IDLE_PROMPT: STILL_THERE,
            Phrase.TRANSFER: PUTTING_THROUGH,
            Phrase.TRANSFER_FAILED: NOBODY,
            Phrase.RESUMED: BACK_AGAIN,
            Phrase.VOICEMAIL: MESSAGE,
            Phrase.FILLER: FILLER,
        }
        engines = Engines(self.stt, self.llm, self.tts)
        return Persona(
            "test",
            "en",
            self.manners,
            texts,
            engines,
            book,
            self.max_call_s,
            self.toolbox,
            self.filler_s,
            reflexes=self.reflexes,
            history_tokens=self.history_tokens,
        )

    async def pump(self) -> None:
        """The carrier's clock: a packet each 20 ms, and the marks when they are reached."""
        playback = self.socket.carrier.playback
        tick = 1
        while True:
            deadline = playback.origin + tick * 0.02
            await trio.sleep_until(min(deadline, playback.next_due() or math.inf))
            now = trio.current_time()
            self.socket.echo(playback.advance(now))
            if now < deadline:
                continue
            if now < self.sends_until:
                self.socket.deliver(media(tick, LOUD if now <= self._loud_until + 1e-6 else SILENT))
            self._quiet_ticks = 0 if self._is_sounding() else self._quiet_ticks + 1
            self._tick.set()
            self._tick = trio.Event()
            tick += 1

    def verify(self) -> None:
        """What holds in every story."""
        assert (self.stt.open, self.llm.open, self.tts.open) == (0, 0, 0), "an engine is at work"
        assert self.socket.carrier.warnings == []
        assert self.socket.carrier.playback.statistics.max_ahead_s <= 0.1 + 1e-6
        self._verify_clears()

    def _verify_clears(self) -> None:
        """After a `clear`, not one frame of what was being said before it."""
        latest = cleared = last = 0
        for at, event, payload in self.socket.events:
            if event == "clear":
                cleared, last = latest, 0
            elif (
                event == "media" and (byte := _only(b64decode(payload))) in SOUNDS and byte != last
            ):
                latest, last = self._reply_of(byte, at), byte
                assert latest > cleared, f"{at:.2f} s: stale audio after a clear"

    def _reply_of(self, byte: int, at: float) -> int:
        """Which of the voice's replies a sound is from; the latest that had been made by then."""
        return max(
            reply
            for index, (made_at, reply) in enumerate(self.tts.made)
            if sound(index) == byte and made_at <= at
        )


def _only(frame: bytes) -> int:
    """The byte that the whole frame is made of; 0: none."""
    return frame[0] if frame.count(frame[0]) == len(frame) else 0


def media(tick: int, mulaw: bytes) -> dict[str, object]:
    """The caller's audio as the carrier sends it."""
    return {
        "event": "media",
        "streamSid": SID,
        "sequenceNumber": str(tick),
        "media": {
            "track": "inbound",
            "chunk": str(tick),
            "timestamp": str(tick * 20),
            "payload": b64encode(mulaw).decode(),
        },
    }


@asynccontextmanager
async def on_the_line(line: Line | None = None) -> AsyncIterator[Line]:
    """Opens the call; at the end, waits for it to be over (the caller hangs up if need be)."""
    line = line or Line()
    book = PhraseBook(Path("/nonexistent"))
    if line.by_heart:
        for text in BY_HEART:
            book._known[key(line.tts, text)] = await _by_heart(text)
    to_us, inbox = trio.open_memory_channel[str | bytes](5000)
    carrier = Carrier(SID, Playback(trio.current_time()))
    line.socket = FakeSocket(carrier, inbox, to_us, network_s=line.network_s)
    stream = Stream(line.socket, CALL_SID, SID)
    books = Books(line.journal, line.recording)
    line.call = Call(
        line.persona(book), stream, line.past, books, lambda name: line.agents[name].persona(book)
    )

    async def conduct() -> None:
        line.record = await line.call.run()
        line._over_at = trio.current_time()
        line.over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(conduct)
        nursery.start_soon(line.pump)
        yield line
        if not line.over.is_set():
            line.hangs_up()
        with trio.fail_after(120):
            await line.over.wait()
        nursery.cancel_scope.cancel()
    line.verify()


async def _by_heart(text: str) -> Rendered:
    """By heart it sounds otherwise than live, so that `ear` tells live words only."""
    rendered = await render(FakeTts(), text, "en")
    return evolve(rendered, mulaw=bytes([BY_HEART[text]]) * len(rendered.mulaw))
