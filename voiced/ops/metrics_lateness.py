"""How late the event loop wakes those whose time has come."""

from collections.abc import Callable
from typing import Final

import trio

EVERY_S: Final = 0.25
GIVEN_UP_S: Final = 10.0
"""What lies further back is not made up for: the whole machine stood still."""


async def watch_lateness(tell: Callable[[float], None], every_s: float = EVERY_S) -> None:
    """Tells the lateness of each of its own deadlines, in seconds, until cancelled.

    It sleeps like the pacer of a call and suffers what that suffers: another task's computing, a
    long queue of tasks, a machine without a free core. Four samples a second cost less than an
    instrument, which pays with each step of every task; and a stall of a second counts four
    times, as it would for four callers.
    """
    due = trio.current_time()
    while True:
        due = max(due + every_s, trio.current_time() - GIVEN_UP_S)
        await trio.sleep_until(due)
        tell(trio.current_time() - due)
