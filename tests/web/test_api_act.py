"""What operators do to a live call: interrupt it, speak through it, end it, pass it on."""

from pathlib import Path

import pytest
import trio
from call_desk import FakeCall, record
from guests import CALL, House, house
from operators import OWN, TO, ask, carrier_takes, live, office, recorded, ringing

from voiced.call.parties import Entry, Stage
from voiced.config import Limits
from voiced.dialog import events as ev
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.web.api import MAX_SAY
from voiced.web.shown import shown

ONE = f"/v1/calls/{CALL}"
DESK = "+33199999999"
DEEDS = ("interrupt", "say", "hangup", "transfer")
GOOD = {"interrupt": {}, "say": {"text": "Bonjour"}, "hangup": {}, "transfer": {"to": TO}}


def asked(entry: Entry) -> list[ev.Event]:
    assert isinstance(entry.call, FakeCall)
    return entry.call.requests


async def done(there: House, deed: str, body: object = b"") -> list[ev.Event]:
    """What a live call was asked to do."""
    entry = live(there)
    answer = await ask(there, "POST", f"{ONE}/{deed}", body)
    assert (answer.status, answer.json) == (202, shown(entry))
    return asked(entry)


@pytest.mark.parametrize("body", [b"", b"{}", b" \n"])
async def test_a_call_is_interrupted(body: bytes) -> None:
    async with house(office()) as there:
        assert await done(there, "interrupt", body) == [ev.InterruptRequested()]


@pytest.mark.parametrize("text", ["Bonjour", "é😀 <b>", "x" * MAX_SAY])
async def test_words_are_put_into_the_agents_mouth(text: str) -> None:
    async with house(office()) as there:
        assert await done(there, "say", {"text": text}) == [ev.SayRequested(text)]


async def test_a_call_is_ended() -> None:
    async with house(office()) as there:
        assert await done(there, "hangup") == [ev.CloseRequested(Parting("operator"))]


def passed_on(number: str, *, warm: bool = False, summary: str = "") -> list[ev.Event]:
    transfer = Transfer(number, warm, summary)
    return [ev.CloseRequested(Parting("transfer", (Phrase.TRANSFER,), transfer))]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"to": "desk"}, passed_on(DESK)),
        ({"to": "abroad"}, passed_on("+18765550100")),  # the operator's own word
        ({"to": TO}, passed_on(TO)),
        ({"to": TO, "warm": True}, passed_on(TO, warm=True)),
        ({"to": TO, "warm": False, "summary": ""}, passed_on(TO)),
        ({"to": "desk", "warm": True, "summary": "Zoé & co"},
         passed_on(DESK, warm=True, summary="Zoé & co")),
    ],
)  # fmt: skip
async def test_a_call_is_passed_on(wish: dict[str, object], expected: list[ev.Event]) -> None:
    transfers = {"desk": DESK, "abroad": "+18765550100"}
    async with house(office(transfers=transfers)) as there:
        assert await done(there, "transfer", wish) == expected


async def test_an_agent_may_pass_on_warmly_by_itself() -> None:
    async with house(office(warm_transfer=True)) as there:
        assert await done(there, "transfer", {"to": TO}) == passed_on(TO, warm=True)


@pytest.mark.parametrize(
    ("deed", "body", "field"),
    [
        ("interrupt", {"now": True}, "now"),
        ("hangup", {"reason": "x"}, "reason"),
        ("say", {}, "text"),
        ("say", b"", "text"),
        ("say", {"text": ""}, "text"),
        ("say", {"text": "  "}, "text"),
        ("say", {"text": ["x"]}, "text"),
        ("say", {"text": "x" * (MAX_SAY + 1)}, "text"),
        ("say", b'{"text": "\\ud83d"}', "text"),
        ("say", {"text": "x", "voice": "y"}, "voice"),
        ("transfer", {}, "to"),
        ("transfer", {"to": "nobody"}, "to"),
        ("transfer", {"to": "+18765550100"}, "to"),
        ("transfer", {"to": "+15550109999"}, "to"),
        ("transfer", {"to": 1}, "to"),
        ("transfer", {"to": "x" * 65}, "to"),
        ("transfer", {"to": TO, "warm": "yes"}, "warm"),
        ("transfer", {"to": TO, "warm": 1}, "warm"),
        ("transfer", {"to": TO, "summary": "x" * 401}, "summary"),
        ("transfer", {"to": TO, "summary": None}, "summary"),
        ("transfer", {"to": TO, "cold": True}, "cold"),
    ],
)
async def test_a_wrong_wish_names_its_field(deed: str, body: object, field: str) -> None:
    async with house(office(transfers={"desk": DESK})) as there:
        entry = live(there)
        assert (await ask(there, "POST", f"{ONE}/{deed}", body)).error == (422, "invalid", field)
        assert asked(entry) == []


