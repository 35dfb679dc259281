"""What can happen in a call, as the conductor sees it: one small class per kind."""

from typing import Final

from attrs import frozen

from voiced.dialog.digits import DigitRule
from voiced.dialog.parting import Parting
from voiced.dialog.tools import Round
from voiced.dialog.wish import Wish
from voiced.errors import EngineError

# --- from the ear (an STT engine) -------------------------------------------------------------


@frozen
class WordHeard:
    """The caller said a word. `start_s` is on the STT stream's own clock, in seconds; `language`
    is which it was in (`fr`), where the engine tells."""

    text: str
    start_s: float
    language: str = ""


@frozen
class PauseScored:
    """One step of the STT: how sure it is that the caller has finished, 0 to 1.

    `score` is None where the engine has no such head; `stream_s` is the audio it has consumed.
    """

    score: float | None
    stream_s: float


@frozen
class Flushed:
    """Everything said before the flush was asked for has been reported."""


@frozen
class TurnLikelyOver:
    """The engine thinks that the caller has finished, and may yet think better of it. All the
    words so far have been reported."""


@frozen
class TurnResumed:
    """The caller had not finished after all: the last `TurnLikelyOver` is taken back."""


SttEvent = WordHeard | PauseScored | Flushed | TurnLikelyOver | TurnResumed

# --- from the leg -----------------------------------------------------------------------------


@frozen
class SpeechStarted:
    """The caller's line became loud, judged by energy alone."""


@frozen
class SpeechStopped:
    """The caller's line has been quiet for `quiet_s`."""

    quiet_s: float


@frozen
class MarkReached:
    """The far end has played up to this mark, or dropped it after a `clear`."""

    name: str


@frozen
class DigitPressed:
    """A DTMF key."""

    digit: str


@frozen
class LegEnded:
    """The media stream is over; `reason` is a short stable word (`hangup`, `socket-lost` ...)."""

    reason: str


LegEvent = SpeechStarted | SpeechStopped | MarkReached | DigitPressed | LegEnded

# --- from the reply of a turn -------------------------------------------------------------------


@frozen
class ReplyAudible:
    """The first frame of this turn's reply went out."""

    turn: int


@frozen
class FillerSaid:
    """The answer is late: a phrase that is played for `length_s` bridges the wait."""

    turn: int
    length_s: float


@frozen
class ReplyFinished:
    """All audio of this turn's reply is in the playout, `remaining_s` of it still to be sent."""

    turn: int
    remaining_s: float


@frozen
class ReplyEmpty:
    """The model had nothing speakable to say."""

    turn: int


@frozen
class ReplyFailed:
    """An engine failed and no reply, or no more of it, will come."""

    turn: int
    error: EngineError


@frozen
class ReplyCommits:
    """This is wanted once the reply has been heard to its end.

    Comes as soon as it is known, before `ReplyFinished` or `ReplyEmpty`, and again where more is
    wanted. A reply that is stopped takes its wish with it; what it asked for is told of as not
    done, also where this comes only then.
    """

    turn: int
    wish: Wish


@frozen
class KeysWanted:
    """The caller has been asked for a number: the next input goes by this rule."""

    turn: int
    rule: DigitRule


ReplyEvent = (
    ReplyAudible | FillerSaid | ReplyCommits | KeysWanted | ReplyFinished | ReplyEmpty | ReplyFailed
)

# --- from the tools that the model uses: also when the reply that did has been stopped ------------


@frozen
class ToolsAsked:
    """The model has used tools, which are under way. Each has a result already: what the model is
    told unless it is answered."""

    round: Round


@frozen
class ToolAnswered:
    """A tool is done; `status` is a short stable word, `ok` if all went well."""

    call_id: str
    tool: str
    result: str
    status: str
    duration_s: float


ToolEvent = ToolsAsked | ToolAnswered
NOTED: Final = (ToolsAsked, ToolAnswered, ReplyCommits)
"""What is kept whoever has the floor."""

# --- from the mouth (a TTS engine), to the reply ------------------------------------------------


@frozen
class SpokenWord:
    """The voice says this word between these times of the reply's own audio, in seconds.

    `stop_s` is None where the engine does not say when the word ends.
    """

    text: str
    start_s: float
    stop_s: float | None


@frozen
class SpokenAudio:
    """The next piece of the voice: mu-law, 8 kHz, any length."""

    mulaw: bytes


SpeechEvent = SpokenWord | SpokenAudio

# --- from the house -----------------------------------------------------------------------------


@frozen
class EarFailed:
    """The STT engine failed and no spare is left."""

    error: EngineError


@frozen
class TimePassed:
    """A deadline of the conversation has come; it knows which."""


@frozen
class CloseRequested:
    """End the call this way: an operator, a limit, a transfer."""

    parting: Parting


@frozen
class SayRequested:
    """Say this now, word for word; whoever speaks is cut off."""

    text: str


@frozen
class InterruptRequested:
    """Stop speaking and listen."""


@frozen
class MachineDetected:
    """The carrier has judged who answered: `human`, `machine_start`, `machine_end_beep` ..."""

    answered_by: str


HouseEvent = (
    EarFailed | TimePassed | CloseRequested | SayRequested | InterruptRequested | MachineDetected
)

Event = SttEvent | LegEvent | ReplyEvent | ToolEvent | HouseEvent
