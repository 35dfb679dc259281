"""Runs a command of the operator's to its end, or until Ctrl-C."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import trio

from voiced.client.address import Address
from voiced.client.api import Api, open_api
from voiced.errors import VoicedError

Tell: TypeAlias = Callable[[str], None]
ApiCommand: TypeAlias = Callable[[Api, Tell], Awaitable[int]]


async def on(address: Address, command: ApiCommand, tell: Tell) -> int:
    """Runs the command on the daemon at this address; returns its exit code.

    Raises:
        ApiFailed: the daemon was not reached, or said no.
    """
    async with open_api(address) as api:
        return await command(api, tell)


async def until_interrupted(command: Callable[[], Awaitable[int]]) -> int | None:
    """Runs the command; returns its exit code, or None when Ctrl-C ended it.

    A KeyboardInterrupt would come out in the groups of the nurseries that it passed.

    Raises:
        VoicedError: what the command raises.
        BrokenPipeError: nobody reads what it tells any more.
    """
    code: int | None = None
    failed: VoicedError | BrokenPipeError | None = None
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            try:
                code = await command()
            except (VoicedError, BrokenPipeError) as error:
                failed = error
            nursery.cancel_scope.cancel(reason="the command has ended")
    if failed is not None:
        raise failed
    return code


async def _cancel_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel(reason="Ctrl-C")
        return
