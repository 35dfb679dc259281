"""Two daemons on one port: what Twilio asks of a call finds the daemon that has it."""

import json
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define
from daemon_process import Daemon, Systemd, daemon, systemd
from daemon_stage import TOKEN, free_port
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.phone_wire import sign

CALL = "CA" + "7" * 32
FORM = {"CallSid": CALL, "AccountSid": "AC1", "From": "+15550100001", "To": "+15550100002"}
OTHER = {**FORM, "CallSid": "CA" + "8" * 32}

CONFIGURATION = """
[server]
port = {port}
drain_s = 20
[twilio]
auth_token = "{token}"
phone_number = "+33100000001"
{engines}
[agent.default]
language = "en"
greeting = ""
goodbye = ""
resumed = ""
transfer_announcement = ""
stt = ["lab"]
llm = ["lab"]
tts = ["lab"]
[records]
directory = "{records}"
"""


@pytest.fixture
async def lab(nursery: trio.Nursery) -> Lab:
    chosen = LabSettings(stt_port=0, tts_port=0, llm_port=0, voice="tone", ear="words")
    made: Lab = await nursery.start(partial(run_lab, chosen))
    return made


@define
class Port:
    """The shared one, as Twilio sees it."""

    port: int
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, url: str, form: Mapping[str, str] = FORM) -> str:
        answer = await self.http.post(
            url, data=dict(form), headers={"X-Twilio-Signature": sign(TOKEN, url, form)}
        )
        assert answer.status_code in (200, 204)
        return answer.text

    async def ring(self, form: Mapping[str, str] = FORM) -> str:
        return await self.ask(f"{self.url}/twilio/voice", form)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[WebSocketConnection]:
        headers = [(b"x-twilio-signature", sign(TOKEN, url).encode())]
        start = {"streamSid": "MZ1", "callSid": CALL, "accountSid": "AC1"}
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream, trio.open_nursery() as nursery:
            host, path = url.removeprefix("ws://").split("/", 1)
            there = await wrap_client_stream(
                nursery, stream, host, f"/{path}", extra_headers=headers
            )
            message = {"event": "start", "streamSid": "MZ1", "start": start}
            await there.send_message(json.dumps(message))
            yield there
            nursery.cancel_scope.cancel()


@define
class Change:
    """An old daemon that drains, and a new one that has its port."""

    port: Port
    old: Daemon
    new: Daemon
    manager: Systemd
    document: str
    """What the old one has answered to a call."""

    @property
    def stream(self) -> str:
        return stream_in(self.document)

    @property
    def after(self) -> str:
        (found,) = re.findall(r'action="([^"]+)"', self.document)
        return str(found)

    @property
    def name(self) -> str:
        """The old one's."""
        return self.after.rpartition("=")[2]

    async def put_through(self) -> str:
        """An operator has the call talk elsewhere. Returns where Twilio asks when that is over."""
        async with self.port.stream(self.stream) as there:
            await self.old.says(f"call started call={CALL}")
            url = f"{self.port.url}/v1/calls/{CALL}/transfer"
            answer = await self.port.http.post(url, json={"to": "+33100000002"})
            assert answer.status_code == 202
            with trio.fail_after(10):
                await hear_all(there)
        document = await self.port.ask(self.after, {**FORM, "CallStatus": "in-progress"})
        assert "<Dial" in document
        (found,) = re.findall(r'action="([^"]+)"', document)
        return str(found)

    async def status(self) -> str:
        """Of the call, on record."""
        answer = await self.port.http.get(f"{self.port.url}/v1/calls/{CALL}")
        return str(answer.json()["status"])

    async def reason(self) -> str:
        """Why the call ended, as soon as that is on record."""
        while True:
            answer = await self.port.http.get(f"{self.port.url}/v1/calls/{CALL}")
            if reason := answer.json()["reason"]:
                return str(reason)
            await trio.sleep(0.02)

    async def over(self) -> None:
        """The caller hangs up, which the old one has waited for."""
        await self.port.ask(self.after, {**FORM, "CallStatus": "completed"})
        assert await self.old.ended() == 0


