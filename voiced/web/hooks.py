"""Twilio's webhooks: a call rings, a stream is over, a transfer is over, a status has changed."""

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import trio
from attrs import frozen
from quart import Response, abort, request
from quart_trio import QuartTrio

from voiced.call import afterwards as next_steps
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.register import AWAITED_S, TRANSFER_S
from voiced.errors import CallRefused
from voiced.ops.sparing import Sparing
from voiced.web.door import SIGNATURE, Door
from voiced.web.front import MEDIA_PATH
from voiced.web.refusal import accent, refusal
from voiced.wire import twiml
from voiced.wire.twilio_callback import (
    CallProgress,
    MachineVerdict,
    StreamEvent,
    parse_callback,
    parse_dial,
)

log = logging.getLogger(__name__)

VOICE: Final = ("/twilio/voice", "/twiml", "/incoming-call", "/voice/incoming")
AFTER: Final = "/twilio/after"
DIALLED: Final = "/twilio/dialled"
WHISPER: Final = "/twilio/whisper"
STATUS: Final = "/twilio/status"

MAX_FIELDS: Final = 200
"""Twilio's webhooks have about 40."""

UNSIGNED: Final = (
    "refused a webhook that Twilio did not sign: if it was Twilio's, check twilio.auth_token and"
    " server.public_url"
)

_CALL_SID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@frozen
class Form:
    """The fields of a webhook that Twilio signed; `ours` is the name that we gave the call, `at`
    that of the daemon that wanted to be asked."""

    fields: Mapping[str, list[str]]
    ours: str
    at: str

    def first(self, name: str) -> str:
        """The first value of a field; "" where there is none."""
        return self.fields.get(name, [""])[0]

    @property
    def sid(self) -> str:
        """The call's."""
        return self.first("CallSid")


