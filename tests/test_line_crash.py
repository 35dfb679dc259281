"""A daemon that is killed in mid-call, and started again at once."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from subprocess import STDOUT

import httpx
import trio
from attrs import define
from line_house import GREETING, RESUMED, TOKEN, House, free_port, lines, street
from line_tones import GREETED, PLEASE, TOLD, WAIT, heard, person, said, sentences

from voiced.lab.phone_record import Ended, Kind
from voiced.lab.script import HangUp, Say, Turn

LISTENS = said("Yes, I am listening.")
NOTED = said("It is noted. Is there anything else I can do?")
GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Way(Enum):
    """Whether the proxy lets anybody through: a process that is killed closes one socket after
    the other, and may still accept what it will never answer."""

    OPEN = auto()
    SHUT = auto()


@define
class Proxy:
    """Stands before the daemon. While it is down, who asks what to do about a call is held and
    never answered, and everybody else is turned away."""

    port: int
    way: Way = Way.OPEN

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(*GONE):
                inner = await self._connect()
                if inner is None:
                    await _hold(stream)
                    return
                async with inner, trio.open_nursery() as nursery:
                    nursery.start_soon(_pump, stream, inner, nursery.cancel_scope)
                    await _pump(inner, stream, nursery.cancel_scope)

    async def _connect(self) -> trio.SocketStream | None:
        with suppress(OSError):
            if self.way is Way.OPEN:
                return await trio.open_tcp_stream("127.0.0.1", self.port)
        return None


async def _hold(stream: trio.SocketStream) -> None:
    if b"/twilio/after" in await stream.receive_some():
        while await stream.receive_some():
            pass


async def _pump(
    source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
) -> None:
    with suppress(*GONE):
        async for data in source:
            await sink.send_all(data)
    scope.cancel(reason="one side has gone")


@asynccontextmanager
async def process(there: House, file: Path, proxy: Proxy) -> AsyncIterator[trio.Process]:
    """`voiced run`, ready; killed at the end of the block."""
    proxy.way = Way.OPEN
    command = [sys.executable, "-m", "voiced", "run", "--config", str(file)]
    with file.with_suffix(".log").open("ab") as log:
        async with trio.open_nursery() as nursery:
            run = trio.run_process
            started: trio.Process = await nursery.start(
                lambda task_status: run(
                    command, stdout=log, stderr=STDOUT, check=False, task_status=task_status
                )
            )
            while True:
                with suppress(httpx.TransportError):
                    await there.http.get("/healthz")
                    break
                await trio.sleep(0.02)
            yield started
            proxy.way = Way.SHUT
            started.kill()


async def end_by_carrier(there: House, sid: str) -> None:
    """The call is ended by nobody that the daemon knows of."""
    account = there.exchange.account.sid
    url = f"{there.exchange.url}/2010-04-01/Accounts/{account}/Calls/{sid}.json"
    answer = await there.http.post(url, data={"Status": "completed"}, auth=(account, TOKEN))
    assert answer.status_code == 200


async def test_a_killed_daemon_fetches_its_calls_back_and_closes_those_that_are_gone(
    tmp_path: Path,
) -> None:
    port, records, file = await free_port(), tmp_path / "records", tmp_path / "voiced.toml"
    stays = person(Turn(Say(WAIT), GREETED), Turn(Say(PLEASE)), Turn(HangUp(), TOLD))
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            proxy = Proxy(port)
            nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
            front = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            async with street(records, port, front, gap_s=1.2) as there:
                await trio.Path(file).write_text(there.configuration)
                async with process(there, file, proxy):
                    kept = await there.ring(stays)
                    gone = await there.ring(person(Turn(Say(WAIT), GREETED)))
                    for sid in (kept.sid, gone.sid):
                        await there.turn(sid, 1)
                        await there.written(sid, 3)
                told = "SELECT role, text FROM said WHERE sid = ? ORDER BY id"
                for sid in (kept.sid, gone.sid):
                    rows = [(role, said(text)) for role, text in there.rows(told, sid)]
                    assert rows == [
                        ("agent", said(GREETING)), ("caller", WAIT), ("agent", LISTENS)
                    ]  # fmt: skip
                    left, _ = lines((records / "recordings" / f"{sid}.wav").read_bytes())
                    assert sentences(left) == [WAIT]
                await end_by_carrier(there, gone.sid)
                lost = await gone.end()
                assert heard(lost) == f"{said(GREETING)} {LISTENS}"

                async with process(there, file, proxy):
                    record = await there.closed(gone.sid)
                    assert (record["reason"], record["turns"]) == ("crash", 1)
                    result = await kept.end()
                    record = await there.closed(kept.sid)
                    hook = await there.receiver.of(kept.sid, "call.ended")
                    crash = await there.receiver.of(gone.sid, "call.ended")
                    transcript = await there.transcript(kept.sid)

                assert heard(result) == f"{said(GREETING)} {LISTENS} {said(RESUMED)} {NOTED}"
                assert (result.streams, result.ended) == (2, Ended.HUNG_UP)
                asked = kept.texts(Kind.API_REQUEST)
                assert f"GET {kept.sid}: 200" in asked
                assert any(each.startswith(f"POST {kept.sid} Url") for each in asked)
                assert len(kept.texts(Kind.REDIRECTED)) == 1
                assert (record["reason"], record["turns"]) == ("hangup", 2)
                story = [("agent", said(GREETING)), ("caller", WAIT), ("agent", LISTENS),
                    ("agent", said(RESUMED)), ("caller", PLEASE), ("agent", NOTED)]  # fmt: skip
                assert transcript == story
                last = there.lab.llm.requests[-1].messages[1:]
                assert [said(each["content"]) for each in last] == [
                    said(GREETING), WAIT, f"{LISTENS} {said(RESUMED)}", PLEASE]  # fmt: skip
                assert hook.is_signed
                assert crash.is_signed
                assert crash.body["call"]["reason"] == "crash"
            nursery.cancel_scope.cancel(reason="told")
