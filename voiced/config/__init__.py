"""The configuration: one TOML file, read whole, every problem told at once.

`load(locate(option, environ), environ)` gives the `Settings`; `render` shows them.
"""

from voiced.config.document import parse
from voiced.config.engines import (
    AnthropicLlm,
    CartesiaTts,
    DeepgramStt,
    LlmSettings,
    MoshiStt,
    MoshiTts,
    OpenAiLlm,
    SttSettings,
    TtsSettings,
)
from voiced.config.locate import INSTALLED, SHIPPED, load, locate
from voiced.config.render import reference, render
from voiced.config.secrets import Secret, SecretSources
from voiced.config.settings import (
    DEFAULT_AGENT,
    Agent,
    Api,
    EndOfTurn,
    Limits,
    Log,
    LogLevel,
    Records,
    Route,
    Server,
    Settings,
    Tls,
    Twilio,
)

__all__ = [
    "DEFAULT_AGENT", "INSTALLED", "SHIPPED", "Agent", "AnthropicLlm", "Api", "CartesiaTts",
    "DeepgramStt", "EndOfTurn", "Limits", "LlmSettings", "Log", "LogLevel", "MoshiStt", "MoshiTts",
    "OpenAiLlm", "Records", "Route", "Secret", "SecretSources", "Server", "Settings",
    "SttSettings", "Tls", "TtsSettings", "Twilio", "load", "locate", "parse", "reference",
    "render",
]  # fmt: skip
