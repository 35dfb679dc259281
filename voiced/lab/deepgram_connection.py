"""The connections of the stand-in Deepgram: audio and commands in, messages out."""

import json
from collections import deque
from typing import Any

import trio
from attrs import define

from voiced.lab.deepgram_audio import Hearing
from voiced.lab.deepgram_faults import Kind, Mouth
from voiced.lab.deepgram_flux import FluxStream
from voiced.lab.deepgram_link import REQUEST_ID
from voiced.lab.deepgram_nova import NovaStream
from voiced.lab.server import Signal

Message = dict[str, Any]


def command(frame: str) -> str:
    """The type of a text message; empty for what is none."""
    try:
        message = json.loads(frame)
    except ValueError:
        return ""
    kind = message.get("type", "") if isinstance(message, dict) else ""
    return kind if isinstance(kind, str) else ""


@define
class NovaConnection:
    """`/v1/listen` from the upgrade to its end."""

    _mouth: Mouth
    _hearing: Hearing
    _stream: NovaStream
    _commands: deque[str]
    _patience_s: float

    async def run(self) -> None:
        """Reads until the client closes, says so, or is silent for too long."""
        link = self._mouth.link
        due = trio.current_time() + self._patience_s
        while True:
            frame: bytes | str | Signal | None = None
            with trio.move_on_at(due):
                frame = await link.receive()
            match frame:
                case None:
                    return await link.close_with(1011, "NET-0001")
                case Signal.CLOSED:
                    return None
                case Signal.CONTROL:  # a ping is no KeepAlive
                    continue
                case b"":
                    return await self._finish()
                case bytes():
                    await self._hear(frame)
                case str() if await self._obey(frame):
                    return None
            due = trio.current_time() + self._patience_s

    async def _hear(self, audio: bytes) -> None:
        for step in await self._hearing.hear(audio):
            for message in self._stream.step(step):
                await self._mouth.tell(message)

    async def _obey(self, frame: str) -> bool:
        """Carries out a command; returns whether it was the last."""
        self._commands.append(kind := command(frame))
        match kind:
            case "KeepAlive":
                pass
            case "Finalize":
                if self._mouth.fault is not Kind.NO_FINALIZE:
                    await self._report(from_finalize=True)
            case "CloseStream":
                await self._finish()
                return True
            case "Configure":
                terms = json.loads(frame).get("keyterms", [])
                await self._mouth.tell(
                    {"type": "ConfigureSuccess", "request_id": REQUEST_ID, "keyterms": terms}
                )
            case _:
                await self._mouth.tell(_unreadable(frame))
        return False

    async def _report(self, *, from_finalize: bool) -> None:
        words = await self._hearing.last_words()
        results = self._stream.finalize(words, self._hearing.clock_s)
        await self._mouth.tell(results | {"from_finalize": from_finalize})

    async def _finish(self) -> None:
        await self._report(from_finalize=False)
        await self._mouth.tell(
            {
                "type": "Metadata",
                "transaction_key": "deprecated",
                "request_id": REQUEST_ID,
                "sha256": "0" * 64,
                "created": "2026-11-20T10:00:00.000Z",
                "duration": self._hearing.clock_s,
                "channels": 1,
            }
        )
        await self._mouth.link.close_with(1000)


def _unreadable(frame: str) -> Message:
    return {
        "type": "Error",
        "variant": "SchemaError",
        "description": "could not parse text message",
        "message": frame,
    }


@define
class FluxConnection:
    """`/v2/listen` from the upgrade to its end."""

    _mouth: Mouth
    _hearing: Hearing
    _stream: FluxStream
    _commands: deque[str]

    async def run(self) -> None:
        """Reads until the client closes or says so. Without audio, nothing happens at all."""
        link = self._mouth.link
        await self._mouth.tell(self._stream.connected())
        while (frame := await link.receive()) is not Signal.CLOSED:
            if isinstance(frame, bytes):
                for step in await self._hearing.hear(frame):
                    for message in self._stream.step(step):
                        await self._mouth.tell(message)
            elif isinstance(frame, str) and await self._obey(frame):
                return await link.close()
        return None

    async def _obey(self, frame: str) -> bool:
        """Carries out a command; returns whether it was the last."""
        self._commands.append(kind := command(frame))
        match kind:
            case "CloseStream":  # ends no turn, tells nothing
                return True
            case "ForceEndTurn":
                if self._mouth.fault is not Kind.NO_FINALIZE:
                    words = await self._hearing.last_words()
                    await self._mouth.tell(self._stream.force(words, self._hearing.clock_s))
            case "Configure":
                await self._mouth.tell(self._stream.configure(json.loads(frame)))
            case _:
                code = {"code": "UNPARSABLE_CLIENT_MESSAGE", "description": "What was that?"}
                await self._mouth.tell(self._stream.numbered("Error", **code))
                return True
        return False
