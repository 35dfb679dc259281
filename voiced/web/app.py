"""The HTTP side of the daemon: Twilio's webhooks and health, as a quart-trio application."""

import logging
import re
import secrets
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import trio
from quart import Response, abort, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from voiced.call.switchboard import Parties
from voiced.errors import CallRefused
from voiced.web.door import SIGNATURE, Door
from voiced.web.front import MEDIA_PATH
from voiced.web.problem import problem
from voiced.wire import twiml

log = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 1024
ALIASES: Final = ("/twilio/voice", "/twiml", "/incoming-call", "/voice/incoming")

BUSY: Final = {
    "fr": ("fr-FR", "Toutes nos lignes sont occupées. Merci de rappeler dans quelques minutes."),
    "en": ("en-US", "All our lines are busy. Please call again in a few minutes."),
}
"""What Twilio's own voice says to a caller whom we cannot take, and its accent."""

_CALL_SID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def create_app(door: Door) -> QuartTrio:
    """The application; everything it needs is in `door`."""
    app = QuartTrio("voiced", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.register_error_handler(HTTPException, _explain)

    async def voice() -> Response:
        return _answer(door, await _signed_form(door))

    for path in ALIASES:
        app.add_url_rule(path, f"voice:{path}", voice, methods=["POST"])

    @app.post("/twilio/status")
    async def status() -> Response:
        await _signed_form(door)
        return Response(status=HTTPStatus.NO_CONTENT)

    @app.get("/healthz")
    async def healthz() -> dict[str, object]:
        await _here()
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> tuple[dict[str, object], int]:
        await _here()
        state, code = _readiness(door)
        return {"status": state, "calls": len(door.switchboard.live), "free": door.free}, code

    return app


async def _here() -> None:
    """Makes a view async that need not be: Quart would run a plain one in a thread."""
    await trio.lowlevel.checkpoint()


async def _explain(error: HTTPException) -> tuple[dict[str, dict[str, str]], int, dict[str, str]]:
    await _here()
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return problem(status), status, headers


async def _signed_form(door: Door) -> dict[str, list[str]]:
    """The fields of a webhook that Twilio signed; any other request is refused."""
    body = await request.get_data(as_text=False)
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    form = parse_qs(text, keep_blank_values=True)
    query = request.query_string.decode("ascii", "replace")
    # What was signed is the path as it was sent, not as it reads when decoded.
    path = request.scope["raw_path"].decode("ascii") + (f"?{query}" if query else "")
    if not door.is_signed(door.public_url(path), form, request.headers.get(SIGNATURE, "")):
        log.warning(
            "refused a webhook that Twilio did not sign: if it was Twilio's, check"
            " twilio.auth_token and server.public_url",
            extra={"fields": {"path": request.path}},
        )
        abort(HTTPStatus.FORBIDDEN)
    return form


def _answer(door: Door, form: dict[str, list[str]]) -> Response:
    """TwiML: connect the call, or say politely that we cannot."""

    def first(name: str) -> str:
        return form.get(name, [""])[0]

    if not _CALL_SID.fullmatch(first("CallSid")):
        abort(HTTPStatus.BAD_REQUEST)
    agent = door.settings.agent_for(first("To"))
    token = secrets.token_urlsafe(24)
    try:
        door.admit(Parties(first("CallSid"), agent, first("From"), first("To")), token)
    except CallRefused as refused:
        log.warning("call refused", extra={"fields": {"reason": refused.reason}})
        return _xml(_busy(door.settings.agents[agent].language))
    return _xml(twiml.connect(door.media_url(f"{MEDIA_PATH}{token}"), {}))


def _busy(language: str) -> str:
    """A refusal in the agent's language; in English where we do not speak that."""
    accent, text = BUSY.get(language.split("-")[0], BUSY["en"])
    return twiml.say_and_hang_up(text, accent)


def _xml(document: str) -> Response:
    return Response(document, content_type="text/xml; charset=utf-8")


def _readiness(door: Door) -> tuple[str, int]:
    try:
        door.switchboard.admit()
    except CallRefused as refused:
        return refused.reason, HTTPStatus.SERVICE_UNAVAILABLE
    if not door.free:
        return "max-calls", HTTPStatus.SERVICE_UNAVAILABLE
    return "ready", HTTPStatus.OK
