"""Whole calls in virtual time: a carrier that sends what it should not. It is counted, and the
call goes on."""

import json

import pytest
import trio
from stories import GREETING, SID, SILENT, Line, media, on_the_line
from trio.testing import MockClock

from voiced.dialog.turns import Phase

START = {
    "event": "start",
    "streamSid": SID,
    "start": {"streamSid": SID, "callSid": "CA1", "accountSid": "AC1"},
}


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        (b"\x00\xff\x80", "binary"),
        ("x" * 70_000, "message too long"),
        (json.dumps(media(1, SILENT) | {"streamSid": "MZother"}), "message of another stream"),
        ('{"event":"stop","streamSid":"MZother","stop":{}}', "message of another stream"),
        ('{"event":"media","media":{"payload":"!"}}', "payload: not base64"),
        ('{"event":"media"}', "no media"),
        (json.dumps(START), "a second start"),
    ],
    ids=["not JSON", "a list", "binary", "oversized", "foreign audio", "foreign stop",
         "no base64", "no payload", "second start"],
)  # fmt: skip
async def test_a_bad_message_in_mid_call_is_counted_and_the_call_goes_on(
    autojump_clock: MockClock, message: str | bytes, fault: str
) -> None:
    async with on_the_line() as line:
        await line.answer()
        await line.says("when do")
        line.socket.deliver(message)
        await line.says("you open")
        await line.answer()
        assert line.ear == ["Yes", "indeed", "sir"]
        assert line.told[-1] == ("user", "when do you open")
    assert line.record.summary()["wire_errors"] == 1
    assert line.record.reason == "hangup"
    if fault in {"message too long", "message of another stream", "a second start"}:
        assert line.record.leg.last_wire_error == fault


@pytest.mark.parametrize(
    "message",
    ['{"event":"weather"}', '{"event":"connected"}', '{"event":"dtmf","dtmf":{"digit":"5"}}'],
    ids=["unknown", "connected", "dtmf"],
)
async def test_a_message_that_we_do_not_need_does_no_harm(
    autojump_clock: MockClock, message: str
) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.socket.deliver(message)
        await line.says("when do you open")
        await line.answer()
    assert line.record.leg.wire_errors == 0


async def test_media_after_stop_is_not_heard(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.answer()
        packets = line.call.record().leg.packets
        line.hangs_up()
        for tick in range(10):
            line.socket.deliver(media(tick, SILENT))
        await line.over.wait()
    assert line.record.reason == "hangup"
    assert line.record.leg.packets - packets <= 1


async def test_jumps_of_the_sequence_are_counted(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.socket.deliver(media(10_000, SILENT))
        await line.waits(0.1)
    assert line.record.leg.sequence_jumps == 1
    assert line.record.summary()["sequence_jumps"] == 1


@pytest.mark.parametrize("kind", ["mark", "dtmf"])
async def test_a_flood_of_events_costs_the_flood_and_not_the_call(
    autojump_clock: MockClock, kind: str
) -> None:
    body = {"name": "1.1"} if kind == "mark" else {"digit": "5"}
    async with on_the_line() as line:
        await line.answer()
        for _ in range(1000):
            line.socket.deliver({"event": kind, "streamSid": SID, kind: body})
        await line.says("when do you open")
        await line.answer()
        assert line.ear == ["Yes", "indeed", "sir"]
    assert line.record.reason == "hangup"


async def test_a_flood_while_the_conductor_is_busy_is_dropped_and_counted(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.answer()
        leg = line.call._leg
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(100):  # without giving the conductor a chance
            leg._take(leg._parse('{"event":"dtmf","dtmf":{"digit":"5"}}'), None)
        line.call.close("operator")  # there is room for what matters
        await line.over.wait()
    assert line.record.leg.events_dropped == 67  # one went to the conductor, 32 into the queue
    assert line.record.reason == "operator"


async def test_echoes_of_marks_that_we_never_sent_prove_nothing(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.agent_speaks()
        for name in ("0.99", "1.1", "", "0.0"):
            line.socket.deliver({"event": "mark", "streamSid": SID, "mark": {"name": name}})
        await line.waits(0.1)
        assert line.call._conversation.phase is Phase.SPEAKING
        await line.answer()
        assert line.phrases == [GREETING]


async def test_audio_in_odd_packets_is_the_same_audio(autojump_clock: MockClock) -> None:
    async with on_the_line(Line()) as line:
        await line.answer()
        for size in (1, 159, 161, 0, 4000):
            line.socket.deliver(media(0, b"\xff" * size) | {"sequenceNumber": None})
        await line.says("when do you open")
        await line.answer()
        assert line.told[-1] == ("user", "when do you open")
