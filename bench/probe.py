"""`voiced run`, pinned to a core and with a few clocks put into it: `probe CONFIG CORE FILE`.

The clocks: how late the pacer wakes, and how long it takes from the decision to stop a reply to
the `clear` that has been handed to the socket. They are kept in memory and written at the end.
"""

import json
import os
import sys
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import trio
from attrs import define, field

from voiced.call.leg import Leg
from voiced.cli import main as voiced
from voiced.web.media import WebSocket

Method = Callable[..., Any]
CLEAR = '{"event":"clear"'


@define
class Clocks:
    """When, on the monotonic clock, and how many seconds, in turn; flat, for memory's sake."""

    pacer: "array[float]" = field(factory=lambda: array("d"))
    clears: "array[float]" = field(factory=lambda: array("d"))

    def pairs(self) -> dict[str, list[tuple[float, float]]]:
        """(when, seconds) by clock."""
        clocks = {"pacer": self.pacer, "clears": self.clears}
        return {name: [*zip(each[::2], each[1::2], strict=True)] for name, each in clocks.items()}


def install(clocks: Clocks) -> None:
    """Puts the clocks into the classes of the daemon."""
    decided: dict[str, float] = {}

    def paced(wait: Method) -> Method:
        async def wait_due(leg: Any) -> None:
            began, due = trio.current_time(), leg.playout.next_tick()
            await wait(leg)
            now = trio.current_time()
            if due is not None and began < due <= now:
                clocks.pacer.extend((monotonic(), now - due))

        return wait_due

    def cleared(clear: Method) -> Method:
        def clear_(leg: Any, when: float) -> object:
            decided[leg._outgoing.stream_sid] = when  # noqa: SLF001
            return clear(leg, when)

        return clear_

    def sent(send: Method) -> Method:
        async def send_(socket: Any, messages: Sequence[str]) -> None:
            await send(socket, messages)
            for clear in (each for each in messages if each.startswith(CLEAR)):
                sid = json.loads(clear)["streamSid"]
                if (since := decided.pop(sid, None)) is not None:
                    clocks.clears.extend((monotonic(), trio.current_time() - since))

        return send_

    _wrap(Leg, "_wait_due", paced)
    _wrap(Leg, "clear", cleared)
    _wrap(WebSocket, "send", sent)


def _wrap(owner: type, name: str, wrapper: Callable[[Method], Method]) -> None:
    if not hasattr(owner, name):
        raise SystemExit(f"bench.probe: {owner.__name__}.{name} is gone; mend the probe")
    setattr(owner, name, wrapper(getattr(owner, name)))


def main(config: str, core: str, file: str) -> int:
    """Runs the daemon; SIGTERM ends it. Without a file there are no clocks: they take memory."""
    os.sched_setaffinity(0, {int(core)})
    clocks = Clocks()
    if file:
        install(clocks)
    code = voiced(["run", f"--config={config}"])
    if file:
        Path(file).write_text(json.dumps(clocks.pairs()))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
