"""The webhooks' queue, as it stands in the records."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from voiced.records.model import Delivery
from voiced.records.recorder import Recorder


class Outbox(Protocol):
    """The queue on disk. Times are Unix seconds.

    Each method may raise a VoicedError or a sqlite3.Error where the database cannot be used just
    now; it is then asked again.
    """

    async def due(self, now: float, limit: int) -> Sequence[Delivery]:
        """What is to be sent by now, `limit` at most: the oldest of each webhook before the second
        of any, or the backlog of a dead endpoint would hide what others have to get.
        """
        ...

    async def next_due(self) -> float | None:
        """When the earliest is or was to be sent."""
        ...

    async def claim(self, id: int, now: float, until: float) -> bool:
        """Has it due again at `until`, if it is due by `now`; False where it is not, any more."""
        ...

    async def delivered(self, id: int) -> None: ...

    async def postpone(self, id: int, next_at: float, error: str) -> None:
        """An attempt failed; it counts."""
        ...

    async def give_up(self, id: int, error: str) -> None: ...

    async def wait_change(self) -> None:
        """Returns when something may have been added since it was called."""
        ...


@frozen
class StoredOutbox:
    """An `Outbox` in the database. All of it may raise `StoreError`."""

    recorder: Recorder

    async def due(self, now: float, limit: int) -> Sequence[Delivery]:
        """What is due, the oldest first."""
        return await self.recorder.use(lambda store: store.webhooks.due(now, limit))

    async def next_due(self) -> float | None:
        """When the next one is."""
        return await self.recorder.use(lambda store: store.webhooks.next_due())

    async def claim(self, id: int, now: float, until: float) -> bool:
        """Whether it is ours to send."""
        return await self.recorder.use(lambda store: store.webhooks.claim(id, now, until))

    async def delivered(self, id: int) -> None:
        """The endpoint has it."""
        await self.recorder.use(lambda store: store.webhooks.settle(id, "delivered"))

    async def postpone(self, id: int, next_at: float, error: str) -> None:
        """Another attempt is to be made then."""
        await self.recorder.use(lambda store: store.webhooks.settle(id, "due", next_at, error))

    async def give_up(self, id: int, error: str) -> None:
        """No more attempts are made."""
        await self.recorder.use(lambda store: store.webhooks.settle(id, "given-up", None, error))

    async def wait_change(self) -> None:
        """Returns when there may be more."""
        await self.recorder.wait_change()
