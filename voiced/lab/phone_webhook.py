"""Twilio as an HTTP client: signed forms to a daemon, and what its debugger says of the answers."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from attrs import frozen

from voiced.errors import WireError
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_wire import sign

WEBHOOK_S = 15.0
"""What Twilio allows a webhook, of which 5 s for the connection (its error 11200)."""

NO_FIELDS: Mapping[str, str] = {}


def call_form(
    settings: CallSettings,
    call_sid: str,
    status: str,
    direction: str = "inbound",
    more: Mapping[str, str] = NO_FIELDS,
) -> dict[str, str]:
    """The fields that every request about a call has, and `more`."""
    return {
        "CallSid": call_sid,
        "AccountSid": settings.account_sid,
        "From": settings.caller,
        "To": settings.called,
        "Caller": settings.caller,
        "Called": settings.called,
        "CallStatus": status,
        "Direction": direction,
        "ApiVersion": "2010-04-01",
        **more,
        "FromCity": "",  # Twilio signs empty fields too
    }


@frozen
class Webhooks:
    """Requests to a daemon, which is reached where `settings` say that it stands."""

    http: httpx.AsyncClient
    settings: CallSettings

    async def post(self, address: str, form: Mapping[str, str]) -> bytes:
        """Posts a signed form to a public address; returns the body of the answer.

        Raises:
            WireError: "<Twilio's error code>: <why>".
        """
        return await self._request("POST", address, form)

    async def get(self, address: str) -> bytes:
        """Fetches a public address, signed; raises as `post` does."""
        return await self._request("GET", address, None)

    async def _request(self, method: str, address: str, form: Mapping[str, str] | None) -> bytes:
        headers = {
            "user-agent": "TwilioProxy/1.1",
            "accept": "*/*",
            "i-twilio-idempotency-token": str(uuid.uuid4()),
        }
        if self.settings.auth_token:
            headers["x-twilio-signature"] = sign(self.settings.auth_token, address, form)
        try:
            url = self.settings.line.reachable(address)
            response = await self.http.request(method, url, data=form, headers=headers)
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise WireError(f"11200: the webhook answered {error.response.status_code}") from None
        except httpx.HTTPError as error:
            raise WireError(f"11205: the webhook did not answer ({type(error).__name__})") from None
        except (httpx.InvalidURL, ValueError):
            raise WireError("11210: the webhook's address is none") from None
        return response.content


@asynccontextmanager
async def open_webhooks(settings: CallSettings) -> AsyncIterator[Webhooks]:
    """A client for as long as the block lasts."""
    async with httpx.AsyncClient(timeout=httpx.Timeout(WEBHOOK_S, connect=5.0)) as http:
        yield Webhooks(http, settings)
