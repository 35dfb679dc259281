"""Which agent and which engine are tried: those that were named, else the default."""

from collections.abc import Mapping

from attrs import evolve

from voiced.client.text import shown
from voiced.config import DEFAULT_AGENT, Agent, Settings
from voiced.config.declare import nearest
from voiced.engines.build import EngineSet
from voiced.engines.roles import Stt, Tts
from voiced.errors import VoicedError


class TrialError(VoicedError):
    """What was asked for cannot be tried; the message says why."""


def agent_of(settings: Settings, name: str) -> Agent:
    """The agent of this name; the default one where it is empty.

    Raises:
        TrialError: there is none.
    """
    name = name or DEFAULT_AGENT
    _check(settings.agents, "agent", name)
    return settings.agents[name]


def voice_of(engines: EngineSet, agent: Agent, name: str) -> Tts:
    """The voice of this name, else the agent's first, told to speak the agent's language.

    Raises:
        TrialError: there is none.
    """
    name = name or agent.tts[0]
    _check(engines.tts, "tts", name)
    return engines.voices(evolve(agent, tts=(name,)))[0]


def ear_of(engines: EngineSet, agent: Agent, name: str) -> Stt:
    """The ear of this name, else the agent's first.

    Raises:
        TrialError: there is none.
    """
    name = name or agent.stt[0]
    _check(engines.stt, "stt", name)
    return engines.stt[name]


def _check(known: Mapping[str, object], section: str, name: str) -> None:
    if name not in known:
        raise TrialError(f"there is no [{section}.{shown(name)}]{nearest(name, known)}")
