"""The demo's verdict: what makes a call good, and what it says of one that is not."""

from pathlib import Path

from attrs import evolve

from voiced.dialog.turn import Ending
from voiced.lab.carrier import CarrierWarning
from voiced.lab.demo_report import Reply, Report
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_record import Ended

HEARD = "To start, there is a leek soup"


def reply(ending: str = "heard", agent: str = "Yes", **fields: object) -> Reply:
    return Reply.from_log(
        {"ending": ending, "caller": "a question", "agent": agent, "at_s": 1.0, **fields}
    )


def told(*agent: str) -> list[dict[str, object]]:
    return [{"messages": [{"role": "assistant", "content": text} for text in agent]}]


GOOD = Report(
    result=CallResult("CA1", Ended.HUNG_UP, ()),
    replies=[reply(), reply(), reply("cut", HEARD), reply()],
    summary={"underruns": 3},
    told=told("Yes", f"{HEARD}—"),
)


def test_stages_are_counted_from_the_end_of_speech() -> None:
    said = reply(turn_ended_ms=300, asked_ms=70, first_token_ms=200, answer_ms=900)
    assert said.stages_ms == {"end of turn": 300, "last words": 370, "first token": 570}
    assert said.said().answer_s == 0.9


def test_a_call_with_four_turns_a_barge_in_and_a_right_memory_is_good() -> None:
    assert GOOD.is_good
    lines = list(GOOD.conclusion(Path("demo")))
    assert f"interrupted after “{HEARD}”; the model was told exactly these words" in lines


def test_a_memory_of_more_than_was_heard_is_not() -> None:
    report = evolve(GOOD, told=told("Yes", f"{HEARD} and a plate of ham—"))
    assert not report.is_good
    assert any("OTHER words" in line for line in report.conclusion(Path("demo")))


def test_without_a_barge_in_or_with_too_few_turns_it_is_not() -> None:
    assert not evolve(GOOD, replies=[reply()] * 4).is_good
    assert not evolve(GOOD, replies=GOOD.replies[1:]).is_good
    assert GOOD.cut[0].ending is Ending.CUT


def test_what_twilio_would_warn_of_is_not() -> None:
    warned = evolve(GOOD.result, warnings=(CarrierWarning(31951, "media: extra field"),))
    report = evolve(GOOD, result=warned)
    assert not report.is_good
    assert list(report.conclusion(Path("demo")))[-1].startswith("THE CALL WAS NOT")


def test_both_sides_stand_in_the_transcript_and_a_cut_reply_ends_in_a_dash() -> None:
    assert f"agent   {HEARD} —" in GOOD.transcript()
