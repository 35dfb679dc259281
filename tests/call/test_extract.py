"""A model is asked what was learnt from a call, and asked again; the answers are scripted."""

import json
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence

import pytest
import trio
from attrs import define, evolve
from stories import FakeLlm, Late
from transcripts import Transcript, transcripts

from voiced.call.extraction import (
    EXTRACT_S,
    LATE,
    MAX_ANSWER,
    TOO_LONG,
    Extraction,
    Questions,
    Status,
    extract,
    moment,
)
from voiced.dialog.extraction import UNREADABLE, Finding
from voiced.dialog.history import Message, Role, Told
from voiced.dialog.tools import Tool
from voiced.engines.roles import AsJson, Completion, Form
from voiced.errors import EngineRefused, EngineTimeout
from voiced.wire.answer import CUT

ALL = transcripts()
(BOOKING,) = [each for each in ALL if each.name == "en_booking"]
WRONG = BOOKING.answer(people={"value": "four", "words": "four people"})
BETTER = BOOKING.answer(time={"value": "eight", "words": None})
REFUSED = EngineRefused("mind", "llm", "no credit", retryable=False)
PEOPLE = "people: must be a whole number"
TIME = "time: must be a time, as in 19:30"


async def learn(llm: FakeLlm, call: Transcript = BOOKING, tokens: int = 6000) -> Extraction:
    questions = Questions(llm, call.schema, call.language, tokens)
    return await extract(questions, call.said, call.began)


def rest(llm: FakeLlm, number: int) -> Sequence[Message]:
    """What the model was told behind the instruction and the transcript."""
    told = llm.asked[number][2:]
    assert all(isinstance(each, Message) for each in told)
    return told  # type: ignore[return-value]


@pytest.mark.parametrize("call", ALL, ids=str)
async def test_a_call_is_learnt_from_at_the_first_answer(
    autojump_clock: object, call: Transcript
) -> None:
    llm = FakeLlm([call.answer()])
    learnt = await learn(llm, call)
    assert dict(learnt.fields) == call.findings
    silent = not any(each.role is Role.CALLER for each in call.said)
    expected = Status.PARTIAL if call.missing else Status.COMPLETE
    assert learnt.status is (Status.EMPTY if silent else expected)
    assert (learnt.missing, learnt.faults) == (call.missing, ())
    assert learnt.attempts == len(llm.asked) == (0 if silent else 1)


@pytest.mark.parametrize("call", [each for each in ALL if each.fields], ids=str)
async def test_after_answers_with_faults_a_good_one_counts(
    autojump_clock: object, call: Transcript
) -> None:
    name = next(iter(call.fields))
    wrong = call.answer(**{name: {"value": [[]], "words": None}})
    llm = FakeLlm(["What a lovely call!", wrong, f"```json {call.answer()} ```"])
    learnt = await learn(llm, call)
    assert (dict(learnt.fields), learnt.faults, learnt.attempts) == (call.findings, (), 3)


async def test_the_model_is_told_what_was_wrong(autojump_clock: object) -> None:
    llm = FakeLlm([WRONG, BOOKING.answer()])
    learnt = await learn(llm)
    assert (learnt.status, learnt.attempts) == (Status.COMPLETE, 2)
    before, complaint = rest(llm, 1)
    assert json.loads(before.text) == json.loads(WRONG)
    assert PEOPLE in complaint.text
    (form, again) = llm.forms
    assert isinstance(form, AsJson)
    assert form == again
    assert form.schema["required"] == list(BOOKING.schema["properties"])


async def test_what_validates_counts_and_the_rest_are_faults(autojump_clock: object) -> None:
    learnt = await learn(FakeLlm([WRONG] * 3))
    assert (learnt.status, learnt.faults, learnt.attempts) == (Status.PARTIAL, (PEOPLE,), 3)
    assert set(learnt.fields) == {"wish", "day", "time"}
    assert learnt.missing == ()


async def test_the_answer_with_most_counts_and_of_equals_the_later(autojump_clock: object) -> None:
    little = json.dumps({"people": {"value": 0}, "wish": {"value": "booking"}})
    learnt = await learn(FakeLlm([WRONG, BETTER, little]))
    assert set(learnt.fields) == {"wish", "day", "people"}
    assert learnt.faults == (TIME,)


async def test_one_without_faults_counts_though_it_has_less(autojump_clock: object) -> None:
    learnt = await learn(FakeLlm([WRONG, '{"wish": {"value": "booking"}}']))
    assert (learnt.status, dict(learnt.fields)) == (
        Status.COMPLETE,
        {"wish": Finding("booking", None)},
    )


