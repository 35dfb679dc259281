"""The REST API itself: what it refuses, its faults, and Twilio's own client as a judge."""

import json
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve
from test_exchange_daemon import CALLER, HUMAN, OURS, QUICK, TOKEN, town
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from voiced.lab.exchange_account import Account, Entry
from voiced.lab.exchange_request import ApiError, Detection, read_new_call, read_update
from voiced.lab.exchange_settings import ApiFault, Verdict
from voiced.lab.phone_record import Kind
from voiced.lab.server import Request

URL = "https://voice.example.com/twilio/voice"
GOOD = {"To": [CALLER], "From": [OURS], "Url": [URL]}


def new_call(**fields: str | None) -> Any:
    form = GOOD | {name: [value] for name, value in fields.items() if value is not None}
    return read_new_call({n: v for n, v in form.items() if fields.get(n, "") is not None}, OURS)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": None}, 21201),
        ({"To": "+3361"}, 21211),
        ({"To": "0612345678"}, 21211),
        ({"From": None}, 21212),
        ({"From": "us"}, 21212),
        ({"From": HUMAN}, 21210),
        ({"Url": None}, 21205),
        ({"Url": "voice.example.com"}, 21205),
        ({"Url": "http://[::1/"}, 21205),
        ({"Url": None, "Twiml": "x" * 4_001}, 20001),
        ({"StatusCallback": "https://voice_1.example.com/"}, 21609),
        ({"AsyncAmdStatusCallback": "ftp://voice.example.com/"}, 21609),
        ({"StatusCallbackEvent": "hangup"}, 21626),
        ({"Timeout": "soon"}, 20001),
        ({"MachineDetection": "true"}, 20001),
    ],
)
def test_what_twilio_would_not_place_is_refused(fields: dict[str, str], code: int) -> None:
    with pytest.raises(ApiError) as caught:
        new_call(**fields)
    assert caught.value.status == 400
    assert caught.value.body["code"] == code
    assert caught.value.body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"


def test_a_new_call_has_twilios_defaults() -> None:
    new = new_call()
    assert (new.ring_s, new.events, new.detection) == (60, ("completed",), Detection.OFF)
    assert new_call(Timeout="900").ring_s == 600
    assert new_call(To="sip:a@example.com").to == "sip:a@example.com"


@pytest.mark.parametrize(
    "form",
    [
        {"Url": [URL], "Twiml": ["<Response/>"]},
        {"Status": ["paused"]},
        {"TimeLimit": ["-1"]},
    ],
)
def test_an_update_that_makes_no_sense_is_refused(form: dict[str, list[str]]) -> None:
    with pytest.raises(ApiError, match="20001"):
        read_update(form)


async def test_without_the_accounts_credentials_nothing_is_answered() -> None:
    async with town() as place, httpx.AsyncClient() as stranger:
        answer = await stranger.get(f"{place.base}.json")
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)
        assert answer.headers["www-authenticate"].startswith("Basic")
        wrong = (place.exchange.account.sid, "wrong")
        answer = await stranger.post(f"{place.base}/Calls.json", auth=wrong, data=place.new_call())
        assert answer.status_code == 401
        assert place.exchange.account.entries == {}


async def test_what_is_not_there_is_not_found() -> None:
    async with town() as place:
        for path in ("/Calls/CA1", "/Messages", "/Calls/CA1/Streams/MZ1"):
            answer = await place.look(path)
            assert (answer.status_code, answer.json()["code"]) == (404, 20404)
        answer = await place.http.get(f"{place.exchange.url}/2010-04-01/Accounts/AC2.json")
        assert answer.status_code == 404
        assert (await place.ask("/Calls/CA1", Status="completed")).status_code == 404
        answer = await place.http.delete(f"{place.base}/Calls/CA1.json")
        assert (answer.status_code, answer.json()["code"]) == (405, 20004)


async def test_the_account_and_its_number_can_be_looked_at() -> None:
    async with town() as place:
        account = (await place.look("")).json()
        assert (account["status"], account["type"]) == ("active", "Full")
        url = f"{place.base}/IncomingPhoneNumbers.json"
        found = (await place.http.get(url, params={"PhoneNumber": OURS})).json()
        (number,) = found["incoming_phone_numbers"]
        assert number["phone_number"] == OURS
        assert number["voice_url"] == f"{place.daemon.url}/twilio/voice"
        assert number["voice_method"] == "POST"
        none = (await place.http.get(url, params={"PhoneNumber": HUMAN})).json()
        assert none["incoming_phone_numbers"] == []


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(ApiFault.RATE_LIMITED, 429, 20429), (ApiFault.SERVER_ERROR, 500, 20500)],
)
async def test_the_next_requests_can_fail(fault: ApiFault, status: int, code: int) -> None:
    async with town() as place:
        place.exchange.fail(fault, 2)
        for _ in range(2):
            answer = await place.ask("/Calls", **place.new_call())
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
        assert place.exchange.account.entries == {}
        assert (await place.look("")).status_code == 200


