"""Placing a call through the API: what is asked, what is refused, and what is charged."""

import json

import pytest
import trio
from attrs import evolve
from guests import house
from operators import OWN, PLACED, TO, ask, carrier_takes, office
from trio.testing import MockClock

from voiced.call.parties import Stage
from voiced.config import Limits, Twilio
from voiced.errors import CarrierError

CALLS = "/v1/calls"


async def test_a_call_is_placed_and_shown() -> None:
    async with house(office()) as there:
        carrier_takes(there)
        wish = {"to": TO, "agent": "default", "variables": {"product": "vin", "name": "Zoé"}}
        answer = await ask(there, "POST", CALLS, wish)
        shown = answer.json
        assert (answer.status, shown.pop("started_at")[:2]) == (201, "20")
        assert shown == {
            "sid": PLACED, "direction": "outbound", "agent": "default", "from": OWN, "to": TO,
            "status": "ringing", "ended_at": None, "duration_s": None, "reason": None, "turns": 0,
            "summary": {}, "variables": {"product": "vin", "name": "Zoé"}, "recording": False,
        }  # fmt: skip
        assert there.desk.register.calls[PLACED].stage is Stage.RINGING
        assert [deed for deed, _ in there.desk.carrier.asked] == ["create"]


async def test_the_agent_may_be_left_out() -> None:
    async with house(office()) as there:
        carrier_takes(there)
        assert (await ask(there, "POST", CALLS, {"to": TO})).json["agent"] == "default"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "to"),
        (b"", "to"),
        ({"to": None}, "to"),
        ({"to": 33612345678}, "to"),
        ({"to": ""}, "to"),
        ({"to": [TO]}, "to"),
        ({"to": "+" + "3" * 40}, "to"),
        ({"to": "0612345678"}, "to"),
        ({"to": "+33 6 12 34 56 78"}, "to"),
        ({"to": "+18765550100"}, "to"),
        ({"to": "sip:x@example.com"}, "to"),
        ({"to": TO + "\n"}, "to"),
        ({"to": TO, "too": TO}, "too"),
        ({"to": TO, "agent": None}, "agent"),
        ({"to": TO, "agent": "nobody"}, "agent"),
        ({"to": TO, "agent": ["default"]}, "agent"),
        ({"to": TO, "agent": "\ud800"}, "agent"),
        ({"to": TO, "variables": []}, "variables"),
        ({"to": TO, "variables": {"produit": "x"}}, "variables.produit"),
        ({"to": TO, "variables": {"product": 1}}, "variables.product"),
        ({"to": TO, "variables": {"product": "x" * 501}}, "variables.product"),
        ({"to": TO, "agent": "english", "variables": {"product": "x"}}, "variables.product"),
    ],
)
async def test_a_wish_that_cannot_be_fulfilled_names_its_field(wish: object, field: str) -> None:
    async with house(office()) as there:
        carrier_takes(there)
        assert (await ask(there, "POST", CALLS, wish)).error == (422, "invalid", field)
        assert there.desk.carrier.asked == []


async def test_a_refusal_of_a_destination_does_not_repeat_it() -> None:
    async with house(office()) as there:
        answer = await ask(there, "POST", CALLS, {"to": "+18765550100"})
        assert b"876" not in answer.body


async def test_the_lists_of_the_configuration_decide_where_to() -> None:
    limits = Limits(allowed_prefixes=("+44",), denied_prefixes=("+4490",))
    async with house(office(limits)) as there:
        carrier_takes(there)
        for to, status in (("+442071234567", 201), ("+449012345678", 422), (TO, 422)):
            assert (await ask(there, "POST", CALLS, {"to": to})).status == status


@pytest.mark.parametrize("body", [b"{", b"to=%2B33612345678", b"[]", b"\xff\xfe", b"[" * 60_000])
async def test_what_is_no_json_is_a_bad_request(body: bytes) -> None:
    async with house(office()) as there:
        assert (await ask(there, "POST", CALLS, body)).error == (400, "bad-json", "")


async def test_a_body_beyond_the_bound_is_too_large() -> None:
    async with house(office()) as there:
        answer = await ask(there, "POST", CALLS, b" " * (64 * 1024 + 1))
        assert answer.error == (413, "too-large", "")


async def test_so_many_calls_are_placed_in_a_minute(autojump_clock: MockClock) -> None:
    async with house(office(Limits(outbound_per_minute=2))) as there:
        for number in range(3):
            carrier_takes(there, f"CA{number:032}")
            answer = await ask(there, "POST", CALLS, {"to": TO})
            entry = there.desk.register.calls.get(f"CA{number:032}")
            if entry:
                there.desk.register.close(entry, "busy")
        assert answer.error == (429, "too-many-calls", "")
        assert answer.headers["retry-after"] == "30"
        await trio.sleep(30)
        assert (await ask(there, "POST", CALLS, {"to": TO})).status == 201
        assert len(there.desk.carrier.asked) == 3


async def test_a_wish_that_is_refused_anyway_is_not_counted() -> None:
    async with house(office(Limits(outbound_per_minute=1))) as there:
        carrier_takes(there)
        for _ in range(3):
            assert (await ask(there, "POST", CALLS, {"to": "+1"})).status == 422
        assert (await ask(there, "POST", CALLS, {"to": TO})).status == 201


async def test_where_no_call_may_be_placed_waiting_does_not_help() -> None:
    async with house(office(Limits(outbound_per_minute=0))) as there:
        answer = await ask(there, "POST", CALLS, {"to": TO})
        assert answer.error == (429, "too-many-calls", "")
        assert "retry-after" not in answer.headers


@pytest.mark.parametrize("reason", ["stt-slots", "llm-unreachable", "draining", "max-calls"])
async def test_without_room_no_call_is_placed(reason: str) -> None:
    async with house(office()) as there:
        carrier_takes(there)
        if reason == "draining":
            there.switchboard.drain()
        elif reason == "max-calls":
            for number in range(2):
                there.mint(f"t{number}", f"CA{number}")
        else:
            there.desk.rooms.reason = reason
        answer = await ask(there, "POST", CALLS, {"to": TO})
        assert answer.error == (503, reason, "")
        assert reason in json.loads(answer.body)["error"]["message"]
        assert there.desk.carrier.asked == []


async def test_without_a_number_of_our_own_no_call_is_placed() -> None:
    chosen = evolve(office(Limits(allowed_prefixes=("+33",))), twilio=Twilio())
    async with house(chosen) as there:
        answer = await ask(there, "POST", CALLS, {"to": TO})
        assert answer.error == (503, "not-configured", "")
        assert b"twilio.phone_number" in answer.body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CarrierError("Twilio did not answer in time", retryable=True), 503),
        (CarrierError("Twilio refused the keys", code=20003), 502),
    ],
)
async def test_what_the_carrier_does_not_do_is_told(error: CarrierError, status: int) -> None:
    async with house(office()) as there:
        there.desk.carrier.error = error
        answer = await ask(there, "POST", CALLS, {"to": TO})
        assert answer.error == (status, "carrier", "")
        assert str(error) in json.loads(answer.body)["error"]["message"]
        assert dict(there.desk.register.calls) == {}
        assert there.desk.rooms.taken == 0
