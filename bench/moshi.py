"""Stand-ins of moshi-server's STT and TTS."""

import json
import re
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from time import monotonic

import msgpack

from bench import tones, websocket
from bench.engines import Engines
from bench.phone import Phone
from bench.reactor import Link

STEP_S = 0.080
PAUSE_STEPS = 4
WORD_STEPS = 3
LOOKAHEAD_WORDS = 2
FRAMES_PER_WORD = 4
SLOTS = 10_000
"""So many that no call is ever refused for want of one."""


def _modules() -> bytes:
    """The answer to `GET /api/modules_info`; the server writes every value as text."""
    paths = {"BatchedAsr": "/api/asr-streaming", "Py": "/api/tts_streaming"}
    body = json.dumps(
        [
            {"type": kind, "path": path, "used_slots": "0", "total_slots": str(SLOTS)}
            for kind, path in paths.items()
        ]
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


_MODULES = _modules()


class Upgrade:
    """A connection until its WebSocket is open; `opened` then returns who takes its messages."""

    def __init__(self, link: Link, opened: Callable[[], "SttLink | TtsLink"]) -> None:
        self._link = link
        self._opened = opened
        self._head = b""
        link.keeps_open = True
        link.received, link.closed = self._received, link.close

    def _received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        if b" /api/modules_info " in head.partition(b"\r\n")[0]:
            self._head = rest
            self._link.send(_MODULES)
            return
        self._link.send(websocket.accept(head + end) + _READY)
        frames, taker = websocket.Frames(), self._opened()

        def received(data: bytes) -> None:
            now = monotonic()
            for opcode, payload, mask in frames.feed(data):
                if opcode == websocket.BINARY:
                    taker.receive(payload, mask, now)

        self._link.received = received
        self._link.closed = taker.closed
        received(rest)


def _frame(message: dict[str, object]) -> bytes:
    packed: bytes = msgpack.packb(message, use_single_float=message["type"] == "Step")
    return websocket.frame(websocket.BINARY, packed)


_READY = _frame({"type": "Ready"})


def _step(score: float) -> bytes:
    return _frame({"type": "Step", "step_idx": 123456, "prs": [score] * 4, "buffered_pcm": 0})


class SttLink:
    """Hears who speaks, tells a word every 240 ms, and the end of the turn after 320 ms."""

    TALK, QUIET = _step(0.001), _step(0.98)
    PAIR = slice(*tones.pair_at())

    def __init__(self, engines: Engines, link: Link) -> None:
        self._engines = engines
        self._link = link
        self._phone: Phone | None = None
        self._steps = 0
        self._loud = 0
        self._quiet = PAUSE_STEPS  # nothing was said yet

    def receive(self, payload: bytes, mask: bytes, now: float) -> None:
        """A step of audio."""
        self._steps += 1
        raw = websocket.unmask(payload[self.PAIR], mask, self.PAIR.start)
        pair = tones.read_pair(raw)
        caller = tones.caller_of(pair) if pair else None
        if caller is not None:
            self._link.send(self.TALK + self._word(caller))
            return
        self._loud = 0
        self._quiet += 1
        self._link.send(self.QUIET if self._quiet >= PAUSE_STEPS else self.TALK)
        packet = tones.packet_of(pair) if pair else None
        if self._quiet == PAUSE_STEPS and packet is not None and self._phone:
            self._phone.signalled(packet + tones.PACKETS_BEHIND, now)

    def _word(self, caller: int) -> bytes:
        if self._phone is None:
            self._phone = self._engines.phone_of(caller)
            if self._phone:
                self._phone.engine_opened(self._link)
        self._loud, self._quiet = self._loud + 1, 0
        if self._loud % WORD_STEPS:
            return b""
        start_s, number = self._steps * STEP_S, self._loud // WORD_STEPS - 1
        text = self._phone.word(number) if self._phone else f"caller{caller}x"
        return _frame({"type": "Word", "text": text, "start_time": start_s})

    def closed(self) -> None:
        """voiced has gone."""
        self._engines.left(self._link, self._phone)


class TextState(Enum):
    """What a TTS connection may still expect."""

    OPEN = auto()
    WHOLE = auto()
    GONE = auto()


class TtsLink:
    """Speaks: a constant tone of the reply's own, four frames a word."""

    WHO = re.compile(r"reply(\d+)x")

    def __init__(self, engines: Engines, link: Link) -> None:
        self._engines = engines
        self._link = link
        self._phone: Phone | None = None
        self._words: deque[str] = deque()
        self._text = TextState.OPEN
        self._frames = 0
        self._due: float | None = None  # while it is at work
        self._audio = websocket.frame(websocket.BINARY, tones.reply_audio(0))

    def receive(self, payload: bytes, mask: bytes, now: float) -> None:
        """Words, or their end."""
        message = msgpack.unpackb(websocket.unmask(payload, mask))
        if message["type"] == "Eos":
            self._text = TextState.WHOLE
        else:
            self._words += message["text"].split()
            self._recognise(message["text"])
        if self._due is None and self._may_speak():
            if self._frames == 0 and self._phone:
                self._note("first_words", now)
                now += self._engines.latencies.first_audio_s
            self._due = now
            self._engines.reactor.at(now, self._work)

    def _recognise(self, text: str) -> None:
        found = None if self._phone else self.WHO.search(text)
        self._phone = self._engines.phone_of(int(found[1])) if found else self._phone
        if found and self._phone:
            self._phone.replies += 1
            self._phone.engine_opened(self._link)
            audio = tones.reply_audio(self._phone.replies)
            self._audio = websocket.frame(websocket.BINARY, audio)

    def _may_speak(self) -> bool:
        return len(self._words) > LOOKAHEAD_WORDS or (
            self._text is TextState.WHOLE and bool(self._words)
        )

    def _work(self) -> None:
        if self._text is TextState.GONE or self._due is None:
            return
        if self._frames % FRAMES_PER_WORD:
            self._link.send(self._audio)
        elif self._may_speak():
            if self._frames == 0:
                self._note("first_audio", monotonic())
            self._link.send(self._word() + self._audio)
        else:
            self._due = None
            if self._text is TextState.WHOLE:
                self._link.send(websocket.frame(websocket.CLOSE, b""))
            return
        self._frames += 1
        self._due += self._pause_s()
        self._engines.reactor.at(self._due, self._work)

    def _pause_s(self) -> float:
        """Phrases to be learnt by heart are no call's, and come at once."""
        return STEP_S * self._engines.latencies.speed_s if self._phone else 0.0

    def _word(self) -> bytes:
        start_s = self._frames * STEP_S
        stop_s = start_s + FRAMES_PER_WORD * STEP_S
        text = self._words.popleft()
        return _frame({"type": "Text", "text": text, "start_s": start_s, "stop_s": stop_s})

    def _note(self, step: str, now: float) -> None:
        if self._phone and self._phone.answer:
            setattr(self._phone.answer, step, now)

    def closed(self) -> None:
        """voiced has gone."""
        self._text = TextState.GONE
        self._engines.left(self._link, self._phone)