async def test_a_model_that_never_answers_with_json_has_failed(autojump_clock: object) -> None:
    learnt = await learn(FakeLlm(["No.", "", "Still no."]))
    assert (learnt.status, learnt.faults, learnt.attempts) == (Status.FAILED, (UNREADABLE,), 3)
    assert (dict(learnt.fields), learnt.missing) == ({}, ("wish",))


async def test_a_model_that_fails_at_once(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    learnt = await learn(FakeLlm([REFUSED]))
    assert (learnt.status, learnt.missing) == (Status.FAILED, ("wish",))
    assert learnt.faults == ("the model failed: refused",)
    (told,) = caplog.records
    assert (told.levelno, told.getMessage()) == (
        logging.WARNING,
        f"nothing more is learnt from a call: {REFUSED}",
    )


async def test_a_model_that_fails_later_leaves_what_there_is(autojump_clock: object) -> None:
    llm = FakeLlm([WRONG, EngineTimeout("mind", "llm", "late", retryable=True)])
    learnt = await learn(llm)
    assert (learnt.status, learnt.attempts) == (Status.FAILED, 2)
    assert set(learnt.fields) == {"wish", "day", "time"}
    assert learnt.faults == (PEOPLE, "the model failed: timeout")


async def test_half_an_answer_of_a_model_that_breaks_off_is_none(autojump_clock: object) -> None:
    learnt = await learn(FakeLlm([(BOOKING.answer(), REFUSED)]))
    assert (learnt.status, dict(learnt.fields)) == (Status.FAILED, {})


async def test_time_is_bounded(autojump_clock: object) -> None:
    llm, began = FakeLlm([Late(999.0, "")]), trio.current_time()
    learnt = await learn(llm)
    assert trio.current_time() - began == pytest.approx(EXTRACT_S)
    assert (learnt.status, learnt.faults, llm.open) == (Status.FAILED, (LATE,), 0)


async def test_what_was_there_when_time_was_up_counts(autojump_clock: object) -> None:
    learnt = await learn(FakeLlm([Late(15.0, WRONG), Late(15.0, BOOKING.answer())]))
    assert (learnt.status, learnt.faults) == (Status.PARTIAL, (PEOPLE, LATE))
    assert set(learnt.fields) == {"wish", "day", "time"}


@define
class Brief(FakeLlm):
    """Its answers are cut off."""

    async def complete(
        self,
        messages: Sequence[Told],
        text: trio.MemorySendChannel[str],
        tools: Sequence[Tool] = (),
        form: Form | None = None,
    ) -> Completion:
        return evolve(await FakeLlm.complete(self, messages, text, tools, form), finish_reason=CUT)


async def test_an_answer_that_was_cut_off_says_what_to_do(autojump_clock: object) -> None:
    llm = Brief([BOOKING.answer()[:-20]] * 3)
    learnt = await learn(llm)
    assert (learnt.status, learnt.faults) == (Status.FAILED, (UNREADABLE, TOO_LONG))
    assert TOO_LONG in rest(llm, 1)[1].text
    whole = await learn(Brief([BOOKING.answer()]))
    assert whole.status is Status.COMPLETE, "what is whole is whole"


async def test_an_endless_answer_is_read_to_a_bound(autojump_clock: object) -> None:
    learnt = await learn(FakeLlm(["x" * MAX_ANSWER + BOOKING.answer(), BOOKING.answer()]))
    assert (learnt.status, learnt.attempts) == (Status.COMPLETE, 2)


async def test_a_model_with_little_room_is_told_the_end_of_the_call(autojump_clock: object) -> None:
    llm = FakeLlm([BOOKING.answer()])
    await learn(llm, tokens=20)
    told = llm.asked[0][1]
    assert isinstance(told, Message)
    assert "[...]" in told.text
    assert "With pleasure" not in told.text


@pytest.mark.parametrize("said", [[], [Message(Role.CALLER, " ")], [Message(Role.AGENT, "Hi")]])
async def test_where_nothing_was_said_nobody_is_asked(
    autojump_clock: object, said: list[Message]
) -> None:
    llm = FakeLlm(last_used=-math.inf)
    learnt = await extract(Questions(llm, BOOKING.schema, "en"), said, "")
    assert learnt == Extraction(Status.EMPTY, missing=("wish",))
    assert llm.asked == []


@pytest.fixture
def zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (1_795_284_120.0, "Saturday, 2026-11-21, at 19:02 (CET, UTC+01:00)"),
        (1_782_077_400.0, "Sunday, 2026-06-21, at 23:30 (CEST, UTC+02:00)"),
    ],
)
def test_the_day_is_told_by_the_machines_clock(zone: None, at: float, told: str) -> None:
    assert moment(at) == told
