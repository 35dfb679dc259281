"""Webhooks of calls that ring, and a flood of them: as many as are answered."""

from collections.abc import Sequence
from time import monotonic
from urllib.parse import urlencode

from bench.reactor import Reactor
from voiced.wire.signature import sign

TOKEN = "0123456789abcdef0123456789abcdef"  # of the benchmark only
WRONG = "fedcba9876543210fedcba9876543210"
"""Signs what must be refused: a signature of the right form costs the daemon the most."""

CALLED = "+33199999999"
AT_ONCE = 16
"""Requests under way: enough that the daemon never waits for one."""


def voice(port: int, call_sid: str, token: str = TOKEN, called: str = CALLED) -> bytes:
    """The whole request of Twilio's that a call rings."""
    url = f"http://127.0.0.1:{port}/twilio/voice"
    form = {"CallSid": call_sid, "From": "+33100000000", "To": called}
    body = urlencode(form).encode()
    head = (
        f"POST /twilio/voice HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        f"X-Twilio-Signature: {sign(token, url, form)}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    return head.encode() + body


class Flood:
    """Sends requests, `AT_ONCE` at a time, each on a connection of its own."""

    def __init__(self, reactor: Reactor, port: int, requests: Sequence[bytes]) -> None:
        self.answers: list[bytes] = []
        """What came back, whole; in the order in which it came."""
        self._reactor = reactor
        self._port = port
        self._size = len(requests)
        self._requests = iter(requests)

    def run(self, within_s: float) -> float:
        """Returns when all are answered, with the seconds that took; or when time is up."""
        began = monotonic()
        for _ in range(AT_ONCE):
            self._next()
        self._reactor.run_until(began + within_s, lambda: len(self.answers) == self._size)
        return monotonic() - began

    def count(self, *marks: bytes) -> int:
        """The answers that hold all of these."""
        return sum(all(mark in answer for mark in marks) for answer in self.answers)

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            return
        link, answer = self._reactor.connect(self._port), bytearray()

        def closed() -> None:
            self.answers.append(bytes(answer))
            self._next()

        link.received, link.closed = answer.extend, closed
        link.send(request)
