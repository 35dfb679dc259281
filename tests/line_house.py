"""A whole house for the stories of the line: lab, exchange, webhook receiver and daemon.

All of it talks over real loopback sockets, and the daemon is configured as an operator would.
Speech is tones (`line_tones`): fast, free of cost, and any recorded line can be read.
"""

import json
import logging
import sqlite3
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import numpy as np
import trio
from attrs import define, field, frozen
from line_tones import ToneEar, ToneVoice, new_ear, person, said
from numpy.typing import NDArray

from voiced import daemon
from voiced.audio.frame import SAMPLE_RATE
from voiced.config import SecretSources, parse
from voiced.lab import script_player, server
from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.exchange import Exchange, run_exchange
from voiced.lab.exchange_account import Entry
from voiced.lab.exchange_settings import ExchangeSettings, Human
from voiced.lab.llm import LlmTiming
from voiced.lab.moshi_stt import SttTiming
from voiced.lab.moshi_tts import TtsTiming
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Kind, PhoneEvent
from voiced.lab.phone_script import Person
from voiced.records import signing
from voiced.records.opening import FILE

PUBLIC = "https://voice.example.com"
TOKEN, SECONDARY = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
API_TOKEN = "api-token-of-the-line"
SECRET = "webhook-secret-of-the-line"
OURS, CALLER, HUMAN = "+33100000001", "+33612345678", "+33700000009"
VIP, SPARE = "+33622222222", "+33700000008"
"""A caller whose transfers are warm; a number that rings when there is no room."""

GREETING, GOODBYE = "Hello from Chez Sesame.", "Thank you, goodbye."
BUSY = "All lines are busy."
ANNOUNCED, FAILED = "One moment, somebody comes.", "Nobody took it, go on."
RESUMED = "The line was lost for a moment."
VOICEMAIL = "A message for you on tape."

# --- the house -----------------------------------------------------------------------------------


@define
class Watch:
    """The events of a call, or of several, for those who wait for one."""

    events: list[PhoneEvent] = field(factory=list)
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def tell(self, event: PhoneEvent) -> None:
        self.events.append(event)
        self._news.unpark_all()

    def texts(self, kind: Kind) -> list[str]:
        return [event.text for event in self.events if event.kind is kind]

    async def wait(self, kind: Kind, times: int = 1) -> None:
        while len(self.texts(kind)) < times:
            await self._news.park()


@define
class Talk(Watch):
    """An inbound call under way."""

    sid: str = ""
    result: CallResult | None = None
    over: trio.Event = field(factory=trio.Event)

    async def end(self) -> CallResult:
        await self.over.wait()
        assert self.result is not None
        return self.result


@frozen
class Hook:
    """A webhook that came, with whether it was signed by us."""

    event: str
    body: dict[str, Any]
    is_signed: bool


@define
class Receiver:
    """The operator's own server."""

    hooks: list[Hook] = field(factory=list)
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def handle(self, exchange: server.Exchange) -> None:
        request = exchange.request
        given = request.headers.get("voiced-signature", "")
        valid = signing.is_valid(SECRET, request.body, given, time.time())
        event = request.headers.get("voiced-event", "")
        self.hooks.append(Hook(event, json.loads(request.body), valid))
        self._news.unpark_all()
        await exchange.respond(204)

    async def of(self, sid: str, event: str) -> Hook:
        """The webhook of a call, as soon as it is there."""
        while True:
            for hook in self.hooks:
                if hook.event == event and hook.body["call"]["sid"] == sid:
                    return hook
            await self._news.park()


