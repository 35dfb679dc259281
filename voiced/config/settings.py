"""The settings that voiced runs with, as frozen classes; one class per section of the file.

Every default stands here and nowhere else; voiced.toml and docs/configure.md are tested
against it. A `Settings` is always complete and consistent: the reader makes no other.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path

from attrs import Factory, field, frozen

from voiced.config.agent import DEFAULT_AGENT, Agent
from voiced.config.deadlines import Deadlines
from voiced.config.declare import (
    ABSOLUTE,
    CREDENTIAL_ONLY,
    PHONE_OR_NONE,
    PREFIX,
    TEXT,
    WEB,
    between,
    key,
    matches,
    one_of,
)
from voiced.config.embeddings import OpenAiEmbeddings
from voiced.config.engines import HTTP, LlmSettings, SttSettings, TtsSettings
from voiced.config.manner import EndOfTurn, OnMachine
from voiced.config.routing import Route
from voiced.config.secrets import Secret

__all__ = [
    "DEFAULT_AGENT", "EVENTS", "SECTIONS", "Agent", "Api", "Deadlines", "EndOfTurn", "Limits",
    "Log", "LogLevel", "OnMachine", "Records", "Route", "Server", "Settings", "Tls", "Twilio",
    "Webhook",
]  # fmt: skip

EVENTS = ("call.started", "turn.ended", "call.ended")
"""What a webhook may be told."""


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
    auth_token_secondary: Secret | None = field(
        default=None,
        metadata=key(
            "The account's other token during a rotation; accepted in signatures.",
            variable="TWILIO_AUTH_TOKEN_SECONDARY",
        ),
    )
    phone_number: str = field(
        default="", metadata=key("The caller id of outbound calls.", PHONE_OR_NONE)
    )
    verify_signatures: bool = field(
        default=True,
        metadata=key("Whether a request must be signed by Twilio. Off is for the lab only."),
    )
    api_url: str = field(default="https://api.twilio.com", metadata=key("Twilio's REST API.", HTTP))
    ring_s: int = field(
        default=30, metadata=key("How long an outbound call rings.", between(5, 600, "s"))
    )
    calls_per_second: float = field(
        default=1.0,
        metadata=key("Outbound calls that the account may create in a second.", between(0.1, 100)),
    )


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
    allowed_prefixes: tuple[str, ...] = field(
        default=(),
        metadata=key(
            "Where the API may place and transfer calls; "
            "empty: only the country of `twilio.phone_number`.",
            PREFIX,
        ),
    )
    denied_prefixes: tuple[str, ...] = field(
        default=(), metadata=key("Where it may not, though it is allowed.", PREFIX)
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
class Webhook:
    """Whom voiced tells what happens. Each message is signed with the secret."""

    url: str = field(metadata=key("Where the events are sent.", WEB))
    secret: Secret | None = field(
        default=None,
        metadata=key("What signs them; without one they are not signed.", variable=CREDENTIAL_ONLY),
    )
    events: tuple[str, ...] = field(
        default=("call.started", "call.ended"),
        metadata=key("What is told.", one_of("an event", EVENTS)),
    )
    allow_private: bool = field(
        default=False, metadata=key("Whether the address may be in a private network.")
    )


@frozen(kw_only=True)
class Settings:
    """The whole configuration. `warnings` are sentences for the log, not errors."""

    server: Server = field(factory=Server)
    twilio: Twilio = field(factory=Twilio)
    stt: Mapping[str, SttSettings] = field(factory=dict)
    llm: Mapping[str, LlmSettings] = field(factory=dict)
    tts: Mapping[str, TtsSettings] = field(factory=dict)
    embeddings: Mapping[str, OpenAiEmbeddings] = field(factory=dict)
    agents: Mapping[str, Agent]
    routes: tuple[Route, ...] = ()
    deadlines: Deadlines = field(factory=Deadlines)
    records: Records = field(factory=Records)
    limits: Limits = field(factory=Limits)
    log: Log = field(factory=Log)
    api: Api = field(factory=Api)
    webhooks: Mapping[str, Webhook] = field(factory=dict)
    warnings: tuple[str, ...] = ()

    def agent_for(self, called: str, caller: str, at: datetime) -> str:
        """The name of the agent that answers a call; the first matching route wins.

        `called` and `caller` may be any strings, `at` is an aware datetime.
        """
        matching = (route.agent for route in self.routes if route.matches(called, caller, at))
        return next(matching, DEFAULT_AGENT)


SECTIONS = {
    "server": Server,
    "twilio": Twilio,
    "deadlines": Deadlines,
    "records": Records,
    "limits": Limits,
    "log": Log,
    "api": Api,
}
"""The sections of which there is one."""
