"""Cartesia's text to speech on a WebSocket: JSON in text messages, many contexts on one socket.

A context is one utterance that may be sent in pieces. The pieces are joined letter for letter, so
the spaces are ours. Each piece repeats all fields of the first, or the server refuses it.

Source: Cartesia's API reference "TTS (WebSocket)", "Contexts", "API Errors" and "Concurrency and
WebSocket Limits"; the types of its Python SDK 4.2.0.
"""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeAlias

from attrs import field, frozen

from voiced.errors import WireError
from voiced.wire.fields import (
    JsonObject,
    array,
    as_object,
    child,
    encodable,
    json_value,
    number,
    optional_text,
    optional_whole,
    text,
)

PATH: Final = "/tts/websocket"
KEY_HEADER: Final = "X-API-Key"
VERSION_HEADER: Final = "Cartesia-Version"
VERSION: Final = "2026-03-01"
"""From this one on errors are objects with a code."""

SAMPLE_RATE: Final = 8_000
"""Of the audio that we ask for: mu-law, one byte a sample, so no piece can cut one."""

MAX_MESSAGE: Final = 1024 * 1024
"""The longest message that is read, in characters: a minute and a half of audio."""

MAX_TEXT: Final = 200
"""An error's code and texts are cut to this many characters."""


class More(Enum):
    """Whether a context goes on after this piece."""

    TEXT = True
    NONE = False


# --- client -> server -------------------------------------------------------------------------


@frozen
class Speaker:
    """What is the same in all pieces of a context; an empty `language` is the voice's own.

    `manner` is how a sonic-3 or later speaks: `speed` from 0.6 to 1.5 and `volume` from 0.5 to 2
    times the voice's own, and an `emotion`. What is not there is left to the voice.
    Source: `generation_config` of the same reference.
    """

    model: str
    voice: str
    language: str = ""
    manner: Mapping[str, float | str] = field(factory=dict)

    def text(self, context: str, transcript: str, more: More) -> str:
        """The next piece of a context. Only behind other text may the last one be empty.

        What is sent is spoken at once: left to itself the server waits up to 3 s for more.
        """
        request: JsonObject = {
            "model_id": self.model,
            "transcript": encodable(transcript),
            "voice": {"mode": "id", "id": self.voice},
            "context_id": context,
            "output_format": {
                "container": "raw",
                "encoding": "pcm_mulaw",
                "sample_rate": SAMPLE_RATE,
            },
            "continue": more.value,
            "max_buffer_delay_ms": 0,
            "add_timestamps": True,
        }
        if self.language:
            request["language"] = self.language
        if self.manner:
            request["generation_config"] = dict(self.manner)
        return json.dumps(request, ensure_ascii=False)


def cancel(context: str) -> str:
    """Drops a context. What the server has begun may be sent on all the same, with a `Done` behind
    it or without.
    """
    return json.dumps({"context_id": context, "cancel": True})


# --- server -> client -------------------------------------------------------------------------


@frozen
class Chunk:
    """The next audio of the context: mu-law, 8 kHz, any length, faster than it is played."""

    mulaw: bytes


@frozen
class WordTime:
    """A word of the context, and when it sounds, in seconds from the start of its audio."""

    text: str
    start_s: float
    stop_s: float


@frozen
class Timestamps:
    """Words; they come before the chunk in which they sound, or after it."""

    words: tuple[WordTime, ...]


@frozen
class Done:
    """The last message of a context. It comes also a second after the last audio was made."""


@frozen
class Failure:
    """The end of a context that failed; the socket goes on.

    `status` is like HTTP's, 0 where none was given; `code` the server's own short word, or empty.
    `message` may quote what was to be said, so it is not for logs.
    """

    status: int
    code: str
    message: str


@frozen
class Unknown:
    """A message that need not be understood: the end of a flush, phonemes, whatever is new."""

    type: str


Message: TypeAlias = Chunk | Timestamps | Done | Failure | Unknown


@frozen
class Envelope:
    """A message of which only the address has been read; an error may have none."""

    type: str
    context: str | None
    _fields: JsonObject

    def message(self) -> Message:
        """What is inside.

        Raises:
            WireError: a field is missing or of a wrong type, or the audio is not base64.
        """
        match self.type:
            case "chunk":
                return Chunk(_audio(self._fields))
            case "timestamps":
                return Timestamps(_word_times(self._fields))
            case "done":
                return Done()
            case "error":
                return _failure(self._fields)
        return Unknown(self.type)


def parse(data: str) -> Envelope:
    """Reads whose message it is.

    Raises:
        WireError: longer than `MAX_MESSAGE`, not a JSON object, no type, or an address that is
            no text.
    """
    if len(data) > MAX_MESSAGE:
        raise WireError("message too long")
    fields = as_object(json_value(data))
    kind = text(fields, "type")
    return Envelope(kind, optional_text(fields, "context_id"), fields)


def _audio(fields: JsonObject) -> bytes:
    try:
        return b64decode(optional_text(fields, "data") or "", validate=True)
    except (NotBase64, ValueError):
        raise WireError("data: not base64") from None


def _word_times(fields: JsonObject) -> tuple[WordTime, ...]:
    if fields.get("word_timestamps") is None:
        return ()
    times = child(fields, "word_timestamps")
    columns = [array(times, key) for key in ("words", "start", "end")]
    if len({len(column) for column in columns}) > 1:
        raise WireError("word_timestamps: lists of different lengths")
    return tuple(
        WordTime(text(row, "word"), number(row, "start"), number(row, "end"))
        for row in (
            {"word": word, "start": start, "end": stop}
            for word, start, stop in zip(*columns, strict=True)
        )
    )


def _failure(fields: JsonObject) -> Failure:
    """Older versions have one text for all, `Title: what is wrong`."""
    told = [optional_text(fields, key) for key in ("title", "message", "error")]
    code = optional_text(fields, "error_code") or ""
    message = " ".join(" ".join(each for each in told if each).split())
    return Failure(optional_whole(fields, "status_code") or 0, code[:MAX_TEXT], message[:MAX_TEXT])
