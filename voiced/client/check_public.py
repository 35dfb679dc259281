"""Comes to the daemon as Twilio does: by its public address, with and without a signature."""

import secrets
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx
from attrs import evolve

from voiced.client.check_report import Answer, Row, State
from voiced.config import Settings
from voiced.engines.reach import why_unreachable
from voiced.errors import WireError
from voiced.wire import fields
from voiced.wire.signature import sign

VOICE: Final = "/twilio/voice"
STATUS: Final = "/twilio/status"
SIGNATURE: Final = "X-Twilio-Signature"
_GATEWAY: Final = frozenset({502, 503, 504})
_START: Final = "start voiced, and check where the proxy sends /twilio/*"


async def ask_public(row: Row, settings: Settings, http: httpx.AsyncClient) -> Row:
    """Whether the public address leads to a voiced. A 404 of /healthz may be a proxy that passes
    `/twilio/*` only, so a webhook that is not signed is tried too: voiced refuses it in its own
    words. It names no call, so none is taken.
    """
    if _is_for_this_machine(settings):
        return evolve(row, state=State.NOT_CONFIGURED, hint="")
    url = settings.server.public_url.rstrip("/")
    try:
        fault = await _fault(url, http)
    except httpx.HTTPError as error:
        return evolve(row, reachable=Answer.NO, hint=_why(error, url))
    row = evolve(row, reachable=Answer.YES)
    if fault:
        return evolve(row, hint=fault)
    if urlsplit(url).scheme != "https":
        told = "Twilio opens its media streams over TLS only: server.public_url must be https://"
        return evolve(row, hint=told)
    return evolve(row, state=State.WORKS, hint="")


async def ask_signed(row: Row, settings: Settings, http: httpx.AsyncClient) -> Row:
    """Whether the running daemon accepts what is signed as Twilio would sign it."""
    twilio = settings.twilio
    url = settings.server.public_url.rstrip("/") + STATUS
    if not twilio.verify_signatures:
        told = "anybody can place calls into voiced: set twilio.verify_signatures back to true"
        return evolve(row, state=State.NOT_CONFIGURED, hint=told)
    token = twilio.auth_token or twilio.auth_token_secondary  # the daemon takes either
    if token is None:
        told = "set twilio.auth_token (or TWILIO_AUTH_TOKEN): without it no webhook is accepted"
        return evolve(row, hint=told)
    if _is_for_this_machine(settings):
        return evolve(row, state=State.NOT_CONFIGURED, hint="")
    form = {"CallSid": f"CA{secrets.token_hex(16)}", "CallStatus": "completed"}
    signature = sign(token.reveal(), url, form)
    try:
        answer = await http.post(url, data=form, headers={SIGNATURE: signature})
    except httpx.HTTPError as error:
        return evolve(row, reachable=Answer.NO, hint=_why(error, url))
    row = evolve(row, reachable=Answer.YES)
    if answer.is_success:
        return evolve(row, state=State.WORKS, authorised=Answer.YES, hint="")
    if answer.status_code == httpx.codes.FORBIDDEN and _is_ours(answer):
        told = (
            "the daemon refused our signature: it runs with another twilio.auth_token or "
            "server.public_url than this configuration (systemctl restart voiced), or a proxy "
            "changes the path"
        )
        return evolve(row, authorised=Answer.NO, hint=told)
    return evolve(row, hint=_unlike(answer, STATUS))


async def _fault(url: str, http: httpx.AsyncClient) -> str:
    """What is wrong behind the public address; "" if nothing is.

    Raises:
        httpx.HTTPError: there is no way to it.
    """
    health = await http.get(f"{url}/healthz")
    if health.status_code == httpx.codes.OK and _says_ok(health):
        return ""
    webhook = await http.post(url + VOICE, data={})
    if webhook.status_code in {400, 403} and _is_ours(webhook):
        return ""
    return _unlike(webhook, VOICE)


def _unlike(answer: httpx.Response, path: str) -> str:
    """What an answer that is not voiced's says of the way there."""
    status = answer.status_code
    if answer.is_redirect:
        return (
            f"{path} is redirected (HTTP {status}), and signatures cover the address: set "
            "server.public_url to where it leads"
        )
    if status in _GATEWAY:
        return f"the proxy answers, but not the daemon behind it (HTTP {status}): {_START}"
    return f"HTTP {status} at {path}, and not from voiced: {_START}"


def _says_ok(answer: httpx.Response) -> bool:
    try:
        return fields.as_object(fields.json_value(answer.content)).get("status") == "ok"
    except WireError:
        return False


def _is_ours(answer: httpx.Response) -> bool:
    """Whether it is an error as voiced words them."""
    try:
        error = fields.child(fields.as_object(fields.json_value(answer.content)), "error")
        return bool(fields.text(error, "code") and fields.text(error, "message"))
    except WireError:
        return False


def _why(error: httpx.HTTPError, url: str) -> str:
    if isinstance(error, httpx.ConnectError):
        return why_unreachable(error, url, "the proxy, or voiced,")
    return f"{url} did not answer, or dropped the connection"


def _is_for_this_machine(settings: Settings) -> bool:
    """No account, and an address that only this machine knows: nobody is to call yet."""
    parts = urlsplit(settings.server.public_url)
    if settings.twilio.account_sid or parts.scheme == "https":
        return False
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
