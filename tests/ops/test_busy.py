"""Idle is when the last piece of work is done."""

import pytest
import trio
from trio.testing import MockClock

from voiced.ops.busy import Busy


async def test_who_waits_is_told_when_the_last_is_done(autojump_clock: MockClock) -> None:
    busy = Busy()
    await busy.wait_idle()

    async def work(seconds: float) -> None:
        with busy:
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        for seconds in (1, 3, 2):
            nursery.start_soon(work, seconds)
        await trio.testing.wait_all_tasks_blocked()
        await busy.wait_idle()
        assert trio.current_time() == pytest.approx(3)


async def test_work_that_fails_is_done_as_well(autojump_clock: MockClock) -> None:
    busy = Busy()
    with pytest.raises(ValueError, match="no"), busy:
        raise ValueError("no")
    await busy.wait_idle()


async def test_what_is_put_down_by_one_may_be_taken_up_by_another(
    autojump_clock: MockClock,
) -> None:
    busy = Busy()
    busy.enter()
    with trio.move_on_after(1) as waiting:
        await busy.wait_idle()
    assert waiting.cancelled_caught
    busy.leave()
    await busy.wait_idle()
