"""A far end that speaks Cartesia's protocol over streams in memory, and one reply of a call."""

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio
from attrs import define, evolve, field
from engine_peers import Handler, Line, Peer
from trio_websocket import ConnectionClosed

from voiced.config.engines import CartesiaTts as Settings
from voiced.config.secrets import Secret
from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.engines.cartesia import CartesiaTts

VOICE = "11111111-2222-4333-8444-555555555555"
SETTINGS = Settings(url="wss://cartesia.test", api_key=Secret("very-secret"), voice=VOICE)
WORD_BYTES = 800
WORD_S = WORD_BYTES / 8000
SENTENCE = ["The", "kitchen", "closes", "at", "ten."]

Serve = Callable[[Handler], Peer]


def chunk(context: str, mulaw: bytes) -> dict[str, Any]:
    data = b64encode(mulaw).decode()
    return {"type": "chunk", "context_id": context, "status_code": 206, "done": False, "data": data}


def times(context: str, word: str, start_s: float) -> dict[str, Any]:
    timed = {"words": [word], "start": [start_s], "end": [start_s + WORD_S / 2]}
    return {"type": "timestamps", "context_id": context, "done": False, "word_timestamps": timed}


def done(context: str) -> dict[str, Any]:
    return {"type": "done", "context_id": context, "status_code": 200, "done": True}


def error(context: str | None = None, **fields: Any) -> dict[str, Any]:
    named = {} if context is None else {"context_id": context}
    return {"type": "error", "done": True, **named, **fields}


@define(eq=False)
class Cartesia:
    """Speaks each piece `first_s` after it came, a word in one chunk; a word's first letter is
    what its audio is made of.

    A context is done when its end is told, or `expires_s` after the last piece is spoken. `faults`
    are what is done with the next requests instead, one each; `early` what a connection says first.
    """

    first_s: float = 0.1
    expires_s: float = 1.0
    faults: list[Callable[["Cartesia", str], Any]] = field(factory=list)
    early: list[str | bytes] = field(factory=list)
    requests: list[dict[str, Any]] = field(factory=list)
    cancelled: list[str] = field(factory=list)
    lines: list[Line] = field(factory=list)
    said_at: list[float] = field(factory=list)
    _homes: dict[str | None, Line] = field(factory=dict)
    _spoken: dict[str, int] = field(factory=dict)
    _queues: dict[str, Any] = field(factory=dict)

    async def __call__(self, line: Line) -> None:
        self.lines.append(line)
        websocket = await line.accept()
        for message in self.early:
            await websocket.send_message(message)
        while True:
            request = json.loads(await websocket.get_message())
            context = request["context_id"]
            if request.get("cancel"):
                self.cancelled.append(context)
                self._queues.pop(context, None)
                continue
            self.requests.append(request)
            self.said_at.append(trio.current_time())
            self._homes[context] = line
            if self.faults and request["transcript"]:
                await self.faults.pop(0)(self, context)
                continue
            if context not in self._queues:
                self._queues[context], queue = trio.open_memory_channel(99)
                line.nursery.start_soon(self._speak, context, queue)
            self._queues[context].send_nowait(request)

    async def _speak(self, context: str, queue: Any) -> None:
        """One context."""
        request: dict[str, Any] = {"continue": True}
        while request["continue"]:
            request = {"continue": False, "transcript": ""}
            with trio.move_on_after(self.expires_s):
                request = await queue.receive()
            if request["transcript"]:
                await trio.sleep(self.first_s)
            for word in request["transcript"].split():
                if context in self._queues:
                    await self.word(context, word)
        if self._queues.pop(context, None):
            await self.send(done(context))

    async def word(self, context: str, word: str) -> None:
        at = self._spoken.setdefault(context, 0)
        self._spoken[context] += 1
        await self.send(times(context, word, at * WORD_S))
        await self.send({"type": "flush_done", "context_id": context, "flush_id": 1})
        await self.send(chunk(context, word[:1].encode() * WORD_BYTES))

    async def send(self, message: dict[str, Any] | str | bytes) -> None:
        """To the connection of the message's context, or to the last one."""
        named = message.get("context_id") if isinstance(message, dict) else None
        ready = message if isinstance(message, str | bytes) else json.dumps(message)
        with suppress(ConnectionClosed):
            await self._homes.get(named, self.lines[-1]).websocket.send_message(ready)

    @property
    def contexts(self) -> list[str]:
        """The ids of all contexts, in the order of their first requests."""
        return list(dict.fromkeys(request["context_id"] for request in self.requests))

    def transcript(self, context: str) -> str:
        """As the server reads it: joined letter for letter."""
        pieces = [each["transcript"] for each in self.requests if each["context_id"] == context]
        return "".join(pieces)


def saying(*messages: dict[str, Any] | str | bytes) -> Callable[[Cartesia, str], Any]:
    """A fault: these messages for an answer, `?` in a context's place being the context."""

    async def answer(server: Cartesia, context: str) -> None:
        for message in messages:
            addressed = message
            if isinstance(message, dict) and message.get("context_id") == "?":
                addressed = {**message, "context_id": context}
            await server.send(addressed)

    return answer


async def dropping(server: Cartesia, context: str) -> None:
    await server.lines[-1].drop()


async def resetting(server: Cartesia, context: str) -> None:
    await server.lines[-1].reset()


async def deaf(server: Cartesia, context: str) -> None:
    await trio.sleep_forever()


async def closing(server: Cartesia, context: str) -> None:
    await server.lines[-1].websocket.aclose(1000)


def engine(served: Peer, **settings: Any) -> CartesiaTts:
    return CartesiaTts("cartesia", evolve(SETTINGS, **settings), connect=served.connect)


@define
class Spoken:
    """What came of a reply."""

    events: list[SpeechEvent] = field(factory=list)

    @property
    def words(self) -> list[SpokenWord]:
        return [event for event in self.events if isinstance(event, SpokenWord)]

    @property
    def mulaw(self) -> bytes:
        return b"".join(event.mulaw for event in self.events if isinstance(event, SpokenAudio))

    @property
    def letters(self) -> str:
        """The first letter of each word that sounded, in the order of the sound."""
        return self.mulaw[::WORD_BYTES].decode()


async def say(tts: CartesiaTts, words: list[str | float], spoken: Spoken | None = None) -> Spoken:
    """One reply, as a call makes it; a number among the words is a pause of the model, and
    infinity a model that never comes to an end.
    """
    spoken = spoken or Spoken()
    write, words_in = trio.open_memory_channel[str](8)
    speech_out, speech_in = trio.open_memory_channel[SpeechEvent](8)

    async def writer() -> None:
        with write:
            for word in words:
                if isinstance(word, float):
                    await trio.sleep(word)
                else:
                    await write.send(word)

    async def reader() -> None:
        async for event in speech_in:
            spoken.events.append(event)

    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer)
        nursery.start_soon(reader)
        with speech_out:
            try:
                await tts.speak(words_in, speech_out)
            except Exception as caught:  # noqa: BLE001  # the test's to judge
                failure = caught
                nursery.cancel_scope.cancel()
    if failure:
        raise failure
    return spoken
