"""Twilio's REST API in memory."""

import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import trio
from attrs import define, field

from voiced.carrier.rest import CarrierTiming
from voiced.carrier.twilio import Carrier
from voiced.config import Twilio
from voiced.config.secrets import Secret
from voiced.errors import CarrierError
from voiced.wire.twilio_rest import NewCall

ACCOUNT, TOKEN, CALL = "AC0001", "very-secret-token", "CA0003"
SETTINGS = Twilio(account_sid=ACCOUNT, auth_token=Secret(TOKEN), phone_number="+33100000001")
NEW = NewCall("+33612345678", "+33100000001", "https://x.test/o", "https://x.test/s", 1800, 25)
RESOURCE = {"sid": CALL, "status": "queued", "to": "+33612345678", "from": "+33100000001",
    "direction": "outbound-api", "duration": None, "queue_time": "0"}  # fmt: skip
CALL_PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


def answer(status: int, body: object = RESOURCE, **headers: str) -> Answer:
    async def give(_request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, content=raw, headers=named)

    return give


def refusal(status: int, code: int, message: str = "No.", **headers: str) -> Answer:
    return answer(status, {"code": code, "message": message, "status": status}, **headers)


def failure(error: type[httpx.TransportError]) -> Answer:
    async def fail(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        raise error("of +33612345678", request=request)

    return fail


async def never(_request: httpx.Request) -> httpx.Response:
    await trio.sleep_forever()
    raise AssertionError


@define(eq=False)
class Api:
    """Twilio: each request gets the next of the answers, the last one again and again."""

    answers: list[Answer]
    requests: list[httpx.Request] = field(factory=list)
    times: list[float] = field(factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(trio.current_time())
        return await self.answers[min(len(self.requests), len(self.answers)) - 1](request)

    @property
    def forms(self) -> list[list[tuple[str, str]]]:
        return [parse_qsl(request.content.decode()) for request in self.requests]

    @property
    def gaps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.times)]


def house(*answers: Answer, settings: Twilio = SETTINGS, **timing: Any) -> tuple[Carrier, Api]:
    """A carrier and the API that it talks to."""
    api = Api(list(answers))
    # The client would follow redirects: that the carrier does not is its own doing.
    http = httpx.AsyncClient(transport=httpx.MockTransport(api), follow_redirects=True)
    return Carrier(settings, http, CarrierTiming(**timing)), api


async def failed(doing: Awaitable[object]) -> CarrierError:
    """The error, which shows neither numbers nor secrets."""
    with pytest.raises(CarrierError) as caught:
        await doing
    told = str(caught.value)
    assert told.startswith("cannot ")
    assert TOKEN not in told
    assert "612345678" not in told
    return caught.value
