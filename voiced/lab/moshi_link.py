"""What both modules of the stand-in moshi-server share: slots, refusals, the sending task."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

import msgpack
import trio

from voiced.lab.faults import Fault, Kind
from voiced.lab.server import WebSocket

PING_S = 10.0
INBOX_MESSAGES = 4_096
"""A reply of 2,000 words sent at once, or minutes of audio."""
OUTBOX_MESSAGES = 16_384
"""The real queue has no bound; this is twenty minutes of speech."""

READY: bytes = msgpack.packb({"type": "Ready"})
NO_CHANNEL: bytes = msgpack.packb({"type": "Error", "message": "no free channels"})
NO_MESSAGE = b"\xc1\xc1"
"""0xc1 is the one byte that msgpack never uses."""

Message = Mapping[str, Any]


class Pings(Enum):
    """When a module pings its client."""

    ALWAYS = auto()  # every 10 s, streaming or not (py_module.rs)
    WHEN_QUIET = auto()  # after 10 s with nothing to send (batched_asr.rs)


async def refuse_no_channel(ws: WebSocket) -> None:
    """All slots are taken: an Error, a Close without a code, and TCP dropped without waiting."""
    await ws.send(NO_CHANNEL)
    await ws.close()
    ws.drop()


def post(outbox: trio.MemorySendChannel[bytes], message: bytes) -> None:
    """Queues a message for a client; one who does not read for minutes is cut off."""
    try:
        outbox.send_nowait(message)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return  # the connection is gone: the loop learns of it from the inbox
    except trio.WouldBlock:
        outbox.close()


async def transmit(
    ws: WebSocket,
    messages: trio.MemoryReceiveChannel[bytes],
    fault: Callable[[], Fault],
    pings: Pings,
) -> None:
    """Sends what the loop has queued, until the loop or the connection ends it."""
    progress = 0
    ping_at = trio.current_time() + PING_S
    while True:
        message = None
        try:
            with trio.move_on_at(ping_at):
                message = await messages.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            return
        if message is None:
            await ws.ping()
            ping_at = trio.current_time() + PING_S
            continue
        if pings is Pings.WHEN_QUIET:
            ping_at = trio.current_time() + PING_S
        progress += is_progress(message)
        if progress > fault().after:
            strike(ws, fault().kind)
        malformed = fault().kind is Kind.MALFORMED and progress > fault().after
        await ws.send(NO_MESSAGE if malformed else message)


def strike(ws: WebSocket, kind: Kind) -> None:
    """Cuts the connection if that is the fault; the next send finds it so."""
    if kind is Kind.RESET:
        ws.reset()
    elif kind is Kind.DROP:
        ws.drop()


def is_progress(message: bytes) -> bool:
    """An Audio or Step message: what `Fault.after` counts."""
    head = message[:16]
    return b"\xa5Audio" in head or b"\xa4Step" in head


def unpack(frame: bytes) -> Message | None:
    """A map with a `type`; None for anything else."""
    try:
        message = msgpack.unpackb(frame)
    except (ValueError, msgpack.UnpackException):
        return None
    return message if isinstance(message, dict) and "type" in message else None
