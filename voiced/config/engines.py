"""The settings of the engines: one class per type, chosen by the key `type`."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from attrs import field, frozen

from voiced.config.declare import LANGUAGE, TEXT, between, key, url
from voiced.config.secrets import Secret

WEBSOCKET = url("ws", "wss")
HTTP = url("http", "https")
PUBLIC_TOKEN = Secret("public_token")
"""The key that moshi-server's published configurations accept."""


def openai_variable(values: Mapping[str, Any]) -> str:
    """Groq speaks OpenAI's protocol, and has a customary variable of its own."""
    host = urlsplit(values.get("base_url") or "").hostname or ""
    groq = host == "groq.com" or host.endswith(".groq.com")
    return "GROQ_API_KEY" if groq else "OPENAI_API_KEY"


@frozen(kw_only=True)
class MoshiStt:
    """Kyutai's speech to text on moshi-server."""

    type: ClassVar[str] = "moshi"
    url: str = field(
        default="ws://127.0.0.1:8090/api/asr-streaming",
        metadata=key("The ASR route of moshi-server.", WEBSOCKET),
    )
    api_key: Secret | None = field(
        default=PUBLIC_TOKEN,
        metadata=key("One of moshi-server's `authorized_ids`.", variable="KYUTAI_API_KEY"),
    )


@frozen(kw_only=True)
class DeepgramStt:
    """Deepgram's live transcription."""

    type: ClassVar[str] = "deepgram"
    url: str = field(
        default="wss://api.deepgram.com",
        metadata=key("Deepgram's host; `wss://api.eu.deepgram.com` stays in Europe.", WEBSOCKET),
    )
    api_key: Secret | None = field(
        default=None, metadata=key("Deepgram's key.", variable="DEEPGRAM_API_KEY")
    )
    model: str = field(
        default="nova-3", metadata=key("The model; a `flux-*` model uses `/v2/listen`.", TEXT)
    )
    language: str = field(default="fr", metadata=key("The language that is spoken.", LANGUAGE))
    endpointing_ms: int = field(
        default=300, metadata=key("The silence that ends an utterance.", between(10, 5000, "ms"))
    )
    utterance_end_ms: int = field(
        default=1000,
        metadata=key(
            "The gap between words that ends one where noise hides the silence.",
            between(1000, 5000, "ms"),
        ),
    )


@frozen(kw_only=True)
class OpenAiLlm:
    """Any server of OpenAI's chat completions: OpenAI, Groq, Ollama, vLLM, llama.cpp."""

    type: ClassVar[str] = "openai"
    base_url: str = field(
        default="http://127.0.0.1:11434/v1",
        metadata=key("The server's address up to and with `/v1`.", HTTP),
    )
    api_key: Secret | None = field(
        default=None,
        metadata=key(
            "The server's key, where it asks for one. `GROQ_API_KEY` is looked up where "
            "`base_url` is at groq.com, else `OPENAI_API_KEY`.",
            variable=openai_variable,
        ),
    )
    model: str = field(default="llama3.2:3b", metadata=key("The model's name there.", TEXT))
    max_tokens: int = field(
        default=200, metadata=key("The longest answer.", between(1, 100_000, "tokens"))
    )
    temperature: float = field(
        default=0.6, metadata=key("How freely it words; reasoning models want 1.", between(0, 2))
    )


@frozen(kw_only=True)
class AnthropicLlm:
    """Anthropic's Messages."""

    type: ClassVar[str] = "anthropic"
    base_url: str = field(
        default="https://api.anthropic.com",
        metadata=key("The API's address, without `/v1`.", HTTP),
    )
    api_key: Secret | None = field(
        default=None, metadata=key("Anthropic's key.", variable="ANTHROPIC_API_KEY")
    )
    model: str = field(default="claude-haiku-5-5", metadata=key("The model.", TEXT))
    max_tokens: int = field(
        default=200, metadata=key("The longest answer.", between(1, 100_000, "tokens"))
    )
    temperature: float | None = field(
        default=None,
        metadata=key("Not sent unless set: the newer models refuse it.", between(0, 1)),
    )


@frozen(kw_only=True)
class MoshiTts:
    """Kyutai's text to speech on moshi-server."""

    type: ClassVar[str] = "moshi"
    url: str = field(
        default="ws://127.0.0.1:8080/api/tts_streaming",
        metadata=key("The TTS route of moshi-server.", WEBSOCKET),
    )
    api_key: Secret | None = field(
        default=PUBLIC_TOKEN,
        metadata=key("One of moshi-server's `authorized_ids`.", variable="KYUTAI_API_KEY"),
    )
    voice: str = field(
        default="cml-tts/fr/2465_1943_000152-0002.wav",
        metadata=key("A voice of Kyutai's `tts-voices` that the server has.", TEXT),
    )
    calls_per_slot: float = field(
        default=2.0,
        metadata=key(
            "Calls in progress per slot: a slot is taken only while a reply is being spoken. Two "
            "keeps a caller's chance of waiting near 1 % (Erlang B, 8 slots, each call needing one "
            "a fifth of the time); 1 never waits.",
            between(0.1, 50),
        ),
    )


@frozen(kw_only=True)
class CartesiaTts:
    """Cartesia's streaming text to speech."""

    type: ClassVar[str] = "cartesia"
    url: str = field(default="wss://api.cartesia.ai", metadata=key("Cartesia's host.", WEBSOCKET))
    api_key: Secret | None = field(
        default=None, metadata=key("Cartesia's key.", variable="CARTESIA_API_KEY")
    )
    model: str = field(default="sonic-3", metadata=key("The model.", TEXT))
    voice: str = field(metadata=key("The voice's id, a UUID.", TEXT))


SttSettings = MoshiStt | DeepgramStt
LlmSettings = OpenAiLlm | AnthropicLlm
TtsSettings = MoshiTts | CartesiaTts

ENGINES: Mapping[str, Mapping[str, type[Any]]] = {
    "stt": {"moshi": MoshiStt, "deepgram": DeepgramStt},
    "llm": {"openai": OpenAiLlm, "anthropic": AnthropicLlm},
    "tts": {"moshi": MoshiTts, "cartesia": CartesiaTts},
}
"""Role -> the value of `type` -> the class."""
