"""Every queue of a call, with its bound and what happens when it is full."""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from voiced.dialog.events import Event, SpeechEvent

EVENTS: Final = 64


def events() -> tuple[trio.MemorySendChannel[Event], trio.MemoryReceiveChannel[Event]]:
    """To the conductor. It never waits for anything slow, so a full queue is a bug: the
    `WouldBlock` of `send_nowait` ends the call. What comes from outside takes `offer`."""
    return trio.open_memory_channel[Event](EVENTS)


def offer(events: trio.MemorySendChannel[Event], event: Event) -> bool:
    """Sends an event, unless the queue is half full: a far end that floods us loses its own
    events, and the other half is kept for those that must not be lost."""
    if events.statistics().current_buffer_used >= EVENTS // 2:
        return False
    events.send_nowait(event)
    return True


def text() -> tuple[trio.MemorySendChannel[str], trio.MemoryReceiveChannel[str]]:
    """Pieces of the model's answer. Full: the model waits, as it should."""
    return trio.open_memory_channel[str](8)


def words() -> tuple[trio.MemorySendChannel[str], trio.MemoryReceiveChannel[str]]:
    """Words to the voice. Full: the model's text waits."""
    return trio.open_memory_channel[str](8)


def speech() -> tuple[trio.MemorySendChannel[SpeechEvent], trio.MemoryReceiveChannel[SpeechEvent]]:
    """The voice's audio and word times. Its reader puts them into the playout at once, so this
    never fills; how far the voice runs ahead is bounded by the words it is given."""
    return trio.open_memory_channel[SpeechEvent](8)


def errands() -> tuple[
    trio.MemorySendChannel[Callable[[], Awaitable[None]]],
    trio.MemoryReceiveChannel[Callable[[], Awaitable[None]]],
]:
    """Requests to the carrier. Full: the newest is dropped and that is logged; 256 calls' worth
    of them wait only while the carrier's API is down."""
    return trio.open_memory_channel[Callable[[], Awaitable[None]]](256)
