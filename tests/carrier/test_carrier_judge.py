"""Each request beside the one that the official client makes for the same thing."""

import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from carrier_peers import ACCOUNT, CALL, NEW, TOKEN, Api, answer, house
from trio.testing import MockClock
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from voiced.carrier.twilio import Carrier

RESOURCE = {"sid": CALL, "status": "ringing", "type": "Full"}
PAGE = {"incoming_phone_numbers": [], "page": 0, "page_size": 50, "uri": "/x"}


class Recorder(HttpClient):
    """Has the official client's requests made by httpx, which writes them as it writes ours."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.credentials: list[tuple[str, str]] = []

    def request(self, method: str, uri: str, *_: Any, **parts: Any) -> Response:
        fields = {name: parts.get(name) for name in ("params", "data") if parts.get(name)}
        self.requests.append(httpx.Request(method, uri, **fields))
        self.credentials.append(parts["auth"])
        return Response(200, json.dumps(PAGE if "Numbers" in uri else RESOURCE))


def place(official: Client) -> None:
    official.calls.create(
        to=NEW.to,
        from_=NEW.sender,
        url=NEW.url,
        method="POST",
        status_callback=NEW.status_callback,
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        timeout=NEW.ring_s,
        time_limit=NEW.time_limit_s,
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda carrier: carrier.create(NEW), place),
        (lambda carrier: carrier.fetch(CALL), lambda official: official.calls(CALL).fetch()),
        (
            lambda carrier: carrier.end(CALL),
            lambda official: official.calls(CALL).update(status="completed"),
        ),
        (
            lambda carrier: carrier.cancel(CALL),
            lambda official: official.calls(CALL).update(status="canceled"),
        ),
        (
            lambda carrier: carrier.redirect(CALL, "https://x.test/?a=1&b=é+"),
            lambda official: official.calls(CALL).update(
                url="https://x.test/?a=1&b=é+", method="POST"
            ),
        ),
        (
            lambda carrier: carrier.limit(CALL, 90),
            lambda official: official.calls(CALL).update(time_limit=90),
        ),
        (
            lambda carrier: carrier.account(),
            lambda official: official.api.accounts(ACCOUNT).fetch(),
        ),
        (
            lambda carrier: carrier.number("+33100000001"),
            lambda official: official.incoming_phone_numbers.list(phone_number="+33100000001"),
        ),
    ],
    ids=["create", "fetch", "end", "cancel", "redirect", "limit", "account", "number"],
)
async def test_a_request_is_the_official_one(
    ours: Callable[[Carrier], Awaitable[object]],
    theirs: Callable[[Client], object],
    autojump_clock: MockClock,
) -> None:
    recorder = Recorder()
    carrier, api = house(answer(200, RESOURCE | PAGE))
    await ours(carrier)
    theirs(Client(ACCOUNT, TOKEN, http_client=recorder))
    [request], [official] = api.requests, recorder.requests
    assert (request.method, request.url) == (official.method, official.url)
    assert sorted(Api([], [request]).forms[0]) == sorted(Api([], [official]).forms[0])
    basic = request.headers["Authorization"].removeprefix("Basic ")
    assert tuple(b64decode(basic).decode().split(":")) == recorder.credentials[0]
