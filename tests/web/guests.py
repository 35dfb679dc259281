"""A door with its server behind it, in memory, and guests who knock."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import trio
from attrs import define, evolve, field
from trio.testing import memory_stream_pair
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Request

from voiced.call.leg import MediaSocket
from voiced.call.switchboard import Parties
from voiced.config import Agent, Route, Secret, Server, Settings, Twilio
from voiced.errors import CallRefused
from voiced.lab.phone_wire import sign
from voiced.web.door import Door
from voiced.web.server import Listening
from voiced.web.tokens import Tokens

TOKEN = "12345"
PUBLIC = "https://voice.example.com"
CALL = "CA" + "3" * 32
STREAM = "MZ" + "2" * 32
ENGLISH = "+15550100002"
FORM = {"CallSid": CALL, "From": "+15550100001", "To": ENGLISH, "FromCity": ""}
START = {
    "event": "start",
    "streamSid": STREAM,
    "start": {"streamSid": STREAM, "callSid": CALL, "accountSid": "AC1"},
}


def settings(**twilio: object) -> Settings:
    return Settings(
        server=Server(public_url=PUBLIC, max_calls=2),
        twilio=evolve(Twilio(auth_token=Secret(TOKEN)), **twilio),
        agents={
            "default": Agent(language="fr"),
            "english": Agent(language="en"),
            "german": Agent(language="de"),
        },
        routes=(Route(called=ENGLISH, agent="english"), Route(called="+491", agent="german")),
    )


@define
class FakeSwitchboard:
    """Takes what comes, and answers each message by its echo."""

    reason: str = ""
    live: dict[str, object] = field(factory=dict)
    taken: list[tuple[Parties, str]] = field(factory=list)
    fails: Exception | None = None

    def admit(self) -> None:
        if self.reason:
            raise CallRefused(self.reason)

    async def take(self, parties: Parties, media: MediaSocket, stream_sid: str) -> None:
        self.taken.append((parties, stream_sid))
        if self.fails:
            raise self.fails
        while (message := await media.receive()) is not None:
            await media.send([f"{len(message)}"])


@define
class Address:
    """Of a guest: hypercorn asks for it."""

    family: int = socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        return ("192.0.2.1", 4711)

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.2", 8765)


@define
class Wire:
    """The server's end of a memory stream, with an address."""

    stream: trio.StapledStream
    socket: Address = field(factory=Address)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


@define
class Guest:
    """One connection, from outside."""

    stream: trio.StapledStream
    over: trio.Event = field(factory=trio.Event)
    ws: WSConnection = field(factory=lambda: WSConnection(ConnectionType.CLIENT))

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        received = b""
        with trio.fail_after(100):
            while data := await self.stream.receive_some():
                received += data
            await self.over.wait()
        return received

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        await self.send(request)
        head, _, body = (await self.rest()).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(status.split()[1]), headers, body

    # --- as a media socket ----------------------------------------------------------------------

    async def upgrade(self, url: str, signature: str | None = None) -> bytes:
        """Asks for a WebSocket as Twilio does; returns the first bytes of the answer."""
        path = "/" + url.split("/", 3)[3]
        given = sign(TOKEN, url) if signature is None else signature
        headers = [(b"x-twilio-signature", given.encode())] if given else []
        await self.send(self.ws.send(Request("voice.example.com", path, extra_headers=headers)))
        answer = bytes(await self.stream.receive_some())
        if answer.startswith(b"HTTP/1.1 101"):
            self.ws.receive_data(answer)
            assert isinstance(next(self.ws.events()), AcceptConnection)
        return answer

    async def say(self, *events: Event) -> None:
        await self.send(b"".join(self.ws.send(event) for event in events))

    async def hear(self) -> Event:
        while True:
            for event in self.ws.events():
                return event
            self.ws.receive_data(bytes(await self.stream.receive_some()) or None)


@define
class House:
    door: Door
    switchboard: FakeSwitchboard
    listening: Listening
    nursery: trio.Nursery

    def knock(self) -> Guest:
        ours, theirs = memory_stream_pair()
        guest = Guest(ours)
        self.nursery.start_soon(self._serve, Wire(theirs), guest.over)
        return guest

    async def _serve(self, wire: Wire, over: trio.Event) -> None:
        try:
            await self.listening.handle(wire)
        finally:
            over.set()

    def mint(self, token: str = "t0", call: str = CALL) -> str:
        """The address of a media socket."""
        parties = Parties(call, "english", "+15550100001", ENGLISH)
        self.door.tokens.mint(token, parties, trio.current_time())
        return f"wss://voice.example.com/twilio/media/{token}"


@asynccontextmanager
async def house(of: Settings | None = None) -> AsyncIterator[House]:
    switchboard = FakeSwitchboard()
    door = Door(of or settings(), switchboard, Tokens())
    async with trio.open_nursery() as nursery:
        yield House(door, switchboard, Listening(door), nursery)
        nursery.cancel_scope.cancel()


def frame(first: int, payload: bytes = b"", mask: int = 0x80) -> bytes:
    """A WebSocket frame by hand, masked with zeros, so that it can be wrong."""
    key = b"\0\0\0\0" if mask else b""
    if len(payload) < 126:
        return bytes([first, mask | len(payload)]) + key + payload
    return bytes([first, mask | 127]) + len(payload).to_bytes(8, "big") + key + payload


def post(path: str, form: dict[str, str] | bytes = b"", *headers: str, signed: str = "") -> bytes:
    """A webhook; `signed` is the address that Twilio thinks it calls."""
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: voice.example.com", *headers]
    lines.append("Content-Type: application/x-www-form-urlencoded")
    if signed:
        lines.append(f"X-Twilio-Signature: {sign(TOKEN, signed, form)}")
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def code(body: bytes) -> str:
    """Of a JSON error."""
    document = json.loads(body)
    assert list(document) == ["error"]
    assert set(document["error"]) == {"code", "message"}
    return document["error"]["code"]
