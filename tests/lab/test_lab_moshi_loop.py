"""The loops of the stand-in moshi-server and its slots, in virtual time."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import msgpack
import pytest
import trio
from attrs import define, field
from lab_websocket import KEY, upgrade
from trio.testing import MockClock

from voiced.lab.ear import scripted_ears
from voiced.lab.engines import LabSettings, run_lab
from voiced.lab.faults import Fault, Kind
from voiced.lab.moshi_link import NO_MESSAGE, post
from voiced.lab.moshi_stt import SttModule, SttTiming
from voiced.lab.moshi_tts import TEXT_TICK_S, TtsModule, TtsTiming
from voiced.lab.server import Signal
from voiced.lab.voice import ToneVoice

Module = TtsModule | SttModule
EOS = msgpack.packb({"type": "Eos"})
MARKER = msgpack.packb({"type": "Marker", "id": 7})
FRAME = msgpack.packb({"type": "Audio", "pcm": [0.0] * 1920}, use_single_float=True)


def text(words: str) -> bytes:
    return msgpack.packb({"type": "Text", "text": words})


@define(eq=False)
class Client:
    """The far end of a WebSocket: sends these frames, then nothing until it goes."""

    frames: list[bytes | str] = field(factory=list)
    heard: list[dict[str, Any] | bytes] = field(factory=list)
    heard_at: list[float] = field(factory=list)
    ends: list[str] = field(factory=list)
    going: trio.Event = field(factory=trio.Event)

    async def receive(self) -> bytes | str | Signal:
        await trio.lowlevel.checkpoint()
        if self.frames:
            return self.frames.pop(0)
        await self.going.wait()
        return Signal.CLOSED

    async def send(self, message: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.heard.append(message if message == NO_MESSAGE else msgpack.unpackb(message))
        self.heard_at.append(trio.current_time())

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
        self.ends.append("close")

    def drop(self) -> None:
        self.ends.append("drop")

    def reset(self) -> None:
        self.ends.append("reset")

    @property
    def kinds(self) -> list[str]:
        return [each["type"] for each in self.heard if isinstance(each, dict)]

    def gaps(self, kind: str) -> list[float]:
        """Between messages of this kind, in seconds, rounded to the millisecond."""
        pairs = zip(self.heard, self.heard_at, strict=True)
        at = [when for each, when in pairs if isinstance(each, dict) and each["type"] == kind]
        return [round(b - a, 3) for a, b in pairwise(at)]


@pytest.fixture
async def background(nursery: trio.Nursery) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as own:
        yield own
        own.cancel_scope.cancel()


def voices(batch: int = 1, **options: Any) -> TtsModule:
    return TtsModule(batch, ToneVoice(), **options)


def ears(batch: int = 1, **options: Any) -> SttModule:
    return SttModule(batch, scripted_ears(()), **options)


def enter(nursery: trio.Nursery, module: Module, *frames: bytes | str, voice: str = "") -> Client:
    client = Client([*frames])
    if isinstance(module, TtsModule):
        nursery.start_soon(module.speak, client, voice)
    else:
        nursery.start_soon(module.listen, client)
    return client


async def moment(seconds: float = 0.001) -> None:
    await trio.sleep(seconds)


# --- slots --------------------------------------------------------------------------------------


async def test_a_guest_takes_the_first_slot_that_is_free(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    module = voices(3)
    await background.start(module.run)
    guests = [enter(background, module, voice=name) for name in "abc"]
    await moment()
    taken = {slot.voice for slot in module.slots if slot}
    assert taken == {"a", "b", "c"}
    middle = module.slots[1]
    assert middle is not None
    guests["abc".index(middle.voice)].going.set()
    await moment(0.1)
    assert module.slots[1] is None
    enter(background, module, voice="d")
    await moment()
    assert module.slots[1] is not None
    assert module.slots[1].voice == "d"


@pytest.mark.parametrize("make", [voices, ears])
async def test_only_the_loop_frees_a_slot(
    background: trio.Nursery, autojump_clock: MockClock, make: Any
) -> None:
    module: Module = make()
    guest = enter(background, module)
    await moment()
    guest.going.set()
    await moment(60)
    assert "drop" in guest.ends
    assert module.used_slots == 1
    await background.start(module.run)
    await moment(0.1)
    assert module.used_slots == 0


async def test_ready_is_the_doors_word_for_a_voice_and_the_loops_for_an_ear(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    speaker, listener = voices(), ears()
    told, waiting = enter(background, speaker), enter(background, listener)
    await moment(5)
    assert (told.kinds, waiting.kinds) == (["Ready"], [])
    await background.start(listener.run)
    await moment()
    assert waiting.kinds == ["Ready"]


async def test_a_voice_that_nobody_knows_is_the_default_one(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    module = voices()
    await background.start(module.run)
    guest = enter(background, module, text("one two three"), EOS, voice="no/such.wav")
    await moment(10)
    assert "Error" not in guest.kinds
    assert "Audio" in guest.kinds


# --- the loop -----------------------------------------------------------------------------------


async def test_the_voices_loop_takes_one_message_of_a_guest_each_time(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    module = voices()
    guest = enter(background, module, *[text("one")] * 9)
    await moment()
    await background.start(module.run)
    await moment(TEXT_TICK_S / 2)
    (slot,) = module.slots
    assert slot is not None
    left = []
    for _ in range(4):
        left.append(slot.inbox.statistics().current_buffer_used)
        await moment(TEXT_TICK_S)
    assert left == [8, 7, 6, 5]
    assert guest.ends == []


async def test_the_ears_loop_takes_one_message_of_a_guest_each_time(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    """So packets of a quarter of a frame need four rounds for a step."""
    module = ears(timing=SttTiming(step_ms=10))
    quarter = msgpack.packb({"type": "Audio", "pcm": [0.0] * 480}, use_single_float=True)
    busy = enter(background, module, *[quarter] * 12)
    await moment()
    await background.start(module.run)
    await moment(1)
    assert [each["buffered_pcm"] for each in busy.heard[1:]] == [0, 0, 0]
    assert busy.kinds == ["Ready", *["Step"] * 3]


async def test_a_marker_goes_by_everybodys_steps(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    module = ears(2)
    await background.start(module.run)
    waiting = enter(background, module, MARKER)
    await moment(10)
    assert waiting.kinds == ["Ready"]  # alone and silent, it never comes back
    other = enter(background, module, *[FRAME] * 6)
    await moment(1)
    assert other.kinds == ["Ready", *["Step"] * 6]
    assert waiting.kinds == ["Ready", "Marker"]


async def test_text_is_no_data_for_an_ear(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    module = ears()
    await background.start(module.run)
    guest = enter(background, module, "hello", FRAME)
    await moment(1)
    assert guest.kinds == ["Ready", "Step"]
    assert guest.ends == []


async def test_what_comes_behind_the_end_of_an_utterance_is_ignored(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    module = voices()
    await background.start(module.run)
    guest = enter(background, module, text("one"), EOS)
    await moment(20)
    assert guest.ends == ["close"]  # it waits for the guest's own
    late = enter(background, module, EOS, *[text("late")] * 3)
    await moment(20)
    assert late.kinds == ["Ready"]
    assert late.ends == ["close"]


def test_who_does_not_read_for_minutes_is_cut_off() -> None:
    outbox, inbox = trio.open_memory_channel[bytes](1)
    post(outbox, b"kept")
    post(outbox, b"too much")
    assert inbox.receive_nowait() == b"kept"
    with pytest.raises(trio.EndOfChannel):
        inbox.receive_nowait()
    post(outbox, b"nobody is there")


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "gap_s"), [(Kind.NONE, 0.032), (Kind.SLOW, 0.24)])
async def test_a_slow_voice_is_slower_than_real_time(
    background: trio.Nursery, autojump_clock: MockClock, kind: Kind, gap_s: float
) -> None:
    module = voices(timing=TtsTiming(speed=0.4), fault=Fault(kind))
    await background.start(module.run)
    guest = enter(background, module, text("one two three four"), EOS)
    await moment(30)
    assert set(guest.gaps("Audio")) == {gap_s}


@pytest.mark.parametrize(("kind", "gap_s"), [(Kind.NONE, 0.01), (Kind.SLOW, 0.24)])
async def test_a_slow_ear_is_slower_than_real_time(
    background: trio.Nursery, autojump_clock: MockClock, kind: Kind, gap_s: float
) -> None:
    module = ears(fault=Fault(kind))
    await background.start(module.run)
    guest = enter(background, module, *[FRAME] * 5)
    await moment(30)
    assert guest.gaps("Step") == [gap_s] * 4


@pytest.mark.parametrize("make", [voices, ears])
async def test_no_free_channels_may_be_said_to_whoever_asks(
    background: trio.Nursery, autojump_clock: MockClock, make: Any
) -> None:
    module: Module = make(fault=Fault(Kind.AT_CAPACITY))
    guest = enter(background, module)
    await moment()
    assert guest.heard == [{"type": "Error", "message": "no free channels"}]
    assert guest.ends == ["close", "drop"]
    assert module.used_slots == 0


async def test_an_ear_may_tell_nonsense_after_some_steps(
    background: trio.Nursery, autojump_clock: MockClock
) -> None:
    module = ears(fault=Fault(Kind.MALFORMED, after=2))
    await background.start(module.run)
    guest = enter(background, module, *[FRAME] * 3)
    await moment(1)
    assert guest.kinds == ["Ready", "Step", "Step"]
    assert guest.heard[-1] == NO_MESSAGE


@pytest.mark.parametrize(("make", "frame"), [(voices, text("one")), (ears, FRAME)])
async def test_the_first_message_may_be_answered_by_a_reset(
    background: trio.Nursery, autojump_clock: MockClock, make: Any, frame: bytes
) -> None:
    module: Module = make(fault=Fault(Kind.RESET_ON_SEND))
    guest = enter(background, module, frame)
    await moment()
    assert guest.ends == ["reset"]


async def test_a_key_may_be_refused_though_it_is_right() -> None:
    ports = {"stt_port": 0, "tts_port": 0, "llm_port": 0}
    async with trio.open_nursery() as nursery:
        lab = await nursery.start(run_lab, LabSettings(**ports, voice="tone", ear="words"))
        lab.stt.fault = lab.tts.fault = Fault(Kind.REFUSE)
        for url in (lab.stt_url, f"{lab.tts_url}?format=PcmMessagePack"):
            answer = await upgrade(url, KEY)
            assert (answer.status_code, answer.content) == (401, b"")
        nursery.cancel_scope.cancel()
