"""A daemon's API as far as the commands see it: told answers, on loopback, in a thread."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field, frozen

SID = "CA" + "0123456789abcdef" * 2
OTHER = "CA" + "fedcba9876543210" * 2


def call(sid: str = SID, **values: Any) -> dict[str, Any]:
    """A call as the API tells it."""
    return {
        "sid": sid, "direction": "inbound", "agent": "default", "from": "+33612345678",
        "to": "+33123456789", "status": "live", "started_at": "2026-11-21T09:13:13Z",
        "ended_at": None, "duration_s": None, "reason": None, "turns": 0, "summary": {},
        "variables": {}, "recording": False,
    } | values  # fmt: skip


def page(*calls: dict[str, Any], next: str | None = None) -> dict[str, Any]:
    return {"calls": list(calls), "next": next}


def event(id: int, kind: str, sid: str = SID, **detail: Any) -> dict[str, Any]:
    at = f"2026-11-21T09:13:{13 + id}Z"
    return {"id": id, "at": at, "call": sid, "kind": kind, "detail": detail}


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@frozen
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@frozen
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(factory=dict)


@define
class Daemon:
    """Each route has answers in order; the last one is given again and again."""

    url: str = ""
    asked: list[Asked] = field(factory=list)
    routes: dict[tuple[str, str], list[Any]] = field(factory=dict)

    def on(self, method: str, path: str, *answers: Any) -> None:
        """An answer is a JSON body, an `Answer`, or a function from the request to either."""
        self.routes[method, path] = list(answers)

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answers = self.routes.get((asked.method, asked.path))
        if answers is None:
            return Answer(404, error("not-found", "there is nothing at this address"))
        told = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(told, Callable):  # type: ignore[arg-type]
            told = told(asked)
        return told if isinstance(told, Answer) else Answer(200, told)

    def requests(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]


@contextmanager
def daemon(tls: ssl.SSLContext | None = None) -> Iterator[Daemon]:
    """Listens on a port of its own until the scope is left."""
    house = Daemon()

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query))
            told = json.loads(body) if body else None
            answer = house.answer(Asked(self.command, parts.path, query, told, headers))
            data = (
                answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            )
            with suppress(ConnectionError):  # whoever asked may have gone
                self.send(answer, data)

        def send(self, answer: Answer, data: bytes) -> None:
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(data))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = reply

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    house.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield house
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
