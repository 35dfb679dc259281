"""Asks the carrier for real: is the account alive, is the number ours, and does it lead here."""

from collections.abc import Iterator
from typing import Final, Protocol

from attrs import evolve

from voiced.client.check_report import Answer, Row, State
from voiced.config import Settings
from voiced.errors import CarrierError
from voiced.wire.twilio_rest import Account, IncomingNumber

VOICE_PATHS: Final = ("/twilio/voice", "/twiml", "/incoming-call", "/voice/incoming")
"""Where voiced answers a call: the path of choice, and those that numbers may be set to already."""

_ACTIVE: Final = "active"
_UNAUTHORISED: Final = frozenset({20003, 20005})  # wrong credentials; the account is not active


class AsksCarrier(Protocol):
    """What is asked of `voiced.carrier.twilio.Carrier`."""

    @property
    def is_configured(self) -> bool: ...

    async def account(self) -> Account: ...

    async def number(self, phone_number: str) -> IncomingNumber | None: ...


async def ask_account(row: Row, settings: Settings, carrier: AsksCarrier) -> Row:
    """Whether the account is there, ours, and active."""
    if not carrier.is_configured:
        return evolve(row, state=State.NOT_CONFIGURED, hint=_half_configured(settings))
    try:
        account = await carrier.account()
    except CarrierError as error:
        return _failed(row, error)
    row = evolve(row, reachable=Answer.YES, authorised=Answer.YES, hint="")
    if account.status != _ACTIVE:
        told = f"the account is {account.status}: Twilio's console says why; it carries no calls"
        return evolve(row, hint=told)
    return evolve(row, state=State.WORKS)


async def ask_number(row: Row, settings: Settings, carrier: AsksCarrier) -> Row:
    """Whether the number is the account's, and a call to it comes to us."""
    twilio = settings.twilio
    if not carrier.is_configured or not twilio.phone_number:
        return evolve(row, state=State.NOT_CONFIGURED, hint="")
    try:
        number = await carrier.number(twilio.phone_number)
    except CarrierError as error:
        return _failed(row, error)
    row = evolve(row, reachable=Answer.YES, authorised=Answer.YES)
    if number is None:
        told = "twilio.phone_number is not a number of this account: check both"
        return evolve(row, hint=told)
    hint = " ".join(_faults(number, settings.server.public_url.rstrip("/")))
    return evolve(row, state=State.FAILED if hint else State.WORKS, hint=hint)


def _faults(number: IncomingNumber, public_url: str) -> Iterator[str]:
    """Why a call to the number would not come to us, and what to set in Twilio's console."""
    if number.voice_application_sid:
        yield "A TwiML app answers this number, and its voice URL is not used: take the app away."
    if number.voice_url not in {f"{public_url}{path}" for path in VOICE_PATHS}:
        yield (
            f"Its voice URL leads elsewhere: set it to {public_url}{VOICE_PATHS[0]}, "
            "or server.public_url to what it is."
        )
    if (number.voice_method or "POST").upper() != "POST":
        yield "Its voice URL is called by GET: set it to HTTP POST."


def _half_configured(settings: Settings) -> str:
    """A key that was forgotten, where the other is there."""
    twilio = settings.twilio
    if twilio.account_sid and twilio.auth_token is None:
        return "twilio.account_sid is set, but twilio.auth_token is not"
    return ""


def _failed(row: Row, error: CarrierError) -> Row:
    refused = error.code in _UNAUTHORISED
    return evolve(
        row,
        reachable=Answer.NO if error.status is None else Answer.YES,
        authorised=Answer.NO if refused else Answer.UNKNOWN,
        hint=str(error),
    )