async def test_the_lists_of_the_configuration_decide_whom_to() -> None:
    limits = Limits(allowed_prefixes=("+44",), denied_prefixes=("+4490",))
    async with house(office(limits, transfers={"desk": "+449012345678"})) as there:
        live(there)
        for to, status in (("+442071234567", 202), ("+449012345678", 422), ("desk", 202)):
            assert (await ask(there, "POST", f"{ONE}/transfer", {"to": to})).status == status


@pytest.mark.parametrize("body", [b"{", b"[]", b"x" * 1000, b"\xff", b'{"text":' * 9000])
@pytest.mark.parametrize("deed", DEEDS)
async def test_what_is_no_json_is_a_bad_request(deed: str, body: bytes) -> None:
    async with house(office()) as there:
        live(there)
        answer = await ask(there, "POST", f"{ONE}/{deed}", body)
        assert answer.error in ((400, "bad-json", ""), (413, "too-large", ""))
        assert (answer.status == 413) is (len(body) > 64 * 1024)


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_call_that_nobody_knows_is_not_found(tmp_path: Path, deed: str) -> None:
    async with recorded(tmp_path) as there:
        answer = await ask(there, "POST", f"{ONE}/{deed}", GOOD[deed])
        assert answer.error == (404, "unknown-call", "")


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("state", ["ringing", "lost", "over", "placed"])
async def test_a_call_that_is_not_live_is_left_alone(tmp_path: Path, deed: str, state: str) -> None:
    async with recorded(tmp_path) as there:
        sid = CALL
        if state == "placed":
            carrier_takes(there, sid)
            await ask(there, "POST", "/v1/calls", {"to": TO})
        elif state == "ringing":
            ringing(there)
        else:
            entry = live(there)
            there.desk.register.left(entry, record("hangup" if state == "over" else "socket-lost"))
        await there.recorder.flush()  # type: ignore[union-attr]
        answer = await ask(there, "POST", f"/v1/calls/{sid}/{deed}", GOOD[deed])
        if (deed, state) == ("hangup", "placed"):
            assert answer.status == 202  # it rings, and the carrier can stop that
        else:
            assert answer.error == (409, "not-live", "")


async def carried_out(there: House) -> list[tuple[object, ...]]:
    """What the carrier has been asked beside placing calls."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(there.desk.errands.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return [what for what in there.desk.carrier.asked if what[0] != "create"]


async def test_a_call_that_rings_is_called_off() -> None:
    async with house(office()) as there:
        carrier_takes(there)
        sid = (await ask(there, "POST", "/v1/calls", {"to": TO})).json["sid"]
        answer = await ask(there, "POST", f"/v1/calls/{sid}/hangup")
        assert (answer.status, answer.json["status"]) == (202, "ringing")
        assert await carried_out(there) == [("cancel", sid)]


async def test_a_transferred_call_is_ended_by_the_carrier() -> None:
    async with house(office()) as there:
        there.desk.register.move(live(there), Stage.TRANSFERRING, 60.0)
        there.desk.register.calls[CALL].call = None
        answer = await ask(there, "POST", f"{ONE}/hangup")
        assert (answer.status, answer.json["status"]) == (202, "transferring")
        assert await carried_out(there) == [("end", CALL)]


async def test_without_an_account_neither_can_be() -> None:
    async with house(office()) as there:
        there.desk.register.move(live(there), Stage.TRANSFERRING, 60.0)
        there.desk.register.calls[CALL].call = None
        there.desk.carrier.is_configured = False
        assert (await ask(there, "POST", f"{ONE}/hangup")).error == (409, "not-live", "")


@pytest.mark.parametrize("deed", ["sing", "Say", "say%20", "__class__", "%00"])
async def test_there_is_no_other_deed(deed: str) -> None:
    async with house(office()) as there:
        live(there)
        assert (await ask(there, "POST", f"{ONE}/{deed}")).error == (404, "not-found", "")


async def test_a_deed_is_done_to_one_call_only() -> None:
    async with house(office()) as there:
        other = live(there, "CA2")
        assert len(await done(there, "hangup")) == 1
        assert asked(other) == []


async def test_a_refused_transfer_does_not_repeat_the_number() -> None:
    async with house(office()) as there:
        live(there)
        answer = await ask(there, "POST", f"{ONE}/transfer", {"to": "+18765550100"})
        assert b"876" not in answer.body
        assert OWN.encode() not in answer.body
