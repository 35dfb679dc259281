"""What the models of Anthropic and OpenAI take and refuse, as far as their names tell. Pure.

A caller waits while a model thinks, so each is asked to think as little as it can. Of a model that
is not known here nothing is assumed: it is sent what the configuration says, and no more.

Source: Anthropic's pages on thinking and on what changed with each model; OpenAI's reasoning guide,
and what its chat completions answer to what a model does not take.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final

from attrs import frozen


class Thinking(Enum):
    """Anthropic's `thinking.type`."""

    DISABLED = "disabled"
    BETWEEN_TOOLS = "between_tools"
    ADAPTIVE = "adaptive"


class Effort(Enum):
    """Anthropic's `output_config.effort`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class ReasoningEffort(Enum):
    """OpenAI's `reasoning_effort`."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


_CLAUDES: Final[Sequence[tuple[str, Sequence[Thinking]]]] = (
    (r"claude-haiku-5-5", (Thinking.DISABLED, Thinking.ADAPTIVE)),
    (r"claude-sonnet-5-5", (Thinking.BETWEEN_TOOLS, Thinking.ADAPTIVE)),
    (r"claude-opus-5-5|claude-(?:fable|mythos)-5", (Thinking.ADAPTIVE,)),
    (r"claude-(?:sonnet|opus)-5\b(?!-\d\b)", (Thinking.DISABLED, Thinking.ADAPTIVE)),
)
"""The models that think unless told not to, and the ways that each takes, the least one first. The
first pattern in a model's name counts. The older ones think only when told to."""

_UNSAMPLED: Final = r"claude-(?:\w+-5\b|opus-4-[78])"
"""Claudes that refuse any `temperature`."""


def ways_to_think(model: str) -> Sequence[Thinking]:
    """Those that a Claude takes, the least one first; empty where that is not known."""
    return next((ways for pattern, ways in _CLAUDES if re.search(pattern, model)), ())


def takes_temperature(model: str) -> bool:
    """Whether it is not one of the Claudes that refuse it."""
    return not re.search(_UNSAMPLED, model)


@frozen
class Gpt:
    """A family of OpenAI's models that reason: the least effort, None where it differs from model
    to model, and the efforts that all of them refuse.
    """

    pattern: str
    least: ReasoningEffort | None
    refused: frozenset[ReasoningEffort] = frozenset()


_OWN: Final = r"(?:openai/|ft:)?"
_GPTS: Final = (
    Gpt(r"(?:gpt-(?:5|[6-9])|o\d).*-(?:pro|chat|codex|search|audio|realtime)", None),
    Gpt(
        r"o\d",
        ReasoningEffort.LOW,
        frozenset({ReasoningEffort.NONE, ReasoningEffort.MINIMAL}),
    ),
    Gpt(r"gpt-5(?!\.)", ReasoningEffort.MINIMAL, frozenset({ReasoningEffort.NONE})),
    Gpt(r"gpt-(?:5\.|[6-9])", ReasoningEffort.NONE, frozenset({ReasoningEffort.MINIMAL})),
)
"""The first pattern at the beginning of a model's name counts."""


def gpt(model: str) -> Gpt | None:
    """The family of one of OpenAI's reasoning models, by whomever it is served; None for others."""
    return next((each for each in _GPTS if re.match(_OWN + each.pattern, model)), None)


def is_openais(model: str) -> bool:
    """Whether the name is one of OpenAI's own hosted models, reasoning or not."""
    return bool(re.match(_OWN + r"(?:chatgpt-|gpt-\d|o\d)", model))
