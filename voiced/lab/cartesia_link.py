"""How the stand-in Cartesia talks: JSON in text messages, errors of two shapes."""

import json
from base64 import b64encode
from typing import Any, Final

from attrs import astuple, define, field
from wsproto.events import CloseConnection, TextMessage

from voiced.lab.server import WebSocket

STRUCTURED_ERRORS: Final = "2026-03-01"
"""The first version of the API whose errors are objects; versions are dates."""

GOING_AWAY: Final = 1001


@define
class Link(WebSocket):
    """One connection."""

    version: str = field(kw_only=True)

    async def tell(self, kind: str, context: str | None = None, **fields: Any) -> None:
        """Sends one message; fields that are None are left out."""
        message = {"type": kind, "context_id": context, "status_code": 206, "done": False, **fields}
        await self.say(json.dumps({k: v for k, v in message.items() if v is not None}))

    async def say(self, text: str) -> None:
        await self._write(TextMessage(data=text))

    async def chunk(self, context: str, audio: bytes, step_ms: float) -> None:
        data = b64encode(audio).decode()
        await self.tell("chunk", context, data=data, step_time=step_ms)

    async def done(self, context: str) -> None:
        await self.tell("done", context, status_code=200, done=True)

    async def fail(self, context: str | None, status: int, code: str, title: str) -> None:
        """An error as this connection's version has it."""
        told = {"title": title, "message": title, "error_code": code, "request_id": "lab"}
        old = {"error": f"{title}: {title}"}
        shape = told if self.version >= STRUCTURED_ERRORS else old
        await self.tell("error", context, status_code=status, done=True, **shape)

    async def go_away(self) -> None:
        await self._write(CloseConnection(code=GOING_AWAY))


def link(ws: WebSocket, version: str) -> Link:
    """The same connection, with Cartesia's manners."""
    return Link(*astuple(ws, recurse=False), version=version)
