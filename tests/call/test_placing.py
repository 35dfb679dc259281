"""Calls that we place: whom we may ring, what the carrier is asked, and what becomes of a no."""

import pytest
import trio
from attrs import define, evolve
from call_desk import PUBLIC, SID, Desk
from trio.testing import MockClock

from voiced.call.parties import Stage
from voiced.call.placing import Placing
from voiced.call.switchboard import Switchboard
from voiced.carrier.destinations import Destinations
from voiced.config import Agent, OnMachine, Server, Settings, Twilio
from voiced.errors import CallRefused, CarrierError
from voiced.wire.twilio_rest import CallResource, Machine, NewCall

NUMBER = "+33123456789"
TO = "+33612345678"


def settings(agent: Agent | None = None, number: str = NUMBER) -> Settings:
    return Settings(
        server=Server(public_url=f"{PUBLIC}/"),
        twilio=Twilio(account_sid="AC1", phone_number=number, ring_s=25),
        agents={"default": agent or Agent(max_call_s=600)},
    )


@define
class Office:
    desk: Desk
    placing: Placing


def office(chosen: Settings | None = None) -> Office:
    desk = Desk()
    desk.carrier.found = lambda sid: CallResource(
        sid=SID, status="queued", to=TO, sender=NUMBER, direction="outbound-api",
        answered_by=None, duration_s=None, queue_ms=None,
    )  # fmt: skip
    board = Switchboard(desk.register, lambda parties: None, desk.errands)  # type: ignore[arg-type, return-value]
    chosen = chosen or settings()
    allowed = Destinations(chosen.twilio.phone_number, (), ())
    return Office(desk, Placing(chosen, board, desk.carrier, allowed))  # type: ignore[arg-type]


async def test_a_call_is_placed_with_all_that_the_carrier_must_know(
    autojump_clock: MockClock,
) -> None:
    there = office()
    entry = await there.placing.place(TO, "default", {"name": "Zoe"})
    assert (entry.sid, entry.stage, entry.parties.variables) == (
        SID,
        Stage.RINGING,
        {"name": "Zoe"},
    )
    assert entry.until == trio.current_time() + 85
    ((_, new),) = there.desk.carrier.asked
    assert isinstance(new, NewCall)
    ours = new.url.removeprefix(f"{PUBLIC}/twilio/voice?call=")
    assert ours.startswith("out-")
    assert len(ours) > 20
    assert new == NewCall(
        to=TO,
        sender=NUMBER,
        url=f"{PUBLIC}/twilio/voice?call={ours}",
        status_callback=f"{PUBLIC}/twilio/status?call={ours}",
        time_limit_s=660,
        ring_s=25,
        machine=Machine.NONE,
    )


@pytest.mark.parametrize(
    ("on_machine", "machine"),
    [(OnMachine.HANG_UP, Machine.DETECT), (OnMachine.LEAVE_MESSAGE, Machine.MESSAGE_END)],
)
async def test_machines_are_looked_for_where_the_agent_cares(
    autojump_clock: MockClock, on_machine: OnMachine, machine: Machine
) -> None:
    there = office(settings(Agent(on_machine=on_machine)))
    await there.placing.place(TO, "default", {})
    ((_, new),) = there.desk.carrier.asked
    assert isinstance(new, NewCall)
    assert new.machine is machine


async def test_a_destination_that_is_not_allowed_is_never_rung(autojump_clock: MockClock) -> None:
    there = office()
    with pytest.raises(CallRefused) as refused:
        await there.placing.place("+18765550100", "default", {})
    assert refused.value.reason == "destination"
    assert "limits.allowed_prefixes" in str(refused.value)
    assert "876" not in str(refused.value)
    assert (there.desk.carrier.asked, there.desk.rooms.taken) == ([], 0)


async def test_without_a_number_of_our_own_there_is_no_call(autojump_clock: MockClock) -> None:
    chosen = settings(number="")
    there = office(chosen)
    placing = evolve(there.placing, destinations=Destinations("", ("+33",), ()))
    with pytest.raises(CallRefused) as refused:
        await placing.place(TO, "default", {})
    assert refused.value.reason == "not-configured"


async def test_no_room_no_call(autojump_clock: MockClock) -> None:
    there = office()
    there.desk.rooms.reason = "tts-slots"
    with pytest.raises(CallRefused):
        await there.placing.place(TO, "default", {})
    assert there.desk.carrier.asked == []


async def test_a_carrier_that_refuses_gives_the_place_back(autojump_clock: MockClock) -> None:
    there = office()
    there.desk.carrier.error = CarrierError("no such number", code=21211)
    with pytest.raises(CarrierError):
        await there.placing.place(TO, "default", {})
    assert (there.desk.rooms.taken, dict(there.desk.register.calls)) == (0, {})
    assert there.desk.register.free == 3


async def test_a_drained_switchboard_places_none(autojump_clock: MockClock) -> None:
    there = office()
    there.placing.switchboard.drain()
    with pytest.raises(CallRefused) as refused:
        await there.placing.place(TO, "default", {})
    assert refused.value.reason == "draining"


async def test_a_lost_answer_does_not_end_a_call_that_rings(autojump_clock: MockClock) -> None:
    """The webhook came first: the call is there, whatever became of our request."""
    there = office()

    async def create(new: NewCall) -> CallResource:
        await trio.lowlevel.checkpoint()
        there.desk.register.name(new.url.rpartition("=")[2], SID)
        raise CarrierError("no answer in time: it is unknown whether the call was placed")

    there.desk.carrier.create = create  # type: ignore[method-assign]
    entry = await there.placing.place(TO, "default", {})
    assert (entry.sid, entry.stage, there.desk.rooms.taken) == (SID, Stage.RINGING, 1)


async def test_a_call_in_doubt_is_expected_for_a_while(autojump_clock: MockClock) -> None:
    there = office()
    there.desk.carrier.error = CarrierError("it is unknown whether the call was placed")
    with pytest.raises(CarrierError):
        await there.placing.place(TO, "default", {})
    (entry,) = there.desk.register.calls.values()
    assert there.desk.register.name(entry.sid, SID) is entry
    assert entry.stage is Stage.RINGING


async def test_one_in_doubt_that_never_comes_gives_its_place_back(
    autojump_clock: MockClock,
) -> None:
    there = office()
    there.desk.carrier.error = CarrierError("it is unknown whether the call was placed")
    with pytest.raises(CarrierError):
        await there.placing.place(TO, "default", {})
    await trio.sleep(90)
    there.desk.afterwards.sweep()
    assert (there.desk.rooms.taken, dict(there.desk.register.calls)) == (0, {})


async def test_without_an_account_there_is_no_call(autojump_clock: MockClock) -> None:
    there = office()
    there.desk.carrier.is_configured = False
    with pytest.raises(CallRefused, match="account_sid") as refused:
        await there.placing.place(TO, "default", {})
    assert refused.value.reason == "not-configured"