async def test_a_request_can_go_unanswered() -> None:
    async with town() as place:
        place.exchange.fail(ApiFault.STALL)
        with pytest.raises(httpx.ReadTimeout):
            await place.http.get(f"{place.base}.json", timeout=0.1)
        assert (await place.look("")).status_code == 200


async def test_an_answer_can_be_lost_after_the_call_was_placed() -> None:
    async with town(evolve(QUICK, verdict=Verdict.BUSY)) as place:
        place.exchange.fail(ApiFault.LOST)
        with pytest.raises(httpx.RemoteProtocolError):
            await place.ask("/Calls", **place.new_call())
        assert len(place.exchange.account.entries) == 1
        await place.exchange.wait_calls()


async def test_requests_about_no_call_are_told_without_their_values() -> None:
    told = []
    async with town() as place:
        place.exchange.tell = told.append
        await place.ask("/Calls", To="+3361")
    assert [(e.kind, e.text) for e in told] == [(Kind.API_REQUEST, "POST Calls To: 400")]


class Judge(HttpClient):
    """Twilio's client, sent to the exchange instead of api.twilio.com."""

    def __init__(self, url: str) -> None:
        self.url = url

    def request(self, method: str, uri: str, **given: Any) -> Response:
        url = uri.replace("https://api.twilio.com", self.url)
        kept = {name: given.get(name) for name in ("params", "data", "headers", "auth")}
        answer = httpx.request(method, url, timeout=5, **kept)
        return Response(answer.status_code, answer.text, answer.headers)


async def test_twilios_own_client_is_content() -> None:
    async with town(evolve(QUICK, rings_s=0.01)) as place:
        daemon, sid = place.daemon, place.exchange.account.sid
        daemon.answer("/twilio/voice", daemon.stream(action="/never"))
        client = Client(sid, TOKEN, http_client=Judge(place.exchange.url))
        in_thread = trio.to_thread.run_sync
        assert (await in_thread(client.api.accounts(sid).fetch)).status == "active"
        numbers = await in_thread(partial(client.incoming_phone_numbers.list, phone_number=OURS))
        assert [number.voice_url for number in numbers] == [f"{daemon.url}/twilio/voice"]
        create = partial(client.calls.create, to=CALLER, from_=OURS,
            url=f"{daemon.url}/twilio/voice", status_callback=f"{daemon.url}/status",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            machine_detection="Enable", async_amd="true", timeout=5,
            async_amd_status_callback=f"{daemon.url}/amd")  # fmt: skip
        call = await in_thread(create)
        assert (call.status, call.direction, call.to) == ("queued", "outbound-api", CALLER)
        assert isinstance(call.date_created, datetime)
        assert call.start_time is None
        await daemon.connected.wait()
        live = await in_thread(client.calls(call.sid).fetch)
        assert (live.status, isinstance(live.start_time, datetime)) == ("in-progress", True)
        ended = await in_thread(partial(client.calls(call.sid).update, status="completed"))
        assert ended.status == "completed"
        await place.exchange.wait_calls()
        with pytest.raises(TwilioRestException) as refused:
            await in_thread(partial(client.calls(call.sid).update, status="completed"))
        assert (refused.value.status, refused.value.code) == (400, 21220)
        with pytest.raises(TwilioRestException) as refused:
            await in_thread(partial(client.calls.create, to="+3361", from_=OURS, url=URL))
        assert refused.value.code == 21211
        assert len(daemon.forms("/status")) == 4


async def test_a_form_that_is_no_text_is_refused_not_a_crash() -> None:
    async with town() as place:
        answer = place.exchange.rest.answer(Request("POST", "/x", {}, {}, b"\xff\xfe=\xff"))
        assert answer[0] == 401


def test_a_call_without_an_answer_has_no_duration() -> None:
    books = Account("AC1", OURS, URL)
    call = books.call(Entry(OURS, CALLER, "outbound-api"))
    assert (call["duration"], call["start_time"], call["queue_time"]) == (None, None, "0")
    assert json.loads(json.dumps(call)) == call
