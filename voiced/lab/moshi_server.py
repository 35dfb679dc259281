"""The stand-in moshi-server: routes, keys, and the two modules behind them (moshi-server main.rs).

A WebSocket's own headers are checked before the query and the key, so a plain GET of a module
is 400; a wrong key is 401 with an empty body and no upgrade.
"""

import json

from attrs import define

from voiced.lab.faults import Kind
from voiced.lab.moshi_stt import SttModule
from voiced.lab.moshi_tts import TtsModule
from voiced.lab.server import Exchange

STT_PATH = "/api/asr-streaming"
TTS_PATH = "/api/tts_streaming"
FORMATS = {"Pcm", "PcmMessagePack", "OggOpus", "OggOpusMessagePack"}
DEFAULT_FORMAT = "OggOpus"
SPOKEN_FORMAT = "PcmMessagePack"
"""The one that this stand-in speaks; it answers 501 to the real server's others."""

BUILD_INFO = dict.fromkeys(
    ("build_timestamp", "build_date", "git_branch", "git_timestamp", "git_date", "git_hash",
     "git_describe", "rustc_host_triple", "rustc_version", "cargo_target_triple"),
    "lab",
)  # fmt: skip


@define
class MoshiServer:
    """One process of the real server; either module may be absent."""

    keys: frozenset[str]
    stt: SttModule | None = None
    tts: TtsModule | None = None

    async def handle(self, exchange: Exchange) -> None:
        """Answers one HTTP request, or serves one WebSocket to its end."""
        path = exchange.request.path
        if path == "/api/build_info":
            await exchange.respond(200, json.dumps(BUILD_INFO).encode())
        elif path == "/api/modules_info":
            await exchange.respond(200, json.dumps(self.modules_info()).encode())
        elif path == STT_PATH and self.stt is not None:
            if await self._let_in(exchange, self.stt.fault.kind):
                await self.stt.listen(await exchange.accept())
        elif path == TTS_PATH and self.tts is not None:
            if await self._let_in(exchange, self.tts.fault.kind) and await speakable(exchange):
                voice = exchange.request.query.get("voice", "")
                await self.tts.speak(await exchange.accept(), voice)
        else:
            await exchange.respond(404)

    def modules_info(self) -> list[dict[str, str]]:
        """All values are strings, the slots too."""
        modules = []
        if self.stt is not None:
            models = {"lm": "lab", "audio_tokenizer": "lab"}
            modules.append({"type": "batched_asr", "path": STT_PATH, **models, **slots(self.stt)})
        if self.tts is not None:
            modules.append({"type": "py", "path": TTS_PATH, "script": "tts.py", **slots(self.tts)})
        return modules

    async def _let_in(self, exchange: Exchange, fault: Kind) -> bool:
        request = exchange.request
        if not exchange.wants_websocket():
            await exchange.respond(400)
            return False
        # A header alone decides, right or wrong; the query counts only without one.
        key = request.headers.get("kyutai-api-key", request.query.get("auth_id"))
        if key not in self.keys or fault is Kind.REFUSE:
            await exchange.respond(401)
            return False
        return True


async def speakable(exchange: Exchange) -> bool:
    """Checks the audio format asked for; answers if it cannot be."""
    format_ = exchange.request.query.get("format", DEFAULT_FORMAT)
    if format_ == SPOKEN_FORMAT:
        return True
    await exchange.respond(501 if format_ in FORMATS else 400)
    return False


def slots(module: SttModule | TtsModule) -> dict[str, str]:
    return {"used_slots": str(module.used_slots), "total_slots": str(module.batch_size)}