@define
class House:
    """Everything, running."""

    directory: Path
    url: str
    lab: Lab
    exchange: Exchange
    receiver: Receiver
    watch: Watch
    """Of the calls that the daemon places, and of requests that are about no call."""
    nursery: trio.Nursery
    http: httpx.AsyncClient
    configuration: str
    stopped: trio.Event = field(factory=trio.Event)
    """Set when the daemon has ended."""

    async def start(self) -> None:
        """Starts the daemon, here; returns when it listens."""
        started, self.stopped = trio.Event(), trio.Event()
        self.nursery.start_soon(self._live, started, self.stopped)
        await started.wait()

    async def _live(self, started: trio.Event, stopped: trio.Event) -> None:
        settings = parse(self.configuration, "voiced.toml", SecretSources({}, {}))
        async with trio.open_nursery() as nursery:
            await nursery.start(daemon.run, settings)
            started.set()
        stopped.set()

    async def ring(self, who: Person, **parties: Any) -> Talk:
        """Calls the daemon; returns as soon as the call has a name."""
        talk, known = Talk(), set(self.exchange.account.entries)
        chosen = settings_of(self.url, **parties)

        async def live() -> None:
            talk.result = await self.exchange.call(who, chosen, talk.tell)
            talk.over.set()

        self.nursery.start_soon(live)
        while True:
            await trio.lowlevel.checkpoint()
            if new := set(self.exchange.account.entries) - known:
                (talk.sid,) = new
                return talk

    def entry(self, sid: str) -> Entry:
        """A call in the carrier's books."""
        return self.exchange.account.entries[sid]

    # --- the API ----------------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        answer.raise_for_status()
        return answer.json()

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def ready(
        self, fits: Callable[[dict[str, Any]], bool] = lambda body: True
    ) -> tuple[int, dict[str, Any]]:
        """What `/readyz` says, as soon as it says what fits."""
        while True:
            answer = await self.http.get("/readyz")
            if fits(body := answer.json()):
                return answer.status_code, body
            await trio.sleep(0.01)

    async def event(
        self, sid: str, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda detail: True
    ) -> dict[str, Any]:
        """The first event of a call of this kind, past or to come."""
        after = 0
        while True:
            found = await self.get(f"/v1/events?after={after}&call={sid}&wait_s=5")
            for event in found["events"]:
                if event["kind"] == kind and fits(event["detail"]):
                    return dict(event["detail"])
            after = found["last"]

    async def turn(self, sid: str, number: int) -> None:
        """Returns when this turn of a call has ended."""
        await self.event(sid, "turn", lambda detail: detail["number"] >= number)

    async def written(self, sid: str, utterances: int) -> None:
        """Returns when so much of a call is on disk: events are told before that."""
        while True:
            if len(await self.transcript(sid)) >= utterances:
                return
            await trio.sleep(0.01)

    async def closed(self, sid: str) -> dict[str, Any]:
        """The record of a call, as soon as it is over and written."""
        await self.event(sid, "closed")
        while True:
            record = await self.get(f"/v1/calls/{sid}")
            if record["ended_at"] is not None:
                return dict(record)
            await trio.sleep(0.01)

    async def transcript(self, sid: str) -> list[tuple[str, str]]:
        entries = (await self.get(f"/v1/calls/{sid}/transcript"))["entries"]
        return [(each["role"], said(each["text"])) for each in entries]

    async def recording(self, sid: str) -> NDArray[np.int16]:
        """Both lines of the recording: shape (2, samples)."""
        answer = await self.http.get(f"/v1/calls/{sid}/recording")
        assert answer.headers["content-type"] == "audio/wav"
        return lines(answer.content)

    async def settle(self) -> None:
        """Returns when the operator's server has been told everything."""
        due = "SELECT count(*) FROM deliveries WHERE state = 'due'"
        while True:
            if self.stopped.is_set() or self.rows(due) == [(0,)]:
                return
            await trio.sleep(0.02)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What SQLite has on disk."""
        return read_rows(self.directory, query, *values)


def lines(file: bytes) -> NDArray[np.int16]:
    with wave.open(BytesIO(file)) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, SAMPLE_RATE)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2).T


def read_rows(directory: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"{(directory / FILE).as_uri()}?mode=ro", uri=True)
    try:
        return db.execute(query, values).fetchall()
    finally:
        db.close()


def settings_of(url: str, **given: Any) -> CallSettings:
    parties: dict[str, Any] = {"auth_token": TOKEN, "caller": CALLER, "called": OURS} | given
    return CallSettings(url=url, public_url=PUBLIC, **parties)


def quick(url: str, **given: Any) -> ExchangeSettings:
    """An exchange that loses no time."""
    chosen: dict[str, Any] = {
        "rings_s": 0.1, "calls_per_s": 1000, "chars_per_s": 200.0, "detection_s": 0.2,
        "greeting_s": 1.0, "machine_waits_s": 3.0, "human": Human(answers_after_s=0.3, talks_s=0.5),
    } | given  # fmt: skip
    return ExchangeSettings(call=settings_of(url), **chosen)


def lab_settings(stt_slots: int = 8) -> LabSettings:
    return LabSettings(
        stt_port=0,
        tts_port=0,
        llm_port=0,
        voice="tone",
        ear="words",
        stt_batch_size=stt_slots,
        stt_timing=SttTiming(step_ms=2, delay_steps=2, pause_ms=160),
        tts_timing=TtsTiming(first_audio_ms=20, speed=0.02),
        llm_timing=LlmTiming(first_token_ms=20, tokens_per_s=1000),
    )


def configuration(house: Mapping[str, object]) -> str:
    """voiced.toml."""
    return f"""
        [server]
        port = {house["port"]}
        public_url = "{PUBLIC}"
        [twilio]
        account_sid = "{CallSettings().account_sid}"
        auth_token = "{TOKEN}"
        auth_token_secondary = "{SECONDARY}"
        phone_number = "{OURS}"
        api_url = "{house["exchange"]}"
        ring_s = 5
        calls_per_second = 100
        [api]
        token = "{API_TOKEN}"
        [limits]
        outbound_per_minute = 1000
        requests_per_minute = 100000
        [records]
        directory = "{house["directory"]}"
        recording = true
        [webhook.crm]
        url = "{house["webhook"]}"
        secret = "{SECRET}"
        events = ["call.started", "turn.ended", "call.ended"]
        allow_private = true
        {house["engines"]}
        {_agent("default")}
        {_agent("warm", "warm_transfer = true")}
        {_agent("taper", 'on_machine = "leave_message"')}
        {_agent("shy", 'on_machine = "hang_up"')}
        {_agent("overflowing", f'overflow_number = "{SPARE}"')}
        [[route]]
        caller = "{VIP}"
        agent = "warm"
        [[route]]
        caller = "+33633*"
        agent = "overflowing"
        """


def _agent(name: str, more: str = "") -> str:
    return f"""
        [agent.{name}]
        language = "en"
        greeting = "{GREETING}"
        goodbye = "{GOODBYE}"
        apology = "Sorry."
        busy = "{BUSY}"
        transfer_announcement = "{ANNOUNCED}"
        transfer_failed = "{FAILED}"
        resumed = "{RESUMED}"
        voicemail = "{VOICEMAIL}"
        idle_prompt_s = 0
        max_call_s = 600
        digits_timeout_s = 0.5
        tools = ["hang_up", "transfer"]
        stt = ["lab"]
        llm = ["lab"]
        tts = ["lab"]
        {more}
        [agent.{name}.transfers]
        desk = "{HUMAN}"
        """


class Errors(logging.Handler):
    """Keeps what is logged as an error: no story of the line has one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def no_errors() -> Iterator[None]:
    handler = Errors()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
    assert [record.getMessage() for record in handler.records] == []


