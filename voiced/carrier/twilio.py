"""The carrier: placing calls and acting on them through Twilio's REST API."""

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlencode

import httpx
import trio

from voiced.carrier.pace import Pace
from voiced.carrier.rest import TIMING, Ask, CarrierTiming, Rest
from voiced.config import Twilio
from voiced.errors import CallGone, CarrierError, WireError
from voiced.wire.twilio_rest import (
    CALL_NOT_IN_PROGRESS,
    CANCEL,
    COMPLETE,
    SID,
    Account,
    CallResource,
    Form,
    IncomingNumber,
    NewCall,
    create_form,
    limit_form,
    parse_account,
    parse_call,
    parse_numbers,
    redirect_form,
)

Answer = TypeVar("Answer")
_DOUBT: Final = "it is unknown whether the call was placed"


class Carrier:
    """Twilio, as one account uses it.

    Every method raises `CarrierError` where Twilio refuses or fails, or the account is not
    configured. All but `create` may be carried out twice without harm, so they are repeated
    where Twilio fails; a call is placed again only where it surely was not placed.
    """

    def __init__(
        self, settings: Twilio, http: httpx.AsyncClient, timing: CarrierTiming = TIMING
    ) -> None:
        self._settings = settings
        self._timing = timing
        self._rest = Rest(settings, http, timing)
        self._pace = Pace(settings.calls_per_second)

    @property
    def is_configured(self) -> bool:
        """Whether there is an account to use."""
        return not self._missing

    @property
    def _missing(self) -> list[str]:
        token = self._settings.auth_token
        there = {
            "twilio.account_sid": bool(self._settings.account_sid),
            "twilio.auth_token": token is not None and bool(token.reveal()),
        }
        return [key for key, is_there in there.items() if not is_there]

    async def create(self, new: NewCall) -> CallResource:
        """Places a call, in its turn: no more in a second than the account may.

        Raises:
            CarrierError: also where too many calls wait for their turn.
        """
        ask = Ask("place the call", "/Calls.json", create_form(new), doubt=_DOUBT)
        self._require_account(ask.deed)
        return _read(ask, await self._rest.ask(ask, self._turn), parse_call)

    async def fetch(self, call_sid: str) -> CallResource:
        """The call as Twilio knows it.

        Raises:
            CallGone: Twilio has no such call.
        """
        ask = Ask("look up the call", _call_path(call_sid), gone=CallGone)
        return _read(ask, await self._ask(ask), parse_call)

    async def end(self, call_sid: str) -> None:
        """Ends a call, whatever its status; one that is gone is fine."""
        try:
            await self._update("end the call", call_sid, list(COMPLETE))
        except CallGone:
            return

    async def cancel(self, call_sid: str) -> None:
        """Ends a call that was placed and not yet taken, or was taken a moment ago."""
        ask = Ask("cancel the call", _call_path(call_sid), CANCEL, gone=CallGone)
        try:
            call = _read(ask, await self._ask(ask), parse_call)
            is_taken = call.status == "in-progress"  # canceling leaves such a call alone
        except CallGone as gone:
            is_taken = gone.code == CALL_NOT_IN_PROGRESS
        if is_taken:
            await self.end(call_sid)

    async def redirect(self, call_sid: str, url: str) -> None:
        """Has a call go on with the TwiML at `url`, which ends its stream.

        Raises:
            CallGone: it has ended.
        """
        await self._update("redirect the call", call_sid, redirect_form(url))

    async def limit(self, call_sid: str, seconds: int) -> None:
        """Has Twilio end the call when it has lasted so long; one that is gone is fine."""
        try:
            await self._update("limit the call", call_sid, limit_form(seconds))
        except CallGone:
            return

    async def account(self) -> Account:
        """The account; shows that the keys are right."""
        ask = Ask("read the account", ".json")
        return _read(ask, await self._ask(ask), parse_account)

    async def number(self, phone_number: str) -> IncomingNumber | None:
        """How the account's number is set up; None where it is not the account's."""
        query = urlencode({"PhoneNumber": phone_number})
        ask = Ask("look up the number", f"/IncomingPhoneNumbers.json?{query}")
        numbers = _read(ask, await self._ask(ask), parse_numbers)
        return next((each for each in numbers if each.phone_number == phone_number), None)

    async def _update(self, deed: str, call_sid: str, form: Form) -> None:
        await self._ask(Ask(deed, _call_path(call_sid), form, gone=CallGone))

    async def _ask(self, ask: Ask) -> bytes:
        self._require_account(ask.deed)
        return await self._rest.ask(ask)

    async def _turn(self) -> None:
        now = trio.current_time()
        if self._pace.due(now) - now > self._timing.max_turn_s:
            raise CarrierError(
                "too many outbound calls are waiting: place fewer, "
                "or have the account's limit raised and set twilio.calls_per_second",
                retryable=True,
            )
        await trio.sleep_until(self._pace.next(now))

    def _require_account(self, deed: str) -> None:
        if missing := self._missing:
            raise CarrierError(f"cannot {deed}: set {' and '.join(missing)}")


def _call_path(call_sid: str) -> str:
    if not SID.fullmatch(call_sid):
        raise CarrierError("that is not the SID of a call")
    return f"/Calls/{call_sid}.json"


def _read(ask: Ask, body: bytes, parse: Callable[[bytes], Answer]) -> Answer:
    try:
        return parse(body)
    except WireError as error:
        doubt = f"; {ask.doubt}" if ask.doubt else ""
        raise CarrierError(
            f"cannot {ask.deed}: Twilio's answer is malformed ({error}){doubt}: "
            "check twilio.api_url"
        ) from error
