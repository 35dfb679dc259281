"""moshi-server's messages, both ways: msgpack maps tagged by `type`, in binary frames.

What we write is byte for byte what `rmp-serde` and the project's own clients write. What we read
may be any legal msgpack of the same message: other key orders, doubles for floats, more keys.

Source: moshi-server 0.6.4, rust/moshi-server/src/{asr,tts,py_module,batched_asr,main}.rs.
"""

from typing import Final, TypeAlias

import msgpack
import numpy as np
from attrs import cmp_using, field, frozen

from voiced.errors import WireError
from voiced.wire.fields import (
    JsonObject,
    array,
    as_list,
    as_object,
    encodable,
    json_value,
    number,
    optional_whole,
    text,
    whole,
)
from voiced.wire.pcm import Pcm, floats_of, pack_floats, unpack_floats

SAMPLE_RATE = 24_000
FRAME_SAMPLES = 1_920
"""The server works in frames of 80 ms."""

MAX_MESSAGE = 16 * 1024 * 1024
"""The longest message that is read, in bytes; one frame of audio is 9,619."""

MAX_ERROR = 200
"""A server's error text is cut to this many characters."""

_AUDIO: Final = b"\x82\xa4type\xa5Audio\xa3pcm"
"""All of an Audio message but its array; the same in both directions."""

# --- client -> server -------------------------------------------------------------------------

TTS_EOS: Final[bytes] = msgpack.packb({"type": "Eos"})
"""No more words: the server speaks what it has and closes."""


def stt_audio(pcm: Pcm) -> bytes:
    """Caller audio: float32, mono, 24 kHz, within +-1, best in whole frames of 1,920 samples."""
    return _AUDIO + pack_floats(pcm)


def tts_text(words: str) -> bytes:
    """Whole words to speak; a word cut across two messages becomes two words."""
    packed: bytes = msgpack.packb({"type": "Text", "text": encodable(words)})
    return packed


# --- server -> client -------------------------------------------------------------------------


@frozen
class Ready:
    """A slot is ours. The only proof of it: the WebSocket opens also when there is none."""


@frozen
class ServerError:
    """The server ends the connection, and says why."""

    message: str

    @property
    def at_capacity(self) -> bool:
        """All slots of the batch are taken."""
        return "no free channels" in self.message


@frozen
class Unknown:
    """A message that this parser does not know, to be ignored."""

    type: str


@frozen
class Word:
    """A word heard; its start on the clock of this stream's audio."""

    text: str
    start_s: float


@frozen
class EndWord:
    """The end of the last word; it comes only when the next one begins."""

    stop_s: float


@frozen
class Marker:
    """The echo of a marker; we send none."""

    id: int


@frozen
class Step:
    """80 ms of audio were consumed.

    `step_idx` counts the steps of the whole server, not of this stream. `pause_scores` are
    probabilities that no word comes within 0.5, 1, 2 and 3 s. `buffered_samples` still wait.
    """

    step_idx: int
    pause_scores: tuple[float, ...]
    buffered_samples: int


@frozen
class Text:
    """A word spoken, on the time axis of this utterance's audio; comes ahead of its sound."""

    text: str
    start_s: float
    stop_s: float


@frozen
class Audio:
    """The next 80 ms of the voice: 1,920 samples of float32, mono, 24 kHz."""

    pcm: Pcm = field(eq=cmp_using(eq=np.array_equal))


SttMessage: TypeAlias = Ready | Word | EndWord | Marker | Step | ServerError | Unknown
TtsMessage: TypeAlias = Ready | Text | Audio | ServerError | Unknown


def parse_stt(data: bytes) -> SttMessage:
    """Reads one message of `/api/asr-streaming`.

    Raises:
        WireError: longer than `MAX_MESSAGE`, not msgpack, a field missing or of a wrong type.
    """
    message = _unpacked(data)
    match kind := text(message, "type"):
        case "Step":
            return _step(message)
        case "Word":
            return Word(text(message, "text"), number(message, "start_time"))
        case "EndWord":
            return EndWord(number(message, "stop_time"))
        case "Marker":
            return Marker(whole(message, "id"))
    return _common(kind, message)


def parse_tts(data: bytes) -> TtsMessage:
    """Reads one message of `/api/tts_streaming` with `format=PcmMessagePack`.

    Raises:
        WireError: as `parse_stt`.
    """
    if data.startswith(_AUDIO) and len(data) <= MAX_MESSAGE:
        pcm = unpack_floats(data, len(_AUDIO))
        if pcm is not None:
            return Audio(pcm)
    message = _unpacked(data)
    match kind := text(message, "type"):
        case "Audio":
            return Audio(floats_of(array(message, "pcm")))
        case "Text":
            start_s, stop_s = number(message, "start_s"), number(message, "stop_s")
            return Text(text(message, "text"), start_s, stop_s)
    return _common(kind, message)


def _common(kind: str, message: JsonObject) -> Ready | ServerError | Unknown:
    match kind:
        case "Ready":
            return Ready()
        case "Error":
            return ServerError(text(message, "message")[:MAX_ERROR])
    return Unknown(kind)


def _step(message: JsonObject) -> Step:
    scores = floats_of(array(message, "prs"))
    return Step(
        whole(message, "step_idx"),
        tuple(scores.tolist()),
        whole(message, "buffered_pcm"),
    )


def _unpacked(data: bytes) -> JsonObject:
    if len(data) > MAX_MESSAGE:
        raise WireError("message too long")
    try:
        return as_object(msgpack.unpackb(data))
    except (ValueError, RecursionError):  # msgpack's own errors are ValueErrors
        raise WireError("not msgpack") from None


# --- GET /api/modules_info --------------------------------------------------------------------


@frozen
class Module:
    """One model that the server serves: its kind, its route and its slots."""

    type: str
    path: str
    used_slots: int
    total_slots: int


def modules_info(body: bytes) -> tuple[Module, ...]:
    """Reads the answer of `/api/modules_info`; modules without slots are left out.

    Raises:
        WireError: not JSON, a field missing or of a wrong type.
    """
    modules = []
    for each in as_list(json_value(body)):
        item = as_object(each)
        used, total = optional_whole(item, "used_slots"), optional_whole(item, "total_slots")
        if used is not None and total is not None:
            modules.append(Module(text(item, "type"), text(item, "path"), used, total))
    return tuple(modules)
