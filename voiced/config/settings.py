"""The settings that voiced runs with, as frozen classes; one class per section of the file.

Every default stands here and nowhere else; voiced.toml and docs/configure.md are tested
against it. A `Settings` is always complete and consistent: the reader makes no other.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from attrs import Factory, field, frozen

from voiced.config.declare import (
    ABSOLUTE,
    LANGUAGE,
    PHONE,
    PHONE_OR_NONE,
    PROMPT,
    TEMPLATE,
    TEXT,
    between,
    key,
    matches,
)
from voiced.config.engines import HTTP, LlmSettings, SttSettings, TtsSettings
from voiced.config.phrases import phrases
from voiced.config.secrets import Secret

DEFAULT_AGENT = "default"


class EndOfTurn(Enum):
    """Who says that the caller has finished: the STT engine, or silence on the line."""

    ENGINE = "engine"
    SILENCE = "silence"


class LogLevel(Enum):
    """The least severe message that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@frozen(kw_only=True)
class Tls:
    """A certificate of our own, where no proxy terminates TLS."""

    certificate: Path = field(metadata=key("The certificate chain, PEM.", ABSOLUTE))
    private_key: Path = field(metadata=key("Its private key, PEM.", ABSOLUTE))


@frozen(kw_only=True)
class Server:
    """Where voiced listens and what it takes on."""

    host: str = field(default="127.0.0.1", metadata=key("The address to listen on.", TEXT))
    port: int = field(default=8765, metadata=key("The port to listen on.", between(1, 65535)))
    public_url: str = field(
        default=Factory(lambda self: f"http://127.0.0.1:{self.port}", takes_self=True),
        metadata=key(
            "What Twilio calls: signatures and the `wss://` address are built from it. "
            "The default follows `port` and serves this machine only.",
            HTTP,
        ),
    )
    max_calls: int = field(
        default=64, metadata=key("Calls at the same time.", between(1, 10_000, "calls"))
    )
    drain_s: float = field(
        default=900,
        metadata=key("How long a stopping daemon lets calls finish.", between(0, 86_400, "s")),
    )
    tls: Tls | None = field(
        default=None, metadata=key("The certificate, where no proxy terminates TLS.")
    )


@frozen(kw_only=True)
class Twilio:
    """The carrier's account."""

    account_sid: str = field(
        default="",
        metadata=key(
            "The account; needed for outbound calls.",
            matches(r"(AC[0-9A-Za-z]+)?", "it is not an account SID", "the SID that begins AC"),
            "TWILIO_ACCOUNT_SID",
        ),
    )
    auth_token: Secret | None = field(
        default=None,
        metadata=key("The account's token; signatures need it.", variable="TWILIO_AUTH_TOKEN"),
    )
    phone_number: str = field(
        default="", metadata=key("The caller id of outbound calls.", PHONE_OR_NONE)
    )
    verify_signatures: bool = field(
        default=True,
        metadata=key("Whether a request must be signed by Twilio. Off is for the lab only."),
    )
    api_url: str = field(default="https://api.twilio.com", metadata=key("Twilio's REST API.", HTTP))