async def free_port() -> int:
    with trio.socket.socket() as probe:
        await probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def street(
    directory: Path,
    port: int,
    front: str,
    stt_slots: int = 8,
    gap_s: float = 0.4,
    **exchange: Any,
) -> AsyncIterator[House]:
    """All but the daemon, which is to listen on `port` and which the carrier reaches at `front`.

    After a silence of `gap_s` a person takes a reply for ended; tones pause for no breath.
    """
    watch, receiver = Watch(), Receiver()
    with patch.object(script_player, "REPLY_GAP_S", gap_s):
        async with httpx.AsyncClient(trust_env=False) as http, trio.open_nursery() as nursery:
            lab: Lab = await nursery.start(partial(run_lab, lab_settings(stt_slots)))
            lab.tts.voice, lab.stt.new_ear, lab.stt._ears[0] = ToneVoice(), new_ear, ToneEar()
            told = await nursery.start(server.serve, receiver.handle, "127.0.0.1", 0)
            there: Exchange = await nursery.start(
                partial(run_exchange, quick(front, **exchange), person(), watch.tell)
            )
            http.base_url = httpx.URL(f"http://127.0.0.1:{port}")
            http.headers["authorization"] = f"Bearer {API_TOKEN}"
            text = configuration(
                {
                    "port": port,
                    "exchange": there.url,
                    "directory": directory,
                    "webhook": f"http://127.0.0.1:{told}/crm",
                    "engines": lab.configuration(),
                }
            )
            yield House(directory, front, lab, there, receiver, watch, nursery, http, text)
            nursery.cancel_scope.cancel(reason="the story is told")


@asynccontextmanager
async def house(directory: Path, **given: Any) -> AsyncIterator[House]:
    """A street with a daemon, for a block; `given` are slots, and settings of the exchange."""
    port = await free_port()
    with no_errors():
        async with street(directory, port, f"http://127.0.0.1:{port}", **given) as there:
            await there.start()
            yield there
            await there.settle()
