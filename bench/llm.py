"""A stand-in of an OpenAI-compatible LLM."""

import json
import re
from collections.abc import Mapping
from time import monotonic

from bench.engines import Engines
from bench.phone import Phone
from bench.reactor import Link
from bench.toolkit import calls_of, whole_request

FILLER = [f"word{letter}" for letter in "abcdefghijkl"]


class LlmLink:
    """Answers each request with twelve words, the first four of them at once; but first it asks for
    as many tools, and as often, as the caller has it do."""

    WHO = re.compile(rb"caller(\d+)x")
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
        request = whole_request(self._data)
        if request is None:
            return
        head, body, self._data = request
        if head.startswith(b"POST"):
            self._asked(body, monotonic())
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
                self._phone.answer.request_bytes = len(body)
        words = [f"{name} {' '.join(FILLER[:4])}", *(f" {word}" for word in FILLER[4:])]
        due = now + self._engines.latencies.first_token_s
        if tools := self._tools():
            self._engines.reactor.at(due, lambda: self._wants(calls_of(body, tools), now))
        else:
            self._engines.reactor.at(due, lambda: self._first(words, due))

    def _tools(self) -> int:
        """How many it is to ask for now."""
        answer = self._phone.answer if self._phone else None
        if self._phone is None or answer is None:
            return 0
        wanted, done = self._phone.manner.has_used, len(answer.rounds)
        return wanted[done] if done < len(wanted) else 0

    def _wants(self, calls: list[dict[str, object]], asked: float) -> None:
        """Asks for tools, and says nothing."""
        if self._is_gone:
            return
        if self._phone and self._phone.answer:
            self._phone.answer.rounds.append((asked, monotonic()))
        delta = {"tool_calls": calls}
        self._link.send(self.HEAD + _event(delta, "tool_calls") + _END)
        self._release()

    def _first(self, words: list[str], due: float) -> None:
        if self._phone and self._phone.answer:
            self._phone.answer.first_token = monotonic()
        self._link.send(self.HEAD)
        self._next(words, due)

    def _next(self, words: list[str], due: float) -> None:
        if self._is_gone:
            return
        if not words:
            self._link.send(_END)
            self._release()
            return
        self._link.send(_event({"content": words[0]}, None if words[1:] else "stop"))
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


def _event(delta: Mapping[str, object], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _chunk(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_END = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
