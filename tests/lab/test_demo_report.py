"""The demo's verdict: what makes a call good, and what it says of one that is not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from voiced.audio.frame import MULAW_SILENCE
from voiced.dialog.turn import Ending
from voiced.lab.carrier import CarrierWarning, PlaybackStatistics
from voiced.lab.demo_evidence import Evidence
from voiced.lab.demo_reply import Reply
from voiced.lab.demo_report import Report, write_report
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_ear import Measured, Run, Utterance
from voiced.lab.phone_record import Ended, Kind, PhoneEvent
from voiced.lab.phone_result import Transfer
from voiced.lab.transcript import Said, Speaker

CUT = "I am booking a table for"
BOOKS = "I am booking a table for four tomorrow at eight."
READS = "Your table for four tomorrow at eight is booked. Your reference is R7."
LEAVES = "I am putting you through to a person."
BEGAN = 1_795_270_000.0
TOMORROW = (datetime.fromtimestamp(BEGAN) + timedelta(days=1)).date().isoformat()
WISH = {"guests": 4, "day": TOMORROW, "time": "20:00"}
BOOKED = {"reference": "R7", **WISH, "at": BEGAN + 21.3, "requests": 1}


def reply(ending: str, agent: str, at_s: float, caller: str = "", **fields: object) -> Reply:
    record = {"ending": ending, "caller": caller, "agent": agent, "at_s": at_s, **fields}
    return Reply.from_log(record)


def learnt(**values: object) -> dict[str, Any]:
    fields = {name: {"value": value, "words": None} for name, value in values.items()}
    return {"status": "complete", "fields": fields}


def spoken(at_s: float) -> Measured:
    words = Utterance(1, "a question", at_s, at_s + 1.0)
    return Measured(words, Run(at_s, at_s + 1.0), 0.9, None)


RESULT = CallResult(
    "CA1",
    Ended.TRANSFERRED,
    (PhoneEvent(33.9, Kind.DIALLED, "+1"), PhoneEvent(34.5, Kind.BRIDGED, "+1")),
    turns=(spoken(3.4), spoken(28.3)),
    caller=bytes([MULAW_SILENCE]) * 8_000 * 33,
    agent=bytes([MULAW_SILENCE]) * 8_000 * 33,
    agent_runs=(
        Run(0.2, 1.5), Run(5.5, 9.0), Run(14.5, 16.0), Run(17.8, 19.0), Run(19.2, 20.7),
        Run(22.0, 26.0), Run(31.3, 33.3),
    ),
    playback=PlaybackStatistics(gaps=1, gap_ends_s=[21.9]),
    transfers=(Transfer("+1", "CA2", "completed", bridged_s=1.0),),
)  # fmt: skip
REPLIES = (
    reply("heard", "Hello.", 0.0),
    reply("heard", "Yes, we do.", 5.4, "do you have", answer_ms=900, turn_ended_ms=300),
    reply("cut", CUT, 14.4, "a table for five"),
    reply("heard", BOOKS, 17.7, "no i meant four"),
    reply("heard", READS, 21.8),
    reply("heard", LEAVES, 31.1, "a person please"),
)
RECORD = {
    "extraction": learnt(guests=4, day=TOMORROW, time="20:00", booked=True),
    "timeline": {"events": [{"kind": "tool", "detail": {"tool": "book_table"}}]},
}
EVIDENCE = Evidence(RESULT, REPLIES, BEGAN, (BOOKED,), RECORD)


def told(*agent: str) -> list[dict[str, object]]:
    """A conversation, and what is asked about it in the end."""
    said = [{"role": "assistant", "content": text} for text in agent]
    return [{"messages": said}, {"messages": [{"role": "user", "content": "Caller: hello"}]}]


GOOD = Report(EVIDENCE, {"underruns": 3}, told("Yes, we do.", f"{CUT}—"))


def but(**changed: object) -> Report:
    """The same call with other evidence."""
    return evolve(GOOD, evidence=evolve(EVIDENCE, **changed))


def having(**changed: object) -> Report:
    """The same call as the telephone has it otherwise."""
    return but(result=evolve(RESULT, **changed))


def without(text: str, *more: Reply) -> Sequence[Reply]:
    return tuple(sorted([*(r for r in REPLIES if r.agent != text), *more], key=lambda r: r.at_s))


def test_stages_are_counted_from_the_end_of_speech() -> None:
    times = {"turn_ended_ms": 300, "asked_ms": 70, "first_token_ms": 200, "answer_ms": 900}
    said = reply("heard", "Yes", 1.0, **times)
    assert said.stages_ms == {"end of turn": 300, "last words": 370, "first token": 570}
    assert said.said().answer_s == 0.9


def test_a_call_with_all_that_belongs_to_it_is_good_and_says_so() -> None:
    lines = list(GOOD.conclusion(Path("demo")))
    assert lines == [
        "answered in 900 to 900 ms after the caller's last sound; gaps: 0, warnings: 0, "
        "underruns: 3",
        f"interrupted after “{CUT}”; the model was told exactly these words",
        f"announced twice, booked once: R7, 4 guests, {TOMORROW} at 20:00",
        "announced until 00:20.7, booked at 00:21.3, read back from 00:21.8",
        "announced until 00:33.3, put through at 00:33.9: 1.0 s with a person",
        f'on record, complete: guests 4, day "{TOMORROW}", time "20:00", booked true',
        "listen: demo/call.wav (left: caller, right: agent)",
        "read:   demo/transcript.txt, demo/record.json",
        "look:   demo/timeline.png",
    ]
    assert GOOD.is_good


def test_a_memory_of_more_than_was_heard_is_not() -> None:
    report = evolve(GOOD, told=told("Yes, we do.", f"{BOOKS}—"))
    assert not report.is_good
    assert any("OTHER words" in line for line in report.conclusion(Path("demo")))
    assert not evolve(GOOD, told=()).is_good


def test_without_a_barge_in_or_with_too_few_turns_it_is_not() -> None:
    assert not but(replies=without(CUT)).is_good
    assert not but(replies=REPLIES[2:]).is_good
    assert GOOD.cut[0].ending is Ending.CUT


def test_what_twilio_would_warn_of_is_not() -> None:
    report = having(warnings=(CarrierWarning(31951, "media: extra field"),))
    assert not report.is_good
    assert list(report.conclusion(Path("demo")))[-1].startswith("THE CALL WAS NOT")


def test_a_hole_in_a_reply_is_a_gap_and_what_follows_a_tool_is_none() -> None:
    assert having(playback=PlaybackStatistics(gaps=2, gap_ends_s=[8.0, 21.9])).gaps == 1


EARLY = evolve(RESULT, agent_runs=(*RESULT.agent_runs[:-3], Run(19.2, 21.6), Run(22.0, 26.0)))


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (but(book=()), "announced twice, booked never"),
        (but(book=(BOOKED, BOOKED)), "announced twice, booked twice"),
        (but(book=(BOOKED,) * 3), "booked 3 times"),
        (but(book=(BOOKED | {"guests": 5},)), "R7, 5 guests"),
        (but(book=(BOOKED | {"requests": 2},)), "booked once"),
        (but(book=()), "nothing was booked"),
        (but(result=EARLY), "announced until 00:21.6, booked at 00:21.3"),
        (but(replies=without(BOOKS)), "not announced, booked"),
        (but(replies=without(BOOKS, reply("cut", BOOKS, 17.7, "x"))), "not announced, booked"),
        (but(replies=()), "not announced, booked"),
        (having(agent_runs=()), "not announced, booked"),
        (but(replies=without(READS)), "never read back"),
        (but(replies=without(READS, reply("cut", READS, 21.8))), "read back from"),
        (but(record=RECORD | {"timeline": {"events": []}}), "announced until 00:20.7"),
        (having(transfers=()), "put through to nobody"),
        (having(transfers=(Transfer("+1", "CA2", "busy"),)), "put through to nobody"),
        (having(transfers=(Transfer("+1", "CA2", "completed"),)), "put through to nobody"),
        (having(events=()), "put through to nobody"),
        (but(replies=without(LEAVES)), "not announced, put through"),
        (but(record={}), "on record, nothing"),
        (but(record=RECORD | {"extraction": learnt(guests=5)}), "on record, complete: guests 5"),
        (but(record=RECORD | {"extraction": {"status": "failed"}}), "on record, failed"),
    ],
)  # fmt: skip
def test_what_should_not_be_so_is_said(report: Report, says: str) -> None:
    assert not report.is_good
    wrong = [line for line in report.conclusion(Path("demo")) if line.startswith("NOT AS IT")]
    assert any(says in line for line in wrong)


def test_words_that_prove_a_field_stand_behind_it() -> None:
    fields = {"guests": {"value": 4, "words": "four people"}}
    record = {"extraction": {"status": "partial", "fields": fields}}
    assert "on record, partial: guests 4 (“four people”)" in str(but(record=record).evidence
                                                                  .verdicts()[-1])  # fmt: skip


def test_everything_is_left_in_the_folder(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_report(having(agent_runs=()), tmp_path)  # of a reply without sound no words are drawn
    write_report(GOOD, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"call.wav", "transcript.txt", "record.json", "timeline.png"}
    assert (tmp_path / "timeline.png").stat().st_size > 10_000
    moments = {round(at_s, 1): text for at_s, text in EVIDENCE.moments().items()}
    assert moments == {21.3: "R7 is booked", 33.9: "rings a person"}


def test_both_sides_and_the_notes_stand_in_the_transcript() -> None:
    report = evolve(GOOD, notes=(Said(21.3, Speaker.NOTE, "(book_table: ok, 5 ms)"),))
    lines = report.transcript().splitlines()
    assert f"00:14.4  agent   {CUT} —" in lines
    assert "00:21.3          (book_table: ok, 5 ms)" in lines
