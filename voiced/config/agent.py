"""Who answers: what an agent may do beside talking, what it remembers, and what it takes down."""

from collections.abc import Mapping

from attrs import field, frozen

from voiced.config.declare import (
    ENTRY_NAME,
    LANGUAGE,
    PHONE,
    PHONE_OR_NONE,
    TEXT,
    between,
    key,
    one_of,
)
from voiced.config.intents import Intent
from voiced.config.manner import Manner
from voiced.config.template import PROMPT
from voiced.config.tools import BUILT_IN, OBJECT_OR_NONE, HttpTool, PreCall

DEFAULT_AGENT = "default"


@frozen(kw_only=True)
class Agent(Manner):
    """A persona. Its texts may hold {name}, {company}, {caller}, {called}, {date}, and its own
    variables.
    """

    overflow_number: str = field(
        default="", metadata=key("Rung when no call can be taken.", PHONE_OR_NONE)
    )
    transfers: Mapping[str, str] = field(
        factory=dict,
        metadata=key(
            "Whom a call may be put through to, by name; when all engines have failed, the first.",
            PHONE,
            names=ENTRY_NAME,
        ),
    )
    warm_transfer: bool = field(
        default=False, metadata=key("Whether the person who is called hears a summary first.")
    )
    tools: tuple[str, ...] = field(
        default=(),
        metadata=key(
            "What the model may do by itself, beside its own `[[agent.*.tool]]`.",
            one_of("a tool", BUILT_IN),
        ),
    )
    verbatim: Mapping[str, str] = field(
        factory=dict,
        metadata=key(
            "Texts that are said word for word, by name; for `say_verbatim`.",
            PROMPT,
            names=ENTRY_NAME,
        ),
    )
    switches: tuple[str, ...] = field(
        default=(),
        metadata=key("The agents that it may hand the call over to; for `switch_agent`.", TEXT),
    )
    languages: Mapping[str, str] = field(
        factory=dict,
        metadata=key(
            "Language -> the agent that goes on with a caller who speaks it; where the ear tells, "
            "which a `flux-*-multi` model does.",
            TEXT,
            names=LANGUAGE,
        ),
    )
    history_tokens: int = field(
        default=6000,
        metadata=key(
            "How much prompt and conversation the model is sent, about. Beyond that what was said "
            "first is summed up; until it is, up to half as much again is sent.",
            between(500, 1_000_000, "tokens"),
        ),
    )
    remember: bool = field(
        default=False,
        metadata=key(
            "Whether it is told what the last call from the same number was about: its model sums "
            "each call up when it is over."
        ),
    )
    embeddings: str = field(
        default="",
        metadata=key(
            'What intents are compared with, an `[embeddings.*]`; `""`: by their letters alone.'
        ),
    )
    intent_threshold: float = field(
        default=0.72,
        metadata=key("How alike a sentence and an intent's phrase must be.", between(0, 1)),
    )
    intent_margin: float = field(
        default=0.1,
        metadata=key("By how much the best intent must be ahead of the next.", between(0, 1)),
    )
    extract: Mapping[str, object] = field(
        factory=dict,
        metadata=key(
            "What is taken down of a call when it is over; empty: nothing.", table=OBJECT_OR_NONE
        ),
    )
    pre_call: PreCall | None = field(
        default=None, metadata=key("Whom voiced asks who calls, while the call is connected.")
    )
    tool: tuple[HttpTool, ...] = field(default=(), metadata=key("Tools of its own."))
    intent: tuple[Intent, ...] = field(
        default=(), metadata=key("What is done without asking the model.")
    )
