"""Makes the engines that the configuration names, all of them, each once for all calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import httpx
from attrs import field, frozen

from voiced.config import engines as config
from voiced.config.settings import Agent, Settings
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.breaker import Breakers
from voiced.engines.cartesia import CartesiaTts
from voiced.engines.deepgram import DeepgramStt
from voiced.engines.fallback import Failover, Tell
from voiced.engines.fallback_llm import FallbackLlm, FallbackLlmTiming
from voiced.engines.fallback_stt import FallbackStt, FallbackSttTiming
from voiced.engines.fallback_tts import FallbackTts, FallbackTtsTiming
from voiced.engines.moshi_stt import MoshiStt
from voiced.engines.moshi_tts import MoshiTts
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Engines, Llm, Stt, Tts

Engine = TypeVar("Engine")


def _unheard(failover: Failover) -> None:
    """For tests and tools that do not ask."""


@frozen
class EngineSet:
    """All engines by role and name. `breakers` are shared by all calls; `tell` hears of it when a
    spare takes over in one.
    """

    stt: Mapping[str, Stt] = field(factory=dict)
    llm: Mapping[str, Llm] = field(factory=dict)
    tts: Mapping[str, Tts] = field(factory=dict)
    tell: Tell = _unheard
    breakers: Breakers = field(factory=Breakers)

    def of(self, agent: Agent) -> Engines:
        """The engines of this agent; several of a role stand in for each other, in its order."""
        ears, minds = _named(self.stt, agent.stt), _named(self.llm, agent.llm)
        voices = self.voices(agent)
        stt: Stt = FallbackStt(ears, self.breakers, FallbackSttTiming(), self.tell)
        llm: Llm = FallbackLlm(minds, self.breakers, FallbackLlmTiming(), self.tell)
        tts: Tts = FallbackTts(voices, self.breakers, FallbackTtsTiming(), self.tell)
        return Engines(
            ears[0] if len(ears) == 1 else stt,
            minds[0] if len(minds) == 1 else llm,
            voices[0] if len(voices) == 1 else tts,
        )

    def voices(self, agent: Agent) -> Sequence[Tts]:
        """The voices of this agent one by one, in its language, the preferred one first."""
        voices = _named(self.tts, agent.tts)
        return tuple(_in_language(voice, agent.language) for voice in voices)


def _in_language(voice: Tts, language: str) -> Tts:
    """Cartesia's voices speak many languages and have to be told which."""
    spoken = language.partition("-")[0]  # it knows no countries
    return voice.in_language(spoken) if isinstance(voice, CartesiaTts) else voice


def _named(engines: Mapping[str, Engine], names: Sequence[str]) -> tuple[Engine, ...]:
    return tuple(engines[name] for name in names)


def build_engines(settings: Settings, http: httpx.AsyncClient, tell: Tell = _unheard) -> EngineSet:
    """Connects to none of them."""
    return EngineSet(
        {name: EARS[type(each)](name, each, http) for name, each in settings.stt.items()},
        {name: MINDS[type(each)](name, each, http) for name, each in settings.llm.items()},
        {name: VOICES[type(each)](name, each, http) for name, each in settings.tts.items()},
        tell,
    )


EARS: Final[Mapping[type, Callable[..., Stt]]] = {
    config.MoshiStt: lambda name, settings, _: MoshiStt(name, settings),
    config.DeepgramStt: lambda name, settings, _: DeepgramStt(name, settings),
}
MINDS: Final[Mapping[type, Callable[..., Llm]]] = {
    config.OpenAiLlm: OpenAiLlm,
    config.AnthropicLlm: AnthropicLlm,
}
VOICES: Final[Mapping[type, Callable[..., Tts]]] = {
    config.MoshiTts: lambda name, settings, _: MoshiTts(name, settings),
    config.CartesiaTts: lambda name, settings, _: CartesiaTts(name, settings),
}
"""The class of an engine's settings -> what makes the engine of its name, its settings, and the
daemon's HTTP client."""
