"""The webhooks' queue, as it stands in the records."""

from collections.abc import Sequence

from attrs import frozen

from voiced.records.model import Delivery
from voiced.records.recorder import Recorder


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
