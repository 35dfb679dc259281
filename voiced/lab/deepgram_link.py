"""How the stand-in Deepgram speaks: text messages, closing codes, its own headers, its refusals."""

import json
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import wsproto
from attrs import astuple, define
from wsproto.events import AcceptConnection, CloseConnection, TextMessage

from voiced.lab.server import Exchange, WebSocket

REQUEST_ID: Final = "7d0f0000-0000-4000-8000-000000000001"
ERRORS: Final = {
    400: ("Bad Request", "Invalid query string."),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits."),
    403: ("INSUFFICIENT_PERMISSIONS", "No access to the requested model."),
    404: ("NOT_FOUND", "No such path."),
    429: ("TOO_MANY_REQUESTS", "Too many requests."),
    503: ("SERVICE_UNAVAILABLE", "Try again later."),
}


@define
class Link(WebSocket):
    """A WebSocket that sends JSON, and can say why it closes."""

    async def tell(self, **message: Any) -> None:
        """Sends one message as text."""
        await self.say(json.dumps(message, ensure_ascii=False))

    async def say(self, text: str) -> None:
        await self._write(TextMessage(data=text))

    async def close_with(self, code: int, reason: str = "") -> None:
        await self._write(CloseConnection(code=code, reason=reason or None))


@define
class Door(Exchange):
    """One request to Deepgram."""

    @property
    def keyterms(self) -> tuple[str, ...]:
        """The values of the query's `keyterm`, in their order."""
        return tuple(parse_qs(urlsplit(self._target.decode()).query).get("keyterm", ()))

    async def refuse(self, status: int, why: str = "") -> None:
        """The body and headers of a refused upgrade."""
        code, message = ERRORS[status]
        body = {"err_code": code, "err_msg": why or message, "request_id": REQUEST_ID}
        headers = (("dg-request-id", REQUEST_ID), ("dg-error", why or message))
        await self.respond(status, json.dumps(body).encode(), headers=headers)

    async def admit(self) -> Link:
        """Upgrades; the answer names the request."""
        protocol = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        protocol.initiate_upgrade_connection(self._raw_headers, self._target.decode())
        for _request in protocol.events():
            pass
        answer = AcceptConnection(extra_headers=[(b"dg-request-id", REQUEST_ID.encode())])
        await self._stream.send_all(protocol.send(answer))
        return Link(self._stream, protocol)


def door(exchange: Exchange) -> Door:
    """The same request, with Deepgram's manners."""
    return Door(*astuple(exchange, recurse=False))
