"""Deepgram's live transcription with a Nova model, `/v1/listen`: audio in, JSON in text out.

Audio goes as binary frames and everything else as text: a command in a binary frame would be taken
for audio, and an empty binary frame for the end of the stream. All times are seconds of the audio
sent on this connection.

Source: Deepgram's AsyncAPI of July 2026 and the types of its deepgram-sdk 7.17.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import urlencode

from attrs import frozen

from voiced.wire.fields import (
    JsonObject,
    as_object,
    child,
    json_value,
    number,
    optional_array,
    optional_text,
    text,
)

SAMPLE_RATE: Final = 8_000

# --- client -> server -------------------------------------------------------------------------

KEEP_ALIVE: Final = json.dumps({"type": "KeepAlive"})
"""Owed every ten seconds where no audio is sent; a WebSocket ping does not count."""

FINALIZE: Final = json.dumps({"type": "Finalize"})
"""Asks for all that was said so far. Where little is held back, no answer may come."""

CLOSE_STREAM: Final = json.dumps({"type": "CloseStream"})
"""No more audio: the server tells the rest and closes."""


@frozen
class ListenOptions:
    """What to hear and when an utterance is over. Raw mu-law needs both of its parameters.

    `utterance_end_ms` works with interim results only. Punctuation is asked for, smart formatting
    and numerals are not: they hold results back, and rewrite words that were told before.
    `keyterms`: words to listen for, which only Nova-3 takes.
    """

    model: str
    language: str
    endpointing_ms: int
    utterance_end_ms: int
    keyterms: tuple[str, ...] = ()
    mip_opt_out: bool = False

    def path(self) -> str:
        """Path and query of the request."""
        query: dict[str, object] = {
            "model": self.model,
            "language": self.language,  # or French would be heard as English
            "encoding": "mulaw",
            "sample_rate": SAMPLE_RATE,
            "channels": 1,
            "interim_results": "true",  # in lower case: Python's True is refused
            "punctuate": "true",
            "endpointing": self.endpointing_ms,
            "utterance_end_ms": self.utterance_end_ms,
            "vad_events": "true",
        }
        return f"/v1/listen?{query_of(query, self.keyterms, mip_opt_out=self.mip_opt_out)}"


def query_of(query: Mapping[str, object], keyterms: tuple[str, ...], *, mip_opt_out: bool) -> str:
    """The query with what both protocols can be asked for: the key `keyterm` once for each."""
    opt_out = {"mip_opt_out": "true"} if mip_opt_out else {}
    return urlencode({**query, "keyterm": keyterms, **opt_out}, doseq=True)


# --- server -> client -------------------------------------------------------------------------


@frozen
class Word:
    """A word as it is written, with its punctuation. Times are None where none were sent.

    `language`: which it is in, where the model listens for several (`fr`); else empty.
    """

    text: str
    start_s: float | None = None
    stop_s: float | None = None
    confidence: float = 0.0
    language: str = ""


@frozen
class Results:
    """What was said in the audio from `start_s` to `stop_s`; no words in silence.

    Until `is_final` each replaces the one before for the same audio; then the next window begins
    where this one ended, which may be before the end of the last guess. `speech_final`: enough
    silence followed. `from_finalize`: the answer to `FINALIZE`.
    """

    words: tuple[Word, ...]
    start_s: float
    stop_s: float
    is_final: bool = False
    speech_final: bool = False
    from_finalize: bool = False


@frozen
class UtteranceEnd:
    """No word for `utterance_end_ms` after this time; negative where it knows of no word."""

    last_word_s: float


@frozen
class SpeechStarted:
    """The line became loud; that need not be a voice."""


@frozen
class Complaint:
    """Something that we sent made no sense to the server; the connection may go on."""

    code: str


@frozen
class Unknown:
    """Another message; to be ignored."""


ListenMessage: TypeAlias = Results | UtteranceEnd | SpeechStarted | Complaint | Unknown


def parse_listen(data: str | bytes) -> ListenMessage:
    """Reads one message.

    Raises:
        WireError: it is not JSON, or a field is missing or of the wrong type.
    """
    message = as_object(json_value(data))
    match message.get("type"):
        case "Results":
            return _results(message)
        case "UtteranceEnd":
            return UtteranceEnd(number(message, "last_word_end"))
        case "SpeechStarted":
            return SpeechStarted()
        case "Error":
            return Complaint(code_of(message.get("variant") or message.get("code")))
    return Unknown()


def _results(message: JsonObject) -> Results:
    start_s = number(message, "start")
    alternatives = optional_array(child(message, "channel"), "alternatives")
    best = as_object(alternatives[0]) if alternatives else {}
    return Results(
        words_of(best),
        start_s,
        start_s + number(message, "duration"),
        is_final=message.get("is_final") is True,  # these three may be absent
        speech_final=message.get("speech_final") is True,
        from_finalize=message.get("from_finalize") is True,
    )


def words_of(parent: JsonObject) -> tuple[Word, ...]:
    """The words of an object with `words` and `transcript`; the latter alone will do."""
    languages = optional_array(parent, "languages")
    language = languages[0] if languages and isinstance(languages[0], str) else ""
    words = (_word(as_object(item), language) for item in optional_array(parent, "words"))
    spoken = tuple(word for word in words if word.text)
    alone = (optional_text(parent, "transcript") or "").split()
    return spoken or tuple(Word(word, language=language) for word in alone)


def _word(item: JsonObject, language: str) -> Word:
    written = (optional_text(item, "punctuated_word") or text(item, "word")).strip()
    return Word(
        written,
        _optional(item, "start"),
        _optional(item, "end"),
        _optional(item, "confidence") or 0,
        optional_text(item, "language") or language,
    )


def _optional(parent: JsonObject, key: str) -> float | None:
    return None if parent.get(key) is None else number(parent, key)


# --- the end ----------------------------------------------------------------------------------

_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_ENDINGS: Final = {
    "DATA-0000": "it could not decode the audio as mu-law at 8 kHz",
    "NET-0000": "it had no transcript in time, by its own account",
    "NET-0001": "it had no audio for ten seconds, by its own account",
}


def code_of(value: object) -> str:
    """A short code of the server's; `unknown` for anything that is none: it may quote speech."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else "unknown"


def ending(code: int, reason: str | None) -> str:
    """Why the server closed the WebSocket with this code and reason, in a sentence."""
    known = code_of((reason or "").strip())
    shown = f"{code}" if known == "unknown" else f"{code} {known}"
    return f"{_ENDINGS.get(known, 'it closed the connection')} ({shown})"
