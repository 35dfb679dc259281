"""How a running call is led from outside, on a virtual clock."""

import trio
from trio.testing import MockClock

from voiced.lab.phone_reins import Demand, Order, Reins

END, DOCUMENT = Order(Demand.END), Order(Demand.DOCUMENT, "https://voice.example.com/next")


async def test_an_order_ends_the_innermost_thing_only(autojump_clock: MockClock) -> None:
    reins, done = Reins(), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_order_at, reins, 1.0, DOCUMENT)
        with reins.interruptible() as outer:
            with reins.interruptible() as inner:
                await trio.sleep(60)
            await trio.sleep(1)  # a polite close
            done.append("closed")
    assert done == ["closed"]
    assert inner.cancelled_caught
    assert not outer.cancelled_caught
    assert reins.take() == DOCUMENT
    assert reins.take() is None


async def test_a_second_order_ends_what_is_around_it(autojump_clock: MockClock) -> None:
    reins = Reins()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_order_at, reins, 1.0, DOCUMENT)
        nursery.start_soon(_order_at, reins, 2.0, END)
        with reins.interruptible() as outer:
            with reins.interruptible():
                await trio.sleep(60)
            await trio.sleep(60)
    assert outer.cancelled_caught
    assert reins.order == END


async def test_an_order_that_waits_ends_what_begins(autojump_clock: MockClock) -> None:
    reins = Reins()
    reins.give(END)
    with reins.interruptible() as scope:
        await trio.sleep(60)
    assert scope.cancelled_caught
    assert (reins.take(), reins.take()) == (END, END)


def test_nothing_comes_after_the_end() -> None:
    reins = Reins()
    reins.give(DOCUMENT)
    reins.give(END)
    reins.give(DOCUMENT)
    assert reins.order == END


async def test_a_time_limit_can_be_moved(autojump_clock: MockClock) -> None:
    reins = Reins()
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reins.keep_time)
        await trio.sleep(1)
        reins.limit(begun + 30)
        await trio.sleep(1)
        reins.limit(begun + 5)
        with reins.interruptible():
            await trio.sleep(60)
    assert trio.current_time() - begun == 5.0
    assert reins.order == Order(Demand.TIME_LIMIT)


async def _order_at(reins: Reins, seconds: float, order: Order) -> None:
    await trio.sleep(seconds)
    reins.give(order)
