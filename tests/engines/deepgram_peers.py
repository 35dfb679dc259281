"""Deepgram's messages, and far ends that send them, for the tests of its client."""

import json
from collections.abc import Awaitable, Callable

import trio
from attrs import define, field
from engine_peers import Line

from voiced.dialog.events import Flushed, PauseScored, SttEvent, WordHeard

STEP = bytes([0xFF]) * 640


def item(word: str, start_s: float, stop_s: float, confidence: float = 0.97) -> dict[str, object]:
    return {"word": word, "start": start_s, "end": stop_s, "confidence": confidence}


def spread(text: str, start_s: float, confidence: float = 0.97) -> list[dict[str, object]]:
    """Words of 0.3 s, one behind the other."""
    return [
        item(word, round(start_s + 0.3 * n, 2), round(start_s + 0.3 * n + 0.3, 2), confidence)
        for n, word in enumerate(text.split())
    ]


def results(
    text: str,
    window: tuple[float, float],
    *flags: str,
    begins: float | None = None,
    confidence: float = 0.5,
) -> str:
    """A Results for this window (start, end); its words begin with it, or at `begins`."""
    start_s, stop_s = window
    words = spread(text, start_s if begins is None else begins, confidence)
    best = {"transcript": text, "confidence": confidence, "words": words}
    told = {"type": "Results", "start": start_s, "duration": stop_s - start_s}
    return json.dumps(told | {"channel": {"alternatives": [best]}} | dict.fromkeys(flags, True))


def utterance_end(last_word_s: float) -> str:
    return json.dumps({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last_word_s})


SPEECH_STARTED = json.dumps({"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.1})
CONNECTED = json.dumps({"type": "Connected", "request_id": "a1b2", "sequence_id": 0})


def turn(event: str, text: str = "", index: int = 0, stop_s: float = 1.0) -> str:
    told = {"type": "TurnInfo", "event": event, "turn_index": index, "audio_window_end": stop_s}
    words = [{"word": word, "confidence": 0.9} for word in text.split()]
    return json.dumps(told | {"transcript": text, "words": words})


def words_of(heard: list[SttEvent]) -> str:
    return " ".join(event.text for event in heard if isinstance(event, WordHeard))


def pauses_of(heard: list[SttEvent]) -> list[PauseScored]:
    return [event for event in heard if isinstance(event, PauseScored)]


def flushes_of(heard: list[SttEvent]) -> int:
    return heard.count(Flushed())


@define(eq=False)
class Deepgram:
    """Keeps what it is sent, with its times, and says what the test tells it to.

    `script` maps seconds of audio received to messages; `answers` a command's type to messages.
    """

    script: dict[float, list[str]] = field(factory=dict)
    answers: dict[str, list[str]] = field(factory=dict)
    hello: list[str] = field(factory=list)
    hello_after_s: float = 0.0
    ending: Callable[[Line], Awaitable[None]] | None = None
    audio: list[tuple[float, bytes]] = field(factory=list)
    commands: list[tuple[float, str]] = field(factory=list)

    @property
    def heard_s(self) -> float:
        return sum(len(data) for _, data in self.audio) / 8000

    def kinds(self) -> list[str]:
        return [kind for _, kind in self.commands]

    async def __call__(self, line: Line) -> None:
        websocket = await line.accept()
        await trio.sleep(self.hello_after_s)
        for message in self.hello:
            await websocket.send_message(message)
        if self.ending:
            await trio.sleep(0.1)
            await self.ending(line)
        while True:
            data = await websocket.get_message()
            if isinstance(data, bytes):
                self.audio.append((trio.current_time(), data))
                due = [at for at in self.script if at <= self.heard_s + 1e-9]
                replies = [message for at in sorted(due) for message in self.script.pop(at)]
            else:
                kind = json.loads(data)["type"]
                self.commands.append((trio.current_time(), kind))
                replies = self.answers.get(kind, [])
            for message in replies:
                await websocket.send_message(message)
