"""Uses a tool: one request, one answer, one deadline.

Whatever the far end does, the model is told something short that it can go on with. Nothing is
tried twice: what a tool does, such as a booking, may have been done although no answer came.
"""

import json
from collections.abc import Mapping
from typing import Final

import httpx
import trio
from attrs import evolve

from voiced.dialog.filling import NotFilled
from voiced.ops.held import holding
from voiced.ops.publicnet import SENDING_FAULTS, kind_of
from voiced.tools.answer import Told, bounded, error, failed, host_of, read_answer
from voiced.tools.model import HttpTool, Outcome, Status
from voiced.tools.request import request_of

CLOSE_S: Final = 0.5
"""Closing does not wait for the far end; this bounds it should it ever."""

MASK: Final = "********"

_KINDS: Final = {"private-address": Status.PRIVATE_ADDRESS, "broken": Status.BROKEN}
"""Of the words of `kind_of`, those that are not `unreachable` here."""


async def use(
    tool: HttpTool,
    arguments: Mapping[str, object],
    variables: Mapping[str, str],
    key: str,
    client: httpx.AsyncClient,
) -> Outcome:
    """Sends the tool's request and tells what came of it, within its `timeout_s`.

    `arguments` are the model's, parsed and validated; `variables` are the call's. `key` is the
    same for whatever must be done once only. `client` is a `publicnet.direct_client`: one that
    took a proxy from the environment would go round the guard.

    A failure is an `Outcome` too; when it is cancelled the connection is closed and nothing left.
    """
    started = trio.current_time()
    told = failed(Status.TIMEOUT, f"{_host(tool)} did not answer within {tool.timeout_s:g} s")
    with trio.move_on_after(tool.timeout_s), holding("tool request"):
        await trio.lowlevel.checkpoint()  # also where nothing is sent
        try:
            told = await _exchange(client, await request_of(tool, arguments, variables, key))
        except NotFilled as unfit:
            told = _unfit(unfit, arguments)
        except SENDING_FAULTS as fault:
            told = _failure(tool, fault)
    result = bounded(_without_secret(told.result, tool.secret))
    return Outcome(result, told.status, told.detail, trio.current_time() - started)


async def _exchange(client: httpx.AsyncClient, request: httpx.Request) -> Told:
    """One request and its answer; what was told of a whole answer stays, however it closes."""
    site = httpx.URL(f"{request.url.scheme}://{request.headers['Host']}/")
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        return await read_answer(site, response)
    finally:
        with trio.move_on_after(CLOSE_S, shield=True):
            await response.aclose()


def _unfit(fault: NotFilled, arguments: Mapping[str, object]) -> Told:
    """A model that knows which of its arguments it was can ask for another."""
    told = failed(Status.UNFIT, str(fault))
    if fault.name in arguments:
        return evolve(told, result=error(f"this argument cannot be used: {fault.name}"))
    return told


def _failure(tool: HttpTool, fault: Exception) -> Told:
    if isinstance(fault, httpx.TimeoutException):
        return failed(Status.TIMEOUT, f"{_host(tool)} did not answer within the client's deadline")
    kind = kind_of(fault)
    return failed(_KINDS.get(kind, Status.UNREACHABLE), f"{_host(tool)}: {kind}")


def _host(tool: HttpTool) -> str:
    try:
        return host_of(httpx.URL(tool.url))
    except (httpx.InvalidURL, ValueError):
        return "an address that cannot be read"


def _without_secret(text: str, secret: str | None) -> str:
    """An endpoint may send back what it was sent, as it is or as JSON writes it."""
    if not secret:
        return text
    written = json.dumps(secret, ensure_ascii=False)[1:-1]
    return text.replace(written, MASK).replace(secret, MASK)