@frozen(kw_only=True)
class Agent:
    """A persona. Its texts may hold {name}, {company}, {caller}, {called} and {date}."""

    language: str = field(default="fr", metadata=key("The language it speaks.", LANGUAGE))
    name: str = field(default="Sesame", metadata=key("Its name: `{name}`.", TEXT))
    company: str = field(default="Sesame AI", metadata=key("Its company: `{company}`.", TEXT))
    prompt: str = field(
        default=Factory(lambda self: phrases(self.language).prompt, takes_self=True),
        metadata=key("What the model is told to be.", PROMPT),
    )
    greeting: str = field(
        default=Factory(lambda self: phrases(self.language).greeting, takes_self=True),
        metadata=key('Said as soon as the call is up; `""`: the caller speaks first.', TEMPLATE),
    )
    goodbye: str = field(
        default=Factory(lambda self: phrases(self.language).goodbye, takes_self=True),
        metadata=key("Said before the agent hangs up.", TEMPLATE),
    )
    apology: str = field(
        default=Factory(lambda self: phrases(self.language).apology, takes_self=True),
        metadata=key("Said when an engine fails and no spare is left.", TEMPLATE),
    )
    stt: tuple[str, ...] = field(
        default=("kyutai",),
        metadata=key("Its ears, `[stt.*]`, in order of preference; the first is used."),
    )
    llm: tuple[str, ...] = field(
        default=("local",), metadata=key("Its minds, `[llm.*]`, in order: the first is used.")
    )
    tts: tuple[str, ...] = field(
        default=("kyutai",), metadata=key("Its voices, `[tts.*]`, in order: the first is used.")
    )
    end_of_turn: EndOfTurn = field(
        default=EndOfTurn.ENGINE,
        metadata=key("Who says that the caller has finished: the engine, or silence."),
    )
    silence_ms: int = field(
        default=4000,
        metadata=key('The silence that ends a turn with `"silence"`.', between(100, 60_000, "ms")),
    )
    min_interruption_words: int = field(
        default=2, metadata=key("Words that interrupt a reply.", between(1, 20, "words"))
    )
    interruptible: bool = field(
        default=True, metadata=key("Whether the caller may interrupt at all.")
    )
    idle_prompt_s: float = field(
        default=10,
        metadata=key("Silence of both before the agent asks; 0: never.", between(0, 3600, "s")),
    )
    idle_prompt: str = field(
        default=Factory(lambda self: phrases(self.language).idle_prompt, takes_self=True),
        metadata=key("What it asks then.", TEMPLATE),
    )
    max_call_s: float = field(
        default=1800, metadata=key("The longest call.", between(1, 86_400, "s"))
    )


@frozen(kw_only=True)
class Route:
    """A dialled number and the agent that answers it."""

    called: str = field(metadata=key("The number that was dialled.", PHONE))
    agent: str = field(default=DEFAULT_AGENT, metadata=key("The agent, `[agent.*]`."))


@frozen(kw_only=True)
class Records:
    """What outlives a call."""

    directory: Path = field(
        default=Path("/var/lib/voiced"), metadata=key("Where records are kept.", ABSOLUTE)
    )
    recording: bool = field(
        default=False,
        metadata=key("Whether calls are recorded: stereo WAV, caller left, agent right."),
    )
    retention_days: int = field(
        default=30, metadata=key("When records are deleted.", between(1, 36_500, "days"))
    )


@frozen(kw_only=True)
class Limits:
    """Limits against runaway bills and floods."""

    outbound_per_minute: int = field(
        default=5, metadata=key("Calls placed in a minute; 0: none.", between(0, 10_000, "calls"))
    )
    requests_per_minute: int = field(
        default=120,
        metadata=key("API requests in a minute from one address.", between(1, 1_000_000)),
    )


@frozen(kw_only=True)
class Log:
    """What is written to the log."""

    level: LogLevel = field(
        default=LogLevel.INFO, metadata=key("The least severe message that is logged.")
    )
    redact: bool = field(
        default=True,
        metadata=key("Whether phone numbers and speech stay out of the log's messages."),
    )


@frozen(kw_only=True)
class Api:
    """Who may use /v1 and the console."""

    token: Secret | None = field(
        default=None,
        metadata=key(
            "The bearer token of `/v1` and the console; without one they answer loopback only.",
            variable="VOICED_API_TOKEN",
        ),
    )


@frozen(kw_only=True)
class Settings:
    """The whole configuration. `warnings` are sentences for the log, not errors."""

    server: Server = field(factory=Server)
    twilio: Twilio = field(factory=Twilio)
    stt: Mapping[str, SttSettings] = field(factory=dict)
    llm: Mapping[str, LlmSettings] = field(factory=dict)
    tts: Mapping[str, TtsSettings] = field(factory=dict)
    agents: Mapping[str, Agent]
    routes: tuple[Route, ...] = ()
    records: Records = field(factory=Records)
    limits: Limits = field(factory=Limits)
    log: Log = field(factory=Log)
    api: Api = field(factory=Api)
    warnings: tuple[str, ...] = ()

    def agent_for(self, called: str) -> str:
        """The name of the agent that answers a dialled number; the first matching route wins."""
        return next((r.agent for r in self.routes if r.called == called), DEFAULT_AGENT)


SECTIONS = {
    "server": Server,
    "twilio": Twilio,
    "records": Records,
    "limits": Limits,
    "log": Log,
    "api": Api,
}
"""The sections of which there is one."""