@frozen
class Hooks:
    """The webhooks, each from a signed form to an answer."""

    door: Door
    sparing: Sparing

    def register(self, app: QuartTrio) -> None:
        """Puts them on the application."""
        routes: dict[str, Callable[[Form], Awaitable[Response]]] = {
            **dict.fromkeys(VOICE, self.voice),
            AFTER: self.after,
            DIALLED: self.dialled,
            WHISPER: self.whisper,
            STATUS: self.status,
        }
        for path, answer in routes.items():
            app.add_url_rule(path, f"hook:{path}", self._signed(answer), methods=["POST"])

    def _signed(
        self, answer: Callable[[Form], Awaitable[Response]]
    ) -> Callable[[], Awaitable[Response]]:
        async def view() -> Response:
            form = await self._form()
            if not _CALL_SID.fullmatch(form.sid):
                abort(HTTPStatus.BAD_REQUEST)
            return await answer(form)

        return view

    async def _form(self) -> Form:
        """Any request that Twilio did not sign is refused."""
        body = await request.get_data(as_text=False)
        data = body if isinstance(body, bytes) else body.encode()
        try:
            fields = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:  # not UTF-8, or too many fields
            abort(HTTPStatus.BAD_REQUEST)
        query = request.query_string.decode("ascii", "replace")
        # What was signed is the path as it was sent, not as it reads when decoded.
        path = request.scope["raw_path"].decode("ascii") + (f"?{query}" if query else "")
        url, given = self.door.public_url(path), request.headers.get(SIGNATURE, "")
        if "bodySHA256" in request.args:
            signed = self.door.is_signed_body(url, data, given)
            fields = {}
        else:
            signed = self.door.is_signed(url, fields, given)
        if not signed:
            others = self.sparing.due(trio.current_time())
            if others is not None:
                log.warning(UNSIGNED, extra={"fields": {"path": request.path, "others": others}})
            abort(HTTPStatus.FORBIDDEN)
        return Form(fields, request.args.get("call", ""), request.args.get("at", ""))

    # --- a call rings ---------------------------------------------------------------------------

    async def voice(self, form: Form) -> Response:
        """A call rings, or one that we placed was answered."""
        await trio.lowlevel.checkpoint()
        register = self.door.switchboard.register
        if form.ours:
            entry = register.calls.get(form.sid) or register.name(form.ours, form.sid)
            if entry is None or entry.stage not in (Stage.RINGING, Stage.AWAITED):
                return _xml(twiml.hang_up())
            register.expect(entry, None)
            return self._connect(entry)
        caller, called = form.first("From"), form.first("To")
        agent = self.door.settings.agent_for(called, caller, datetime.now(UTC))
        parties = Parties(form.sid, agent, caller, called, account_sid=form.first("AccountSid"))
        try:
            entry = self.door.switchboard.admit(parties, Stage.AWAITED, AWAITED_S)
        except CallRefused as refused:
            fields = {"call": form.sid, "reason": refused.reason, "agent": agent}
            log.warning("call refused", extra={"fields": fields})
            self.door.refused(refused.reason)
            return self._refuse(agent, form)
        return self._connect(entry)

    def _connect(self, entry: Entry) -> Response:
        token = self.door.tokens.prefix + secrets.token_urlsafe(24)
        self.door.tokens.mint(token, entry.sid, trio.current_time())
        document = twiml.connect(
            self.door.media_url(f"{MEDIA_PATH}{token}"),
            {"agent": entry.parties.agent[:100]},
            self.door.hook_url(AFTER),
            self.door.hook_url(STATUS),
        )
        return _xml(document)

    def _refuse(self, agent: str, form: Form) -> Response:
        return _xml(refusal(self.door.settings, agent, form.first("From"), form.first("To")))

    # --- what is next ---------------------------------------------------------------------------

    async def after(self, form: Form) -> Response:
        """The media stream is over."""
        step = await self.door.afterwards.next(form.sid, form.first("CallStatus"))
        return self._next(step, form)

    async def dialled(self, form: Form) -> Response:
        """A transfer is over, or nobody took it."""
        await trio.lowlevel.checkpoint()
        result = parse_dial(form.fields)
        if result is None:
            abort(HTTPStatus.BAD_REQUEST)
        await self.door.afterwards.meet(form.sid, form.at)
        return self._next(self.door.afterwards.dialled(form.sid, result), form)

    def _next(self, step: next_steps.Next, form: Form) -> Response:
        match step:
            case next_steps.Connect(entry=entry):
                return self._connect(entry)
            case next_steps.Dial(entry=entry, transfer=transfer):
                self.door.errands.limit(entry.sid, TRANSFER_S)
                whisper = self.door.hook_url(f"{WHISPER}?call={entry.sid}")
                document = twiml.dial(
                    transfer.number,
                    self.door.settings.twilio.phone_number or None,
                    action=self.door.hook_url(DIALLED),
                    whisper=whisper if transfer.warm else None,
                )
                return _xml(document)
            case next_steps.HangUp(agent=agent, apologetic=reason) if reason:
                return self._refuse(agent, form)
        return _xml(twiml.hang_up())

    async def whisper(self, form: Form) -> Response:
        """Who was called for a warm transfer has answered, and is told what it is about."""
        await trio.lowlevel.checkpoint()
        entry = self.door.switchboard.register.calls.get(form.ours)
        transfer = entry.parting.transfer if entry and entry.parting else None
        if entry is None or transfer is None or not (transfer.warm and transfer.summary):
            return _xml(twiml.nothing())
        language = self.door.settings.agents[entry.parties.agent].language
        return _xml(twiml.say(transfer.summary, accent(language)))

    # --- what has become of it --------------------------------------------------------------------

    async def status(self, form: Form) -> Response:
        """The carrier tells how a call, its stream or its answering goes."""
        await trio.lowlevel.checkpoint()
        match parse_callback(form.fields):
            case CallProgress() as progress:
                if progress.status == "completed":
                    await self.door.afterwards.meet(progress.call_sid, form.at)
                self.door.afterwards.progress(form.ours, progress)
            case MachineVerdict() as verdict:
                self.door.afterwards.verdict(verdict)
            case StreamEvent(event="stream-error") as failed:
                self.door.afterwards.stream_failed(failed)
        return Response(b"", HTTPStatus.NO_CONTENT)  # None would be no body of Trio's


def _xml(document: str) -> Response:
    return Response(document, content_type="text/xml; charset=utf-8")
