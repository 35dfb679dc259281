"""The whole lab: a stand-in for each engine of a GPU host, on ports of its own."""

from collections.abc import Sequence
from enum import Enum
from functools import partial
from pathlib import Path

import trio
from attrs import field, frozen

from voiced.lab.ear import EarFactory, scripted_ears, sphinx_ears
from voiced.lab.llm import MODEL, LlmServer, LlmTiming
from voiced.lab.moshi_server import STT_PATH, TTS_PATH, MoshiServer
from voiced.lab.moshi_stt import SttModule, SttTiming
from voiced.lab.moshi_tts import TtsModule, TtsTiming
from voiced.lab.restaurant import GRAMMAR
from voiced.lab.server import serve
from voiced.lab.voice import DEFAULT_VOICE, EspeakVoice, ToneVoice, Voice


class VoiceKind(Enum):
    """Who speaks."""

    ESPEAK = "espeak"
    TONE = "tone"  # one tone per word: free of cost


class EarKind(Enum):
    """Who listens."""

    SPHINX = "sphinx"
    WORDS = "words"  # `LabSettings.sentences`, one for each burst of sound: free of cost


@frozen
class LabSettings:
    """As wide and as fast as the GPU that is to be imitated."""

    host: str = "127.0.0.1"
    stt_port: int = 8190
    tts_port: int = 8180
    llm_port: int = 8111
    keys: frozenset[str] = field(default=frozenset({"public_token"}), converter=frozenset)
    stt_batch_size: int = 16
    tts_batch_size: int = 8
    stt_timing: SttTiming = field(factory=SttTiming)
    tts_timing: TtsTiming = field(factory=TtsTiming)
    llm_timing: LlmTiming = field(factory=LlmTiming)
    voice: VoiceKind = field(default=VoiceKind.ESPEAK, converter=VoiceKind)
    ear: EarKind = field(default=EarKind.SPHINX, converter=EarKind)
    sentences: Sequence[str] = field(default=(), converter=tuple)
    llm_log: Path | None = None


@frozen
class Lab:
    """A running lab: where it listens, and its engines, whose `fault` may be set."""

    stt_url: str
    tts_url: str
    llm_url: str
    stt: SttModule
    tts: TtsModule
    llm: LlmServer

    def configuration(self) -> str:
        """TOML to paste into voiced.toml."""
        return (
            f'[stt.lab]\ntype = "moshi"\nurl = "{self.stt_url}"\napi_key = "public_token"\n\n'
            f'[tts.lab]\ntype = "moshi"\nurl = "{self.tts_url}"\napi_key = "public_token"\n'
            f'voice = "{DEFAULT_VOICE}"\n\n'
            f'[llm.lab]\ntype = "openai"\nbase_url = "{self.llm_url}"\nmodel = "{MODEL}"\n'
        )


async def run_lab(
    settings: LabSettings, *, task_status: trio.TaskStatus[Lab] = trio.TASK_STATUS_IGNORED
) -> None:
    """Runs the lab until cancelled; reports it once every engine is warm and listens.

    Raises:
        StartupError: a port is taken, or espeak-ng or pocketsphinx is not installed.
    """
    stt = SttModule(settings.stt_batch_size, _ears(settings), settings.stt_timing)
    tts = TtsModule(settings.tts_batch_size, _voice(settings), settings.tts_timing)
    llm = LlmServer(timing=settings.llm_timing, log=settings.llm_log)
    async with trio.open_nursery() as nursery:
        await nursery.start(stt.run)
        await nursery.start(tts.run)
        listen = partial(_listen, nursery, settings.host)
        stt_port = await listen(MoshiServer(settings.keys, stt=stt), settings.stt_port)
        tts_port = await listen(MoshiServer(settings.keys, tts=tts), settings.tts_port)
        llm_port = await listen(llm, settings.llm_port)
        task_status.started(
            Lab(
                f"ws://{settings.host}:{stt_port}{STT_PATH}",
                f"ws://{settings.host}:{tts_port}{TTS_PATH}",
                f"http://{settings.host}:{llm_port}/v1",
                stt,
                tts,
                llm,
            )
        )


async def _listen(
    nursery: trio.Nursery, host: str, server: MoshiServer | LlmServer, port: int
) -> int:
    bound: int = await nursery.start(serve, server.handle, host, port)
    return bound


def _voice(settings: LabSettings) -> Voice:
    return EspeakVoice() if settings.voice is VoiceKind.ESPEAK else ToneVoice()


def _ears(settings: LabSettings) -> EarFactory:
    if settings.ear is EarKind.SPHINX:
        return sphinx_ears(GRAMMAR)
    return scripted_ears(settings.sentences)
