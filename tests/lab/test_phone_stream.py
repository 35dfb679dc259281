"""A stream's life on a virtual clock, against an agent of a few lines."""

import base64
import json

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import CloseReason, ConnectionClosed

from voiced.lab.carrier import Carrier, Playback
from voiced.lab.phone_ear import is_loud, measure
from voiced.lab.phone_record import Ended, Kind, PhoneEvent
from voiced.lab.phone_stream import StreamCall
from voiced.lab.phone_wire import StreamMessages
from voiced.lab.script import After, Cue, HangUp, Press, Say, Turn
from voiced.lab.script_player import ScriptPlayer

SID = "MZ" + "2" * 32
VOICE = b"\x10"


class Agent:
    """The server's end of the socket: `hear` is what it was sent, `say` what it sends."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[str | bytes](1_000)
        self.heard: list[tuple[float, dict[str, object]]] = []

    async def get_message(self) -> str | bytes:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise ConnectionClosed(CloseReason(1000, None)) from None

    async def send_message(self, message: str) -> None:
        await trio.lowlevel.checkpoint()
        self.heard.append((trio.current_time(), json.loads(message)))

    def close(self) -> None:
        self._send.close()

    def say(self, seconds: float) -> None:
        payload = base64.b64encode(VOICE * int(seconds * 8_000)).decode()
        self._put("media", media={"payload": payload})

    def mark(self, name: str) -> None:
        self._put("mark", mark={"name": name})

    def clear(self) -> None:
        self._put("clear")

    def _put(self, event: str, **body: object) -> None:
        self._send.send_nowait(json.dumps({"event": event, "streamSid": SID, **body}))

    def all(self, event: str) -> list[tuple[float, dict[str, object]]]:
        return [(at, message) for at, message in self.heard if message["event"] == event]


class Phone:
    """A `StreamCall` with an agent, and what it told."""

    def __init__(self, *turns: Turn, speech_s: float = 1.0, chunk_bytes: int = 160) -> None:
        self.agent, self.origin = Agent(), trio.current_time()
        self.events: list[PhoneEvent] = []
        self.call = StreamCall(
            self.agent,
            StreamMessages(SID, "CA1", "AC1"),
            Carrier(SID, Playback(self.origin)),
            ScriptPlayer(turns),
            [VOICE * int(speech_s * 8_000)] * len(turns),
            self.events.append,
            chunk_bytes,
        )

    async def run(self, max_call_s: float = 100.0) -> None:
        await self.call.run({}, max_call_s)

    def kinds(self) -> list[Kind]:
        return [event.kind for event in self.events]


HANG_UP = Turn(HangUp(), After(Cue.SILENCE, 1.0))


async def test_the_caller_is_heard_every_20_ms_on_absolute_deadlines(
    autojump_clock: MockClock,
) -> None:
    phone = Phone(HANG_UP)
    await phone.run()
    media = phone.agent.all("media")
    assert [at - phone.origin for at, _ in media] == pytest.approx(
        [n * 0.02 for n in range(1, len(media) + 1)]
    )
    assert [m["media"]["timestamp"] for _, m in media[:3]] == ["0", "20", "40"]
    assert media[0][1]["media"]["payload"] == base64.b64encode(b"\xff" * 160).decode()
    assert len(media) == 49  # it hung up at 1 s


@pytest.mark.parametrize("size", [80, 137, 160, 320])
async def test_packets_may_have_any_size(autojump_clock: MockClock, size: int) -> None:
    phone = Phone(HANG_UP, chunk_bytes=size)
    await phone.run()
    packets = [base64.b64decode(m["media"]["payload"]) for _, m in phone.agent.all("media")]
    assert {len(packet) for packet in packets} == {size}
    assert 49 * 160 - sum(map(len, packets)) < size


async def test_marks_come_back_when_the_caller_has_heard_so_far(
    autojump_clock: MockClock,
) -> None:
    phone = Phone(HANG_UP)
    phone.agent.say(0.25)
    phone.agent.mark("a")
    phone.agent.say(0.25)
    phone.agent.mark("b")
    await phone.run()
    echoes = {m["mark"]["name"]: at - phone.origin for at, m in phone.agent.all("mark")}
    assert echoes == pytest.approx({"a": 0.25, "b": 0.5})


async def test_a_conversation_is_measured_at_the_callers_ear(autojump_clock: MockClock) -> None:
    phone = Phone(Turn(Say("hello")), Turn(Say("wait"), After(Cue.INTO_REPLY, 2.0)), HANG_UP)

    async def agent() -> None:
        phone.agent.say(2.0)  # the greeting, heard from 0 to 2 s; "hello" from 2.7 s to 3.7 s
        await trio.sleep_until(phone.origin + 4.5)
        phone.agent.say(30.0)
        phone.agent.mark("end")
        await trio.sleep_until(phone.origin + 7.0)  # "wait" from 6.5 s to 7.5 s
        phone.agent.clear()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent)
        await phone.run()
    recording = phone.call.recording
    hello, wait = measure(recording.utterances, recording.caller_ear.runs, recording.agent_ear.runs)
    assert hello.spoken.start_s == pytest.approx(2.7, abs=0.03)
    assert hello.answer_s == pytest.approx(4.5 - 3.7, abs=0.03)
    assert hello.yield_s is None
    assert wait.spoken.start_s == pytest.approx(6.5, abs=0.03)
    assert wait.yield_s == pytest.approx(0.5, abs=0.03)
    assert wait.answer_s is None
    assert phone.kinds() == [
        Kind.CONNECTED,
        Kind.AGENT_SPEAKS,
        Kind.CALLER_SPEAKS,
        Kind.AGENT_SPEAKS,
        Kind.BARGE_IN,
        Kind.CALLER_SPEAKS,
        Kind.CLEARED,
    ]
    assert len(recording.agent) == pytest.approx(len(recording.caller), abs=160)
    assert recording.agent.count(VOICE) == pytest.approx(8_000 * (2.0 + 2.5), abs=160)
    assert [m["mark"]["name"] for _, m in phone.agent.all("mark")] == ["end"]


async def test_keys_are_sent_one_by_one(autojump_clock: MockClock) -> None:
    phone = Phone(Turn(Press("1#"), After(Cue.SILENCE, 0.5)), HANG_UP)
    await phone.run()
    assert [m["dtmf"]["digit"] for _, m in phone.agent.all("dtmf")] == ["1", "#"]
    assert phone.call.ended is Ended.HUNG_UP


async def test_a_stream_that_the_agent_closes_ends_the_call(autojump_clock: MockClock) -> None:
    phone = Phone(Turn(Say("hello")), HANG_UP)
    phone.agent.say(0.5)
    phone.agent.close()
    await phone.run()
    assert phone.call.ended is Ended.SERVER_CLOSED
    assert not phone.call.caller_left


async def test_a_call_without_end_is_ended(autojump_clock: MockClock) -> None:
    phone = Phone(Turn(Say("hello")))
    await phone.run(max_call_s=2.0)
    assert phone.call.ended is Ended.TOO_LONG


async def test_what_twilio_would_refuse_is_reported(autojump_clock: MockClock) -> None:
    phone = Phone(HANG_UP)
    phone.agent._put("hangup")
    await phone.run()
    assert [e.text for e in phone.events if e.kind is Kind.WARNING] == ["31951 unknown event"]


def test_an_ear_tells_speech_from_the_noise_of_a_line() -> None:
    phone_hum = bytes([0xFF - 3])  # a step or two of mu-law around silence
    assert is_loud(VOICE * 160)
    assert not is_loud(phone_hum * 160)
    assert not is_loud(b"")
