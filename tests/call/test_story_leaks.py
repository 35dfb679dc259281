"""What a call leaves behind when it is over: nothing."""

import gc
from collections import Counter

from stories import on_the_line
from trio.testing import MockClock


async def a_call() -> None:
    async with on_the_line() as line:
        await line.answer()
        await line.says("when do you open")
        await line.agent_speaks()
        await line.says("wait stop please")
        await line.agent_is_quiet()


def ours() -> Counter[str]:
    """How many objects of each class of voiced there are."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    return Counter(
        kind.__qualname__ for kind in kinds if str(kind.__module__).startswith("voiced.")
    )


async def test_calls_leave_no_object_of_ours_behind(autojump_clock: MockClock) -> None:
    await a_call()
    before = ours()
    for _ in range(5):
        await a_call()
    assert ours() - before == Counter()
