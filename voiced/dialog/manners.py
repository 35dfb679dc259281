"""What a conversation is told beforehand, and what it can ask of the shell around it."""

from collections.abc import Mapping

from attrs import evolve, field, frozen

from voiced.dialog.digits import DigitRule
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.history import Item, Told
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import ToolCall
from voiced.dialog.turn import Turn


@frozen
class Manners:
    """How this agent behaves in a conversation; seconds, or 0 for never.

    `opening` is said first; None: the caller speaks first. `rescue` is where a call goes when no
    engine is left to serve it. `on_machine` is what to do when a machine has answered; None: talk
    to it. A parting with words is for the machine's tape, and waits for its beep. `languages`
    are the agents that go on with a caller who speaks another language, by its first letters.
    """

    prompt: str
    opening: Phrase | None = Phrase.GREETING
    interruptible: bool = True
    min_interruption_words: int = 2
    endpointing: EndpointingRule = field(factory=EndpointingRule)
    idle_prompt_s: float = 10.0
    digits: DigitRule = field(factory=DigitRule)
    rescue: Transfer | None = None
    on_machine: Parting | None = None
    languages: Mapping[str, str] = field(factory=dict)

    @property
    def words_to_interrupt(self) -> int | None:
        """How many words of the caller's end a reply; None: as many as they like."""
        return self.min_interruption_words if self.interruptible else None

    def speaker(self, language: str) -> str:
        """The agent for a caller who speaks this; empty: this one."""
        return self.languages.get(language.split("-")[0].lower(), "")

    def failed(self, reason: str) -> Parting:
        """The parting where no engine is left: an apology, then somebody else or goodbye."""
        last = Phrase.TRANSFER if self.rescue else Phrase.GOODBYE
        return Parting(reason, (Phrase.APOLOGY, last), self.rescue)

    def answered(self, answered_by: str) -> Parting | None:
        """The parting with whom the carrier found at the other end; None: the call goes on."""
        parting = self.on_machine
        waits = parting and parting.phrases and answered_by == "machine_start"
        if parting and answered_by == "fax":
            return evolve(parting, phrases=())  # it has no tape
        return None if waits or not answered_by.startswith("machine") else parting


@frozen
class Past:
    """A call's earlier part, on a media stream that was lost or left for a transfer.

    `turns` is how many there were; `started_at` is when the call began, on the same clock; None:
    it begins now.
    """

    items: tuple[Item, ...] = ()
    turns: int = 0
    started_at: float | None = None


@frozen
class Flush:
    """Ask the STT for its last words."""


@frozen
class Ask:
    """Start the turn's reply: use the tools that it asked for and was to announce first, `calls`;
    then ask the model and speak its answer."""

    turn: Turn
    messages: tuple[Told, ...]
    calls: tuple[ToolCall, ...] = ()


@frozen
class Prepare:
    """As `Ask`, but nothing of it may be heard or told before a `Release`."""

    turn: Turn
    messages: tuple[Told, ...]


@frozen
class Release:
    """What was prepared is the turn's reply."""

    turn: Turn


@frozen
class Discard:
    """Cancel and join what was prepared. The line is none of its business."""


@frozen
class Say:
    """Start the turn's reply: say its phrases by heart, then its text."""

    turn: Turn


@frozen
class Stop:
    """Cancel the reply, join it, clear the playout, in this order."""


@frozen
class Pause:
    """Hold the reply where it is; more of it may be made meanwhile."""


@frozen
class Resume:
    """Go on with it, from the first word that the caller has not heard whole."""


@frozen
class HangUp:
    """End the call from our side."""

    parting: Parting


@frozen
class BringIn:
    """Have another agent take over, and `Conversation.introduce` it: into `turn`, where the caller
    is to be answered."""

    agent: str
    turn: Turn | None = None


Action = Flush | Ask | Prepare | Release | Discard | Say | Stop | Pause | Resume | HangUp | BringIn
