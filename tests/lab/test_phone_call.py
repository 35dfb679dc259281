"""Whole calls of the software telephone over real loopback sockets."""

import json
import wave
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from voiced.errors import ConfigError
from voiced.lab.phone import PhoneOptions, run_phone
from voiced.lab.phone_audio import read_wav
from voiced.lab.phone_call import place_call
from voiced.lab.phone_dial import CallSettings, Farewell
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.phone_wire import sign
from voiced.lab.script import After, Cue, HangUp, Say, Turn

PUBLIC = "https://voice.example.com"
QUICK = (Turn(Say("hello"), After(Cue.SILENCE, 0.04)), Turn(HangUp(), After(Cue.SILENCE, 0.04)))
SPEECH = (b"\x10" * 800, b"")


@define
class Daemon:
    """Answers the webhook with `documents` in turn, and keeps what it was sent."""

    url: str
    media_url: str
    documents: list[str] = field(factory=list)
    requests: list[str] = field(factory=list)
    upgrades: list[WebSocketRequest] = field(factory=list)
    messages: list[str] = field(factory=list)
    closings: list[int | None] = field(factory=list)
    over: trio.Event = field(factory=trio.Event)

    def connect(self, after: str = "") -> None:
        stream = f'<Connect><Stream url="{self.media_url}/media/t0"/></Connect>'
        self.documents.append(f"<Response>{stream}{after}</Response>")

    async def webhook(self, stream: trio.SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data or not data.endswith(b"FromCity="):
                data += await stream.receive_some()
            self.requests.append(data.decode())
            body = self.documents.pop(0) if self.documents else ""
            status = "200 OK" if body else "500 Broken"
            head = f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            await stream.send_all((head + body).encode())

    async def media(self, request: WebSocketRequest) -> None:
        self.upgrades.append(request)
        if request.path == "/refused":
            await request.reject(403)
            return
        socket = await request.accept()
        try:
            await self.converse(socket)
        except ConnectionClosed as closed:
            self.closings.append(closed.reason.code if closed.reason else None)
            self.over.set()

    async def converse(self, socket: WebSocketConnection) -> None:
        while True:
            message = await socket.get_message()
            self.messages.append(message)
            if "close-now" in self.media_url and '"media"' in message:
                await socket.aclose()

    def events(self) -> list[str]:
        return [json.loads(message)["event"] for message in self.messages]


@pytest.fixture
async def daemon(nursery: trio.Nursery) -> Daemon:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    daemon = Daemon(f"http://127.0.0.1:{port}", "")
    nursery.start_soon(trio.serve_listeners, daemon.webhook, listeners)
    server = await nursery.start(serve_websocket, daemon.media, "127.0.0.1", 0, None)
    daemon.media_url = f"ws://127.0.0.1:{server.port}"
    return daemon


async def test_a_call_is_made_as_twilio_makes_it(daemon: Daemon) -> None:
    daemon.connect()
    settings = CallSettings(url=daemon.url, public_url=PUBLIC, auth_token="12345")
    result = await place_call(settings, QUICK, SPEECH)
    assert result.ended is Ended.HUNG_UP
    head, _, body = daemon.requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /twilio/voice HTTP/1.1")
    form = {"CallSid": result.call_sid, "AccountSid": settings.account_sid,
        "From": settings.caller, "To": settings.called, "Caller": settings.caller,
        "Called": settings.called, "CallStatus": "ringing", "Direction": "inbound",
        "ApiVersion": "2010-04-01", "FromCity": ""}  # fmt: skip
    assert f"x-twilio-signature: {sign('12345', PUBLIC + '/twilio/voice', form)}" in head
    assert "From=%2B15550100001" in body
    (upgrade,) = daemon.upgrades
    headers = dict(upgrade.headers)
    assert upgrade.path == "/media/t0"
    assert headers[b"user-agent"] == b"Twilio.TmeWs/1.0"
    signature = sign("12345", f"{daemon.media_url}/media/t0")
    assert headers[b"x-twilio-signature"] == signature.encode()
    assert not {b"sec-websocket-protocol", b"sec-websocket-extensions", b"origin"} & set(headers)
    with trio.fail_after(5):
        await daemon.over.wait()
    events = daemon.events()
    assert events[:3] == ["connected", "start", "media"]
    assert events[-1] == "stop"
    assert daemon.closings == [1000]


async def test_a_dropped_line_says_nothing(daemon: Daemon) -> None:
    daemon.connect()
    settings = CallSettings(url=daemon.url, farewell=Farewell.DROP)
    await place_call(settings, QUICK, SPEECH)
    with trio.fail_after(5):
        await daemon.over.wait()
    assert daemon.closings == [1006]
    assert "stop" not in daemon.events()


async def test_when_the_agent_closes_the_rest_of_the_document_is_run(daemon: Daemon) -> None:
    daemon.media_url += "/close-now"
    daemon.connect("<Say>Au revoir.</Say><Hangup/>")
    result = await place_call(CallSettings(url=daemon.url), [Turn(Say("hello"))], SPEECH)
    assert result.ended is Ended.SERVER_CLOSED
    assert [e.text for e in result.events if e.kind is Kind.ANNOUNCED] == ["Au revoir."]


async def test_a_redirect_is_followed(daemon: Daemon) -> None:
    daemon.documents += [
        "<Response><Redirect>/next</Redirect></Response>",
        "<Response><Say>Busy.</Say><Hangup/></Response>",
    ]
    result = await place_call(CallSettings(url=daemon.url), QUICK, SPEECH)
    assert daemon.requests[1].startswith("POST /next ")
    assert result.ended is Ended.TWIML


async def test_a_refused_upgrade_is_a_warning(daemon: Daemon) -> None:
    stream = f'<Connect><Stream url="{daemon.media_url}/refused"/></Connect>'
    daemon.documents.append(f"<Response>{stream}</Response>")
    result = await place_call(CallSettings(url=daemon.url), QUICK, SPEECH)
    assert [w.code for w in result.warnings] == [31920]
    assert result.ended is Ended.REFUSED


async def test_a_webhook_that_fails_is_a_warning(daemon: Daemon) -> None:
    result = await place_call(CallSettings(url=daemon.url), QUICK, SPEECH)
    assert [(w.code, w.reason) for w in result.warnings] == [(11200, "the webhook answered 500")]
    daemon.documents.append("<html>")
    result = await place_call(CallSettings(url=daemon.url), QUICK, SPEECH)
    assert [w.code for w in result.warnings] == [12100]


async def test_a_daemon_that_is_not_there_is_a_warning() -> None:
    result = await place_call(CallSettings(url="http://127.0.0.1:1"), QUICK, SPEECH)
    assert [w.code for w in result.warnings] == [11205]
    assert result.ended is Ended.REFUSED


async def test_a_call_is_printed_and_saved(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.media_url += "/close-now"
    daemon.connect()
    sound = tmp_path / "hello.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x00\x10" * 3_200)
    options = PhoneOptions(CallSettings(url=daemon.url), wav=sound, folder=tmp_path / "out")
    result = await run_phone(options)
    assert "the agent closed the stream" in capsys.readouterr().out
    with wave.open(str(tmp_path / "out/call.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8_000)
        assert file.getnframes() == len(result.caller)
    kept = json.loads((tmp_path / "out/call.json").read_text())
    assert kept["ended"] == "the agent closed the stream"
    assert kept["call_sid"] in (tmp_path / "out/call.txt").read_text()


async def test_exactly_one_thing_to_play_is_needed() -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        await run_phone(PhoneOptions(say=["a"], wav=Path("b.wav")))


def test_a_sound_file_of_any_rate_is_played(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes(b"\x00\x10\x00\x10" * 44_100)
    assert len(read_wav(path)) == 8_000


@pytest.mark.parametrize("content", [b"", b"RIFFxxxxWAVE", b"hello there"])
def test_what_is_no_sound_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a PCM WAV file"):
        read_wav(path)
