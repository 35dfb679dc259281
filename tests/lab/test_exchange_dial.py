"""What becomes of a transfer, number by number."""

import pytest
import trio
from attrs import evolve
from test_exchange_daemon import BRIEF, CALLER, HUMAN, OURS, QUICK, Town, town

from voiced.lab.exchange_dial import choose
from voiced.lab.exchange_settings import Answer, Human
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.phone_twiml import Dial, Target

SOON = Human(answers_after_s=0.02, talks_s=0.02)


async def dialled(place: Town, attributes: str = "", children: str = f"<Number>{HUMAN}</Number>",
                  after: str = "<Hangup/>") -> CallResult:  # fmt: skip
    place.daemon.answer("/twilio/voice", f'<Dial action="/after" {attributes}>{children}</Dial>')
    place.daemon.answer("/after", after)
    return await place.exchange.call()


@pytest.mark.parametrize("answer", [Answer.BUSY, Answer.FAILED, Answer.NO_ANSWER])
async def test_a_number_that_does_not_answer_is_told_to_the_action(answer: Answer) -> None:
    humans = {HUMAN: Human(answer, answers_after_s=0.02)}
    async with town(evolve(QUICK, humans=humans)) as place:
        result = await dialled(place, 'timeout="1"')
        (form,) = place.daemon.forms("/after")
        assert form["DialCallStatus"] == answer.value
        assert "DialCallDuration" not in form
        assert form["DialBridged"] == "false"
        (transfer,) = result.transfers
        assert (transfer.status, transfer.bridged_s) == (answer.value, None)


async def test_who_answers_too_late_does_not_answer() -> None:
    async with town(evolve(QUICK, human=Human(answers_after_s=60))) as place:
        with trio.move_on_after(3) as patience:
            result = await dialled(place, 'timeout="0"')
        assert not patience.cancelled_caught
        assert result.transfers[0].status == "no-answer"


@pytest.mark.parametrize(
    ("attributes", "children", "code"),
    [
        ('callerId="+33999999999"', f"<Number>{HUMAN}</Number>", 13214),
        ("", "<Number>911</Number>", 13224),
        ("", "<Sip>sip:a@example.com</Sip>", 13224),
    ],
)
async def test_what_cannot_be_dialled_fails(attributes: str, children: str, code: int) -> None:
    async with town(evolve(QUICK, human=SOON)) as place:
        result = await dialled(place, attributes, children)
        assert place.daemon.forms("/after")[0]["DialCallStatus"] == "failed"
        assert [warning.code for warning in result.warnings] == [code]


async def test_without_a_caller_id_the_callers_number_is_shown() -> None:
    async with town(evolve(QUICK, human=SOON)) as place:
        place.daemon.answer("/whisper", "<Say>Hello</Say><Redirect>/x</Redirect>")
        result = await dialled(place, "", f'<Number url="/whisper">{HUMAN}</Number>')
        assert place.daemon.forms("/whisper")[0]["From"] == CALLER
        assert result.ended is Ended.TRANSFERRED
        assert [e.text for e in result.events if e.kind is Kind.SKIPPED] == [
            "Redirect, to the human"
        ]


async def test_without_an_action_the_document_goes_on() -> None:
    async with town(evolve(QUICK, human=SOON)) as place:
        place.daemon.answer("/twilio/voice", f"<Dial>{HUMAN}</Dial><Say>Back.</Say>")
        result = await place.exchange.call()
        assert [e.text for e in result.events if e.kind is Kind.ANNOUNCED] == ["Back."]


@pytest.mark.parametrize(("whisper", "status"), [("<Hangup/>", "completed"), (None, "failed")])
async def test_a_whisper_may_end_the_transfer(whisper: str | None, status: str) -> None:
    async with town(evolve(QUICK, human=SOON)) as place:
        if whisper is not None:
            place.daemon.answer("/whisper", whisper)
        result = await dialled(place, "", f'<Number url="/whisper">{HUMAN}</Number>')
        (transfer,) = result.transfers
        assert (transfer.status, transfer.bridged_s) == (status, None)
        assert [w.code for w in result.warnings] == ([] if whisper else [11200])


@pytest.mark.parametrize("answers_after_s", [0.0, 60.0])
async def test_a_caller_may_leave_in_a_transfer(answers_after_s: float) -> None:
    human = Human(answers_after_s=answers_after_s, talks_s=60)
    async with town(evolve(QUICK, human=human, caller_waits_s=0.1)) as place:
        result = await dialled(place, 'timeout="90"')
        assert result.ended is Ended.HUNG_UP
        assert result.transfers[0].status == ("canceled" if answers_after_s else "completed")
        assert place.daemon.forms("/after") == []


async def test_the_other_leg_can_be_ended_through_the_api() -> None:
    async with town(evolve(QUICK, human=Human(answers_after_s=0, talks_s=60))) as place:
        results = []
        async with trio.open_nursery() as nursery:

            async def live() -> None:
                results.append(await dialled(place))

            nursery.start_soon(live)
            child = await place.wait_call("in-progress", 1)
            answer = await place.ask(f"/Calls/{child}", Status="completed")
            assert answer.status_code == 200
        assert results[0].transfers[0].status == "completed"
        assert place.daemon.forms("/after")[0]["DialCallSid"] == child


async def test_an_update_takes_the_caller_out_of_a_transfer() -> None:
    results = []
    async with town(evolve(QUICK, human=Human(answers_after_s=60)), BRIEF) as place:
        place.daemon.answer("/out", "<Say>Nobody is there.</Say>")
        async with trio.open_nursery() as nursery:

            async def live() -> None:
                results.append(await dialled(place, 'timeout="90"'))

            nursery.start_soon(live)
            await place.wait_call("ringing", 1)
            await place.ask(f"/Calls/{place.sid}", Url=f"{place.daemon.url}/out")
        (result,) = results
        assert result.transfers[0].status == "canceled"
        assert place.daemon.forms("/after") == []
        assert [e.text for e in result.events if e.kind is Kind.ANNOUNCED] == ["Nobody is there."]


def test_the_first_to_answer_is_taken() -> None:
    slow, fast, busy = Human(answers_after_s=3), Human(answers_after_s=2), Human(Answer.BUSY, 0)
    settings = evolve(QUICK, humans={"+1": slow, "+2": fast, "+3": busy})
    targets = tuple(Target(number) for number in ("+3", "+1", "+2"))
    assert choose(Dial(targets), settings) == (targets[2], fast)
    assert choose(Dial(targets[:1]), settings) == (targets[0], busy)


async def test_a_transfer_shows_the_accounts_number_in_an_outbound_call() -> None:
    async with town(evolve(QUICK, human=SOON)) as place:
        place.daemon.answer("/twilio/voice", f"<Dial>{HUMAN}</Dial>")
        await place.ask("/Calls", **place.new_call())
        with trio.fail_after(5):
            (result,) = await place.exchange.wait_calls()
        assert result.transfers[0].status == "completed"
        child = (await place.look(f"/Calls/{result.transfers[0].call_sid}")).json()
        assert child["from"] == OURS
