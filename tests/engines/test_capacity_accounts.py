"""Admission by the limit that the configuration states of a cloud voice's account."""

import math

import httpx
import pytest

from voiced.config import Agent, CartesiaTts, DeepgramStt, OpenAiLlm, Secret, Settings
from voiced.engines.capacity import Capacity, Lease, Reach, Room, RoomState
from voiced.errors import CallRefused

KEY, OTHER_KEY = Secret("one"), Secret("two")


def voice(concurrency: int | None = 1, key: Secret = KEY, **how: str) -> CartesiaTts:
    return CartesiaTts(voice="a", api_key=key, concurrency=concurrency, **how)


class House:
    """Agents that are named after their only voice, or after `first+second`."""

    def __init__(self, **voices: CartesiaTts) -> None:
        names = [*voices, "+".join(voices)]
        agents = {name: Agent(stt=("d",), llm=("o",), tts=tuple(name.split("+"))) for name in names}
        settings = Settings(
            stt={"d": DeepgramStt()}, llm={"o": OpenAiLlm()}, tts=voices, agents=agents
        )
        self.capacity = Capacity(settings, httpx.AsyncClient())

    def free(self, name: str) -> float:
        return self.room(name).free

    def room(self, name: str) -> Room:
        (room,) = [room for room in self.capacity.rooms() if room.name == name]
        return room

    def lease(self, agent: str, count: int = 1) -> list[Lease]:
        return [self.capacity.lease(agent) for _ in range(count)]

    def refusal(self, agent: str) -> str:
        with pytest.raises(CallRefused) as caught:
            self.capacity.lease(agent)
        return caught.value.reason


def test_an_account_takes_four_calls_for_each_reply_at_once() -> None:
    house = House(one=voice(2))
    leases = house.lease("one", 8)
    assert house.refusal("one") == "tts-slots"
    leases[0].release()
    assert house.free("one") == 1
    house.lease("one")


def test_without_a_limit_none_is_counted() -> None:
    house = House(one=voice(None))
    house.lease("one", 50)
    assert house.free("one") == math.inf


def test_what_it_told_of_slots_is_nothing() -> None:
    assert House(one=voice(2)).room("one") == Room("tts", "one", RoomState.UNKNOWN, None, None, 8)


def test_two_voices_of_one_account_share_its_limit() -> None:
    house = House(one=voice(1), two=voice(2))
    house.lease("one", 3)
    assert (house.free("one"), house.free("two")) == (1, 5)
    house.lease("two", 2)
    assert (house.free("one"), house.free("two")) == (0, 3)
    assert house.refusal("one") == "tts-slots"


@pytest.mark.parametrize(
    "other", [voice(1, OTHER_KEY), voice(1, url="wss://elsewhere.test"), voice(None)]
)
def test_another_account_has_a_limit_of_its_own(other: CartesiaTts) -> None:
    house = House(one=voice(1), two=other)
    house.lease("one", 4)
    assert house.free("two") >= 4


def test_a_spare_takes_the_calls_beyond_the_limit() -> None:
    house = House(one=voice(1), two=voice(1, OTHER_KEY))
    house.lease("one+two", 8)
    assert (house.free("one"), house.free("two")) == (0, 0)
    assert house.refusal("one+two") == "tts-slots"


def test_a_voice_that_is_away_takes_none_whatever_its_limit() -> None:
    house = House(one=voice(9))
    for _ in range(2):
        house.capacity.reached("tts", "one", Reach.FAILED)
    assert house.free("one") == 0
    assert house.refusal("one") == "tts-unreachable"
