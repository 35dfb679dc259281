"""What is sent to which model, and what is known to be refused."""

from typing import Any

import pytest

from voiced.config import AnthropicLlm, OpenAiLlm, parse
from voiced.config.models import Effort, ReasoningEffort, Thinking
from voiced.errors import ConfigError


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("claude-haiku-5-5", "disabled", None),
        ("anthropic/claude-haiku-5-5", "disabled", None),
        ("claude-sonnet-5-5", "between_tools", None),
        ("claude-sonnet-5", "disabled", None),
        ("claude-opus-5", "disabled", None),
        ("claude-opus-5-5", None, "low"),
        ("claude-fable-5", None, "low"),
        ("claude-mythos-5-2", None, "low"),
        ("claude-sonnet-5-9", None, None),
        ("claude-opus-50", None, None),
        ("claude-opus-4-5", None, None),
        ("claude-haiku-4-5-20251001", None, None),
        ("claude-mythos-preview", None, None),
        ("some-other-model", None, None),
    ],
)
def test_each_claude_is_asked_to_think_as_little_as_it_can(
    model: str, thinking: str | None, effort: str | None
) -> None:
    sent = AnthropicLlm(model=model).least_thought
    assert sent == (thinking and Thinking(thinking), effort and Effort(effort))


def test_what_is_set_is_sent() -> None:
    told = AnthropicLlm(thinking=Thinking.ADAPTIVE, effort=Effort.MAX)
    assert told.least_thought == (Thinking.ADAPTIVE, Effort.MAX)
    later = AnthropicLlm(model="claude-sonnet-7", thinking=Thinking.BETWEEN_TOOLS)
    assert later.least_thought == (Thinking.BETWEEN_TOOLS, None)
    assert AnthropicLlm(model="claude-opus-5-5", effort=Effort.XHIGH).least_thought[0] is None


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"model": "claude-sonnet-5-5", "thinking": Thinking.DISABLED},
         '"between_tools" or "adaptive"; delete it'),
        ({"model": "claude-opus-5-5", "thinking": Thinking.DISABLED}, 'which takes "adaptive"'),
        ({"thinking": Thinking.BETWEEN_TOOLS}, '"disabled" or "adaptive"'),
        ({"effort": Effort.MAX}, 'lower it to "high", or set thinking = "adaptive"'),
        ({"model": "claude-sonnet-5-5", "effort": Effort.XHIGH}, 'effort = "xhigh" is for'),
        ({"temperature": 0.4}, "temperature is refused by claude-haiku-5-5; delete it"),
        ({"model": "claude-opus-4-8", "temperature": 1}, "temperature is refused"),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_claude_refuses_is_a_fault_of_the_configuration(
    keys: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        AnthropicLlm(**keys)
    assert fault in str(caught.value)


def test_older_claudes_take_a_temperature() -> None:
    assert AnthropicLlm(model="claude-haiku-4-5", temperature=0.4).temperature == 0.4


@pytest.mark.parametrize(
    ("model", "effort", "temperature", "field"),
    [
        ("gpt-6.1-sol", "none", None, "max_completion_tokens"),
        ("gpt-5.4-mini", "none", None, "max_completion_tokens"),
        ("openai/gpt-5.5", "none", None, "max_completion_tokens"),
        ("gpt-5", "minimal", None, "max_completion_tokens"),
        ("gpt-5-mini", "minimal", None, "max_completion_tokens"),
        ("o3", "low", None, "max_completion_tokens"),
        ("gpt-5.5-pro", None, None, "max_completion_tokens"),
        ("gpt-5-chat-latest", None, None, "max_completion_tokens"),
        ("gpt-4o", None, 0.6, "max_completion_tokens"),
        ("ft:gpt-4.1:me", None, 0.6, "max_completion_tokens"),
        ("openai/gpt-oss-20b", None, 0.6, "max_tokens"),
        ("gpt-oss:20b", None, 0.6, "max_tokens"),
        ("olmo2", None, 0.6, "max_tokens"),
        ("Qwen/Qwen3-8B", None, 0.6, "max_tokens"),
    ],
)
def test_each_model_of_openais_is_asked_to_reason_as_little_as_it_can(
    model: str, effort: str | None, temperature: float | None, field: str
) -> None:
    sent = OpenAiLlm(model=model)
    assert sent.least_reasoning == (effort and ReasoningEffort(effort))
    assert sent.sent_temperature == temperature
    assert sent.max_tokens_field == field


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://us.api.openai.com/v1", "max_completion_tokens"),
        ("https://ours.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
    ],
)
def test_openais_own_hosts_want_the_new_name_whatever_the_model_is_called(
    base_url: str, field: str
) -> None:
    assert OpenAiLlm(base_url=base_url, model="ours").max_tokens_field == field


def test_what_is_set_for_an_openai_server_is_sent() -> None:
    told = OpenAiLlm(model="qwen3:8b", reasoning_effort=ReasoningEffort.NONE, temperature=0.0)
    assert (told.least_reasoning, told.sent_temperature) == (ReasoningEffort.NONE, 0.0)
    assert OpenAiLlm(model="gpt-5.4", temperature=0.4).sent_temperature == 0.4  # it need not reason
    assert OpenAiLlm(model="o3", temperature=1).sent_temperature == 1


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"model": "gpt-4.1", "reasoning_effort": ReasoningEffort.LOW},
         "gpt-4.1, which does not reason; delete it"),
        ({"model": "gpt-5-mini", "reasoning_effort": ReasoningEffort.NONE},
         'its least is "minimal"'),
        ({"model": "o3", "reasoning_effort": ReasoningEffort.MINIMAL}, 'its least is "low"'),
        ({"model": "gpt-6-sol", "reasoning_effort": ReasoningEffort.MINIMAL},
         'its least is "none"'),
        ({"model": "gpt-5", "temperature": 0.6}, "temperature is refused by gpt-5 while it"),
        ({"model": "gpt-5.4", "reasoning_effort": ReasoningEffort.LOW, "temperature": 0.6},
         "temperature is refused"),
    ],
    ids=str,
)  # fmt: skip
def test_what_openais_models_refuse_is_a_fault_of_the_configuration(
    keys: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAiLlm(**keys)
    assert fault in str(caught.value)
    OpenAiLlm(**{**keys, "model": f"openai/{keys['model']}"})  # a router leaves it out


def test_the_file_is_held_to_it() -> None:
    with pytest.raises(ConfigError, match=r"v\.toml:1: llm\.c: temperature is refused by"):
        parse('[llm.c]\ntype = "anthropic"\ntemperature = 0.5\n', "v.toml")
    with pytest.raises(ConfigError, match='use "none" or "minimal" or'):
        parse('[llm.c]\ntype = "openai"\nreasoning_effort = "much"\n', "v.toml")
