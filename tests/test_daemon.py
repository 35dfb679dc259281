"""The daemon from start to stop, on real loopback sockets, with pretended engines."""

import logging
import socket
from pathlib import Path

import httpx
import pytest
import trio
from daemon_stage import TOKEN, Running, engine_set, running, settings, stop

from voiced import daemon
from voiced.call import editions
from voiced.daemon import life
from voiced.engines.build import EngineSet
from voiced.errors import StartupError
from voiced.lab.phone_record import Ended
from voiced.lab.phone_wire import sign
from voiced.records.recorder import Recorder


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> EngineSet:
    pretended = engine_set()
    monkeypatch.setattr(editions, "build_engines", lambda settings, http, tell: pretended)
    return pretended


async def test_a_started_daemon_takes_a_call(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        result = await there.call()
        assert result.ended is Ended.HUNG_UP
        assert result.warnings == ()
        assert len(result.agent) > 0


async def test_without_a_call_the_first_signal_ends_it(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        stop()
        await there.stopped.wait()
        with pytest.raises(OSError, match="all attempts"):
            await trio.open_tcp_stream("127.0.0.1", there.settings.server.port)


async def test_a_draining_daemon_refuses_politely_and_finishes_its_calls(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        held = await there.connect()
        stop()
        await trio.testing.wait_all_tasks_blocked(0.01)
        refused = await there.call()
        assert refused.ended is Ended.TWIML
        assert "All our lines are busy" in refused.events[0].text
        assert not held.over.is_set()
        assert not there.stopped.is_set()
        held.line.cancel()
        await there.stopped.wait()


async def test_after_the_drain_the_agent_says_goodbye(tmp_path: Path) -> None:
    async with running(settings(tmp_path, drain_s=0.05)) as there:
        held = await there.connect()
        stop()
        await held.over.wait()
        await there.stopped.wait()
        (result,) = there.results
        assert result.ended is Ended.SERVER_CLOSED
        assert len(result.agent_runs) >= 1


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        held = await there.connect()
        stop()
        await trio.testing.wait_all_tasks_blocked(0.01)
        stop()
        await there.stopped.wait()
        await held.over.wait()


async def test_a_stuck_guest_does_not_hold_it_up(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as there:
        stream = await trio.open_tcp_stream("127.0.0.1", there.settings.server.port)
        async with stream:
            await stream.send_all(b"POST /twiml HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked(0.01)
            stop()
            await there.stopped.wait()


async def test_a_port_that_is_taken_is_told_in_a_sentence(tmp_path: Path) -> None:
    of = settings(tmp_path)
    with (
        socket.create_server(("127.0.0.1", of.server.port)),
        pytest.raises(StartupError, match="cannot listen on 127"),
    ):
        await daemon.run(of)


async def test_records_that_cannot_be_read_keep_no_call_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    async with running(settings(tmp_path / "file" / "records")) as there:
        assert (await there.call()).ended is Ended.HUNG_UP
        stop()
        await there.stopped.wait()
    assert "what the run before left behind is not known" in caplog.text


async def dialled(there: Running) -> str:
    """The answer to the end of a transfer that is none of this daemon's."""
    url = f"http://127.0.0.1:{there.settings.server.port}/twilio/dialled"
    form = {"CallSid": "CA" + "9" * 32, "DialCallStatus": "busy"}
    headers = {"X-Twilio-Signature": sign(TOKEN, url, form)}
    async with httpx.AsyncClient() as twilio:
        answer = await twilio.post(url, data=form, headers=headers)
    assert answer.status_code == 200
    return answer.text


async def test_a_transfer_that_is_not_on_record_is_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "voiced.daemon"):
        async with running(settings(tmp_path)) as there:
            assert "<Hangup" in await dialled(there)
            stop()
            await there.stopped.wait()
    assert caplog.text.count("the carrier asks about a call that is over") == 1


async def test_records_that_hang_keep_the_carrier_waiting_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(recorder: Recorder) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(life, "LOOK_UP_S", 0.05)
    monkeypatch.setattr(Recorder, "flush", hang)
    async with running(settings(tmp_path)) as there:
        assert "<Hangup" in await dialled(there)
        stop()
        await there.stopped.wait()
