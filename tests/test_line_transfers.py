"""Calls that leave the agent and come back: transfers, and media sockets that drop."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import trio
from line_house import (
    ANNOUNCED,
    FAILED,
    GREETING,
    HUMAN,
    OURS,
    RESUMED,
    VIP,
    House,
    Talk,
    house,
)
from line_tones import GREETED, PLEASE, TOLD, WAIT, heard, person, said, sentences, spoken

from voiced.call import register
from voiced.lab.exchange_settings import Answer, ApiFault, Human
from voiced.lab.llm import LlmRequest
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.phone_script import DropStream
from voiced.lab.script import HangUp, Say, Turn

LISTENS = said("Yes, I am listening.")
NOTED = said("It is noted. Is there anything else I can do?")
TALKS, TALKS_ON = Turn(Say(WAIT)), Turn(Say(PLEASE))


def conversation(request: LlmRequest) -> list[tuple[str, str]]:
    """What the model was told, but for its prompt."""
    return [(each["role"], said(each["content"])) for each in request.messages[1:]]


async def kinds(there: House, sid: str) -> list[str]:
    events = (await there.get(f"/v1/calls/{sid}"))["timeline"]["events"]
    return [event["kind"] for event in events]


async def test_a_call_is_put_through_cold_and_another_one_warm(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with house(tmp_path) as there:
            cold = await there.ring(person(TALKS))
            warm = await there.ring(person(TALKS), caller=VIP)
            for talk in (cold, warm):
                await there.turn(talk.sid, 1)
            answers = len(there.lab.llm.requests)
            for talk in (cold, warm):
                await there.post(f"/v1/calls/{talk.sid}/transfer", to="desk")
            for talk in (cold, warm):
                await talk.wait(Kind.BRIDGED)
            live = await there.get(f"/v1/calls/{cold.sid}")
            assert (live["status"], live["reason"]) == ("transferring", None)
            _, ready = await there.ready()
            assert (ready["free"], ready["calls"]) == (64, 0)  # they take up no room here any more
            await check_cold(there, cold)
            assert answers == 2
            await check_warm(there, warm, there.lab.llm.requests[-1])


async def check_cold(there: House, talk: Talk) -> None:
    result = await talk.end()
    record = await there.closed(talk.sid)
    hook = await there.receiver.of(talk.sid, "call.ended")
    assert heard(result) == f"{said(GREETING)} {LISTENS} {said(ANNOUNCED)}"
    story = [Kind.DIALLED, Kind.ANSWERED, Kind.BRIDGED, Kind.TRANSFER_ENDED, Kind.ENDED]
    assert [event.kind for event in result.events if event.kind in story] == story
    dialled_s = next(event.at_s for event in result.events if event.kind is Kind.DIALLED)
    assert result.agent_runs[-1].stop_s < dialled_s
    (transfer,) = result.transfers
    assert (transfer.number, transfer.status, transfer.heard) == (HUMAN, "completed", ())
    assert transfer.bridged_s == pytest.approx(0.5, abs=0.2)
    assert there.entry(transfer.call_sid).sender == OURS
    assert (result.ended, result.status) == (Ended.TRANSFERRED, "completed")
    assert result.warnings == ()
    limits = [e for e in talk.texts(Kind.API_REQUEST) if "TimeLimit: 200" in e]
    assert len(limits) == 2  # the second one leaves the two of them time to talk
    assert (record["reason"], hook.body["call"]["reason"]) == ("transferred",) * 2
    assert hook.is_signed
    assert "transfer-ended" in await kinds(there, talk.sid)


async def check_warm(there: House, talk: Talk, summary: LlmRequest) -> None:
    result = await talk.end()
    record = await there.closed(talk.sid)
    (transfer,) = result.transfers
    assert "Sum up this call" in summary.messages[-1]["content"]
    assert conversation(summary)[:2] == [("assistant", said(GREETING)), ("user", WAIT)]
    assert transfer.heard == (summary.answer,)
    happened = [event.kind for event in result.events]
    assert happened.index(Kind.HUMAN_HEARS) < happened.index(Kind.BRIDGED)
    assert heard(result) == f"{said(GREETING)} {LISTENS} {said(ANNOUNCED)}"
    assert (transfer.status, record["reason"]) == ("completed", "transferred")
    assert (record["agent"], result.warnings) == ("warm", ())


async def test_nobody_takes_a_transfer_and_the_call_goes_on(tmp_path: Path) -> None:
    with trio.fail_after(15):
        nobody = Human(Answer.BUSY, answers_after_s=0.3)
        async with house(tmp_path, gap_s=1.0, human=nobody) as there:
            talk = await there.ring(
                person(Turn(Say(WAIT), GREETED), TALKS_ON, Turn(HangUp(), TOLD))
            )
            await there.turn(talk.sid, 1)
            await there.post(f"/v1/calls/{talk.sid}/transfer", to="desk")
            result = await talk.end()
            record = await there.closed(talk.sid)

            assert [transfer.status for transfer in result.transfers] == ["busy"]
            assert heard(result) == " ".join(
                [said(GREETING), LISTENS, said(ANNOUNCED), said(FAILED), NOTED]
            )
            first, second = there.lab.llm.requests
            story = [("assistant", said(GREETING)), ("user", WAIT), ("assistant",
                f"{LISTENS} {said(ANNOUNCED)} {said(FAILED)}"), ("user", PLEASE)]  # fmt: skip
            assert conversation(first) == story[:2]
            assert conversation(second) == story
            assert (record["reason"], record["turns"]) == ("hangup", 2)
            assert (result.streams, result.warnings, result.missed) == (2, (), ())
            said_by_caller = [text for role, text in await there.transcript(talk.sid)
                if role == "caller"]  # fmt: skip
            assert said_by_caller == [WAIT, PLEASE]
            left, right = await there.recording(talk.sid)
            assert (sentences(left), spoken(right)) == (
                [WAIT], f"{said(GREETING)} {LISTENS} {said(ANNOUNCED)}")  # fmt: skip
            parts = sorted(path.name for path in (tmp_path / "recordings").iterdir())
            assert parts == [f"{talk.sid}-2.wav", f"{talk.sid}.wav"]


async def test_a_dropped_stream_is_fetched_back_once(tmp_path: Path) -> None:
    drops = Turn(DropStream())
    with trio.fail_after(15):
        async with house(tmp_path) as there:
            talk = await there.ring(person(TALKS, drops, TALKS_ON, drops))
            result = await talk.end()
            record = await there.closed(talk.sid)
            hook = await there.receiver.of(talk.sid, "call.ended")

            assert heard(result) == f"{said(GREETING)} {LISTENS} {said(RESUMED)} {NOTED}"
            assert (result.streams, result.ended) == (2, Ended.DROPPED)
            assert (result.status, result.warnings, result.missed) == ("completed", (), ())
            first, second = there.lab.llm.requests
            assert conversation(first) == [("assistant", said(GREETING)), ("user", WAIT)]
            assert conversation(second) == [
                *conversation(first),
                ("assistant", f"{LISTENS} {said(RESUMED)}"),
                ("user", PLEASE),
            ]
            assert (record["reason"], record["turns"]) == ("socket-lost", 2)
            assert (await kinds(there, talk.sid)).count("stream-drop") == 1
            assert len(hook.body["transcript"]) == 6
            started = [each for each in there.receiver.hooks if each.event == "call.started"]
            assert len(started) == 1


async def test_a_call_that_comes_back_by_itself_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "LOST_S", 0.3)
    with trio.fail_after(20):
        async with house(tmp_path) as there:
            late = _late("/twilio/after", 0.6)
            there.exchange.webhooks.http.event_hooks = {"request": [late]}
            talk = await there.ring(person(TALKS, Turn(DropStream()), TALKS_ON, Turn(HangUp())))
            await talk.wait(Kind.DROPPED)
            there.exchange.fail(ApiFault.RATE_LIMITED)  # the request is repeated after a second
            result = await talk.end()
            record = await there.closed(talk.sid)
            assert result.missed == ()
            assert (result.warnings, record["agent"]) == ((), "default")
    assert heard(result).endswith(NOTED)


def _late(path: str, by_s: float) -> Callable[[httpx.Request], Awaitable[None]]:
    """Holds the first request to a path up for so long."""
    held: list[httpx.Request] = []

    async def hold(request: httpx.Request) -> None:
        if request.url.path == path and not held:
            held.append(request)
            await trio.sleep(by_s)

    return hold
