"""A daemon of a few lines for the exchange's tests, and what it must be able to do itself."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import httpx
import pytest
import trio
from attrs import define, evolve, field
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket
from twilio.request_validator import RequestValidator

from voiced.lab import server
from voiced.lab.exchange import Exchange, run_exchange
from voiced.lab.exchange_settings import ExchangeSettings
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_script import Person
from voiced.lab.script import After, Cue, HangUp, Say, Turn

TOKEN = "12345"
OURS = "+33100000001"
CALLER = "+33612345678"
HUMAN = "+33700000009"
HELLO = Turn(Say("hello"), After(Cue.SILENCE, 0.02))
PATIENT = Person([HELLO, Turn(HangUp(), After(Cue.SILENCE, 9))], [b"\x10" * 160, b""])
BRIEF = Person([Turn(HangUp(), After(Cue.SILENCE, 0.06))], [b""])


@define
class Asked:
    """A request of the exchange's."""

    path: str
    form: dict[str, str]


@define
class Daemon:
    """Answers each path with its documents in turn, the last one for ever; judges signatures."""

    nursery: trio.Nursery
    url: str = ""
    media_url: str = ""
    documents: dict[str, list[str]] = field(factory=dict)
    asked: list[Asked] = field(factory=list)
    forged: list[str] = field(factory=list)
    heard: list[str] = field(factory=list)
    """The events of all streams, media left out, and the close codes."""
    connected: trio.Event = field(factory=trio.Event)
    news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def answer(self, path: str, body: str) -> None:
        self.documents.setdefault(path, []).append(f"<Response>{body}</Response>")

    def stream(self, path: str = "/media/stay", action: str = "", more: str = "") -> str:
        attribute = f' action="{action}"' if action else ""
        return f'<Connect{attribute}><Stream url="{self.media_url}{path}"{more}/></Connect>'

    async def handle(self, exchange: server.Exchange) -> None:
        request = exchange.request
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        signature = request.headers.get("x-twilio-signature", "")
        address = f"{self.url}{request.path}"
        if not RequestValidator(TOKEN).validate(address, form, signature):
            self.forged.append(request.path)
        self.asked.append(Asked(request.path, form))
        self.news.unpark_all()
        documents = self.documents.get(request.path, [])
        if not documents and request.path not in {"/status", "/amd"}:
            await exchange.respond(404)
            return
        body = documents.pop(0) if len(documents) > 1 else "".join(documents)
        await exchange.respond(200, body.encode(), "text/xml")

    async def media(self, request: WebSocketRequest) -> None:
        socket = await request.accept()
        self.hear(request.path)
        try:
            while True:
                message = await socket.get_message()
                if '"media"' not in message:
                    self.hear(message.split('"event"')[1].split('"')[1])
                    continue
                self.connected.set()
                if request.path == "/media/close":
                    await socket.aclose()
        except ConnectionClosed as closed:
            self.hear(str(closed.reason.code if closed.reason else None))

    def hear(self, what: str) -> None:
        self.heard.append(what)
        self.news.unpark_all()

    def forms(self, path: str) -> list[dict[str, str]]:
        return [asked.form for asked in self.asked if asked.path == path]

    async def wait_asked(self, path: str, times: int = 1) -> Mapping[str, str]:
        with trio.fail_after(5):
            await trio.lowlevel.checkpoint()
            while len(self.forms(path)) < times:
                await self.news.park()
        return self.forms(path)[-1]

    async def wait_heard(self, count: int) -> list[str]:
        """What the streams have told, when it is so much."""
        with trio.fail_after(5):
            await trio.lowlevel.checkpoint()
            while len(self.heard) < count:
                await self.news.park()
        return self.heard


@define
class Town:
    """A daemon, an exchange, and the daemon's way to the exchange."""

    daemon: Daemon
    exchange: Exchange
    http: httpx.AsyncClient

    async def ask(self, path: str, **fields: str) -> httpx.Response:
        return await self.http.post(f"{self.base}{path}.json", data=fields)

    async def wait_call(self, status: str, number: int = 0) -> str:
        """Returns the SID of a call as soon as the API shows it so."""
        with trio.fail_after(5):
            while True:
                entries = list(self.exchange.account.entries.values())
                if len(entries) > number and entries[number].status.value == status:
                    return entries[number].sid
                await trio.sleep(0.005)

    async def look(self, path: str) -> httpx.Response:
        return await self.http.get(f"{self.base}{path}.json")

    @property
    def base(self) -> str:
        return f"{self.exchange.url}/2010-04-01/Accounts/{self.exchange.account.sid}"

    @property
    def sid(self) -> str:
        """Of the first call."""
        return next(iter(self.exchange.account.entries))

    def new_call(self, **fields: str) -> dict[str, str]:
        called = {"To": CALLER, "From": OURS, "Url": f"{self.daemon.url}/twilio/voice"}
        return called | {"StatusCallback": f"{self.daemon.url}/status"} | fields


QUICK = ExchangeSettings(rings_s=0.02, calls_per_s=1000, chars_per_s=1e6, detection_s=0.03,
    greeting_s=0.2)  # fmt: skip


@asynccontextmanager
async def town(settings: ExchangeSettings = QUICK, person: Person = PATIENT) -> AsyncIterator[Town]:
    """For a block; at its end no request had a wrong signature."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            daemon = Daemon(nursery)
            port = await nursery.start(server.serve, daemon.handle, "127.0.0.1", 0)
            media = await nursery.start(serve_websocket, daemon.media, "127.0.0.1", 0, None)
            daemon.url, daemon.media_url = (
                f"http://127.0.0.1:{port}",
                f"ws://127.0.0.1:{media.port}",
            )
            call = CallSettings(daemon.url, auth_token=TOKEN, caller=CALLER, called=OURS)
            exchange = await nursery.start(run_exchange, evolve(settings, call=call), person)
            auth = (call.account_sid, TOKEN)
            async with httpx.AsyncClient(auth=auth, timeout=5) as http:
                yield Town(daemon, exchange, http)
            nursery.cancel_scope.cancel()
            assert daemon.forged == []


async def test_the_daemon_of_the_tests_tells_a_forged_request() -> None:
    async with town() as place:
        place.daemon.answer("/a", "<Hangup/>")
        answer = await place.http.post(f"{place.daemon.url}/a", data={"From": ""})
        assert answer.text == "<Response><Hangup/></Response>"
        assert place.daemon.forged == ["/a"]
        place.daemon.forged.clear()


@pytest.mark.parametrize("path", ["/b", "/twilio/voice"])
async def test_the_daemon_of_the_tests_knows_no_other_path(path: str) -> None:
    async with town() as place:
        answer = await place.http.get(f"{place.daemon.url}{path}")
        assert answer.status_code == 404
        place.daemon.forged.clear()
