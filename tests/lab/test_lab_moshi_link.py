"""Pings and time limits of the stand-in moshi-server, in virtual time."""

import msgpack
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from voiced.lab.ear import scripted_ears
from voiced.lab.faults import Fault
from voiced.lab.moshi_link import Pings, transmit
from voiced.lab.moshi_stt import SttModule
from voiced.lab.moshi_tts import TtsModule
from voiced.lab.server import Signal
from voiced.lab.voice import ToneVoice

AUDIO = msgpack.packb({"type": "Audio", "pcm": [0.0]})


@define
class FakeSocket:
    """A WebSocket whose client sends one frame every so many seconds."""

    every_s: float = 1e9
    frame: bytes | Signal = Signal.CONTROL
    sent: list[bytes] = field(factory=list)
    pings: list[float] = field(factory=list)
    ends: list[str] = field(factory=list)

    async def receive(self) -> bytes | Signal:
        await trio.sleep(self.every_s)
        return self.frame

    async def send(self, message: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()
        self.pings.append(trio.current_time())

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
        self.ends.append("close")

    def drop(self) -> None:
        self.ends.append("drop")


@pytest.mark.parametrize(
    ("pings", "times"), [(Pings.ALWAYS, [10, 20, 30]), (Pings.WHEN_QUIET, [22, 32])]
)
async def test_one_module_pings_always_and_one_when_it_is_quiet(
    autojump_clock: MockClock, pings: Pings, times: list[float]
) -> None:
    ws = FakeSocket()
    send, receive = trio.open_memory_channel[bytes](1)
    began = trio.current_time()
    with trio.move_on_after(35):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transmit, ws, receive, Fault, pings)
            for _message in range(4):
                await send.send(AUDIO)
                await trio.sleep(4)
    assert [round(at - began) for at in ws.pings] == times
    assert ws.sent == [AUDIO] * 4


async def test_a_tts_client_that_answers_pings_is_never_timed_out(
    autojump_clock: MockClock,
) -> None:
    module = TtsModule(1, ToneVoice())
    with trio.move_on_after(3_600) as hour:
        await module.speak(FakeSocket(every_s=10), "")
    assert hour.cancelled_caught
    assert module.used_slots == 1


async def test_a_tts_client_that_is_dumb_is_cut_after_30_s(autojump_clock: MockClock) -> None:
    ws, began = FakeSocket(), trio.current_time()
    await TtsModule(1, ToneVoice()).speak(ws, "")
    assert 30 <= trio.current_time() - began <= 31
    assert ws.ends == ["close", "drop"]


@pytest.mark.parametrize(("every_s", "cut_s"), [(1e9, 20), (15, 135)])
async def test_an_stt_client_is_cut_after_20_s_without_a_frame_and_120_s_without_audio(
    autojump_clock: MockClock, every_s: float, cut_s: float
) -> None:
    ws, began = FakeSocket(every_s=every_s), trio.current_time()
    await SttModule(1, scripted_ears(())).listen(ws)
    assert round(trio.current_time() - began) == cut_s
    assert ws.ends == ["drop"]  # never a Close frame
