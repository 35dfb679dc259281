"""The carrier's side of one call: HTTP, WebSocket, clock and playback."""

import json
import re
from collections import deque
from itertools import count
from time import monotonic
from typing import Any, Protocol

from bench import tones, websocket
from bench.findings import Findings, Playback, Setup
from bench.reactor import Reactor
from bench.webhooks import CALLED, TOKEN, voice
from voiced.wire.signature import sign

FRAME_S = 0.020
_STREAM_URL = re.compile(rb'url="(ws://[^"]+)"')


class Caller(Protocol):
    """Who is on this side of the line."""

    @property
    def number(self) -> int: ...

    def tick(self, now: float, packet: int) -> bytes | None:
        """The next 20 ms of the caller, base64; None when the call is over."""

    def hears(self, now: float) -> None:
        """A frame came."""

    def lost(self) -> None:
        """The call could not be made, or the daemon ended it."""


_SIDS = count()
"""Of the lines; the flood of webhooks has others."""


class Line:
    """The carrier's side of the call: HTTP, WebSocket, clock, playback."""

    def __init__(
        self, reactor: Reactor, caller: Caller, findings: Findings, called: str = CALLED
    ) -> None:
        self.plays_until = 0.0
        self.setup = Setup()
        self._began = 0.0
        self._reactor = reactor
        self._caller = caller
        self._called = called
        self._sid = f"{next(_SIDS):032x}"
        self._marks: deque[tuple[float, str]] = deque()
        self._sent_at: list[float] = []
        self._playback = Playback(findings)
        self._sequence = 1
        self._due = 0.0

    @property
    def last_sent(self) -> float:
        """When the last packet went out."""
        return self._sent_at[-1]

    # --- ringing --------------------------------------------------------------------------------

    def ring(self, port: int) -> None:
        """Asks the webhook what to do with the call."""
        self._port = port
        request = voice(port, f"CA{self._sid}", called=self._called)
        self.setup.rang = monotonic()
        link = self._link = self._reactor.connect(port)
        answer = bytearray()

        def received(data: bytes) -> None:
            answer.extend(data)
            if answer.endswith(b"</Response>"):
                self.setup.told = monotonic()
                link.close()
                self._answered(bytes(answer))

        link.received, link.closed = received, self._caller.lost
        link.send(request)

    def _answered(self, answer: bytes) -> None:
        found = _STREAM_URL.search(answer)
        if found is None:
            self._caller.lost()
            return
        url = found[1].decode()
        path = url.partition(f":{self._port}")[2]
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"X-Twilio-Signature: {sign(TOKEN, url, {})}\r\n\r\n".encode()
        )
        self.setup.asked = monotonic()
        link = self._link = self._reactor.connect(self._port)
        link.received, link.closed = self._upgraded, self._caller.lost
        link.send(request)

    def _upgraded(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 101"):
            self._link.close()
            self._caller.lost()
            return
        stream = f"MZ{self._sid}"
        self._tail = f'"}},"streamSid":"{stream}"}}'.encode()
        format_ = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"streamSid": stream, "callSid": f"CA{self._sid}", "accountSid": f"AC{self._sid}",
                 "tracks": ["inbound"], "customParameters": {}, "mediaFormat": format_}  # fmt: skip
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._send(self._numbered("start", streamSid=stream, start=start))
        frames = websocket.Frames()

        def received(data: bytes) -> None:
            for opcode, payload, _mask in frames.feed(data):
                if opcode == websocket.TEXT:
                    self._message(payload, monotonic())

        self._link.received = received
        self._due = monotonic()
        self._tick()
        received(data.partition(b"\r\n\r\n")[2])

    def _numbered(self, event: str, **more: Any) -> dict[str, Any]:
        number, self._sequence = self._sequence, self._sequence + 1
        return {"event": event, "sequenceNumber": str(number), **more}

    def _send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        self._link.send(websocket.frame(websocket.TEXT, text, client=True))

    # --- the live line --------------------------------------------------------------------------

    def _tick(self) -> None:
        now = monotonic()
        self._echo(now)
        payload = self._caller.tick(now, len(self._sent_at))
        if payload is None:
            return
        number, self._sequence = self._sequence, self._sequence + 1
        chunk = len(self._sent_at)
        text = (
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d",'
            b'"timestamp":"%d","payload":"%b%b'
            % (number, chunk + 1, 20 * chunk, payload, self._tail)
        )
        self._link.send(websocket.frame(websocket.TEXT, text, client=True))
        self._sent_at.append(now)
        self._due += FRAME_S
        self._reactor.at(self._due, self._tick)

    def _echo(self, now: float) -> None:
        while self._marks and self._marks[0][0] <= now:
            name = self._marks.popleft()[1]
            self._send(self._numbered("mark", mark={"name": name}, streamSid=f"MZ{self._sid}"))

    def _message(self, text: bytes, now: float) -> None:
        if text.startswith(b'{"event":"media"'):
            self._media(text, now)
        elif text.startswith(b'{"event":"mark"'):
            self._marks.append((max(self.plays_until, now), json.loads(text)["mark"]["name"]))
        elif text.startswith(b'{"event":"clear"'):
            self.plays_until = now
            self._playback.clear()
            self._echo(float("inf"))

    def _media(self, text: bytes, now: float) -> None:
        if now > self.plays_until:
            self.plays_until = self._began = now
            self._playback.begin()
        self.plays_until += FRAME_S
        self._playback.frame(text[-219:-3], now)
        self._caller.hears(now)

    def heard_s(self, now: float) -> float:
        """How long the caller has been hearing us by now; 0 in silence."""
        return now - self._began if now < self.plays_until else 0.0

    def sent_at(self, packet: int) -> float | None:
        """When the latest packet of this number modulo `tones.COUNT` was sent."""
        at = len(self._sent_at) - 1
        at -= (at - packet) % tones.COUNT
        return self._sent_at[at] if at >= 0 else None

    def hang_up(self) -> None:
        """`stop`, and the end of the socket behind it."""
        self._send(self._numbered("stop", streamSid=f"MZ{self._sid}", stop={}))
        self._link.close()
