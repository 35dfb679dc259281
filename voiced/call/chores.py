"""What the house does beside its calls, and nobody on the line waits for."""

import trio
from attrs import frozen

from voiced.call.enquiries import Enquiries
from voiced.call.errands import Errands
from voiced.call.extractions import Extractions
from voiced.call.memory import Memory
from voiced.call.parties import Entry
from voiced.call.register import Register
from voiced.ops.busy import Busy


@frozen
class Chores:
    """The errands to the carrier, the enquiries about who calls, the memory of it, and what is to
    be learnt from calls."""

    errands: Errands
    enquiries: Enquiries
    memory: Memory
    extractions: Extractions
    register: Register

    @property
    def busy(self) -> Busy:
        """What must not be cut off in the middle, if that can be helped."""
        return self.errands.busy

    async def run(self) -> None:
        """All of it, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.errands.run)
            nursery.start_soon(self.enquiries.run)
            nursery.start_soon(self.memory.run)
            nursery.start_soon(self.extractions.run)
            await self._see_off()

    async def _see_off(self) -> None:
        """Takes leave of each call that is over. One that comes and goes unseen, between two
        steps of this task, has not said anything."""
        before: dict[int, Entry] = {}
        while True:
            there = {id(entry): entry for entry in self.register.calls.values()}
            for name in before.keys() - there.keys():
                self.enquiries.drop(before[name])
                self.memory.over(before[name])
            before = there
            await self.register.wait_change()
