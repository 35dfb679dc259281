"""From an agent's configuration to what it can do in one call: its tools, and what it need not ask
its model about."""

from collections.abc import Mapping
from functools import partial

import httpx
from attrs import frozen

from voiced.call.builtin import Gifts
from voiced.call.toolbox import Request, Toolbox
from voiced.config import Agent, HttpTool, Intent, OnBargeIn
from voiced.dialog.digits import DigitRule
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import Tool
from voiced.dialog.wish import Deed, Switch
from voiced.engines.router import Router
from voiced.tools import model
from voiced.tools.http_tool import use


@frozen
class Answer:
    """What is said at once."""

    text: str


@frozen
class ToolFirst:
    """A tool that is used before the model is asked."""

    name: str


Reaction = Answer | ToolFirst | Deed
"""What is done about an intent."""


@frozen
class Reflexes:
    """What an agent does without asking its model: reactions by the intent that calls for them."""

    router: Router
    reactions: Mapping[str, Reaction]


def toolbox(agent: Agent, said: Mapping[str, str], http: httpx.AsyncClient | None) -> Toolbox:
    """The tools that its model may use. `said` are the call's variables; `http` is a
    `publicnet.direct_client`; None: its own tools are not there."""
    gifts = Gifts(
        agent.transfers,
        agent.warm_transfer,
        {name: text.format_map(said) for name, text in agent.verbatim.items()},
        agent.switches,
        DigitRule(agent.digits_end, agent.digits_timeout_s),
    )
    own = {tool.name: _request(tool, said, http) for tool in agent.tool if http}
    return Toolbox(agent.tools, gifts, own)


def _request(tool: HttpTool, said: Mapping[str, str], http: httpx.AsyncClient) -> Request:
    declared = Tool(tool.name, tool.description, tool.parameters)
    sent = model.HttpTool(
        declared,
        tool.method.value,
        tool.url,
        tool.headers,
        tool.secret.reveal() if tool.secret else None,
        tool.body,
        tool.timeout_s,
        tool.allow_private,
    )
    return Request(
        declared,
        partial(use, sent, client=http),
        tool.say.format_map(said),
        tool.progress.format_map(said),
        tool.commit,
        tool.on_barge_in is OnBargeIn.DETACH,
    )


def reflexes(agent: Agent, said: Mapping[str, str], router: Router | None) -> Reflexes | None:
    """What it does about its intents; None: it has none."""
    if router is None or not agent.intent:
        return None
    return Reflexes(router, {each.name: _reaction(each, agent, said) for each in agent.intent})


def _reaction(intent: Intent, agent: Agent, said: Mapping[str, str]) -> Reaction:
    if intent.say:
        return Answer(intent.say.format_map(said))
    if intent.tool:
        return ToolFirst(intent.tool)
    if intent.agent:
        return Switch(intent.agent)
    if intent.transfer:
        to = Transfer(agent.transfers[intent.transfer], agent.warm_transfer)
        return Parting("transfer", (Phrase.TRANSFER,), to)
    return Parting("agent")


def spoken(agent: Agent) -> list[str]:
    """The templates of what an agent may say by heart beside its phrases."""
    tools = [text for tool in agent.tool for text in (tool.say, tool.progress)]
    return [*tools, *agent.verbatim.values(), *(intent.say for intent in agent.intent)]
