"""Counts what is under way, for whoever wants to stop when nothing is."""

from types import TracebackType

import trio


class Busy:
    """`with busy:` stands around a piece of work; `enter` and `leave` where no block can."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = trio.Event()
        self._idle.set()

    def enter(self) -> None:
        """One more piece of work is there."""
        if not self._count:
            self._idle = trio.Event()
        self._count += 1

    def leave(self) -> None:
        """One of them is done."""
        self._count -= 1
        if not self._count:
            self._idle.set()

    def __enter__(self) -> None:
        self.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    async def wait_idle(self) -> None:
        """Returns when nothing is under way."""
        await self._idle.wait()
