"""A voice without a free slot, and its spare: moshi-server's and Cartesia's refusals, for real.

What the failure table promises: 300 ms of retries with backoff, then the spare; without one the
failure, of which the call makes its apology.
"""

from collections.abc import AsyncIterator

import msgpack
import pytest
import trio
from attrs import define, field
from cartesia_peers import SENTENCE, Cartesia, Serve, engine, error, say, saying
from engine_peers import FULL, READY, Line, Peer, packed, pcm_frame

from voiced.config.engines import MoshiTts as Settings
from voiced.engines.breaker import Breakers, BreakerState
from voiced.engines.fallback import Failover
from voiced.engines.fallback_tts import FallbackTts, FallbackTtsTiming
from voiced.engines.moshi_tts import MoshiTts, TtsTiming
from voiced.engines.roles import Tts
from voiced.errors import EngineAtCapacity

LIMITED = saying(error("?", status_code=429, error_code="concurrency_limited"))
TRIES = [0, 0.05, 0.125, 0.2375, 0.3]


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Serve]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


@define(eq=False)
class Moshi:
    """Has no slot for its first `refusals` guests, and notes when each came."""

    refusals: int = 99
    came: list[float] = field(factory=list)

    async def __call__(self, line: Line) -> None:
        self.came.append(trio.current_time())
        websocket = await line.accept()
        if len(self.came) <= self.refusals:
            await websocket.send_message(FULL)
            await line.close_without_code()
            await trio.sleep_forever()
        await websocket.send_message(READY)
        words: list[str] = []
        while (message := msgpack.unpackb(await websocket.get_message()))["type"] != "Eos":
            words += message["text"].split()
        for index, word in enumerate(words):
            times = {"start_s": index * 0.08, "stop_s": (index + 1) * 0.08}
            await websocket.send_message(packed("Text", text=word, **times))
            await websocket.send_message(pcm_frame(0.25))
        await line.close_without_code()
        await trio.sleep_forever()


def moshi(served: Peer, slot_s: float = 0.3) -> MoshiTts:
    return MoshiTts("kyutai", Settings(), timing=TtsTiming(slot_s=slot_s), connect=served.connect)


def asked(cloud: Cartesia) -> list[float]:
    """When each context was begun."""
    begun = [each["context_id"] for each in cloud.requests]
    return [cloud.said_at[begun.index(context)] for context in cloud.contexts]


def several(told: list[Failover], breakers: Breakers, *voices: Tts) -> FallbackTts:
    return FallbackTts(voices, breakers, FallbackTtsTiming(), told.append)


async def test_a_spare_speaks_after_300_ms_of_asking(peer: Serve, autojump_clock) -> None:
    full, cloud = Moshi(), Cartesia()
    told: list[Failover] = []
    breakers = Breakers()
    voice = several(told, breakers, moshi(peer(full)), engine(peer(cloud)))
    began = trio.current_time()
    spoken = await say(voice, SENTENCE)
    assert spoken.letters == "Tkcat"
    assert [at - began for at in full.came] == pytest.approx(TRIES)
    assert cloud.said_at[0] - began == pytest.approx(0.3)
    assert [(each.engine, each.reason, each.spare) for each in told] == [
        ("kyutai", "capacity", "cartesia")
    ]
    # No slot is no fault: the next reply asks it again.
    assert breakers.of("tts", "kyutai").state(trio.current_time()) is BreakerState.CLOSED


async def test_without_a_spare_it_is_a_failure_after_as_long(peer: Serve, autojump_clock) -> None:
    full = Moshi()
    began = trio.current_time()
    with pytest.raises(EngineAtCapacity):
        await say(moshi(peer(full)), SENTENCE)
    assert [at - began for at in full.came] == pytest.approx(TRIES)


