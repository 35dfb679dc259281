"""Makes the engines that the configuration names, all of them, each once for all calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import httpx
from attrs import field, frozen

from voiced.config import engines as config
from voiced.config.deadlines import Deadlines
from voiced.config.settings import Agent, Settings
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.breaker import Breakers
from voiced.engines.cartesia import CartesiaTiming, CartesiaTts
from voiced.engines.deepgram import DeepgramStt, DeepgramTiming
from voiced.engines.fallback import Failover, Tell
from voiced.engines.fallback_llm import FallbackLlm, FallbackLlmTiming
from voiced.engines.fallback_stt import FallbackStt, FallbackSttTiming
from voiced.engines.fallback_tts import FallbackTts, FallbackTtsTiming
from voiced.engines.llm import LlmTiming
from voiced.engines.moshi_stt import MoshiStt, SttTiming
from voiced.engines.moshi_tts import MoshiTts, TtsTiming
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Engines, Llm, Multilingual, Stt, Tts

Engine = TypeVar("Engine")

NOVA_PATIENCE: Final = 4
"""Deepgram's Nova says nothing in silence, and little in between."""


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
    deadlines: Deadlines = field(factory=Deadlines)
    breakers: Breakers = field(factory=Breakers)

    def of(self, agent: Agent) -> Engines:
        """The engines of this agent; several of a role stand in for each other, in its order."""
        ears, minds = _named(self.stt, agent.stt), _named(self.llm, agent.llm)
        voices = self.voices(agent)
        due = self.deadlines
        hearing = FallbackSttTiming(replay_s=due.stt_replay_s)
        thinking = FallbackLlmTiming(due.llm_spare_s, due.llm_spare_next_s)
        speaking = FallbackTtsTiming(
            slot_s=due.tts_slot_s, first_s=due.tts_first_s, stall_s=due.tts_next_s
        )
        stt: Stt = FallbackStt(ears, self.breakers, hearing, self.tell)
        llm: Llm = FallbackLlm(minds, self.breakers, thinking, self.tell)
        tts: Tts = FallbackTts(voices, self.breakers, speaking, self.tell)
        return Engines(
            ears[0] if len(ears) == 1 else stt,
            minds[0] if len(minds) == 1 else llm,
            voices[0] if len(voices) == 1 else tts,
        )

    def voices(self, agent: Agent) -> Sequence[Tts]:
        """The voices of this agent one by one, in its language, the preferred one first."""
        return tuple(
            voice.in_language(agent.language) if isinstance(voice, Multilingual) else voice
            for voice in _named(self.tts, agent.tts)
        )


def _named(engines: Mapping[str, Engine], names: Sequence[str]) -> tuple[Engine, ...]:
    return tuple(engines[name] for name in names)


@frozen
class Kit:
    """What an engine is made with, beside its settings: the daemon's HTTP client, and how long the
    engine may take for what."""

    http: httpx.AsyncClient
    deadlines: Deadlines


def build_engines(settings: Settings, http: httpx.AsyncClient, tell: Tell = _unheard) -> EngineSet:
    """Connects to none of them."""
    kit = Kit(http, settings.deadlines)
    return EngineSet(
        {name: EARS[type(each)](name, each, kit) for name, each in settings.stt.items()},
        {name: MINDS[type(each)](name, each, kit) for name, each in settings.llm.items()},
        {name: VOICES[type(each)](name, each, kit) for name, each in settings.tts.items()},
        tell,
        settings.deadlines,
    )


def _moshi_stt(name: str, settings: config.MoshiStt, kit: Kit) -> Stt:
    return MoshiStt(name, settings, timing=SttTiming(step_s=kit.deadlines.stt_silent_s))


def _deepgram(name: str, settings: config.DeepgramStt, kit: Kit) -> Stt:
    silent_s = kit.deadlines.stt_silent_s
    timing = DeepgramTiming(silent_s=NOVA_PATIENCE * silent_s, update_s=silent_s)
    return DeepgramStt(name, settings, timing)


def _llm_timing(deadlines: Deadlines) -> LlmTiming:
    return LlmTiming(first_s=deadlines.llm_first_s, next_s=deadlines.llm_next_s)


def _openai(name: str, settings: config.OpenAiLlm, kit: Kit) -> Llm:
    return OpenAiLlm(name, settings, kit.http, _llm_timing(kit.deadlines))


def _anthropic(name: str, settings: config.AnthropicLlm, kit: Kit) -> Llm:
    return AnthropicLlm(name, settings, kit.http, _llm_timing(kit.deadlines))


def _moshi_tts(name: str, settings: config.MoshiTts, kit: Kit) -> Tts:
    return MoshiTts(name, settings, timing=TtsTiming(slot_s=kit.deadlines.tts_slot_s))


def _cartesia(name: str, settings: config.CartesiaTts, kit: Kit) -> Tts:
    return CartesiaTts(name, settings, CartesiaTiming(slot_s=kit.deadlines.tts_slot_s))


EARS: Final[Mapping[type, Callable[[str, Any, Kit], Stt]]] = {
    config.MoshiStt: _moshi_stt,
    config.DeepgramStt: _deepgram,
}
MINDS: Final[Mapping[type, Callable[[str, Any, Kit], Llm]]] = {
    config.OpenAiLlm: _openai,
    config.AnthropicLlm: _anthropic,
}
VOICES: Final[Mapping[type, Callable[[str, Any, Kit], Tts]]] = {
    config.MoshiTts: _moshi_tts,
    config.CartesiaTts: _cartesia,
}
"""The class of an engine's settings -> what makes the engine."""
