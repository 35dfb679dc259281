"""A server of embeddings in memory, whose vectors know what a few words mean."""

import json
from collections.abc import Callable, Sequence

import httpx
import numpy as np
import trio
from attrs import define, field
from engine_peers import HttpBackend, Line, Peer, http_transport

from voiced.config import OpenAiEmbeddings, Secret
from voiced.engines.embeddings import Embeddings
from voiced.engines.http import http_client

KEY = "sk-very-secret"
SENSES = ("open close hours evening dark", "cancel call off drop", "pay bill invoice money")


def sense(text: str, dimensions: int = 4) -> list[float]:
    """One number for each sense, the last for what all texts have in common."""
    words = set(text.lower().replace("?", "").split())
    known = [float(len(words & set(each.split()))) for each in SENSES]
    return [*known, *[1.0] * (dimensions - len(known))]


def ok(vectors: Sequence[Sequence[float]]) -> bytes:
    data = [{"index": n, "embedding": list(each)} for n, each in enumerate(vectors)]
    body = json.dumps({"data": data}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


Answer = Callable[[list[str]], bytes]


@define(eq=False)
class Server:
    """`answer` may be changed at any time; `delay_s` passes before each answer."""

    nursery: trio.Nursery
    answer: Answer = field(default=lambda texts: ok([sense(each) for each in texts]))
    delay_s: float = 0.0
    requests: list[bytes] = field(factory=list)
    peer: Peer = field(init=False)
    backend: HttpBackend = field(init=False)
    client: httpx.AsyncClient = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.peer = Peer(self.nursery, self._serve)
        self.backend = HttpBackend(self.peer)
        self.client = http_client(http_transport(self.backend))

    def engine(self, *, key: bool = True) -> Embeddings:
        settings = OpenAiEmbeddings(
            base_url="http://gpu:80/v1/", model="bge-m3", api_key=Secret(KEY) if key else None
        )
        return Embeddings("local", settings, self.client)

    @property
    def texts(self) -> list[list[str]]:
        """The input of each request."""
        return [json.loads(each.partition(b"\r\n\r\n")[2])["input"] for each in self.requests]

    async def close(self) -> None:
        await self.client.aclose()
        self.nursery.cancel_scope.cancel()

    async def _serve(self, line: Line) -> None:
        while request := await line.read_request():
            self.requests.append(request)
            await trio.sleep(self.delay_s)
            if request.startswith(b"GET"):
                await line.stream.send_all(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}")
            else:
                await line.stream.send_all(self.answer(self.texts[-1]))


def refusing(status: int, code: str = "") -> Answer:
    body = json.dumps({"error": {"code": code, "message": "no: when are you open"}}).encode()
    head = b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return lambda texts: head + body


def lengthened(dimensions: int) -> Answer:
    return lambda texts: ok([sense(each, dimensions) for each in texts])


def rows(*texts: str) -> np.ndarray:
    found = np.array([sense(each) for each in texts], np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
