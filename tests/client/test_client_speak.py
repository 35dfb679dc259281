"""`voiced speak`: a voice tried alone."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from attrs import evolve, frozen

from voiced.audio import wavfile
from voiced.client.choice import TrialError, agent_of, ear_of, voice_of
from voiced.client.speak import Keep, Text, report, speak, words_of
from voiced.client.trial import Sound
from voiced.config import (
    Agent,
    CartesiaTts,
    MoshiStt,
    MoshiTts,
    OpenAiLlm,
    Secret,
    Settings,
)
from voiced.engines.build import build_engines
from voiced.engines.http import http_client
from voiced.engines.roles import Tts
from voiced.errors import EngineError
from voiced.lab.engines import CARTESIA_VOICE, EarKind, Lab, LabSettings, VoiceKind, run_lab

QUICK = LabSettings(
    stt_port=0, tts_port=0, llm_port=0, voice=VoiceKind.TONE, ear=EarKind.WORDS,
    sentences=("hello",),
)  # fmt: skip


def house(tts_url: str = "ws://127.0.0.1:1/api/tts", cloud: str = "ws://127.0.0.1:1") -> Settings:
    engines: dict[str, Any] = {
        "stt": {"lab": MoshiStt()},
        "llm": {"lab": OpenAiLlm()},
        "tts": {
            "lab": MoshiTts(url=tts_url),
            "cloud": CartesiaTts(url=cloud, api_key=Secret("public_token"), voice=CARTESIA_VOICE),
        },
    }
    agent = Agent(language="en", stt=("lab",), llm=("lab",), tts=("lab",))
    agents = {"default": agent, "paul": evolve(agent, language="fr-FR", tts=("cloud", "lab"))}
    return Settings(agents=agents, **engines)


async def with_lab(test: Callable[[Lab, Settings], Awaitable[None]]) -> None:
    async with trio.open_nursery() as nursery:
        lab: Lab = await nursery.start(partial(run_lab, QUICK))
        await test(lab, house(lab.tts_url, lab.cartesia_url))
        nursery.cancel_scope.cancel()


async def test_a_voice_speaks_and_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    keep = Keep(path, lambda mulaw: path.write_bytes(wavfile.mono(mulaw)))

    async def test(lab: Lab, of: Settings) -> None:
        told: list[str] = []
        assert await speak(of, Text("Hello, **you** & me"), keep, told.append) == 0
        lines = {line[:13].strip(): line[13:] for line in told}
        assert lines["words"] == "Hello, you and me"
        assert lines["first audio"].endswith(" ms")
        seconds, samples, packets = lines["length"].split(", ")
        mulaw = wavfile.telephone(path.read_bytes())
        assert samples == f"{len(mulaw)} samples"
        assert seconds == f"{len(mulaw) / 8000:.2f} s"
        assert packets == f"{-(-len(mulaw) // 160)} packets of 20 ms"
        assert lines["speed"].endswith("x real time")
        assert lines["gaps"] == "none"
        assert lines["voice"].startswith(f"moshi {lab.tts_url} ")
        assert lines["written"] == str(path)

    await with_lab(test)


async def test_cartesia_speaks_the_agents_language_on_a_connection_that_is_there() -> None:
    async def test(lab: Lab, of: Settings) -> None:
        told: list[str] = []
        assert await speak(of, Text("Bonjour à vous & moi", agent="paul"), None, told.append) == 0
        assert "Bonjour à vous et moi" in told[0]
        assert told[-1].endswith(f"{CARTESIA_VOICE} fr")
        assert len(lab.cloud.cartesia.contexts) == 1

    await with_lab(test)


@pytest.mark.parametrize("voice", ["lab", "cloud"])
async def test_a_voice_that_is_away_is_a_sentence(
    voice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError, match=f"^tts {voice}: nothing listens at"):
        await speak(house(), Text("Hello", voice), None, print)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Text("Hello", voice="cluod"), r"there is no \[tts.cluod\]; did you mean cloud\?"),
        (Text("Hello", agent="zzz"), r"there is no \[agent.zzz\]; known: default, paul"),
        (Text("!?"), "nothing to say in this text"),
    ],
)
async def test_what_cannot_be_tried(asked: Text, said: str) -> None:
    with pytest.raises(TrialError, match=said):
        await speak(house(), asked, None, print)


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "no" / "said.wav"

    async def test(lab: Lab, of: Settings) -> None:
        with pytest.raises(TrialError, match=r"said\.wav: cannot be written \(No such file"):
            await speak(of, Text("Hello"), Keep(path, path.write_bytes), lambda line: None)

    await with_lab(test)


async def test_an_engine_is_chosen_by_name_or_by_the_agents_order() -> None:
    of = house()
    async with http_client() as http:
        engines = build_engines(of, http)
    paul = agent_of(of, "paul")
    assert voice_of(engines, paul, "").name == "cloud"
    assert voice_of(engines, paul, "lab").name == "lab"
    assert voice_of(engines, agent_of(of, ""), "").name == "lab"
    assert ear_of(engines, paul, "").name == "lab"
    with pytest.raises(TrialError, match=r"\[stt\.cloud\]"):
        ear_of(engines, paul, "cloud")


def test_words_are_those_of_a_call() -> None:
    assert words_of("It costs $5.\n- really", "en") == ["It", "costs", "5", "dollars.", "really"]


# --- the report ---------------------------------------------------------------------------------


@frozen
class Named:
    identity: str = "moshi ws://gpu voice.wav"


def told(*pieces: tuple[float, int]) -> dict[str, str]:
    sound = Sound([(at, bytes(length)) for at, length in pieces])
    lines = list(report(cast(Tts, Named()), ["one", "two"], sound))
    return {line[:13].strip(): line[13:] for line in lines}


def test_gaps_are_told_with_their_places() -> None:
    lines = told((0.5, 800), (0.65, 8000), (2.65, 800))
    assert lines["first audio"] == "500 ms"
    assert lines["gaps"] == "2, 1050 ms in all: 50 ms at 00:00.1, 1000 ms at 00:01.1"
    assert lines["speed"] == "0.5x real time"


def test_no_more_than_some_gaps_are_told() -> None:
    lines = told(*[(number, 800) for number in range(8)])
    assert lines["gaps"].startswith("7, ")
    assert lines["gaps"].endswith(", ...")
    assert lines["gaps"].count(" at ") == 5


def test_a_short_sound_and_none() -> None:
    assert told((0.5, 80))["speed"] == "too short to tell"
    assert "never" in told()["first audio"]
