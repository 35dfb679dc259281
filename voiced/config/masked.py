"""Settings without what their owner may have put where a secret does not belong."""

import re

from attrs import evolve

from voiced.config.agent import Agent
from voiced.config.settings import Settings
from voiced.config.template import places
from voiced.config.tools import HttpTool

_HIDDEN = "***"
_TELLING = re.compile(r"(?i)auth|cookie|key|pass|secret|sign|token")
"""Names of headers that hold what nobody else should read."""


def masked(settings: Settings) -> Settings:
    """The settings as they may be shown, but for what is a `Secret`, which masks itself."""
    webhooks = {
        name: evolve(webhook, url=_without_query(webhook.url))
        for name, webhook in settings.webhooks.items()
    }
    agents = {name: _agent(agent) for name, agent in settings.agents.items()}
    return evolve(settings, webhooks=webhooks, agents=agents)


def _without_query(url: str) -> str:
    """Many a receiver wants a key in the query."""
    address, question, _ = url.partition("?")
    return f"{address}?{_HIDDEN}" if question else address


def _agent(agent: Agent) -> Agent:
    before = agent.pre_call
    pre_call = evolve(before, url=_without_query(before.url)) if before else None
    return evolve(agent, pre_call=pre_call, tool=tuple(_tool(tool) for tool in agent.tool))


def _tool(tool: HttpTool) -> HttpTool:
    """What a call fills in stays: `?day={day}&key=***`."""
    address, question, query = tool.url.partition("?")
    pairs = [pair if places(pair) else _hide(pair) for pair in query.split("&")]
    headers = {
        name: _HIDDEN if _TELLING.search(name) and not places(text) else text
        for name, text in tool.headers.items()
    }
    url = f"{address}?{'&'.join(pairs)}" if question else address
    return evolve(tool, url=url, headers=headers)


def _hide(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={_HIDDEN}" if equals else _HIDDEN
