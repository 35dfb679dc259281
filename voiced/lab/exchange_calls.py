"""A call from its first ring to its last callback: the inbound one, and what all calls share."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import trio
from attrs import evolve

from voiced.lab.exchange_account import Entry, Status, date
from voiced.lab.exchange_desk import Desk
from voiced.lab.phone_call import CallResult, Page, Phase, PhoneCall
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_script import Person
from voiced.lab.phone_webhook import call_form

SIP_CODES = {
    Status.COMPLETED: 200,
    Status.BUSY: 486,
    Status.NO_ANSWER: 480,
    Status.FAILED: 404,
    Status.CANCELED: 487,
}


async def receive_call(desk: Desk, parties: CallSettings, person: Person) -> CallResult:
    """An inbound call, which the API can reach from its first ring."""
    entry = desk.entry
    entry.status = Status.RINGING
    call = open_call(desk, parties, person)
    async with delivering(desk):
        await live(call, call.front_door)
        entry.finish(_final(call))
        form = progress(parties, entry, entry.status, 0)
        desk.callbacks.put(desk.settings.status_callback, form)
    return result_of(call, desk)


def open_call(
    desk: Desk, parties: CallSettings, person: Person, phase: Phase = Phase.RINGING
) -> PhoneCall:
    """The desk's call."""
    entry, diary = desk.entry, desk.diary
    return PhoneCall(
        parties,
        person,
        diary,
        desk.webhooks,
        desk,
        entry.direction,
        entry.sid,
        phase,
        entry.reins,
    )


async def live(call: PhoneCall, page: Page, *beside: Callable[[], Awaitable[None]]) -> None:
    """Runs a call, its time limit, and what else lasts as long."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.reins.keep_time)
        for task in beside:
            nursery.start_soon(task)
        await call.run(page)
        nursery.cancel_scope.cancel(reason="the call is over")


@asynccontextmanager
async def delivering(desk: Desk) -> AsyncIterator[None]:
    """Delivers the callbacks that the block owes; waits for the last of them."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.callbacks.deliver)
        yield
        desk.callbacks.close()


def result_of(call: PhoneCall, desk: Desk) -> CallResult:
    """The result, with what only the exchange knows."""
    return evolve(call.result(), status=desk.entry.status.value, transfers=tuple(desk.transfers))


def progress(parties: CallSettings, entry: Entry, status: Status, number: int) -> dict[str, str]:
    """A status callback's form; `number` counts those of the call."""
    more = {
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(number),
        "Timestamp": date(datetime.now(UTC)) or "",
    }
    if entry.answered_by is not None:
        more["AnsweredBy"] = entry.answered_by
    if entry.is_over:
        more["CallDuration"] = str(round(entry.duration_s))
        more["Duration"] = str(math.ceil(entry.duration_s / 60))  # in minutes, as billed
        more["SipResponseCode"] = str(SIP_CODES[entry.status])
    return call_form(parties, entry.sid, status.value, entry.direction, more)


def _final(call: PhoneCall) -> Status:
    if call.phase is Phase.IN_PROGRESS:
        return Status.COMPLETED
    return Status.FAILED if call.diary.warnings else Status.BUSY
