"""Makes the engines that the configuration names, all of them, each once for all calls."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import httpx
from attrs import field, frozen

from voiced.config import engines as config
from voiced.config.settings import Agent, Settings
from voiced.engines.moshi_stt import MoshiStt
from voiced.engines.moshi_tts import MoshiTts
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Engines, Llm, Stt, Tts
from voiced.errors import StartupError

Engine = TypeVar("Engine")


@frozen
class EngineSet:
    """All engines by role and name."""

    stt: Mapping[str, Stt] = field(factory=dict)
    llm: Mapping[str, Llm] = field(factory=dict)
    tts: Mapping[str, Tts] = field(factory=dict)

    def of(self, agent: Agent) -> Engines:
        """The engines of this agent, the preferred one first."""
        stt = _named(self.stt, agent.stt)
        llm = _named(self.llm, agent.llm)
        tts = _named(self.tts, agent.tts)
        return Engines(stt, llm, tts)  # type: ignore[arg-type]  # mypy cannot read the converter


def _named(engines: Mapping[str, Engine], names: Sequence[str]) -> tuple[Engine, ...]:
    return tuple(engines[name] for name in names)


def build_engines(settings: Settings, http: httpx.AsyncClient) -> EngineSet:
    """Connects to none of them.

    Raises:
        StartupError: an engine is of a type that this version does not speak to yet.
    """
    return EngineSet(
        {name: _stt(name, each) for name, each in settings.stt.items()},
        {name: _llm(name, each, http) for name, each in settings.llm.items()},
        {name: _tts(name, each) for name, each in settings.tts.items()},
    )


def _stt(name: str, settings: config.SttSettings) -> Stt:
    match settings:
        case config.MoshiStt():
            return MoshiStt(name, settings)
    raise _unsupported("stt", name, settings.type)


def _llm(name: str, settings: config.LlmSettings, http: httpx.AsyncClient) -> Llm:
    match settings:
        case config.OpenAiLlm():
            return OpenAiLlm(name, settings, http)
    raise _unsupported("llm", name, settings.type)


def _tts(name: str, settings: config.TtsSettings) -> Tts:
    match settings:
        case config.MoshiTts():
            return MoshiTts(name, settings)
    raise _unsupported("tts", name, settings.type)


def _unsupported(role: str, name: str, kind: str) -> StartupError:
    return StartupError(
        f'[{role}.{name}]: type = "{kind}" is not supported by this version of voiced yet; '
        f"remove the section, and {name} from the agents' {role} lists"
    )
