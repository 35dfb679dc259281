"""Calls that the daemon places, over real loopback sockets."""

import pytest
import trio
from attrs import evolve
from test_exchange_daemon import BRIEF, CALLER, OURS, PATIENT, QUICK, Town, town

from voiced.lab.exchange_outbound import machine
from voiced.lab.exchange_settings import Delivery, Verdict
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_ear import is_loud
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.script import HangUp

ALL = ["initiated", "ringing", "answered", "completed"]


async def placed(place: Town, events: list[str] = ALL, **fields: str) -> CallResult:
    """Places a call and waits for its end."""
    place.daemon.answer("/twilio/voice", place.daemon.stream())
    form = place.new_call(**fields) | {"StatusCallbackEvent": events}
    answer = await place.http.post(f"{place.base}/Calls.json", data=form)
    assert (answer.status_code, answer.json()["status"]) == (201, "queued")
    return (await place.exchange.wait_calls())[0]


def statuses(place: Town) -> list[str]:
    return [form["CallStatus"] for form in place.daemon.forms("/status")]


async def test_a_human_answers_and_talks_as_their_script_says() -> None:
    async with town(person=BRIEF) as place:
        result = await placed(place)
        assert (result.ended, result.status) == (Ended.HUNG_UP, "completed")
        assert result.direction == "outbound-api"
        (form,) = place.daemon.forms("/twilio/voice")
        assert (form["CallStatus"], form["Direction"]) == ("in-progress", "outbound-api")
        assert (form["From"], form["To"]) == (OURS, CALLER)
        assert statuses(place) == ["initiated", "ringing", "in-progress", "completed"]
        told = place.daemon.forms("/status")
        assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]
        assert told[0]["CallbackSource"] == "call-progress-events"
        assert told[3]["Duration"] == "1"
        kinds = [event.kind for event in result.events]
        assert kinds[:3] == [Kind.RINGING, Kind.ANSWERED, Kind.CONNECTED]


@pytest.mark.parametrize(
    ("verdict", "before"),
    [
        (Verdict.BUSY, ["initiated", "ringing"]),
        (Verdict.NO_ANSWER, ["initiated", "ringing"]),
        (Verdict.FAILED, ["initiated"]),
    ],
)
async def test_nobody_answers(verdict: Verdict, before: list[str]) -> None:
    async with town(evolve(QUICK, verdicts={CALLER: verdict})) as place:
        result = await placed(place, Timeout="1")
        assert (result.ended, result.status) == (Ended.NOT_ANSWERED, verdict.value)
        assert statuses(place) == [*before, verdict.value]
        assert place.daemon.forms("/status")[-1]["CallDuration"] == "0"
        assert place.daemon.forms("/twilio/voice") == []


async def test_only_the_events_that_were_asked_for_are_told() -> None:
    async with town(person=BRIEF) as place:
        await placed(place, ["answered"])
        assert statuses(place) == ["in-progress"]


async def test_callbacks_may_come_in_another_order() -> None:
    async with town(evolve(QUICK, delivery=Delivery.SWAPPED), BRIEF) as place:
        await placed(place)
        numbers = [form["SequenceNumber"] for form in place.daemon.forms("/status")]
        assert numbers == ["1", "0", "3", "2"]


async def test_a_callback_without_a_partner_comes_in_the_end() -> None:
    settings = evolve(QUICK, delivery=Delivery.SWAPPED, verdict=Verdict.BUSY)
    async with town(settings) as place:
        await placed(place)
        assert statuses(place) == ["ringing", "initiated", "busy"]


async def test_a_callback_that_fails_is_a_warning() -> None:
    async with town(evolve(QUICK, verdict=Verdict.FAILED)) as place:
        result = await placed(place, ["completed"], StatusCallback=f"{place.daemon.url}/gone")
        assert [warning.code for warning in result.warnings] == [11200]


async def test_a_document_may_be_in_the_request() -> None:
    async with town() as place:
        twiml = "<Response><Say>It is ready.</Say></Response>"
        result = await placed(place, Url="", Twiml=twiml)
        assert [e.text for e in result.events if e.kind is Kind.ANNOUNCED] == ["It is ready."]


async def test_a_time_limit_of_the_request_is_kept() -> None:
    async with town() as place:
        result = await placed(place, TimeLimit="1")
        assert result.ended is Ended.TIME_LIMIT


@pytest.mark.parametrize("status", ["canceled", "completed"])
async def test_a_call_that_rings_is_cancelled(status: str) -> None:
    async with town(evolve(QUICK, rings_s=60)) as place:
        form = place.new_call() | {"StatusCallbackEvent": ALL}
        await place.http.post(f"{place.base}/Calls.json", data=form)
        sid = await place.wait_call("ringing")
        answer = await place.ask(f"/Calls/{sid}", Status=status)
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        (result,) = await place.exchange.wait_calls()
        assert (result.ended, result.status) == (Ended.NOT_ANSWERED, "canceled")
        assert statuses(place)[-1] == "canceled"
        assert place.daemon.forms("/status")[-1]["SipResponseCode"] == "487"


