"""Keeping a model warm tells whether it can be reached."""

import math

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from voiced.engines.rooms import Reach
from voiced.engines.warm import AGAIN_S, keep_warm
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused, EngineTimeout


@define
class Stove:
    """Fails as it is told to, once each."""

    failures: list[EngineError | None]
    last_used: float = -math.inf
    warmed: list[float] = field(factory=list)

    async def warm(self) -> None:
        self.last_used = trio.current_time()
        self.warmed.append(self.last_used)
        await trio.lowlevel.checkpoint()
        if error := self.failures.pop(0):
            raise error


async def test_each_attempt_is_told(autojump_clock: MockClock) -> None:
    kinds = [EngineBroken, EngineTimeout, EngineRefused, EngineAtCapacity]
    stove = Stove([None, *[kind("local", "llm", "no") for kind in kinds], None])
    told: list[Reach] = []
    with trio.move_on_after(45 + 3 * AGAIN_S + 45 + 1):
        await keep_warm(stove, 45, told.append)
    ok, failed = Reach.OK, Reach.FAILED
    assert told == [ok, failed, failed, failed, ok, ok]
    back = 45 + 3 * AGAIN_S
    assert stove.warmed == pytest.approx([0, 45, 50, 55, back, back + 45])


async def test_nobody_need_be_told(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    stove = Stove([EngineBroken("local", "llm", "nothing listens")] * 3 + [None])
    with trio.move_on_after(50):
        await keep_warm(stove)
    assert stove.warmed == pytest.approx([0, 5, 10, 15])
    assert caplog.text.count("nothing listens") == 1
