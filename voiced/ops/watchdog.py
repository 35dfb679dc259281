"""Feeds systemd's watchdog while the daemon is well, and says why when it does not."""

import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import trio
from attrs import frozen

from voiced.ops.systemd import Notifier
from voiced.ops.vitals import LISTENER_S, Pulse

log = logging.getLogger(__name__)

LOOKS: Final = 4
"""How often it is fed within systemd's interval, so that one bad look kills no call."""

CLOSE_S: Final = 0.5
_ASK: Final = b"GET /healthz HTTP/1.1\r\nHost: watchdog\r\n\r\n"
_ANSWER: Final = b"HTTP/1."
_EVERY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # one cannot connect to every address
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE})


@frozen
class Watchdog:
    """`pacers`: as in `Pulse`. `listener`: returns why nobody is let in, or ""."""

    notifier: Notifier
    within_s: float
    pacers: Callable[[], Mapping[str, float]]
    listener: Callable[[], Awaitable[str]]

    async def run(self) -> None:
        """Feeds it until cancelled.

        It sleeps to absolute deadlines, as the pacers do, and suffers what those suffer.
        """
        ailing = ""
        every_s = self.within_s / LOOKS
        due = trio.current_time()
        while True:
            late_s = trio.current_time() - due
            listener = await self._asked(every_s)
            ailment = Pulse(late_s, self.pacers(), listener).ailment
            if not ailment:
                self.notifier.tell(WATCHDOG=1)
            if ailment and not ailing:
                log.error("the watchdog is not fed: %s", ailment)
            elif ailing and not ailment:
                log.warning("the watchdog is fed again")
            ailing = ailment
            due = max(due + every_s, trio.current_time())  # missed looks are not made up for
            await trio.sleep_until(due)

    async def _asked(self, every_s: float) -> str:
        limit_s = min(LISTENER_S, every_s / 2)
        with trio.move_on_after(limit_s):
            return await self.listener()
        return f"no answer at our own port within {limit_s:g} s"


def here(address: Sequence[object]) -> tuple[str, int]:
    """Where a listener with this address (of `getsockname`) is reached from this machine."""
    host, port = str(address[0]), int(str(address[1]))
    return _EVERY.get(host, host), port


async def knock(host: str, port: int, context: ssl.SSLContext | None = None) -> str:
    """Asks our own front door, as a guest does; returns why that failed, or "".

    Any answer is one: also "too many at once" shows that guests are seen to. `context` where it
    speaks TLS; whose certificate it shows does not matter.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with trio.socket.socket(family) as ours:
            await ours.connect((host, port))
            return await _answer(trio.SocketStream(ours), context)
    except (OSError, trio.BrokenResourceError) as error:
        if getattr(error, "errno", None) in _FULL:
            return "too many files are open"
        return f"our own port cannot be reached ({getattr(error, 'strerror', None) or error})"


async def _answer(plain: trio.SocketStream, context: ssl.SSLContext | None) -> str:
    stream: trio.abc.Stream = plain
    if context is not None:
        stream = trio.SSLStream(plain, context, https_compatible=True)
    try:
        await stream.send_all(_ASK)
        received = b""
        while len(received) < len(_ANSWER):
            data = await stream.receive_some(1024)
            if not data:
                return "our own port answers nothing"
            received += data
    finally:
        with trio.move_on_after(CLOSE_S, shield=True):
            await trio.aclose_forcefully(stream)
    return "" if received.startswith(_ANSWER) else "our own port speaks no HTTP"


def any_certificate() -> ssl.SSLContext:
    """For `knock`: TLS, whoever the other side says that it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = (False, ssl.CERT_NONE)
    return context