async def test_a_call_in_progress_cannot_be_cancelled_but_ended() -> None:
    async with town() as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream())
        sid = (await place.ask("/Calls", **place.new_call())).json()["sid"]
        await place.daemon.connected.wait()
        refused = await place.ask(f"/Calls/{sid}", Status="canceled")
        assert (refused.status_code, refused.json()["code"]) == (400, 21220)
        await place.ask(f"/Calls/{sid}", Status="completed")
        (result,) = await place.exchange.wait_calls()
        assert (result.ended, result.status) == (Ended.COMPLETED, "completed")


async def test_calls_begin_at_the_accounts_pace() -> None:
    settings = evolve(QUICK, calls_per_s=5, verdict=Verdict.FAILED)
    async with town(settings, PATIENT) as place:
        begun, queued = trio.current_time(), []
        for _ in range(3):
            answer = await place.ask("/Calls", **place.new_call())
            queued.append(int(answer.json()["queue_time"]))
        await place.exchange.wait_calls(3)
        assert 0.39 <= trio.current_time() - begun < 3
        assert queued[0] == 0
        assert 100 < queued[2] <= 400


async def test_who_answers_is_told_without_the_call_waiting_for_it() -> None:
    async with town() as place:
        amd = {"MachineDetection": "Enable", "AsyncAmd": "true",
            "AsyncAmdStatusCallback": f"{place.daemon.url}/amd", "TimeLimit": "1"}  # fmt: skip
        result = await placed(place, **amd)
        (form,) = place.daemon.forms("/amd")
        assert set(form) == {"CallSid", "AccountSid", "AnsweredBy", "MachineDetectionDuration"}
        assert (form["CallSid"], form["AnsweredBy"]) == (result.call_sid, "human")
        assert 20 <= int(form["MachineDetectionDuration"]) < 1_000
        assert "AnsweredBy" not in place.daemon.forms("/twilio/voice")[0]
        assert place.daemon.forms("/status")[-1]["AnsweredBy"] == "human"
        seen = (await place.look(f"/Calls/{result.call_sid}")).json()
        assert seen["answered_by"] == "human"


@pytest.mark.parametrize(
    ("detection", "answered_by"),
    [("Enable", "machine_start"), ("DetectMessageEnd", "machine_end_beep")],
)
async def test_a_machine_greets_beeps_and_records(detection: str, answered_by: str) -> None:
    settings = evolve(QUICK, verdict=Verdict.MACHINE, machine_waits_s=0.6)
    async with town(settings) as place:
        amd = {"MachineDetection": detection, "AsyncAmd": "true",
            "AsyncAmdStatusCallback": f"{place.daemon.url}/amd"}  # fmt: skip
        result = await placed(place, **amd)
        (form,) = place.daemon.forms("/amd")
        assert form["AnsweredBy"] == answered_by
        late = int(form["MachineDetectionDuration"]) >= 900
        assert late == (detection == "DetectMessageEnd")
        assert result.ended is Ended.HUNG_UP
        (turn,) = result.turns
        assert 0.1 < turn.spoken.stop_s - turn.spoken.start_s <= 0.62
        assert [e.text for e in result.events if e.kind is Kind.VERDICT] == [answered_by]


async def test_a_call_that_waits_for_the_verdict_asks_for_its_document_with_it() -> None:
    settings = evolve(QUICK, verdict=Verdict.MACHINE, machine_waits_s=0.1)
    async with town(settings) as place:
        result = await placed(place, MachineDetection="DetectMessageEnd")
        (form,) = place.daemon.forms("/twilio/voice")
        assert form["AnsweredBy"] == "machine_end_beep"
        assert not any(is_loud(result.caller[n : n + 160]) for n in range(160, 800, 160))


async def test_a_call_that_ends_first_has_no_verdict() -> None:
    async with town(evolve(QUICK, detection_s=60), BRIEF) as place:
        amd = {"MachineDetection": "Enable", "AsyncAmd": "true",
            "AsyncAmdStatusCallback": f"{place.daemon.url}/amd"}  # fmt: skip
        await placed(place, **amd)
        assert place.daemon.forms("/amd") == []


def test_a_machine_that_answered_before_is_further_on() -> None:
    fresh, later = machine(1.0, 5.0), machine(1.0, 5.0, 8_000)
    assert len(fresh.speech[0]) - len(later.speech[0]) == 8_000
    assert isinstance(fresh.turns[-1].action, HangUp)
    assert len(fresh.turns) == 2
