"""What is right in a configuration, and probably not meant: sentences for the log."""

from collections.abc import Iterator

from voiced.config.agent import Agent
from voiced.config.settings import Settings
from voiced.config.template import places
from voiced.config.tools import SECRET, HttpTool

UNVERIFIED = (
    "twilio.auth_token is not set, so no request can be verified and every call is refused; "
    "set it, or TWILIO_AUTH_TOKEN, or for a lab verify_signatures = false"
)


def warnings(settings: Settings) -> tuple[str, ...]:
    """In the order in which they are worth mending."""
    return tuple(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[str]:
    twilio = settings.twilio
    if twilio.verify_signatures and not (twilio.auth_token or twilio.auth_token_secondary):
        yield UNVERIFIED
    for name, agent in settings.agents.items():
        yield from _of_agent(f"agent.{name}", agent)
    for name, webhook in settings.webhooks.items():
        if webhook.secret is None:
            yield _unsigned(f"webhook.{name}")


def _of_agent(path: str, agent: Agent) -> Iterator[str]:
    if agent.pre_call and agent.pre_call.secret is None:
        yield _unsigned(f"{path}.pre_call")
    for tool in agent.tool:
        yield from _of_tool(f"{path}.tool.{tool.name}", tool)


def _of_tool(path: str, tool: HttpTool) -> Iterator[str]:
    wanted = any(SECRET in places(text) for text in tool.headers.values())
    if wanted and tool.secret is None:
        yield (
            f"{path}.secret is not set, so its headers hold none; "
            f"set it, or the systemd credential of that name"
        )
    if tool.secret and not wanted:
        yield f"{path}.secret is sent nowhere; put {{{SECRET}}} into one of its headers"


def _unsigned(path: str) -> str:
    return (
        f"{path} has no secret, so what it sends is not signed; "
        f"set {path}.secret, or the systemd credential of that name"
    )
