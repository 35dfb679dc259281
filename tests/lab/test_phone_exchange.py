"""`voiced phone` with an exchange beside it."""

import json
import socket
import wave
from pathlib import Path

import httpx
import pytest
import trio
from attrs import evolve
from test_exchange_daemon import CALLER, HUMAN, OURS, QUICK, TOKEN, Town, town

from voiced import cli
from voiced.errors import ConfigError, StartupError
from voiced.lab import commands, phone_command
from voiced.lab.carrier import PlaybackStatistics
from voiced.lab.phone import PhoneOptions, run_phone
from voiced.lab.phone_call import CallResult, PhoneCall, place_call
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_diary import Diary
from voiced.lab.phone_record import Ended, Kind, Recording
from voiced.lab.phone_result import total
from voiced.lab.phone_script import Person
from voiced.lab.phone_webhook import open_webhooks
from voiced.lab.script import HangUp


def options(place: Town, tmp_path: Path, **more: object) -> PhoneOptions:
    """A short sound, told to whoever listens."""
    sound = tmp_path / "hello.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(b"\x00\x10" * 800)
    call = CallSettings(place.daemon.url, auth_token=TOKEN, caller=CALLER, called=OURS)
    told = PhoneOptions(call, wav=sound, folder=tmp_path / "out", exchange=QUICK)
    return evolve(told, **more)


async def test_a_call_has_a_live_api_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with town() as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream("/media/close", "/transfer"))
        place.daemon.answer("/transfer", f"<Dial timeout='0'>{HUMAN}</Dial>")
        result = await run_phone(options(place, tmp_path))
        out = capsys.readouterr().out
        assert "the API listens on http://127.0.0.1:" in out
        assert f"(dials: {HUMAN})" in out
        assert "transfer: no-answer" in out
        assert result.ended is Ended.SERVER_CLOSED
        kept = json.loads((tmp_path / "out/call.json").read_text())
        assert kept["transfers"][0]["status"] == "no-answer"


async def test_the_telephone_waits_for_calls_and_answers_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results: list[CallResult] = []
    async with town() as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream("/media/close"))
        port = _free_port()
        exchange = evolve(QUICK, port=port)
        asked = options(place, tmp_path, exchange=exchange, answers=2)

        async def answer() -> None:
            results.append(await run_phone(asked))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            base = place.base.replace(place.exchange.url, f"http://127.0.0.1:{port}")
            with trio.fail_after(5):
                for _ in range(2):
                    await _placed(place, f"{base}/Calls.json")
    assert results[0].direction == "outbound-api"
    assert "(ringing: +33612345678)" in capsys.readouterr().out
    assert len(list((tmp_path / "out").glob("CA*/call.wav"))) == 2


async def _placed(place: Town, url: str) -> None:
    while True:
        try:
            answer = await place.http.post(url, data=place.new_call())
        except httpx.ConnectError:
            await trio.sleep(0.02)
            continue
        assert answer.status_code == 201
        return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])


async def test_calls_to_answer_need_an_exchange() -> None:
    with pytest.raises(ConfigError, match="--api-port"):
        await run_phone(PhoneOptions(say=["a"], answers=1))


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    async with town() as place:
        port = int(place.exchange.url.rpartition(":")[2])
        taken = options(place, tmp_path, exchange=evolve(QUICK, port=port))
        with pytest.raises(StartupError, match=f"cannot listen on 127.0.0.1:{port}"):
            await run_phone(taken)


def test_the_command_makes_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[PhoneOptions] = []

    async def run(options: PhoneOptions) -> CallResult:
        await trio.lowlevel.checkpoint()
        asked.append(options)
        return CallResult("CA1", Ended.HUNG_UP, ())

    monkeypatch.setattr(phone_command, "run_phone", run)
    common = ["phone", "http://a", "--say", "hello"]
    more = ["--api-port", "9", "--api-account", "AC2", "--answer", "--calls", "3", "--from", CALLER,
        "--to", OURS, "--human", "busy", "--verdict", "machine"]  # fmt: skip
    for words in (common, common + more):
        assert commands.COMMANDS["phone"](cli.parser().parse_args(words)) == 0
    assert asked[0] == PhoneOptions(CallSettings("http://a"), say=["hello"])
    call, exchange = asked[1].call, asked[1].exchange
    assert (call.account_sid, call.caller, call.called) == ("AC2", CALLER, OURS)
    assert exchange is not None
    assert (exchange.port, asked[1].answers) == (9, 3)
    assert (exchange.human.answer.value, exchange.verdict.value) == ("busy", "machine")


async def test_a_telephone_without_an_exchange_dials_nobody() -> None:
    async with town() as place:
        place.daemon.answer("/twilio/voice", f"<Dial>{HUMAN}</Dial><Say>Sorry.</Say>")
        settings = CallSettings(place.daemon.url, auth_token=TOKEN)
        result = await place_call(settings, [], [b""])
        texts = [(event.kind, event.text) for event in result.events[:2]]
        assert texts == [(Kind.SKIPPED, "Dial"), (Kind.ANNOUNCED, "Sorry.")]
        assert result.transfers == ()


async def test_documents_that_lead_in_a_circle_come_to_an_end() -> None:
    async with town() as place:
        place.daemon.answer("/twilio/voice", "<Redirect>/twilio/voice</Redirect>")
        await place_call(CallSettings(place.daemon.url, auth_token=TOKEN), [], [b""])
        assert len(place.daemon.asked) == 30


@pytest.mark.parametrize("url", ["http://[::1", "http://exa mple:port/"])
async def test_an_address_that_is_none_is_a_warning(url: str) -> None:
    settings = CallSettings("http://127.0.0.1:1")
    async with open_webhooks(settings) as webhooks:
        call = PhoneCall(settings, Person(), Diary(lambda event: None), webhooks)
        await call.run(evolve(call.front_door, url=url))
    assert [warning.code for warning in call.diary.warnings] == [11210]


def test_several_streams_are_counted_together() -> None:
    one = PlaybackStatistics(2, 1, 3, 1, 0.1, 0.2)
    assert total([one]) is one
    assert total([one, PlaybackStatistics(1, 0, 0, 2, 0.3, 0.1)]) == PlaybackStatistics(
        3, 1, 3, 3, 0.3, 0.2
    )
    assert total([]) == PlaybackStatistics()


def test_between_two_streams_both_lines_are_silent() -> None:
    recording = Recording()
    recording.hear(b"\x10" * 160)
    assert recording.frames == 0
    recording.fill(3)
    assert recording.frames == 3
    assert recording.caller == b"\xff" * 480
    assert recording.agent == b"\x10" * 160 + b"\xff" * 320
    recording.fill(2)
    assert recording.frames == 3


def test_a_person_hangs_up_in_the_end() -> None:
    assert isinstance(Person([]).turns[-1].action, HangUp)
