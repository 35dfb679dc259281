"""The carrier against Twilio in memory: what is asked, and what is refused."""

from base64 import b64decode
from collections.abc import Awaitable, Callable

import httpx
import pytest
import trio
from carrier_peers import (
    ACCOUNT,
    CALL,
    CALL_PATH,
    NEW,
    RESOURCE,
    TOKEN,
    Answer,
    answer,
    failed,
    failure,
    house,
    refusal,
)
from trio.testing import MockClock

from voiced.carrier.twilio import Carrier
from voiced.config import Twilio
from voiced.config.secrets import Secret
from voiced.errors import CallGone, CarrierError
from voiced.wire.twilio_rest import Account, CallResource, IncomingNumber, create_form


async def test_a_call_is_placed_with_one_authorised_form(autojump_clock: MockClock) -> None:
    carrier, api = house(answer(201))
    assert carrier.is_configured
    call = await carrier.create(NEW)
    assert call == CallResource(
        CALL, "queued", "+33612345678", "+33100000001", "outbound-api", None, None, 0
    )
    [request] = api.requests
    assert request.method == "POST"
    assert str(request.url) == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    scheme, _, credentials = request.headers["Authorization"].partition(" ")
    assert (scheme, b64decode(credentials).decode()) == ("Basic", f"{ACCOUNT}:{TOKEN}")
    assert api.forms == [create_form(NEW)]


@pytest.mark.parametrize(
    ("act", "form"),
    [
        (lambda carrier: carrier.end(CALL), [("Status", "completed")]),
        (lambda carrier: carrier.cancel(CALL), [("Status", "canceled")]),
        (
            lambda carrier: carrier.redirect(CALL, "https://x.test/a?b=1&c=+"),
            [("Url", "https://x.test/a?b=1&c=+"), ("Method", "POST")],
        ),
        (lambda carrier: carrier.limit(CALL, 90), [("TimeLimit", "90")]),
    ],
)
async def test_a_call_is_changed_by_a_form_to_its_path(
    act: Callable[[Carrier], Awaitable[None]],
    form: list[tuple[str, str]],
    autojump_clock: MockClock,
) -> None:
    carrier, api = house(answer(200))
    await act(carrier)
    assert (api.requests[0].method, api.requests[0].url.path) == ("POST", CALL_PATH)
    assert api.forms == [form]


async def test_a_call_is_looked_up(autojump_clock: MockClock) -> None:
    carrier, api = house(answer(200, RESOURCE | {"status": "completed", "duration": "49"}))
    call = await carrier.fetch(CALL)
    assert call.is_over
    assert call.duration_s == 49
    [request] = api.requests
    assert (request.method, request.url.path, request.content) == ("GET", CALL_PATH, b"")
    assert "Content-Type" not in request.headers


async def test_the_account_and_its_number_are_read(autojump_clock: MockClock) -> None:
    there = {"phone_number": "+33100000001", "voice_url": "https://x.test/v"}
    page = {"incoming_phone_numbers": [{"phone_number": "+331000000012"}, there]}
    carrier, api = house(
        answer(200, {"sid": ACCOUNT, "status": "active", "type": "Full"}), answer(200, page)
    )
    assert await carrier.account() == Account(ACCOUNT, "active", "Full")
    assert await carrier.number("+33100000001") == IncomingNumber(
        "+33100000001", "https://x.test/v", "", "", "", ""
    )
    assert await carrier.number("+33100000002") is None
    paths = [request.url.raw_path.decode() for request in api.requests]
    assert paths[:2] == [
        f"/2010-04-01/Accounts/{ACCOUNT}.json",
        f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json?PhoneNumber=%2B33100000001",
    ]


async def test_another_api_may_stand_in_for_twilios(autojump_clock: MockClock) -> None:
    settings = Twilio(
        account_sid=ACCOUNT, auth_token=Secret(TOKEN), api_url="http://127.0.0.1:9/api/laml/"
    )
    carrier, api = house(answer(200), settings=settings)
    await carrier.end(CALL)
    assert str(api.requests[0].url) == f"http://127.0.0.1:9/api/laml{CALL_PATH}"


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        (Twilio(), "twilio.account_sid and twilio.auth_token"),
        (Twilio(account_sid=ACCOUNT), "twilio.auth_token"),
        (Twilio(account_sid=ACCOUNT, auth_token=Secret("")), "twilio.auth_token"),
        (Twilio(auth_token=Secret(TOKEN)), "twilio.account_sid"),
    ],
)
async def test_without_an_account_the_error_names_the_keys(
    settings: Twilio, keys: str, autojump_clock: MockClock
) -> None:
    carrier, api = house(answer(200), settings=settings)
    assert not carrier.is_configured
    for doing, deed in (
        (carrier.create(NEW), "place the call"),
        (carrier.end(CALL), "end the call"),
        (carrier.account(), "read the account"),
    ):
        error = await failed(doing)
        assert str(error) == f"cannot {deed}: set {keys}"
        assert not error.retryable
    assert api.requests == []


