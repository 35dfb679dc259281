"""The line when there is no room, and when the daemon is told to stop."""

import os
import signal
from pathlib import Path

import trio
from line_house import BUSY, GOODBYE, GREETING, HUMAN, SPARE, house
from line_tones import WAIT, heard, person, said

from voiced.lab.exchange_settings import Human
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.script import HangUp, Say, Turn

LISTENS = said("Yes, I am listening.")
TALKS = Turn(Say(WAIT))


async def test_a_stopping_daemon_finishes_its_talks_and_leaves_the_transferred(
    tmp_path: Path,
) -> None:
    human = Human(answers_after_s=0.1, talks_s=3.5)
    with trio.fail_after(25):
        async with house(tmp_path, human=human) as there:
            moved = await there.ring(person(TALKS))
            talker = await there.ring(person(TALKS, Turn(HangUp())))
            await there.turn(moved.sid, 0)
            await there.post(f"/v1/calls/{moved.sid}/transfer", to="desk")
            await moved.wait(Kind.BRIDGED)
            await there.turn(talker.sid, 0)

            os.kill(os.getpid(), signal.SIGTERM)
            status, _ = await there.ready(lambda body: body["status"] == "draining")
            assert status == 503
            late = await there.ring(person())
            refused = await late.end()
            assert (late.texts(Kind.ANNOUNCED), refused.ended) == ([BUSY], Ended.TWIML)
            dialled = await there.http.post("/v1/calls", json={"to": HUMAN})
            assert dialled.status_code == 503
            assert dialled.json()["error"]["code"] == "draining"

            result = await talker.end()
            await there.stopped.wait()
            assert heard(result) == f"{said(GREETING)} {LISTENS}"
            assert result.ended is Ended.HUNG_UP
            assert not moved.over.is_set()
            kept = dict(there.rows("SELECT sid, coalesce(reason, status) FROM calls"))
            assert kept == {moved.sid: "transferring", talker.sid: "hangup"}

            await there.start()  # the next run knows the call that the carrier still has
            assert (await there.get(f"/v1/calls/{moved.sid}"))["status"] == "transferring"
            result = await moved.end()
            record = await there.closed(moved.sid)
            assert (result.ended, result.warnings) == (Ended.TRANSFERRED, ())
            assert record["reason"] == "transferred"
            hook = await there.receiver.of(moved.sid, "call.ended")
            assert hook.is_signed


async def test_the_last_call_of_a_stopping_daemon_is_seen_to_its_end(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with house(tmp_path) as there:
            talk = await there.ring(person(TALKS))
            await there.turn(talk.sid, 1)
            os.kill(os.getpid(), signal.SIGTERM)
            await there.post(f"/v1/calls/{talk.sid}/hangup")
            result = await talk.end()
            assert heard(result) == f"{said(GREETING)} {LISTENS} {said(GOODBYE)}"
            assert result.ended is Ended.SERVER_CLOSED
    assert result.warnings == ()


async def test_a_caller_for_whom_no_ear_is_left_is_told_so_or_rings_elsewhere(
    tmp_path: Path,
) -> None:
    with trio.fail_after(15):
        async with house(tmp_path, stt_slots=1) as there:
            status, _ = await there.ready(lambda body: body["engines"][0]["slots"] == 1)
            assert status == 200
            first = await there.ring(person(TALKS, Turn(HangUp())))
            await there.turn(first.sid, 0)
            status, ready = await there.ready()
            assert (status, ready["status"]) == (503, "stt-slots")

            second = await there.ring(person(), caller="+33612345679")
            refused = await second.end()
            assert (second.texts(Kind.ANNOUNCED), refused.transfers) == ([BUSY], ())
            assert refused.ended is Ended.TWIML

            third = await there.ring(person(), caller="+33633000001")
            (elsewhere,) = (await third.end()).transfers
            assert (elsewhere.number, elsewhere.status) == (SPARE, "completed")
            assert there.entry(elsewhere.call_sid).sender == "+33633000001"

            result = await first.end()
            assert heard(result) == f"{said(GREETING)} {LISTENS}"
            await there.closed(first.sid)
            assert (await there.ready())[0] == 200
            assert len((await there.get("/v1/calls"))["calls"]) == 1
