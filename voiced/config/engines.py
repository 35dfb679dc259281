"""The settings of the engines: one class per type, chosen by the key `type`."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, get_args

from attrs import field, frozen

from voiced.config.declare import LANGUAGE_TAG, TEXT, between, key, matches, url
from voiced.config.llms import AnthropicLlm as AnthropicLlm
from voiced.config.llms import OpenAiLlm as OpenAiLlm
from voiced.config.secrets import Secret
from voiced.errors import ConfigError

WEBSOCKET = url("ws", "wss")
HTTP = url("http", "https")
EMOTION = matches(
    "([a-z]+)?", "it is not one of Cartesia's emotions", "one of Cartesia's words, as in calm"
)
KEYTERM = matches(
    r"(?=.*\S)[^\x00-\x1f\x7f]{1,100}",
    "it is empty, too long, or of several lines",
    "a word or a few, 100 characters at most",
)
PUBLIC_TOKEN = Secret("public_token")
"""The key that moshi-server's published configurations accept."""


class AtUrl:
    """An engine whose address is its `url`."""

    __slots__ = ()
    url: str

    @property
    def address(self) -> str:
        """Where it is reached, as all engines tell it."""
        return self.url


@frozen(kw_only=True)
class MoshiStt(AtUrl):
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


SPOKEN = matches(
    f"multi|{LANGUAGE_TAG}", "it is not a language", "a language tag, as in fr or pt-BR, or multi"
)


@frozen(kw_only=True)
class DeepgramStt(AtUrl):
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
    language: str = field(
        default="fr",
        metadata=key(
            "The language that is spoken; `multi`: several, and each word tells which.", SPOKEN
        ),
    )
    keyterms: tuple[str, ...] = field(
        default=(),
        metadata=key(
            "Names and terms to listen for: at most 100, and 500 of Deepgram's tokens in all. "
            "Nova-3 and Flux.",
            KEYTERM,
        ),
    )
    mip_opt_out: bool = field(
        default=False,
        metadata=key(
            "Whether calls are kept out of the training of Deepgram's models; see its prices."
        ),
    )
    endpointing_ms: int = field(
        default=300,
        metadata=key(
            "The silence that ends an utterance. Flux, which judges by the words, ignores it.",
            between(10, 5000, "ms"),
        ),
    )
    utterance_end_ms: int = field(
        default=1000,
        metadata=key(
            "The gap between words that ends one where noise hides the silence. Flux ignores it.",
            between(1000, 5000, "ms"),
        ),
    )
    eot_threshold: float | None = field(
        default=None,
        metadata=key(
            "How sure Flux must be that the caller has finished. Not set: Deepgram's own, 0.7.",
            between(0.5, 0.9),
        ),
    )
    eager_eot_threshold: float | None = field(
        default=None,
        metadata=key(
            "So sure, Flux tells that the caller is likely to have finished: a reply is begun, see "
            "`eager_reply`. Not above `eot_threshold`. Not set: Flux does not tell.",
            between(0.3, 0.9),
        ),
    )
    eot_timeout_ms: int | None = field(
        default=None,
        metadata=key(
            "The silence that ends a turn however unsure Flux is. Not set: Deepgram's own, 5000.",
            between(500, 10_000, "ms"),
        ),
    )

    MOST_KEYTERMS: ClassVar[int] = 100
    OWN_EOT_THRESHOLD: ClassVar[float] = 0.7
    FLUX_KEYS: ClassVar[tuple[str, ...]] = (
        "eot_threshold", "eager_eot_threshold", "eot_timeout_ms",
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """Holds the keys against each other.

        Raises:
            ConfigError: they do not go together, and Deepgram would refuse every call.
        """
        faults = [*self._keyterm_faults(), *self._flux_faults()]
        if faults:
            raise ConfigError(faults)

    def _keyterm_faults(self) -> Iterator[str]:
        if len(self.keyterms) > self.MOST_KEYTERMS:
            yield f"keyterms has {len(self.keyterms)}; Deepgram takes {self.MOST_KEYTERMS} at most"
        if self.keyterms and self.model.startswith(("nova-2", "enhanced", "base")):
            yield f"keyterms are not for {self.model}; use nova-3 or a flux-* model"

    def _flux_faults(self) -> Iterator[str]:
        if not self.model.startswith("flux-"):
            yield from (
                f"{name} is for a flux-* model, not for {self.model}; delete it, or change model"
                for name in self.FLUX_KEYS
                if getattr(self, name) is not None
            )
        elif self.eager_eot_threshold is not None:
            whose = "" if self.eot_threshold else ", which is Deepgram's own where it is not set"
            most = self.eot_threshold or self.OWN_EOT_THRESHOLD
            if self.eager_eot_threshold > most:
                yield (
                    f"eager_eot_threshold {self.eager_eot_threshold} is above eot_threshold "
                    f"{most}{whose}; lower the one or raise the other"
                )


@frozen(kw_only=True)
class MoshiTts(AtUrl):
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
class CartesiaTts(AtUrl):
    """Cartesia's streaming text to speech."""

    type: ClassVar[str] = "cartesia"
    url: str = field(default="wss://api.cartesia.ai", metadata=key("Cartesia's host.", WEBSOCKET))
    api_key: Secret | None = field(
        default=None, metadata=key("Cartesia's key.", variable="CARTESIA_API_KEY")
    )
    model: str = field(default="sonic-3", metadata=key("The model.", TEXT))
    voice: str = field(metadata=key("The voice's id, a UUID.", TEXT))
    speed: float = field(
        default=1.0,
        metadata=key(
            "How fast it speaks, times the voice's own pace; sonic-3 and later.", between(0.6, 1.5)
        ),
    )
    volume: float = field(
        default=1.0,
        metadata=key(
            "How loud, times the voice's own loudness; sonic-3 and later.", between(0.5, 2)
        ),
    )
    emotion: str = field(
        default="",
        metadata=key(
            "How it is to sound; sonic-3 and later. Empty: as the text suggests.", EMOTION
        ),
    )
    concurrency: int | None = field(
        default=None,
        metadata=key(
            "How many replies the account's plan generates at once: four times as many calls are "
            "admitted. Not set: calls are not counted.",
            between(1, 10_000),
        ),
    )


SttSettings = MoshiStt | DeepgramStt
LlmSettings = OpenAiLlm | AnthropicLlm
TtsSettings = MoshiTts | CartesiaTts

ENGINES: Mapping[str, Mapping[str, type[Any]]] = {
    role: {kind.type: kind for kind in get_args(kinds)}
    for role, kinds in (("stt", SttSettings), ("llm", LlmSettings), ("tts", TtsSettings))
}
"""Role -> the value of `type` -> the class."""