@pytest.mark.parametrize("sid", ["", "../../AC2/Calls/CA1", "CA1?x=", "C" * 65])
async def test_a_malformed_sid_never_reaches_a_path(sid: str, autojump_clock: MockClock) -> None:
    carrier, api = house(answer(200))
    with pytest.raises(CarrierError, match="not the SID of a call"):
        await carrier.end(sid)
    assert api.requests == []


# --- refusals -------------------------------------------------------------------------------------


async def test_a_refusal_says_what_to_do_and_is_not_repeated(autojump_clock: MockClock) -> None:
    carrier, api = house(refusal(401, 20003, "Authenticate"))
    error = await failed(carrier.account())
    assert "twilio.auth_token (HTTP 401, error 20003)" in str(error)
    assert (error.code, error.retryable) == (20003, False)
    assert len(api.requests) == 1


async def test_a_refusal_without_a_hint_is_told_in_twilios_words(autojump_clock: MockClock) -> None:
    carrier, _ = house(refusal(400, 21999, "Bad +33612345678"), answer(418, b"<html>"))
    assert "Twilio says: Bad (number) (HTTP 400, error 21999)" in str(
        await failed(carrier.create(NEW))
    )
    assert str(await failed(carrier.create(NEW))) == (
        "cannot place the call: Twilio says: no (HTTP 418)"
    )


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (refusal(401, 20003), 401),
        (refusal(404, 20404), 404),
        (answer(500, b""), 500),
        (answer(302, b""), 302),
        (failure(httpx.ConnectError), None),
        (failure(httpx.ReadTimeout), None),
        (failure(httpx.RemoteProtocolError), None),
    ],
)
async def test_an_error_knows_whether_twilio_has_said_no(
    given: Answer, status: int | None, autojump_clock: MockClock
) -> None:
    carrier, _ = house(given)
    assert (await failed(carrier.create(NEW))).status == status
    missing, _ = house(given, settings=Twilio())
    assert (await failed(missing.create(NEW))).status is None


GONE = [refusal(404, 20404), refusal(400, 21220)]


@pytest.mark.parametrize("gone", GONE, ids=["404", "21220"])
async def test_a_call_that_is_gone_is_fine_or_is_told(
    gone: Answer, autojump_clock: MockClock
) -> None:
    carrier, api = house(gone)
    await carrier.end(CALL)
    await carrier.limit(CALL, 90)
    await carrier.cancel(CALL)
    sent = len(api.requests)
    assert isinstance(await failed(carrier.redirect(CALL, "https://x.test/t")), CallGone)
    error = await failed(carrier.fetch(CALL))
    assert isinstance(error, CallGone)
    assert (error.code, error.status) in ((20404, 404), (21220, 400))
    assert len(api.requests) == sent + 2


async def test_an_account_that_is_not_found_is_no_call_that_is_gone(
    autojump_clock: MockClock,
) -> None:
    carrier, _ = house(refusal(404, 20404))
    assert not isinstance(await failed(carrier.create(NEW)), CallGone)


async def test_other_refusals_of_an_end_are_errors(autojump_clock: MockClock) -> None:
    carrier, _ = house(refusal(401, 20003))
    for doing in (carrier.end(CALL), carrier.limit(CALL, 9), carrier.cancel(CALL)):
        assert not isinstance(await failed(doing), CallGone)


@pytest.mark.parametrize(
    "taken", [refusal(400, 21220), answer(200, RESOURCE | {"status": "in-progress"})]
)
async def test_canceling_a_call_that_was_just_taken_ends_it(
    taken: Answer, autojump_clock: MockClock
) -> None:
    carrier, api = house(taken, answer(200))
    await carrier.cancel(CALL)
    assert api.forms == [[("Status", "canceled")], [("Status", "completed")]]


async def test_a_redirect_is_not_followed(autojump_clock: MockClock) -> None:
    carrier, api = house(answer(302, b"", Location="https://elsewhere.test/"))
    error = await failed(carrier.create(NEW))
    assert "twilio.api_url" in str(error)
    assert not error.retryable
    assert len(api.requests) == 1


# --- pace -----------------------------------------------------------------------------------------


async def test_new_calls_are_spaced_and_nothing_else_is(autojump_clock: MockClock) -> None:
    settings = Twilio(account_sid=ACCOUNT, auth_token=Secret(TOKEN), calls_per_second=2.0)
    carrier, api = house(answer(201), settings=settings)
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(carrier.create, NEW)
    assert api.gaps == pytest.approx([0.5, 0.5, 0.5])
    began = len(api.times)
    for _ in range(3):
        await carrier.end(CALL)
    assert len(set(api.times[began:])) == 1


async def test_a_line_that_is_too_long_turns_calls_away(autojump_clock: MockClock) -> None:
    carrier, api = house(answer(201))
    turned_away: list[CarrierError] = []

    async def place() -> None:
        try:
            await carrier.create(NEW)
        except CarrierError as error:
            turned_away.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(place)
    assert len(api.requests) == 21  # the one at once, and twenty seconds of others
    assert len(turned_away) == 9
    assert all(error.retryable for error in turned_away)
    assert "too many outbound calls are waiting" in str(turned_away[0])
    await trio.sleep(1)
    assert (await carrier.create(NEW)).sid == CALL
