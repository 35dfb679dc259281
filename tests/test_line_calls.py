"""Calls in and out over the whole line: daemon, engines, carrier, operator's API and webhooks."""

from pathlib import Path

import numpy as np
import pytest
import trio
from line_house import (
    CALLER,
    GOODBYE,
    GREETING,
    OURS,
    SECONDARY,
    VOICEMAIL,
    House,
    house,
)
from line_tones import HELLO, heard, person, said, sentences, spoken

from voiced.lab.exchange_settings import Verdict
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.script import After, Cue, HangUp, Press, Say, Turn

GREETS_BACK = said("Hello, this is Chez Sesame. How can I help you?")
NOTED = said("It is noted. Is there anything else I can do?")
TALKS = person(Turn(Say(HELLO)), Turn(HangUp()))


async def check_recording(there: House, result: CallResult, caller: list[str]) -> None:
    """Both lines are on it, as long as the call and as they were heard."""
    left, right = await there.recording(result.call_sid)
    assert len(left) / 8000 == pytest.approx(result.duration_s, abs=0.2)
    assert sentences(left) == caller
    assert spoken(right) == heard(result)


async def test_a_caller_is_greeted_and_answered_and_all_of_it_is_kept(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with house(tmp_path) as there:
            talk = await there.ring(TALKS)
            started = await there.receiver.of(talk.sid, "call.started")
            result = await talk.end()
            record = await there.closed(talk.sid)
            ended = await there.receiver.of(talk.sid, "call.ended")
            turns = await there.receiver.of(talk.sid, "turn.ended")
            story = [("agent", said(GREETING)), ("caller", HELLO), ("agent", GREETS_BACK)]

            assert (result.ended, result.status) == (Ended.HUNG_UP, "completed")
            assert (result.warnings, result.missed) == ((), ())
            assert heard(result) == f"{said(GREETING)} {GREETS_BACK}"
            assert talk.texts(Kind.API_REQUEST) == [f"POST {talk.sid} TimeLimit: 200"]
            entry = there.entry(talk.sid)
            limit_s = entry.reins.deadline - (entry.answered_at or 0)
            assert limit_s == 660  # max_call_s, the goodbye, and some slack

            assert (record["reason"], record["status"]) == ("hangup", "ended")
            assert (record["from"], record["to"], record["agent"]) == (CALLER, OURS, "default")
            assert (record["direction"], record["turns"]) == ("inbound", 1)
            assert record["duration_s"] == pytest.approx(result.duration_s, abs=0.3)
            assert await there.transcript(talk.sid) == story
            rows = there.rows("SELECT role, text FROM said WHERE sid = ? ORDER BY id", talk.sid)
            assert [(role, said(text)) for role, text in rows] == story
            kept = "SELECT reason, recording, closed_at IS NOT NULL FROM calls"
            assert there.rows(kept) == [("hangup", f"{talk.sid}.wav", 1)]
            await check_recording(there, result, [HELLO])

            assert all(hook.is_signed for hook in there.receiver.hooks)
            assert (started.body["call"]["status"], turns.body["turn"]["number"]) == ("live", 0)
            told = ended.body["transcript"]
            assert [(each["role"], said(each["text"])) for each in told] == story
            beside = {"timeline", "extraction"}
            assert ended.body["call"] == {k: v for k, v in record.items() if k not in beside}


async def test_a_call_is_placed_talked_through_and_ended_by_the_api(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with house(tmp_path) as there:
            there.exchange.person = person(Turn(Say(HELLO)))
            placed = await there.post("/v1/calls", to=CALLER)
            sid = placed["sid"]
            assert (placed["direction"], placed["to"]) == ("outbound", CALLER)
            await there.turn(sid, 1)
            await there.post(f"/v1/calls/{sid}/hangup")
            (result,) = await there.exchange.wait_calls()
            record = await there.closed(sid)
            await there.receiver.of(sid, "call.ended")

            assert (result.call_sid, result.status) == (sid, "completed")
            assert (result.direction, result.warnings) == ("outbound-api", ())
            assert result.ended is Ended.SERVER_CLOSED
            words = f"{said(GREETING)} {GREETS_BACK} {said(GOODBYE)}"
            assert heard(result) == words
            (asked,) = [e for e in there.watch.texts(Kind.API_REQUEST) if "Calls " in e]
            assert asked.endswith(": 201")
            assert "MachineDetection" not in asked
            assert there.entry(sid).answered_by is None
            assert (record["reason"], record["direction"]) == ("operator", "outbound")
            assert (record["from"], record["to"]) == (OURS, CALLER)
            assert [hook.is_signed for hook in there.receiver.hooks] == [True] * 5
            await check_recording(there, result, [HELLO])


NOBODY = {
    "+33610000001": (Verdict.BUSY, "default", "busy"),
    "+33610000002": (Verdict.NO_ANSWER, "default", "no-answer"),
    "+33610000003": (Verdict.FAILED, "default", "failed"),
    "+33610000004": (Verdict.MACHINE, "taper", "voicemail"),
    "+33610000005": (Verdict.MACHINE, "shy", "machine"),
}
"""Who is behind a number, who calls it, and what the call ends with."""


async def test_calls_that_no_person_takes(tmp_path: Path) -> None:
    verdicts = {number: verdict for number, (verdict, _, _) in NOBODY.items()}
    with trio.fail_after(20):
        async with house(tmp_path, verdicts=verdicts) as there:
            sids = {}
            for number, (_, agent, _) in NOBODY.items():
                sids[number] = (await there.post("/v1/calls", to=number, agent=agent))["sid"]
            status, ready = await there.ready()
            assert status == 200
            assert ready["free"] < 64
            results = {one.call_sid: one for one in await there.exchange.wait_calls(len(NOBODY))}
            for number, (verdict, _, reason) in NOBODY.items():
                sid = sids[number]
                record = await there.closed(sid)
                hook = await there.receiver.of(sid, "call.ended")
                assert (record["reason"], hook.body["call"]["reason"]) == (reason, reason)
                assert hook.is_signed
                if verdict is Verdict.MACHINE:
                    await check_machine(there, results[sid])
                else:
                    assert (results[sid].status, record["turns"]) == (verdict.value, 0)
                    assert not record["recording"]
            _, ready = await there.ready()
            assert ready["free"] == 64
            placed = [each for each in there.watch.texts(Kind.API_REQUEST) if "Calls " in each]
            assert ["MachineDetection AsyncAmd" in each for each in placed] == [False] * 3 + [
                True] * 2  # fmt: skip


async def check_machine(there: House, result: CallResult) -> None:
    """The one hears the message behind its beep, and nothing else is on its tape."""
    sid, greeting_and_beep_s = result.call_sid, 1.4
    taped = there.rows("SELECT agent FROM calls WHERE sid = ?", sid) == [("taper",)]
    assert heard(result, greeting_and_beep_s) == (said(VOICEMAIL) if taped else "")
    assert there.entry(sid).answered_by == ("machine_end_beep" if taped else "machine_start")
    assert (result.ended, result.status) == (Ended.SERVER_CLOSED, "completed")
    left, right = await there.recording(sid)
    assert np.abs(left).max() > 1000
    assert spoken(right) == heard(result)


async def test_keys_reach_the_model(tmp_path: Path) -> None:
    soon = After(Cue.INTO_REPLY, 0.2)
    presses = person(Turn(Press("42#")), Turn(Press("7"), soon), Turn(HangUp(), soon))
    with trio.fail_after(15):
        async with house(tmp_path) as there:
            talk = await there.ring(presses)
            await talk.end()
            asked = [request.messages[-1]["content"] for request in there.lab.llm.requests]
            assert asked == ["(keypad: 42)", "(keypad: 7)"]
            transcript = await there.transcript(talk.sid)
            keyed = [text for role, text in transcript if role == "caller"]
            assert keyed == ["keypad 42", "keypad 7"]


async def test_in_a_rotation_either_auth_token_signs_and_no_other(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with house(tmp_path) as there:
            brief = person(Turn(HangUp()))
            talk = await there.ring(brief, auth_token=SECONDARY)
            result = await talk.end()
            assert (result.warnings, result.status) == ((), "completed")
            assert heard(result) == said(GREETING)
            stranger = await there.ring(brief, auth_token="nobody's")
            refused = await stranger.end()
            assert refused.ended is Ended.REFUSED
            assert [warning.code for warning in refused.warnings] == [11200]
            assert len((await there.get("/v1/calls"))["calls"]) == 1
