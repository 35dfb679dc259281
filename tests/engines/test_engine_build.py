"""From the configuration to engines; and keeping one of them warm."""

import math
from functools import partial
from typing import Any

import pytest
import trio
from attrs import define, field

from voiced import config
from voiced.config import Agent
from voiced.config.deadlines import Deadlines
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.build import build_engines
from voiced.engines.cartesia import CartesiaTts
from voiced.engines.deepgram import DeepgramStt
from voiced.engines.fallback_llm import FallbackLlm
from voiced.engines.fallback_tts import FallbackTts
from voiced.engines.http import http_client
from voiced.engines.moshi_stt import MoshiStt
from voiced.engines.moshi_tts import MoshiTts
from voiced.engines.openai import OpenAiLlm
from voiced.engines.warm import keep_warm
from voiced.errors import EngineBroken

VOICE = "cml-tts/fr/2465_1943_000152-0002.wav"


def settings(**roles: object) -> config.Settings:
    all_roles = {
        "stt": {"kyutai": config.MoshiStt()},
        "llm": {"local": config.OpenAiLlm(), "groq": config.OpenAiLlm(model="llama")},
        "tts": {"kyutai": config.MoshiTts(), "deep": config.MoshiTts(voice="deep.wav")},
    }
    agent = config.Agent(llm=("groq", "local"), tts=("deep", "kyutai"))
    return config.Settings(agents={"default": agent}, **(all_roles | roles))


async def test_an_agent_gets_its_engines_in_its_order():
    ours = settings()
    async with http_client() as http:
        built = build_engines(ours, http)
        engines = built.of(ours.agents["default"])
    assert type(engines.stt) is MoshiStt  # the only one needs no stand-in
    assert (type(engines.llm), engines.llm.name) == (FallbackLlm, "groq")
    assert isinstance(engines.tts, FallbackTts)
    assert [voice.name for voice in engines.tts.engines] == ["deep", "kyutai"]
    assert [voice.name for voice in built.voices(ours.agents["default"])] == ["deep", "kyutai"]


async def test_voices_have_identities_of_their_own_without_the_key():
    ours = settings()
    async with http_client() as http:
        voices = build_engines(ours, http).tts
    identities = {voice.identity for voice in voices.values()}
    assert len(identities) == 2
    assert any(VOICE in identity for identity in identities)
    assert not any("public_token" in identity for identity in identities)


@pytest.mark.parametrize(
    ("role", "engine", "kind"),
    [
        ("stt", config.MoshiStt(), MoshiStt),
        ("stt", config.DeepgramStt(), DeepgramStt),
        ("llm", config.OpenAiLlm(), OpenAiLlm),
        ("llm", config.AnthropicLlm(), AnthropicLlm),
        ("tts", config.MoshiTts(), MoshiTts),
        ("tts", config.CartesiaTts(voice="a"), CartesiaTts),
    ],
)
async def test_each_type_of_engine_is_built(role, engine, kind):
    async with http_client() as http:
        built = build_engines(settings(**{role: {"x": engine}}), http)
    one = getattr(built, role)["x"]
    assert type(one) is kind
    assert one.name == "x"


async def test_a_voice_of_many_languages_is_told_the_agents():
    voices = {"x": config.CartesiaTts(voice="a")}
    async with http_client() as http:
        built = build_engines(settings(tts=voices), http)
    spoken = {
        language: built.of(Agent(language=language, tts=("x",))).tts.identity
        for language in ("fr", "en", "pt-BR")
    }
    assert len(set(spoken.values())) == 3
    assert spoken["fr"].endswith(" fr")
    assert spoken["pt-BR"].endswith(" pt")


@define
class Stove:
    """Notes when it is warmed; its first attempts may fail."""

    failures: int = 0
    last_used: float = -math.inf
    warmed: list[float] = field(factory=list)

    async def warm(self) -> None:
        self.last_used = trio.current_time()
        self.warmed.append(self.last_used)
        await trio.sleep(0.1)
        if len(self.warmed) <= self.failures:
            raise EngineBroken("local", "llm", "nothing listens")


@pytest.mark.parametrize(("failures", "at_s"), [(0, [0, 45, 90]), (2, [0, 5.1, 10.2, 55.2])])
async def test_a_connection_is_warmed_at_once_and_after_each_idle_time(
    autojump_clock, failures, at_s
):
    stove = Stove(failures)
    began = trio.current_time()
    with trio.move_on_after(100):
        await keep_warm(stove, 45)
    assert [at - began for at in stove.warmed] == pytest.approx(at_s)


async def test_a_connection_in_use_is_not_warmed(autojump_clock):
    stove = Stove()
    began = trio.current_time()
    with trio.move_on_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_warm, stove, 45)
            await trio.sleep(30)
            stove.last_used = trio.current_time()
    assert [at - began for at in stove.warmed] == pytest.approx([0, 75])


async def test_the_deadlines_are_the_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    for kind in ("MoshiStt", "DeepgramStt", "OpenAiLlm", "AnthropicLlm", "MoshiTts", "CartesiaTts",
                 "FallbackStt", "FallbackLlm", "FallbackTts"):  # fmt: skip
        monkeypatch.setattr(f"voiced.engines.build.{kind}", partial(_note, asked, kind))
    ours = settings(
        stt={"kyutai": config.MoshiStt(), "deep": config.DeepgramStt()},
        llm={"local": config.OpenAiLlm(), "groq": config.AnthropicLlm()},
        tts={"kyutai": config.MoshiTts(), "deep": config.CartesiaTts(voice="v")},
        deadlines=Deadlines(
            stt_silent_s=1.1, stt_replay_s=1.2, llm_spare_s=1.3, llm_spare_next_s=1.35,
            llm_first_s=1.4, llm_next_s=1.5,
            tts_slot_s=1.6, tts_first_s=1.7, tts_next_s=1.8,
        ),
    )  # fmt: skip
    agent = Agent(stt=("kyutai", "deep"), llm=("local", "groq"), tts=("kyutai", "deep"))
    async with http_client() as http:
        build_engines(ours, http).of(agent)
    assert asked["MoshiStt"].step_s == asked["DeepgramStt"].update_s == 1.1
    assert asked["DeepgramStt"].silent_s == 4.4
    assert asked["FallbackStt"].replay_s == 1.2
    assert (asked["FallbackLlm"].spare_s, asked["FallbackLlm"].stall_s) == (1.3, 1.35)
    for kind in ("OpenAiLlm", "AnthropicLlm"):
        assert (asked[kind].first_s, asked[kind].next_s) == (1.4, 1.5)
    for kind in ("MoshiTts", "CartesiaTts", "FallbackTts"):
        assert asked[kind].slot_s == 1.6
    assert (asked["FallbackTts"].first_s, asked["FallbackTts"].stall_s) == (1.7, 1.8)


def _note(asked: dict[str, Any], kind: str, *arguments: Any, **named: Any) -> Any:
    """Stands in for a class of engines: keeps the timing that it is given."""
    (asked[kind],) = [each for each in (*arguments, *named.values()) if "Timing" in repr(each)]
    return Named(kind)


@define
class Named:
    name: str