async def hear_all(there: WebSocketConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await there.get_message()


def stream_in(document: str) -> str:
    (found,) = re.findall(r'<Stream[^>]* url="([^"]+)"', document)
    return str(found)


@pytest.fixture
async def change(tmp_path: Path, lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[Change]:
    """Parametrized: this call, too, has rung when they change."""
    port = free_port()
    text = CONFIGURATION.format(
        port=port, token=TOKEN, engines=lab.configuration(), records=tmp_path / "records"
    )
    (tmp_path / "b").mkdir()
    for name in ("old.toml", "new.toml"):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    async with AsyncExitStack() as stack:
        with (
            trio.fail_after(40),
            systemd(tmp_path) as first,
            systemd(tmp_path / "b") as second,
            socket.create_server(("127.0.0.1", port)) as given,
        ):
            http = await stack.enter_async_context(httpx.AsyncClient())
            there = Port(port, http)
            old = await stack.enter_async_context(
                daemon(tmp_path / "old.toml", {"NOTIFY_SOCKET": first.address}, given)
            )
            await first.hear(READY="1")
            document = await there.ring()
            if also := getattr(request, "param", None):
                await there.ring(also)
            new = await stack.enter_async_context(
                daemon(tmp_path / "new.toml", {"NOTIFY_SOCKET": second.address}, given)
            )
            await second.hear(READY="1")
            old.signal()
            await old.says("another daemon has taken over the port")
            yield Change(there, old, new, first, document)
            for each in (old, new):
                assert "Traceback" not in each.text()


async def test_a_socket_and_what_follows_it_reach_the_old_one(
    change: Change, nursery: trio.Nursery
) -> None:
    """A call rang before the change; its stream opens, breaks and comes back behind it."""
    async with change.port.stream(change.stream):
        await change.manager.hear(STATUS="draining 1 call")
    document = await change.port.ask(change.after, {**FORM, "CallStatus": "in-progress"})
    again = stream_in(document)
    assert again.rpartition("/")[2].split(".")[0] == change.after.rpartition("=")[2]
    async with change.port.stream(again) as there:
        assert not there.closed
    await change.over()
    assert f"call={CALL}" not in change.new.text()
    nursery.cancel_scope.cancel()


async def test_a_forged_name_is_an_unknown_call_s(change: Change, nursery: trio.Nursery) -> None:
    for name in ("00000000", "x" * 4_000, "../../etc"):
        answer = await change.port.ask(f"{change.port.url}/twilio/after?at={name}")
        assert "<Hangup" in answer
    await change.over()
    nursery.cancel_scope.cancel()


async def test_an_old_one_that_dies_takes_its_sockets_along(
    change: Change, nursery: trio.Nursery
) -> None:
    async with change.port.stream(change.stream) as there:
        await change.manager.hear(STATUS="draining 1 call")
        change.old.signal(signal.SIGKILL)
        with trio.fail_after(5):
            await hear_all(there)
    assert "<Hangup" in await change.port.ask(change.after)
    assert (await change.port.http.get(f"{change.port.url}/healthz")).status_code == 200
    nursery.cancel_scope.cancel()


async def test_an_operator_s_order_reaches_the_old_one(
    change: Change, nursery: trio.Nursery
) -> None:
    async with change.port.stream(change.stream) as there:
        await change.manager.hear(STATUS="draining 1 call")
        http, url = change.port.http, f"{change.port.url}/v1/calls"
        live = (await http.get(url, params={"state": "live"})).json()["calls"]
        assert [each["sid"] for each in live] == [CALL]
        assert (await http.post(f"{url}/{CALL}/hangup")).status_code == 202
        with trio.fail_after(10):
            await hear_all(there)
    await change.over()
    nursery.cancel_scope.cancel()


# --- what is left of the old one ------------------------------------------------------------------


async def test_all_that_is_told_to_the_old_one_as_it_ends_is_answered(
    change: Change, nursery: trio.Nursery
) -> None:
    """What the new one has handed on must not wait at a door that goes with its daemon."""
    url = f"{change.port.url}/twilio/status?at={change.name}"
    news = {**FORM, "StreamSid": "MZ1", "StreamEvent": "stream-stopped"}
    answered, over = 0, trio.Event()

    async def tell() -> None:
        nonlocal answered
        while not over.is_set():
            await change.port.ask(url, news)
            answered += 1

    async with trio.open_nursery() as tellers:
        for _ in range(12):
            tellers.start_soon(tell)
        await trio.sleep(0.3)
        await change.over()
        over.set()
    assert answered > 12
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_a_transfer_from_before_the_change_that_was_taken_is_on_record(
    change: Change, nursery: trio.Nursery, status: str
) -> None:
    url = await change.put_through()
    assert await change.old.ended() == 0
    for _ in range(2):  # also asked again: an answer got lost
        answer = await change.port.ask(url, {**FORM, "DialCallStatus": status})
        assert "<Hangup" in answer
    assert change.new.text().count("call closed") == 1
    assert await change.reason() == "transferred"
    nursery.cancel_scope.cancel()


async def test_one_that_nobody_took_comes_back_to_the_new_one(
    change: Change, nursery: trio.Nursery
) -> None:
    url = await change.put_through()
    assert await change.old.ended() == 0
    document = await change.port.ask(url, {**FORM, "DialCallStatus": "no-answer"})
    async with change.port.stream(stream_in(document)) as there:
        await change.new.says(f"call started call={CALL}")
        assert not there.closed
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("at", ["?at={}", ""])
async def test_its_end_is_understood_too(change: Change, nursery: trio.Nursery, at: str) -> None:
    """Who hangs up in a transfer: the number's own status callback names no daemon."""
    await change.put_through()
    assert await change.old.ended() == 0
    url = f"{change.port.url}/twilio/status{at.format(change.name)}"
    await change.port.ask(url, {**FORM, "CallStatus": "ringing"})
    assert "call closed" not in change.new.text()
    await change.port.ask(url, {**FORM, "CallStatus": "completed"})
    await change.new.says(f"call closed call={CALL} reason=transferred")
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("change", [OTHER], indirect=True)
async def test_a_call_that_the_old_one_still_has_is_not_taken_from_it(
    change: Change, nursery: trio.Nursery
) -> None:
    """It has been put through, and the old one is there for another call."""
    url = await change.put_through()
    status = f"{change.port.url}/twilio/status"
    await change.port.ask(status, {**FORM, "CallStatus": "completed"})
    assert await change.status() == "transferring"
    answer = await change.port.ask(url, {**FORM, "DialCallStatus": "completed"})
    assert "<Hangup" in answer
    await change.old.says(f"call closed call={CALL} reason=transferred")
    await change.port.ask(change.after, {**OTHER, "CallStatus": "completed"})
    assert await change.old.ended() == 0
    assert f"call={CALL}" not in change.new.text()
    nursery.cancel_scope.cancel()
