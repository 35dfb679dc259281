"""voiced's own client against the stand-in Cartesia, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve, frozen
from cartesia_lab import QUICK, VOICE, Lab, running
from lab_websocket import until

from voiced.config.engines import CartesiaTts as Settings
from voiced.config.secrets import Secret
from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.engines.cartesia import CartesiaTiming, CartesiaTts
from voiced.engines.cartesia_reply import ReplyTiming
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused, EngineTimeout
from voiced.lab.cartesia_faults import CartesiaFault, Kind, OnCancel

SENTENCE = "Good morning to you. The kitchen closes at ten."
TIMING = CartesiaTiming(0.01, ReplyTiming(first_s=0.3, next_s=0.3, quiet_s=0.1))


@frozen
class House:
    lab: Lab
    tts: CartesiaTts

    async def say(self, text: str = SENTENCE, pause_s: float = 0.0) -> list[SpeechEvent]:
        write, words_in = trio.open_memory_channel[str](8)
        speech_out, speech_in = trio.open_memory_channel[SpeechEvent](4096)

        async def writer() -> None:
            with write:
                for word in text.split():
                    await write.send(word)
                    if word.endswith("."):
                        await trio.sleep(pause_s)

        failure: EngineError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer)
            try:
                await self.tts.speak(words_in, speech_out)
            except EngineError as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure:
            raise failure
        speech_out.close()
        return [event async for event in speech_in]


@asynccontextmanager
async def house(
    fault: CartesiaFault | None = None,
    key: str = "lab-key",
    manner: dict[str, float | str] | None = None,
    **account,
):
    async with running(**account) as lab:
        lab.server.fault = fault or CartesiaFault()
        settings = Settings(url=lab.base, api_key=Secret(key), voice=VOICE, **(manner or {}))
        yield House(lab, CartesiaTts("cartesia", settings, TIMING, language="en"))


@asynccontextmanager
async def kept(**how) -> AsyncIterator[House]:
    async with house(**how) as ours, trio.open_nursery() as nursery:
        keep = ours.tts.run
        nursery.start_soon(keep)
        await until(lambda: ours.lab.server.connections == 1)
        yield ours
        nursery.cancel_scope.cancel()


def words(speech: list[SpeechEvent]) -> list[str]:
    return [event.text for event in speech if isinstance(event, SpokenWord)]


def seconds(speech: list[SpeechEvent]) -> float:
    return sum(len(each.mulaw) for each in speech if isinstance(each, SpokenAudio)) / 8000


@pytest.mark.parametrize("how", [house, kept])
async def test_a_reply_is_spoken(how) -> None:
    async with how() as ours:
        speech = await ours.say()
        last = [event for event in speech if isinstance(event, SpokenWord)][-1]
        assert words(speech) == SENTENCE.split()
        assert last.stop_s == pytest.approx(seconds(speech))
        (context,) = ours.lab.server.contexts
        assert context.transcript.strip() == SENTENCE


async def test_a_model_that_pauses_gets_another_context() -> None:
    async with kept() as ours:
        speech = await ours.say(pause_s=0.25)
        last = [event for event in speech if isinstance(event, SpokenWord)][-1]
        assert words(speech) == SENTENCE.split()
        assert last.stop_s == pytest.approx(seconds(speech))
        assert len(ours.lab.server.contexts) == 2


async def test_many_replies_share_a_connection() -> None:
    async with kept() as ours:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ours.say)
        assert ours.lab.server.connections == 1
        assert len(ours.lab.server.contexts) == 4


@pytest.mark.parametrize("on_cancel", OnCancel)
async def test_a_barge_in_cancels_and_the_next_reply_hears_nothing_of_it(
    on_cancel: OnCancel,
) -> None:
    slow = evolve(QUICK, speed=0.3)
    async with kept(on_cancel=on_cancel, timing=slow) as ours:
        with trio.move_on_after(0.1):
            await ours.say()
        assert words(await ours.say("Yes, of course.")) == ["Yes,", "of", "course."]
        assert len(ours.lab.server.cancelled) == 1
        assert ours.lab.server.connections == 1


@pytest.mark.parametrize("how", [house, kept])
@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        (Kind.AT_CAPACITY, EngineAtCapacity),
        (Kind.AT_CAPACITY_NAMELESS, EngineAtCapacity),
        (Kind.NO_CREDIT, EngineRefused),
        (Kind.UNKNOWN_VOICE, EngineRefused),
        (Kind.SERVER_ERROR, EngineBroken),
        (Kind.HANG, EngineTimeout),
        (Kind.DROP, EngineBroken),
        (Kind.RESET, EngineBroken),
        (Kind.CLOSE, EngineBroken),
        (Kind.MALFORMED, EngineBroken),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
async def test_every_fault_has_its_error(how, kind, failure, after) -> None:
    async with how(fault=CartesiaFault(kind, after)) as ours:
        with pytest.raises(EngineError) as caught:
            await ours.say()
    assert type(caught.value) is failure


async def test_stale_frames_are_not_heard() -> None:
    async with kept(fault=CartesiaFault(Kind.STALE)) as ours:
        speech = await ours.say("Yes.")
        assert words(speech) == ["Yes."]
        assert speech[-1].mulaw[:1] != b"\x00"


async def test_the_accounts_limit_is_waited_for() -> None:
    slow = evolve(QUICK, speed=0.05)
    async with kept(concurrency=1, timing=slow) as ours:
        with pytest.RaisesGroup(EngineAtCapacity):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.say)
                nursery.start_soon(ours.say)


async def test_a_reply_in_another_manner_is_spoken_over_several_contexts() -> None:
    async with kept(manner={"speed": 1.2, "volume": 0.8, "emotion": "calm"}) as ours:
        assert words(await ours.say(pause_s=0.25)) == SENTENCE.split()
        assert len(ours.lab.server.contexts) == 2


async def test_a_manner_that_it_does_not_have_is_told_with_its_cure() -> None:
    async with house(manner={"speed": 9.0}) as ours:
        with pytest.raises(EngineRefused, match="check speed, volume and emotion"):
            await ours.say()


async def test_a_wrong_key_is_refused() -> None:
    async with house(key="wrong") as ours:
        with pytest.raises(EngineRefused, match="api_key"):
            await ours.say()


async def test_an_idle_close_costs_no_reply() -> None:
    async with kept(timing=evolve(QUICK, idle_s=0.1)) as ours:
        await trio.sleep(0.3)
        assert words(await ours.say()) == SENTENCE.split()
