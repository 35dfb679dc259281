"""A door with its server behind it, in memory, and guests who knock."""

import json
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import trio
from attrs import define, evolve, field
from call_desk import Desk, FakeCall, record
from trio.testing import memory_stream_pair
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Request

from voiced.call.leg import MediaSocket
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.placing import Placing
from voiced.call.switchboard import Switchboard
from voiced.carrier.destinations import Destinations
from voiced.config import Agent, Route, Secret, Server, Settings, Twilio
from voiced.engines.rooms import Room, RoomState
from voiced.lab.phone_wire import sign
from voiced.records.feed import Feed
from voiced.records.recorder import Recorder
from voiced.records.store import StoreError
from voiced.web.api import Api
from voiced.web.door import Door
from voiced.web.gate import Gate
from voiced.web.limits import RateLimit
from voiced.web.server import Listening

TOKEN = "12345"
PUBLIC = "https://voice.example.com"
CALL = "CA" + "3" * 32
STREAM = "MZ" + "2" * 32
ENGLISH = "+15550100002"
FORM = {"CallSid": CALL, "AccountSid": "AC1", "From": "+15550100001", "To": ENGLISH, "FromCity": ""}
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


class EchoBoard(Switchboard):
    """A switchboard whose calls answer each message by its length."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.register, lambda parties: parties, desk.errands)  # type: ignore[arg-type, return-value]
        self.taken: list[tuple[Parties, str]] = []
        self.fails: Exception | None = None

    async def take(self, entry: Entry, socket: MediaSocket, stream_sid: str) -> None:
        self.taken.append((entry.parties, stream_sid))
        if self.fails:
            raise self.fails
        call = FakeCall()
        self.register.connected(entry, call)  # type: ignore[arg-type]
        while (message := await socket.receive()) is not None:
            await socket.send([f"{len(message)}"])
        self.register.left(entry, record("hangup"))


@define
class FakeCapacity:
    """Tells of two engines."""

    def rooms(self) -> tuple[Room, ...]:
        return (
            Room("stt", "kyutai", RoomState.OPEN, 16, 2, 13.0),
            Room("llm", "local", RoomState.UNREACHABLE, None, None, math.inf),
        )


@define
class FakeRecorder:
    """Has a store for those who ask it, or none."""

    store: object | None = None

    async def read(self, query: Callable[[Any], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        if self.store is None:
            raise StoreError("the records cannot be read")
        return query(self.store)


@define
class Address:
    """Of a guest: hypercorn asks for it."""

    family: int = socket.AF_INET
    peer: str = "192.0.2.1"

    def getpeername(self) -> tuple[str, int]:
        return (self.peer, 4711)

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
        headers = {
            name.lower(): value for name, _, value in (each.partition(": ") for each in lines)
        }
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
    desk: Desk
    switchboard: EchoBoard
    recorder: FakeRecorder | Recorder
    feed: Feed
    listening: Listening
    nursery: trio.Nursery
    api: Api

    def knock(self, peer: str = "192.0.2.1") -> Guest:
        ours, theirs = memory_stream_pair()
        guest = Guest(ours)
        self.nursery.start_soon(self._serve, Wire(theirs, Address(peer=peer)), guest.over)
        return guest

    async def _serve(self, wire: Wire, over: trio.Event) -> None:
        try:
            await self.listening.handle(wire)
        finally:
            over.set()

    def mint(self, token: str = "t0", call: str = CALL) -> str:
        """The address of a media socket."""
        parties = Parties(call, "english", "+15550100001", ENGLISH, account_sid="AC1")
        self.switchboard.admit(parties, Stage.AWAITED, 60.0)
        self.door.tokens.mint(token, call, trio.current_time())
        return f"wss://voice.example.com/twilio/media/{token}"


@asynccontextmanager
async def house(
    of: Settings | None = None, recorder: FakeRecorder | Recorder | None = None
) -> AsyncIterator[House]:
    """`recorder`: one that runs, where records matter; without it there are none."""
    chosen = of or settings()
    desk = Desk(max_calls=chosen.server.max_calls)
    feed = Feed(recorder.put if isinstance(recorder, Recorder) else desk.journal.put)
    desk.register.diary.journal = feed
    recorder = recorder or FakeRecorder()
    board = EchoBoard(desk)
    door = Door(chosen, board, desk.afterwards, desk.errands)
    limits = chosen.limits
    allowed = Destinations(
        chosen.twilio.phone_number, limits.allowed_prefixes, limits.denied_prefixes
    )
    placing = Placing(chosen, board, desk.carrier, allowed)  # type: ignore[arg-type]
    api = Api(chosen, placing, recorder, feed, RateLimit(limits.outbound_per_minute))  # type: ignore[arg-type]
    gate = Gate(chosen.api, RateLimit(limits.requests_per_minute))
    listening = Listening(door, api, gate, FakeCapacity())  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        yield House(door, desk, board, recorder, feed, listening, nursery, api)
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


def api(
    method: str, path: str, body: object = b"", *headers: str, host: str = "localhost:8765"
) -> bytes:
    """A request to the API; a body that is not bytes goes as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def code(body: bytes) -> str:
    """Of a JSON error."""
    document = json.loads(body)
    assert list(document) == ["error"]
    assert {"code", "message"} <= set(document["error"]) <= {"code", "message", "field"}
    return document["error"]["code"]
