"""The counting of slots and calls, without a server."""

import math

import pytest

from voiced.config import Agent, CartesiaTts, DeepgramStt, OpenAiLlm, Settings
from voiced.engines.capacity import Capacity, Reach
from voiced.engines.http import http_client
from voiced.engines.rooms import (
    Place,
    Poll,
    RoomState,
    calls_for,
    free_contexts,
    free_ears,
    free_voices,
    knowledge,
)


def place(*polls: Poll, leases: int = 0) -> Place:
    made = Place(leases=leases)
    for poll in polls:
        made.answered(poll)
    return made


@pytest.mark.parametrize(
    ("used", "leases_then", "leases", "free"),
    [
        (0, 0, 0, 4),
        (0, 0, 3, 1),  # admitted since
        (2, 2, 2, 2),  # all ours
        (2, 2, 0, 4),  # ours have gone since
        (3, 1, 1, 1),  # two are others'
        (1, 2, 2, 2),  # one of ours is not connected yet
        (4, 0, 0, 0),
        (4, 0, 2, 0),  # never less than none
    ],
)
def test_an_ear_is_taken_for_a_whole_call(
    used: int, leases_then: int, leases: int, free: int
) -> None:
    assert free_ears(place(Poll(used, 4, leases_then), leases=leases)) == free


def test_only_the_last_poll_counts_for_ears() -> None:
    assert free_ears(place(Poll(4, 4, 0), Poll(0, 4, 0))) == 4


def test_what_is_unknown_limits_nothing() -> None:
    assert free_ears(place(leases=9)) == math.inf
    assert free_voices(place(leases=9), 2.0) == math.inf


@pytest.mark.parametrize(
    ("used", "leases", "free"), [(0, 0, 16), (8, 0, 16), (3, 15, 1), (8, 16, 0), (0, 17, 0)]
)
def test_a_voice_is_shared_by_calls(used: int, leases: int, free: int) -> None:
    assert free_voices(place(Poll(used, 8, leases), leases=leases), 2.0) == free


def test_voices_that_others_fill_time_and_again_are_no_room() -> None:
    full = Poll(8, 8, 1)
    assert free_voices(place(full, full), 2.0) == 16
    assert free_voices(place(full, full, full), 2.0) == 0
    assert free_voices(place(full, full, full, Poll(7, 8, 1)), 2.0) == 16
    assert free_voices(place(full, Poll(7, 8, 1), full, full), 2.0) == 16
    assert free_voices(place(full, Poll(7, 8, 1), full, full, full), 2.0) == 0


def test_voices_that_we_may_have_filled_ourselves_are_shared_on() -> None:
    assert free_voices(place(*[Poll(8, 8, 8)] * 3, leases=8), 2.0) == 8


@pytest.mark.parametrize(
    ("concurrency", "leases", "free"),
    [(None, 0, math.inf), (None, 999, math.inf), (1, 0, 4), (5, 0, 20), (5, 19, 1), (5, 20, 0),
     (2, 9, 0)],
)  # fmt: skip
def test_a_cloud_account_carries_four_calls_for_each_reply_at_once(
    concurrency: int | None, leases: int, free: float
) -> None:
    assert free_contexts(place(leases=leases), concurrency) == free


@pytest.mark.parametrize(
    ("slots", "share", "calls"),
    [(8, 2.0, 16), (3, 1.5, 4), (100, 0.29, 29), (1, 0.5, 1), (0, 2.0, 0), (10, 0.1, 1)],
)
def test_slots_carry_whole_calls(slots: int, share: float, calls: int) -> None:
    assert calls_for(slots, share) == calls


def test_a_place_that_was_never_reached_is_away_after_one_loss() -> None:
    some = place()
    assert some.state is RoomState.UNKNOWN
    some.lost()
    assert some.state is RoomState.UNREACHABLE
    some.lost()
    some.found()
    some.lost()
    assert some.state is RoomState.OPEN


def test_a_place_is_away_after_two_losses_and_back_at_once() -> None:
    some = place()
    some.answered(Poll(4, 4, 0))
    some.lost()
    assert some.state is RoomState.OPEN
    assert free_ears(some) == 0  # what it told holds on
    some.lost()
    assert some.state is RoomState.UNREACHABLE
    assert free_ears(some) == math.inf  # and is forgotten
    some.found()
    assert some.state is RoomState.OPEN
    some.lost()
    assert some.state is RoomState.OPEN


def test_a_place_that_tells_no_more_is_unlimited() -> None:
    some = place(Poll(4, 4, 0))
    some.answered(None)
    assert free_ears(some) == math.inf


async def test_what_is_in_no_table_is_not_limited_and_not_waited_for() -> None:
    deep = DeepgramStt()
    assert knowledge(deep).free(place(Poll(4, 4, 0), leases=9), deep) == math.inf
    ours = Settings(
        stt={"deep": deep},
        llm={"mind": OpenAiLlm()},
        tts={"voice": CartesiaTts(voice="a")},
        agents={"default": Agent(stt=("deep",), llm=("mind",), tts=("voice",))},
    )
    async with http_client() as http:
        capacity = Capacity(ours, http)
        for role, name in (("llm", "mind"), ("tts", "voice")):
            assert not capacity.is_tried
            capacity.reached(role, name, Reach.OK)
        assert capacity.is_tried
