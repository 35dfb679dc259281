"""The whole lab: a stand-in for each engine of a GPU host, and a restaurant's book for the tools of
agents, on ports of their own."""

from collections.abc import Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import trio
from attrs import Factory, field, frozen

from voiced.lab.anthropic import AnthropicServer
from voiced.lab.bookings import Bookings, tools
from voiced.lab.cartesia import CartesiaServer
from voiced.lab.deepgram import DeepgramServer
from voiced.lab.ear import EarFactory, scripted_ears, sphinx_ears
from voiced.lab.llm import MODEL, LlmServer, LlmTiming
from voiced.lab.moshi_server import STT_PATH, TTS_PATH, MoshiServer
from voiced.lab.moshi_stt import SttModule, SttTiming
from voiced.lab.moshi_tts import TtsModule, TtsTiming
from voiced.lab.restaurant import GRAMMAR
from voiced.lab.server import Exchange, serve
from voiced.lab.voice import DEFAULT_VOICE, EspeakVoice, ToneVoice, Voice

CARTESIA_VOICE: Final = "00000000-0000-4000-8000-000000000001"
"""The stand-in takes any."""


class VoiceKind(Enum):
    """Who speaks."""

    ESPEAK = "espeak"
    TONE = "tone"  # one tone per word: free of cost


class EarKind(Enum):
    """Who listens."""

    SPHINX = "sphinx"
    WORDS = "words"  # `LabSettings.sentences`, one for each burst of sound: free of cost


BOOKINGS_PORT: Final = 8199
KEY: Final = "public_token"
"""moshi-server's published key; all of the lab takes it."""


def _beside(port: int) -> int:
    """The next one; any that is free beside any that is free."""
    return port and port + 1


@frozen
class LabSettings:
    """As wide and as fast as the GPU that is to be imitated."""

    host: str = "127.0.0.1"
    stt_port: int = 8190
    tts_port: int = 8180
    llm_port: int = 8111
    deepgram_port: int = field(
        default=Factory(lambda self: _beside(self.stt_port), takes_self=True)
    )
    cartesia_port: int = field(
        default=Factory(lambda self: _beside(self.tts_port), takes_self=True)
    )
    anthropic_port: int = field(
        default=Factory(lambda self: _beside(self.llm_port), takes_self=True)
    )
    bookings_port: int = field(
        default=Factory(lambda self: self.llm_port and BOOKINGS_PORT, takes_self=True)
    )
    keys: frozenset[str] = field(default=frozenset({KEY}), converter=frozenset)
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
class Cloud:
    """The stand-ins of the engines that are no GPU's."""

    deepgram: DeepgramServer
    cartesia: CartesiaServer
    anthropic: AnthropicServer


@frozen
class Lab:
    """A running lab: where it listens, and its engines, whose `fault` may be set."""

    stt_url: str
    tts_url: str
    llm_url: str
    deepgram_url: str
    cartesia_url: str
    anthropic_url: str
    bookings_url: str
    stt: SttModule
    tts: TtsModule
    llm: LlmServer
    cloud: Cloud
    bookings: Bookings

    def configuration(self) -> str:
        """TOML to paste into voiced.toml: the engines."""
        key = f'api_key = "{KEY}"\n'
        return (
            f'[stt.lab]\ntype = "moshi"\nurl = "{self.stt_url}"\n{key}\n'
            f'[stt.deepgram]\ntype = "deepgram"\nurl = "{self.deepgram_url}"\n{key}'
            f'language = "en"\n\n'
            f'[stt.flux]\ntype = "deepgram"\nurl = "{self.deepgram_url}"\n{key}'
            f'model = "flux-general-en"\nlanguage = "en"\neager_eot_threshold = 0.4\n\n'
            f'[tts.lab]\ntype = "moshi"\nurl = "{self.tts_url}"\n{key}'
            f'voice = "{DEFAULT_VOICE}"\n\n'
            f'[tts.cartesia]\ntype = "cartesia"\nurl = "{self.cartesia_url}"\n{key}'
            f'voice = "{CARTESIA_VOICE}"\n\n'
            f'[llm.lab]\ntype = "openai"\nbase_url = "{self.llm_url}"\nmodel = "{MODEL}"\n\n'
            f'[llm.anthropic]\ntype = "anthropic"\nbase_url = "{self.anthropic_url}"\n{key}'
        )

    def tools(self) -> str:
        """And the tools of an agent called `default`, which book tables."""
        return tools(self.bookings_url, KEY)


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
    cloud = Cloud(
        DeepgramServer(settings.keys, _ears(settings)),
        CartesiaServer(settings.keys, _voice(settings)),
        AnthropicServer(settings.keys, settings.llm_timing, log=settings.llm_log),
    )
    bookings = Bookings(settings.keys)
    async with trio.open_nursery() as nursery:
        await nursery.start(stt.run)
        await nursery.start(tts.run)
        listen = partial(_listen, nursery, settings.host)
        task_status.started(
            Lab(
                f"ws://{await listen(MoshiServer(settings.keys, stt=stt), settings.stt_port)}"
                f"{STT_PATH}",
                f"ws://{await listen(MoshiServer(settings.keys, tts=tts), settings.tts_port)}"
                f"{TTS_PATH}",
                f"http://{await listen(llm, settings.llm_port)}/v1",
                f"ws://{await listen(cloud.deepgram, settings.deepgram_port)}",
                f"ws://{await listen(cloud.cartesia, settings.cartesia_port)}",
                f"http://{await listen(cloud.anthropic, settings.anthropic_port)}",
                f"http://{await listen(bookings, settings.bookings_port)}",
                stt,
                tts,
                llm,
                cloud,
                bookings,
            )
        )


class Server(Protocol):
    """A stand-in that answers HTTP requests."""

    async def handle(self, exchange: Exchange) -> None: ...


async def _listen(nursery: trio.Nursery, host: str, server: Server, port: int) -> str:
    """Returns the address."""
    return f"{host}:{await nursery.start(serve, server.handle, host, port)}"


def _voice(settings: LabSettings) -> Voice:
    return EspeakVoice() if settings.voice is VoiceKind.ESPEAK else ToneVoice()


def _ears(settings: LabSettings) -> EarFactory:
    if settings.ear is EarKind.SPHINX:
        return sphinx_ears(GRAMMAR)
    return scripted_ears(settings.sentences)
