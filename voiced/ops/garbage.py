"""When Python looks for garbage in everything that there is.

What nobody refers to goes by itself. Only what refers to itself, in a circle, has to be found, and
the search through all objects, a full collection, takes milliseconds in which no frame of any call
moves. CPython begins one when enough new objects have stayed: in the middle of calls. Here the
line decides: while somebody is on it there is none, and when it falls quiet there is one. The
collections of what is young go on all the time; they are brief, and leave little.

Source: CPython's gc of 3.11, 3.12 and 3.13. All three have three generations and count the same
way; 3.13 was to collect bit by bit, and went back before its release.
"""

import gc
import logging
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol

import trio
from attrs import define, field

log = logging.getLogger(__name__)

NEVER: Final = 2**31 - 1
"""As a threshold: the most that fits. With 0 the oldest generation would be collected each time
that it may be, for only the youngest takes 0 for `never`."""

LULL_S: Final = 1.0
"""So long the line has been quiet before all is searched: by then the last call has let go of what
it had, and a quick succession of calls is not interrupted."""

GROWN: Final = 100_000
"""A line that is never quiet has a full collection when Python holds so many blocks of memory more
than behind the last one. Some 40,000 objects: were all of them garbage, beside 50 calls, it would
take about as long as the carrier has audio in hand, a tenth of a second."""


class Line(Protocol):
    """Knows whether anybody is on the line."""

    async def wait_quiet(self) -> None:
        """Returns when nobody is."""

    async def wait_change(self) -> None:
        """Returns when a call has come, gone, or gone on."""


def settle() -> None:
    """Start-up is over: what there is now stays, and no collection walks through it again."""
    gc.collect()
    gc.freeze()


@define(eq=False)
class Garbage:
    """Has full collections happen when they hurt nobody.

    `line`: that of all calls; nothing is quiet while one of them is under way.
    `excuse`: called behind a collection on a quiet line, whose length need alarm nobody.
    `blocks`: of memory, that Python holds now. Its own allocator counts them; with another there
    are 0, and a line that is never quiet has no full collection.
    """

    line: Line
    excuse: Callable[[], None]
    blocks: Callable[[], int] = sys.getallocatedblocks
    _floor: int = field(default=0, init=False)

    async def run(self) -> None:
        """Until cancelled; CPython's thresholds are then as they were."""
        usual = gc.get_threshold()
        self._floor = self.blocks()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._in_lulls, usual)
                nursery.start_soon(self._in_need)
        finally:
            gc.set_threshold(*usual)

    async def _in_lulls(self, usual: tuple[int, int, int]) -> None:
        youngest, middle, oldest = usual
        while True:
            gc.set_threshold(youngest, middle, NEVER)
            await self.line.wait_quiet()
            with trio.move_on_after(LULL_S):
                await self.line.wait_change()
                continue
            if any(gc.get_count()[1:]):  # else less is new than would begin a collection
                self._collect("the line is quiet")
                self.excuse()
            # A quiet line has guests too, who come for the metrics: CPython may see to those.
            gc.set_threshold(youngest, middle, oldest)
            await self.line.wait_change()

    async def _in_need(self) -> None:
        """While calls come and go there may be more and more that nothing else finds. How long it
        takes is for the watch over slow steps to tell."""
        while True:
            await self.line.wait_change()
            if self.blocks() - self._floor > GROWN:
                self._collect("the process has grown")

    def _collect(self, reason: str) -> None:
        began, before = perf_counter(), self.blocks()
        found = gc.collect()
        took_ms, self._floor = (perf_counter() - began) * 1e3, self.blocks()
        fields = {
            "reason": reason,
            "objects": found,
            "blocks": before - self._floor,
            "took_ms": round(took_ms, 1),
        }
        log.debug("a full garbage collection", extra={"fields": fields})
