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

CONFIGURATION = """
[server]
port = {port}
drain_s = 20
[twilio]
auth_token = "{token}"
{engines}
[agent.default]
language = "en"
greeting = ""
goodbye = ""
resumed = ""
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

    async def ring(self) -> str:
        return await self.ask(f"{self.url}/twilio/voice")

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
async def change(tmp_path: Path, lab: Lab) -> AsyncIterator[Change]:
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
