"""The settings of the models: how each API is asked, and what does not go together."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from attrs import field, frozen

from voiced.config.declare import TEXT, between, key, url
from voiced.config.models import (
    Effort,
    ReasoningEffort,
    Thinking,
    gpt,
    is_openais,
    takes_temperature,
    ways_to_think,
)
from voiced.config.secrets import Secret
from voiced.errors import ConfigError

_HTTP = url("http", "https")


def openai_variable(values: Mapping[str, Any]) -> str:
    """Groq speaks OpenAI's protocol, and has a customary variable of its own."""
    host = urlsplit(values.get("base_url") or "").hostname or ""
    groq = host == "groq.com" or host.endswith(".groq.com")
    return "GROQ_API_KEY" if groq else "OPENAI_API_KEY"


class AtBaseUrl:
    """An engine whose address is its `base_url`."""

    __slots__ = ()
    base_url: str

    @property
    def address(self) -> str:
        """Where it is reached, as all engines tell it."""
        return self.base_url


@frozen(kw_only=True)
class OpenAiLlm(AtBaseUrl):
    """Any server of OpenAI's chat completions: OpenAI, Groq, Ollama, vLLM, llama.cpp."""

    type: ClassVar[str] = "openai"
    base_url: str = field(
        default="http://127.0.0.1:11434/v1",
        metadata=key("The server's address up to and with `/v1`.", _HTTP),
    )
    api_key: Secret | None = field(
        default=None,
        metadata=key(
            "The server's key, where it asks for one. `GROQ_API_KEY` is looked up where "
            "`base_url` is at groq.com, else `OPENAI_API_KEY`.",
            variable=openai_variable,
        ),
    )
    model: str = field(default="llama3.2:3b", metadata=key("The model's name there.", TEXT))
    max_tokens: int = field(
        default=200, metadata=key("The longest answer.", between(1, 100_000, "tokens"))
    )
    temperature: float | None = field(
        default=None,
        metadata=key(
            "How freely it words. Not set: 0.6, and none for OpenAI's reasoning models, which "
            "refuse any but 1 while they reason.",
            between(0, 2),
        ),
    )
    reasoning_effort: ReasoningEffort | None = field(
        default=None,
        metadata=key(
            "How much it thinks before the first word, where the model can be told. Not set: as "
            "little as it can at OpenAI; elsewhere the server decides, and `none` keeps Ollama's "
            "thinking models from it."
        ),
    )

    OWN_TEMPERATURE: ClassVar[float] = 0.6
    OWN_HOSTS: ClassVar[tuple[str, ...]] = (".openai.com", ".azure.com")

    def __attrs_post_init__(self) -> None:
        """Holds the keys against what the model is known to refuse.

        Raises:
            ConfigError: every request would be refused.
        """
        faults = [*self._effort_faults(), *self._temperature_faults()]
        # A router takes what the model does not, and leaves it out.
        if faults and not self.model.startswith("openai/"):
            raise ConfigError(faults)

    @property
    def least_reasoning(self) -> ReasoningEffort | None:
        """The `reasoning_effort` to send: the one set, else the least; None: send none."""
        family = gpt(self.model)
        return self.reasoning_effort or (family.least if family else None)

    @property
    def sent_temperature(self) -> float | None:
        """The `temperature` to send; None: send none."""
        if self.temperature is None and not gpt(self.model):
            return self.OWN_TEMPERATURE
        return self.temperature

    @property
    def max_tokens_field(self) -> str:
        """What `max_tokens` is called there: OpenAI's newer models refuse the old name, and Ollama
        silently ignores the new one.
        """
        host = f".{urlsplit(self.base_url).hostname}"
        new = is_openais(self.model) or host.endswith(self.OWN_HOSTS)
        return "max_completion_tokens" if new else "max_tokens"

    def _effort_faults(self) -> Iterator[str]:
        effort, family = self.reasoning_effort, gpt(self.model)
        if effort and not family and is_openais(self.model):
            yield f"reasoning_effort is not for {self.model}, which does not reason; delete it"
        if family and family.least and effort in family.refused:
            yield (
                f'reasoning_effort = "{effort.value}" is refused by {self.model}; its least is '
                f'"{family.least.value}", which is sent where none is set: delete it'
            )

    def _temperature_faults(self) -> Iterator[str]:
        family = gpt(self.model)
        if self.temperature in {None, 1} or not family or not family.least:
            return
        if self.least_reasoning is not ReasoningEffort.NONE:
            yield f"temperature is refused by {self.model} while it reasons; delete it"


@frozen(kw_only=True)
class AnthropicLlm(AtBaseUrl):
    """Anthropic's Messages."""

    type: ClassVar[str] = "anthropic"
    base_url: str = field(
        default="https://api.anthropic.com",
        metadata=key("The API's address, without `/v1`.", _HTTP),
    )
    api_key: Secret | None = field(
        default=None, metadata=key("Anthropic's key.", variable="ANTHROPIC_API_KEY")
    )
    model: str = field(default="claude-haiku-5-5", metadata=key("The model.", TEXT))
    max_tokens: int = field(
        default=200, metadata=key("The longest answer.", between(1, 100_000, "tokens"))
    )
    temperature: float | None = field(
        default=None,
        metadata=key("Not sent unless set: the newer models refuse it.", between(0, 1)),
    )
    thinking: Thinking | None = field(
        default=None,
        metadata=key(
            "How it thinks, in Anthropic's words; a caller waits meanwhile, and its thoughts count "
            "as `max_tokens`. Not set: as little as the model can, which for some is none."
        ),
    )
    effort: Effort | None = field(
        default=None,
        metadata=key(
            "How thorough it is; the older models refuse it. Not set: `low` for models that always "
            "think, else the model's own."
        ),
    )

    def __attrs_post_init__(self) -> None:
        """Holds the keys against what the model is known to refuse.

        Raises:
            ConfigError: every request would be refused.
        """
        if faults := [*self._thinking_faults(), *self._temperature_faults()]:
            raise ConfigError(faults)

    @property
    def least_thought(self) -> tuple[Thinking | None, Effort | None]:
        """What to send: the thinking and the effort that are set, else those that take the least
        time; None: send none.
        """
        least = next(iter(ways_to_think(self.model)), None)
        always = least is Thinking.ADAPTIVE
        thinking = self.thinking or (None if always else least)
        return thinking, self.effort or (Effort.LOW if always else None)

    def _thinking_faults(self) -> Iterator[str]:
        ways = ways_to_think(self.model)
        if self.thinking and ways and self.thinking not in ways:
            known = " or ".join(f'"{way.value}"' for way in ways)
            yield (
                f'thinking = "{self.thinking.value}" is refused by {self.model}, which takes '
                f"{known}; delete it, and the least is sent"
            )
        still = self.least_thought[0] in {Thinking.DISABLED, Thinking.BETWEEN_TOOLS}
        if still and self.effort in {Effort.XHIGH, Effort.MAX}:
            yield (
                f'effort = "{self.effort.value}" is for a model that thinks; lower it to "high", '
                'or set thinking = "adaptive", and callers wait'
            )

    def _temperature_faults(self) -> Iterator[str]:
        if self.temperature is not None and not takes_temperature(self.model):
            yield f"temperature is refused by {self.model}; delete it"
