"""A stand-in of an OpenAI-compatible LLM."""

import json
import re
from time import monotonic

from bench.engines import Engines
from bench.phone import Phone
from bench.reactor import Link

FILLER = [f"word{letter}" for letter in "abcdefghijkl"]


class LlmLink:
    """Answers each request with twelve words, the first four of them at once."""

    WHO = re.compile(rb"caller(\d+)x")
    LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
    HEAD = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    def __init__(self, engines: Engines, link: Link) -> None:
        self._engines = engines
        self._link = link
        self._data = b""
        self._phone: Phone | None = None
        self._is_gone = False
        link.received, link.closed = self._received, self._closed
        link.keeps_open = True

    def _received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        length = self.LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not end or len(body) < size:
            return
        self._data = body[size:]
        if head.startswith(b"POST"):
            self._asked(body[:size], monotonic())
        else:
            self._link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def _asked(self, body: bytes, now: float) -> None:
        who = self.WHO.search(body)
        self._phone = self._engines.phone_of(int(who[1])) if who else None
        name = f"reply{int(who[1])}x" if who else "nobody"
        if self._phone:
            self._phone.engine_opened(self._link)
            if self._phone.answer:
                self._phone.answer.asked = now
        words = [f"{name} {' '.join(FILLER[:4])}", *(f" {word}" for word in FILLER[4:])]
        due = now + self._engines.latencies.first_token_s
        self._engines.reactor.at(due, lambda: self._first(words, due))

    def _first(self, words: list[str], due: float) -> None:
        if self._phone and self._phone.answer:
            self._phone.answer.first_token = monotonic()
        self._link.send(self.HEAD)
        self._next(words, due)

    def _next(self, words: list[str], due: float) -> None:
        if self._is_gone:
            return
        if not words:
            self._link.send(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            self._release()
            return
        delta = {"choices": [{"index": 0, "delta": {"content": words[0]}, "finish_reason": None}]}
        if len(words) == 1:
            delta["choices"][0]["finish_reason"] = "stop"
        self._link.send(_chunk(b"data: " + json.dumps(delta).encode() + b"\n\n"))
        due += self._engines.latencies.token_s
        self._engines.reactor.at(due, lambda: self._next(words[1:], due))

    def _release(self) -> None:
        """The connection goes back into voiced's pool: it is no call's any more."""
        if self._phone:
            self._phone.engine_closed(self._link)
        self._phone = None

    def _closed(self) -> None:
        self._is_gone = True
        self._engines.left(self._link, self._phone)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