async def test_a_slot_that_comes_free_needs_no_spare(peer: Serve, autojump_clock) -> None:
    busy, cloud = Moshi(refusals=4), Cartesia()
    told: list[Failover] = []
    spoken = await say(several(told, Breakers(), moshi(peer(busy)), engine(peer(cloud))), SENTENCE)
    assert [word.text for word in spoken.words] == SENTENCE
    assert (cloud.requests, told) == ([], [])


@pytest.mark.parametrize("slot_s", [0.0, 0.1, 1.0])
async def test_the_time_is_the_voices_own_but_no_less_than_the_stand_ins(
    peer: Serve, autojump_clock, slot_s: float
) -> None:
    cloud = Cartesia()
    voice = several([], Breakers(), moshi(peer(Moshi()), slot_s), engine(peer(cloud)))
    began = trio.current_time()
    await say(voice, SENTENCE)
    assert max(slot_s, 0.2) <= cloud.said_at[0] - began <= max(slot_s, 0.3) + 0.001


async def test_the_limit_of_a_cloud_account_is_the_same(peer: Serve, autojump_clock) -> None:
    cloud, local = Cartesia(faults=[LIMITED] * 99), Moshi(refusals=0)
    told: list[Failover] = []
    voice = several(told, Breakers(), engine(peer(cloud)), moshi(peer(local)))
    began = trio.current_time()
    spoken = await say(voice, SENTENCE)
    assert [word.text for word in spoken.words] == SENTENCE
    assert [at - began for at in asked(cloud)] == pytest.approx(TRIES)
    assert local.came[0] - began == pytest.approx(0.3)
    assert [each.reason for each in told] == ["capacity"]


async def test_the_limit_counts_from_the_first_word_not_from_the_call_for_it(
    peer: Serve, autojump_clock
) -> None:
    cloud = Cartesia(faults=[LIMITED] * 99)
    began = trio.current_time()
    with pytest.raises(EngineAtCapacity):
        await say(engine(peer(cloud)), [5.0, *SENTENCE])
    assert [at - began - 5 for at in asked(cloud)] == pytest.approx(TRIES)


async def test_no_room_anywhere_is_a_failure(peer: Serve, autojump_clock) -> None:
    cloud = Cartesia(faults=[LIMITED] * 99)
    told: list[Failover] = []
    voice = several(told, Breakers(), moshi(peer(Moshi())), engine(peer(cloud)))
    began = trio.current_time()
    with pytest.raises(EngineAtCapacity):
        await say(voice, SENTENCE)
    assert trio.current_time() - began == pytest.approx(0.6)
    assert [each.spare for each in told] == ["cartesia", None]


@pytest.mark.parametrize("after_s", [0.01, 0.06, 0.29])
async def test_a_barge_in_while_it_waits_leaves_nothing_open(
    peer: Serve, autojump_clock, after_s: float
) -> None:
    served = peer(Moshi())
    with trio.move_on_after(after_s) as scope:
        await say(moshi(served), SENTENCE)
    assert scope.cancelled_caught
    assert served.all_closed
    count = len(served.lines)
    await trio.sleep(1)
    assert len(served.lines) == count


async def test_times_that_run_backwards_are_put_in_order_for_the_call(
    peer: Serve, autojump_clock
) -> None:
    """Whichever voice it is: words in their order, and none of them lost or said twice."""
    odd = saying(
        {"type": "timestamps", "context_id": "?", "word_timestamps": {
            "words": ["we", "open", "at", "nine"],
            "start": [0.3, 0.1, -5.0, 1e9], "end": [0.1, 0.2, -6.0, 0.0]}},
        {"type": "chunk", "context_id": "?", "data": "f39/" * 2000},
        {"type": "done", "context_id": "?"},
    )  # fmt: skip
    voice = several([], Breakers(), engine(peer(Cartesia(faults=[odd]))))
    spoken = await say(voice, ["we", "open", "at", "nine"])
    starts = [word.start_s for word in spoken.words]
    assert [word.text for word in spoken.words] == ["we", "open", "at", "nine"]
    assert starts == sorted(starts)
    assert all(word.start_s <= (word.stop_s or word.start_s) for word in spoken.words)
