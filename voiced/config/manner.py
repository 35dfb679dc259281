"""How an agent talks: its words, its engines, and the rules of conversation."""

from collections.abc import Mapping
from enum import Enum

from attrs import Factory, field, frozen

from voiced.config.declare import (
    LANGUAGE,
    TEXT,
    between,
    key,
    matches,
)
from voiced.config.phrases import phrases
from voiced.config.template import PROMPT, TEMPLATE, VARIABLE_NAME, VARIABLE_TEXT


class EndOfTurn(Enum):
    """Who says that the caller has finished: the STT engine, or silence on the line."""

    ENGINE = "engine"
    SILENCE = "silence"


class OnMachine(Enum):
    """What becomes of an outbound call that a machine answers."""

    CONTINUE = "continue"
    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"


@frozen(kw_only=True)
class Manner:
    """The half of an agent's settings that is about talking; `Agent` has the other."""

    language: str = field(default="fr", metadata=key("The language it speaks.", LANGUAGE))
    name: str = field(default="Sesame", metadata=key("Its name: `{name}`.", TEXT))
    company: str = field(default="Sesame AI", metadata=key("Its company: `{company}`.", TEXT))
    prompt: str = field(
        default=Factory(lambda self: phrases(self.language).prompt, takes_self=True),
        metadata=key("What the model is told to be.", PROMPT),
    )
    greeting: str = field(
        default=Factory(lambda self: phrases(self.language).greeting, takes_self=True),
        metadata=key('Said as soon as the call is up; `""`: the caller speaks first.', TEMPLATE),
    )
    goodbye: str = field(
        default=Factory(lambda self: phrases(self.language).goodbye, takes_self=True),
        metadata=key("Said before the agent hangs up.", TEMPLATE),
    )
    apology: str = field(
        default=Factory(lambda self: phrases(self.language).apology, takes_self=True),
        metadata=key("Said when an engine fails and no spare is left.", TEMPLATE),
    )
    busy: str = field(
        default=Factory(lambda self: phrases(self.language).busy, takes_self=True),
        metadata=key("Said by the carrier's own voice when no call can be taken.", TEMPLATE),
    )
    transfer_announcement: str = field(
        default=Factory(lambda self: phrases(self.language).transfer_announcement, takes_self=True),
        metadata=key("Said before the call is put through to a person.", TEMPLATE),
    )
    transfer_failed: str = field(
        default=Factory(lambda self: phrases(self.language).transfer_failed, takes_self=True),
        metadata=key("Said to the caller when nobody took the transferred call.", TEMPLATE),
    )
    resumed: str = field(
        default=Factory(lambda self: phrases(self.language).resumed, takes_self=True),
        metadata=key("Said when a lost connection is back.", TEMPLATE),
    )
    voicemail: str = field(
        default=Factory(lambda self: phrases(self.language).voicemail, takes_self=True),
        metadata=key("Left on an answering machine.", TEMPLATE),
    )
    variables: Mapping[str, str] = field(
        factory=dict,
        metadata=key(
            "What else may stand in braces in its texts, by name: "
            "the text for it in a call that brings no other.",
            VARIABLE_TEXT,
            names=VARIABLE_NAME,
        ),
    )
    stt: tuple[str, ...] = field(
        default=("kyutai",),
        metadata=key("Its ears, `[stt.*]`, in order: the next is the spare."),
    )
    llm: tuple[str, ...] = field(
        default=("local",), metadata=key("Its minds, `[llm.*]`, in order: the next is the spare.")
    )
    tts: tuple[str, ...] = field(
        default=("kyutai",), metadata=key("Its voices, `[tts.*]`, in order: the next is the spare.")
    )
    end_of_turn: EndOfTurn = field(
        default=EndOfTurn.ENGINE,
        metadata=key("Who says that the caller has finished: the engine, or silence."),
    )
    silence_ms: int = field(
        default=4000,
        metadata=key('The silence that ends a turn with `"silence"`.', between(100, 60_000, "ms")),
    )
    dictation_ms: int = field(
        default=2500,
        metadata=key(
            "The silence that ends a turn while a number, a spelled word or an e-mail address is "
            "being dictated; 0: that makes no difference.",
            between(0, 60_000, "ms"),
        ),
    )
    eager_reply: bool = field(
        default=True,
        metadata=key(
            "Whether a reply is begun when the turn is likely over, and thrown away if it was "
            "not: the caller waits less, the model is asked more often."
        ),
    )
    min_interruption_words: int = field(
        default=2, metadata=key("Words that interrupt a reply.", between(1, 20, "words"))
    )
    interruptible: bool = field(
        default=True, metadata=key("Whether the caller may interrupt at all.")
    )
    idle_prompt_s: float = field(
        default=10,
        metadata=key("Silence of both before the agent asks; 0: never.", between(0, 3600, "s")),
    )
    idle_prompt: str = field(
        default=Factory(lambda self: phrases(self.language).idle_prompt, takes_self=True),
        metadata=key("What it asks then.", TEMPLATE),
    )
    filler: str = field(
        default=Factory(lambda self: phrases(self.language).filler, takes_self=True),
        metadata=key("Said when an answer is late: see `deadlines.filler_s`.", TEMPLATE),
    )
    max_call_s: float = field(
        default=1800, metadata=key("The longest call.", between(1, 86_400, "s"))
    )
    on_machine: OnMachine = field(
        default=OnMachine.CONTINUE,
        metadata=key("What happens when an answering machine takes an outbound call."),
    )
    digits_end: str = field(
        default="#",
        metadata=key(
            'The key that ends what is entered on the keypad; `""`: none does.',
            matches("[0-9*#]?", "it is not a key of a telephone", "one of 0 to 9, * and #"),
        ),
    )
    digits_timeout_s: float = field(
        default=2.0,
        metadata=key("The pause that ends what is entered as well.", between(0.5, 30, "s")),
    )
