"""What a call holds is on its own account."""

import pytest
import trio

from voiced.ops import held


def test_what_is_let_go_is_off_the_account() -> None:
    with held.account() as account:
        with held.holding("socket"), held.holding("socket"), held.holding("slot"):
            assert +account == {"socket": 2, "slot": 1}
        assert not +account


def test_it_is_let_go_in_an_error_too() -> None:
    with held.account() as account:
        with pytest.raises(ValueError, match="boom"), held.holding("socket"):
            raise ValueError("boom")
        assert not +account


async def test_tasks_book_on_the_account_of_the_call_that_started_them() -> None:
    async def engine() -> None:
        with held.holding("socket"):
            await trio.sleep_forever()

    async def call(name: str) -> None:
        with held.account() as accounts[name]:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine)
                await done.wait()
                nursery.cancel_scope.cancel()

    accounts: dict[str, dict[str, int]] = {}
    done = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "a")
        nursery.start_soon(call, "b")
        await trio.testing.wait_all_tasks_blocked()
        assert accounts == {"a": {"socket": 1}, "b": {"socket": 1}}
        done.set()
    assert accounts == {"a": {"socket": 0}, "b": {"socket": 0}}


def test_outside_of_calls_nothing_is_booked() -> None:
    with held.holding("socket"):
        pass
    with held.account() as account:
        assert not account
