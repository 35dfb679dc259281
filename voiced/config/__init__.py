"""The configuration: one TOML file, read whole, every problem told at once.

`load(locate(option, environ), environ)` gives the `Settings`; `render` shows them.
"""

from voiced.config.agent import DEFAULT_AGENT, Agent
from voiced.config.document import parse
from voiced.config.embeddings import OpenAiEmbeddings
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
from voiced.config.intents import Intent
from voiced.config.locate import INSTALLED, SHIPPED, load, locate
from voiced.config.manner import EndOfTurn, OnMachine
from voiced.config.render import reference, render
from voiced.config.routing import Route, is_withheld
from voiced.config.secrets import Secret, SecretSources
from voiced.config.settings import (
    Api,
    Limits,
    Log,
    LogLevel,
    Records,
    Server,
    Settings,
    Tls,
    Twilio,
    Webhook,
)
from voiced.config.tools import HttpTool, Method, OnBargeIn, PreCall

__all__ = [
    "DEFAULT_AGENT", "INSTALLED", "SHIPPED", "Agent", "AnthropicLlm", "Api", "CartesiaTts",
    "DeepgramStt", "EndOfTurn", "HttpTool", "Intent", "Limits", "LlmSettings", "Log", "LogLevel",
    "Method", "MoshiStt", "MoshiTts", "OnBargeIn", "OnMachine", "OpenAiEmbeddings", "OpenAiLlm",
    "PreCall", "Records", "Route", "Secret", "SecretSources", "Server", "Settings", "SttSettings",
    "Tls", "TtsSettings", "Twilio", "Webhook", "is_withheld", "load", "locate", "parse",
    "reference", "render",
]  # fmt: skip
