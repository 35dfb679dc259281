"""Deepgram's live transcription with a Flux model, `/v2/listen`: it decides when a turn is over.

Another protocol than Nova's: each message holds the whole turn so far, there is neither KeepAlive
nor Finalize, and time passes only while audio comes.

Source: Deepgram's AsyncAPI of July 2026 and the types of its deepgram-sdk 7.17.
"""

import json
from enum import Enum
from typing import Final, TypeAlias

from attrs import frozen

from voiced.wire.deepgram import SAMPLE_RATE, Word, code_of, query_of, words_of
from voiced.wire.fields import JsonObject, as_object, json_value, number, text, whole

# --- client -> server -------------------------------------------------------------------------

FORCE_END_TURN: Final = json.dumps({"type": "ForceEndTurn"})
"""Ends the present turn: an `EndOfTurn` is the answer."""

CLOSE_STREAM: Final = json.dumps({"type": "CloseStream"})
"""No more audio: the server closes, and tells no more."""

_MULTILINGUAL: Final = "-multi"


@frozen
class FluxOptions:
    """`language` is a hint, and only a multilingual model takes one (`multi`: none is given).

    `eot_threshold`: how sure it must be that a turn is over, and `eot_timeout_ms`: the silence
    that makes up for a lack of it; None: Deepgram's own. Without `eager_eot_threshold`, which is
    not above the other, it says nothing of a turn that is only likely over.
    """

    model: str
    language: str
    keyterms: tuple[str, ...] = ()
    mip_opt_out: bool = False
    eot_threshold: float | None = None
    eager_eot_threshold: float | None = None
    eot_timeout_ms: int | None = None

    def path(self) -> str:
        """Path and query of the request. Any parameter of `/v1/listen` beside these is refused."""
        query: dict[str, object] = {
            "model": self.model,
            "encoding": "mulaw",
            "sample_rate": SAMPLE_RATE,
        }
        if self.model.endswith(_MULTILINGUAL) and self.language != "multi":
            query["language_hint"] = self.language.partition("-")[0]  # it knows no regions
        asked = {
            "eot_threshold": self.eot_threshold,
            "eager_eot_threshold": self.eager_eot_threshold,
            "eot_timeout_ms": self.eot_timeout_ms,
        }
        query |= {name: value for name, value in asked.items() if value is not None}
        return f"/v2/listen?{query_of(query, self.keyterms, mip_opt_out=self.mip_opt_out)}"


# --- server -> client -------------------------------------------------------------------------


class TurnEvent(Enum):
    """What became of the turn."""

    UPDATE = "Update"
    START_OF_TURN = "StartOfTurn"
    EAGER_END_OF_TURN = "EagerEndOfTurn"  # only where a threshold for it was set
    TURN_RESUMED = "TurnResumed"
    END_OF_TURN = "EndOfTurn"


@frozen
class Connected:
    """The first message."""


@frozen
class Turn:
    """The whole turn so far, up to `stop_s` of the stream. Each replaces the one before."""

    event: TurnEvent
    index: int
    words: tuple[Word, ...]
    stop_s: float


@frozen
class Warned:
    """The server is displeased and goes on."""

    code: str


@frozen
class Failed:
    """The server gives up, and closes behind this."""

    code: str


@frozen
class Unknown:
    """Another message; to be ignored."""


FluxMessage: TypeAlias = Connected | Turn | Warned | Failed | Unknown


def parse_flux(data: str | bytes) -> FluxMessage:
    """Reads one message. An event of a later version is an `Update` to us.

    Raises:
        WireError: it is not JSON, or a field is missing or of the wrong type.
    """
    message = as_object(json_value(data))
    match message.get("type"):
        case "Connected":
            return Connected()
        case "TurnInfo":
            return _turn(message)
        case "Warning":
            return Warned(code_of(message.get("code")))
        case "Error":
            return Failed(code_of(message.get("code")))
    return Unknown()


def _turn(message: JsonObject) -> Turn:
    told = text(message, "event")
    event = TurnEvent(told) if told in _EVENTS else TurnEvent.UPDATE
    index = whole(message, "turn_index")
    return Turn(event, index, words_of(message), number(message, "audio_window_end"))


_EVENTS: Final = frozenset(event.value for event in TurnEvent)
