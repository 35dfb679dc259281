"""One telephone call as Twilio drives it: webhook, TwiML verb by verb, media stream."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx
import trio
from attrs import define, field, frozen
from trio_websocket import WebSocketConnection

from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE
from voiced.errors import WireError
from voiced.lab.carrier import Carrier, CarrierWarning, Playback, PlaybackStatistics
from voiced.lab.phone_dial import CallSettings, Farewell, dial
from voiced.lab.phone_ear import Measured, Run, measure
from voiced.lab.phone_record import Ended, Kind, PhoneEvent
from voiced.lab.phone_stream import StreamCall
from voiced.lab.phone_wire import (
    Announce,
    Connect,
    Leave,
    Redirect,
    StreamMessages,
    Verb,
    parse_twiml,
    sign,
)
from voiced.lab.script import Turn, complete
from voiced.lab.script_player import ScriptPlayer

WEBHOOK_S = 15.0
"""What Twilio allows a webhook, of which 5 s for the connection (its error 11200)."""

MAX_DOCUMENTS = 10


@frozen
class CallResult:
    """A call as its caller lived it. `caller` and `agent` are mu-law, sample beside sample."""

    call_sid: str
    ended: Ended
    events: tuple[PhoneEvent, ...]
    turns: tuple[Measured, ...] = ()
    caller: bytes = field(default=b"", repr=False)
    agent: bytes = field(default=b"", repr=False)
    agent_runs: tuple[Run, ...] = field(default=(), repr=False)
    warnings: tuple[CarrierWarning, ...] = ()
    playback: PlaybackStatistics = field(factory=PlaybackStatistics)
    missed: tuple[int, ...] = ()
    """Turns of the script whose cue never came."""

    @property
    def duration_s(self) -> float:
        """Of the media stream."""
        return len(self.agent) / SAMPLE_RATE


async def place_call(
    settings: CallSettings,
    turns: Sequence[Turn],
    speech: Sequence[bytes],
    tell: Callable[[PhoneEvent], None] = lambda event: None,
) -> CallResult:
    """Calls, and plays the turns. `speech` holds the mu-law of each, empty where it says nothing.

    A daemon that does not answer, refuses or misbehaves is no error here: it is the result.
    """
    call = _Call(settings, complete(turns), speech, tell)
    async with httpx.AsyncClient(timeout=httpx.Timeout(WEBHOOK_S, connect=5.0)) as http:
        await call.run(http)
    return call.result()


@define
class _Call:
    settings: CallSettings
    turns: Sequence[Turn]
    speech: Sequence[bytes]
    report: Callable[[PhoneEvent], None]
    call_sid: str = field(factory=lambda: "CA" + secrets.token_hex(16))
    events: list[PhoneEvent] = field(factory=list)
    warnings: list[CarrierWarning] = field(factory=list)
    stream: StreamCall | None = None

    async def run(self, http: httpx.AsyncClient) -> None:
        """Fetches documents and carries out their verbs until nothing is left to do."""
        address: str | None = self.settings.line.public("/twilio/voice")
        for _ in range(MAX_DOCUMENTS):
            if address is None:
                return
            try:
                document = await self._fetch(http, address)
                verbs = parse_twiml(document, self.settings.line)
            except httpx.HTTPStatusError as error:
                self._warn(11200, f"the webhook answered {error.response.status_code}")
                return
            except httpx.HTTPError as error:
                self._warn(11205, f"the webhook did not answer ({type(error).__name__})")
                return
            except WireError as error:
                code, _, reason = str(error).partition(": ")
                self._warn(int(code), reason)
                return
            address = await self._carry_out(verbs)

    def result(self) -> CallResult:
        """The call, when it is over."""
        if (stream := self.stream) is None:
            ended = Ended.REFUSED if self.warnings else Ended.TWIML
            self.tell(PhoneEvent(0.0, Kind.ENDED, ended.value))
            return CallResult(
                self.call_sid, ended, tuple(self.events), warnings=tuple(self.warnings)
            )
        recording, playback = stream.recording, stream.carrier.playback
        runs = tuple(recording.agent_ear.runs)
        agent = bytes(recording.agent)
        self.tell(PhoneEvent(len(agent) / SAMPLE_RATE, Kind.ENDED, stream.ended.value))
        return CallResult(
            call_sid=self.call_sid,
            ended=stream.ended,
            events=tuple(self.events),
            turns=measure(recording.utterances, recording.caller_ear.runs, runs),
            caller=bytes(recording.caller).ljust(len(agent), bytes([MULAW_SILENCE])),
            agent=agent,
            agent_runs=runs,
            warnings=(*self.warnings, *stream.carrier.warnings),
            playback=playback.statistics,
            missed=tuple(stream.player.missed),
        )

    def tell(self, event: PhoneEvent) -> None:
        """Keeps an event and passes it on."""
        self.events.append(event)
        self.report(event)

    async def _fetch(self, http: httpx.AsyncClient, address: str) -> bytes:
        form = self._form()
        headers = {"user-agent": "TwilioProxy/1.1", "accept": "*/*"}
        if self.settings.auth_token:
            headers["x-twilio-signature"] = sign(self.settings.auth_token, address, form)
        url = self.settings.line.reachable(address)
        response = await http.post(url, data=form, headers=headers)
        response.raise_for_status()
        return response.content

    def _form(self) -> Mapping[str, str]:
        settings = self.settings
        return {
            "CallSid": self.call_sid,
            "AccountSid": settings.account_sid,
            "From": settings.caller,
            "To": settings.called,
            "Caller": settings.caller,
            "Called": settings.called,
            "CallStatus": "ringing" if self.stream is None else "in-progress",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
            "FromCity": "",  # Twilio signs empty fields too
        }

    async def _carry_out(self, verbs: Sequence[Verb]) -> str | None:
        """Carries out a document; returns the address of the next one, if any."""
        for verb in verbs:
            match verb:
                case Connect() if self.stream is None:
                    if (
                        problem := await dial(verb, self.settings, self._live_on(verb))
                    ) is not None:
                        self._warn(problem.code, problem.reason)
                    if self.stream is not None and self.stream.caller_left:
                        return None
                    if verb.action:
                        return verb.action
                case Announce(text):
                    self.tell(PhoneEvent(self._now_s(), Kind.ANNOUNCED, text))
                case Redirect(url):
                    return url
                case Leave():
                    return None
                case _:
                    self.tell(PhoneEvent(self._now_s(), Kind.SKIPPED, type(verb).__name__))
        return None

    def _live_on(self, connect: Connect) -> Callable[[WebSocketConnection], Awaitable[None]]:
        async def live(socket: WebSocketConnection) -> None:
            settings, sid = self.settings, "MZ" + secrets.token_hex(16)
            self.stream = StreamCall(
                socket,
                StreamMessages(sid, self.call_sid, settings.account_sid, settings.quirks),
                Carrier(sid, Playback(trio.current_time())),
                ScriptPlayer(self.turns),
                self.speech,
                self.tell,
                settings.chunk_bytes,
            )
            await self.stream.run(connect.parameters, settings.max_call_s)
            if self.stream.caller_left and settings.farewell is Farewell.STOP:
                await self.stream.stop()

        return live

    def _now_s(self) -> float:
        return len(self.stream.recording.agent) / SAMPLE_RATE if self.stream else 0.0

    def _warn(self, code: int, reason: str) -> None:
        self.warnings.append(CarrierWarning(code, reason))
        self.tell(PhoneEvent(self._now_s(), Kind.WARNING, f"{code} {reason}"))
