"""`voiced check`: each part asked for real, as far as a test can: the lab's engines on loopback,
a pretended carrier and a pretended public address.
"""

import json
import signal
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from voiced import cli
from voiced.carrier.twilio import Carrier
from voiced.client import check as checking
from voiced.client.check import ask_all, probes
from voiced.client.check_carrier import ask_account, ask_number
from voiced.client.check_engines import ask_llm, ask_stt, ask_tts
from voiced.client.check_report import Answer, Row, State, can_serve, report, report_object
from voiced.config import (
    Agent,
    AnthropicLlm,
    CartesiaTts,
    DeepgramStt,
    MoshiStt,
    MoshiTts,
    OpenAiLlm,
    Secret,
    Server,
    Settings,
    Twilio,
)
from voiced.dialog.events import SpeechEvent, SpokenAudio
from voiced.engines.http import http_client
from voiced.engines.roles import Llm, Stt, Tts
from voiced.errors import CarrierError, EngineRefused, EngineTimeout
from voiced.lab import anthropic as lab_anthropic
from voiced.lab import cartesia_faults, deepgram_faults
from voiced.lab.engines import CARTESIA_VOICE, EarKind, Lab, LabSettings, VoiceKind, run_lab
from voiced.lab.faults import Fault, Kind, LlmFault
from voiced.wire.signature import is_valid
from voiced.wire.twilio_rest import Account, IncomingNumber

TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://voice.example.com"
NUMBER = "+33123456789"
WORKING = State.WORKS, Answer.YES, Answer.YES


def row(role: str = "stt", name: str = "lab", where: str = "ws://x", **values: Any) -> Row:
    state = {"state": State.FAILED, "hint": "no answer"} | values
    return Row(role=role, name=name, where=where, **state)


def settings(twilio: Twilio | None = None, public_url: str = PUBLIC, **engines: Any) -> Settings:
    lab: dict[str, Any] = {
        "stt": {"lab": MoshiStt()}, "llm": {"lab": OpenAiLlm()}, "tts": {"lab": MoshiTts()},
    }  # fmt: skip
    return Settings(
        server=Server(public_url=public_url),
        twilio=twilio or Twilio(account_sid="AC1", auth_token=Secret(TOKEN), phone_number=NUMBER),
        agents={"default": Agent(language="en", stt=("lab",), llm=("lab",), tts=("lab",))},
        **(lab | engines),
    )


def verdict(of: Row) -> tuple[State, Answer, Answer]:
    return of.state, of.reachable, of.authorised


# --- the engines, for real ----------------------------------------------------------------------


QUICK = LabSettings(
    stt_port=0, tts_port=0, llm_port=0, voice=VoiceKind.TONE, ear=EarKind.WORDS,
    sentences=("hello",), stt_batch_size=3, tts_batch_size=2,
)  # fmt: skip


KEY = Secret("public_token")


@define
class House:
    """A running lab, and the settings that lead to it."""

    lab: Lab
    http: httpx.AsyncClient
    engines: dict[str, dict[str, Any]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        lab = self.lab
        self.engines = {
            "stt": {
                "lab": MoshiStt(url=lab.stt_url),
                "deepgram": DeepgramStt(url=lab.deepgram_url, api_key=KEY, language="en"),
                "flux": DeepgramStt(url=lab.deepgram_url, api_key=KEY, model="flux-general-en",
                                    language="en"),
            },
            "llm": {
                "lab": OpenAiLlm(base_url=lab.llm_url, model="lab"),
                "anthropic": AnthropicLlm(base_url=lab.anthropic_url, api_key=KEY),
            },
            "tts": {
                "lab": MoshiTts(url=lab.tts_url),
                "cartesia": CartesiaTts(url=lab.cartesia_url, api_key=KEY, voice=CARTESIA_VOICE),
            },
        }  # fmt: skip

    async def ask(self, role: str, name: str, **changes: Any) -> Row:
        """Asks one of them alone."""
        changed = evolve(self.engines[role][name], **changes)
        of = settings(**({"stt": {}, "llm": {}, "tts": {}} | {role: {name: changed}}))
        probe = next(probes(of, self.http, Carrier(of.twilio, self.http)))
        assert probe.ask is not None
        return await probe.ask(probe.row)


async def with_lab(test: Callable[[House], Awaitable[None]]) -> None:
    async with http_client() as http, trio.open_nursery() as nursery:
        lab: Lab = await nursery.start(partial(run_lab, QUICK))
        await test(House(lab, http))
        nursery.cancel_scope.cancel()


async def test_a_house_whose_engines_all_work() -> None:
    async def test(house: House) -> None:
        of = settings(Twilio(verify_signatures=False), "http://127.0.0.1:8765", **house.engines)
        rows = await checking.found(of)
        engines = {each.name: each for each in rows[:7]}
        assert [verdict(each) for each in rows[:7]] == [WORKING] * 7
        assert all(each.first_ms is not None for each in rows[:7])
        assert [each.state for each in rows[7:]] == [State.NOT_CONFIGURED] * 4
        slots = [(each.role, each.free, each.slots) for each in rows[:7] if each.slots is not None]
        assert slots == [("stt", 3, 3), ("tts", 2, 2)]
        assert engines["deepgram"].slots is None
        assert can_serve(of, rows)
        told: list[str] = []
        assert await checking.check(of, told.append) == 0
        assert told[-1] == "a call can be served"
        assert await checking.check_json(of, told.append) == 0
        assert json.loads(told[-1])["ok"] is True

    await with_lab(test)


@pytest.mark.parametrize(
    ("fault", "authorised", "said"),
    [
        (Kind.REFUSE, Answer.NO, "does not accept the api_key"),
        (Kind.AT_CAPACITY, Answer.YES, "all slots are taken"),
    ],
)
async def test_moshi_servers_that_refuse(fault: Kind, authorised: Answer, said: str) -> None:
    async def test(house: House) -> None:
        house.lab.stt.fault = house.lab.tts.fault = Fault(fault)
        for role in ("stt", "tts"):
            found = await house.ask(role, "lab")
            assert verdict(found) == (State.FAILED, Answer.YES, authorised)
            assert said in found.hint
            assert not found.hint.startswith(found.role)

    await with_lab(test)


async def test_a_wrong_path_is_reached_and_not_authorised() -> None:
    async def test(house: House) -> None:
        found = await house.ask("stt", "lab", url=house.lab.stt_url + "/no", api_key=None)
        assert verdict(found) == (State.FAILED, Answer.YES, Answer.UNKNOWN)
        assert "no module at this path" in found.hint
        assert found.slots is None

    await with_lab(test)


NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("role", "engine"),
    [
        ("stt", MoshiStt(url=f"ws://{NOBODY}/api/asr-streaming")),
        ("stt", DeepgramStt(url=f"ws://{NOBODY}")),
        ("llm", OpenAiLlm(base_url=f"http://{NOBODY}/v1")),
        ("llm", AnthropicLlm(base_url=f"http://{NOBODY}")),
        ("tts", MoshiTts(url=f"ws://{NOBODY}/api/tts", api_key=None)),
        ("tts", CartesiaTts(url=f"ws://{NOBODY}", voice="v")),
    ],
    ids=str,
)
async def test_nobody_there_is_not_reached(role: str, engine: Any) -> None:
    of = settings(**({"stt": {}, "llm": {}, "tts": {}} | {role: {"x": engine}}))
    async with http_client() as http:
        probe = next(probes(of, http, Carrier(of.twilio, http)))
        assert probe.ask is not None
        found = await probe.ask(probe.row)
    assert verdict(found) == (State.FAILED, Answer.NO, Answer.UNKNOWN)
    assert found.where == engine.address
    assert f"nothing listens at {engine.address}" in found.hint


async def test_who_never_answers_a_dial_is_not_there(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def silent(url: str) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    class Deaf:
        def transcription(self) -> Any:
            raise EngineTimeout("x", "stt", "no way to it")

    monkeypatch.setattr("voiced.client.check_engines.dial", silent)
    found = await ask_stt(row("stt", "x"), cast(Stt, Deaf()), MoshiStt())
    assert verdict(found) == (State.FAILED, Answer.NO, Answer.UNKNOWN)


@pytest.mark.parametrize(
    ("role", "name", "variable"),
    [
        ("stt", "lab", "KYUTAI_API_KEY"), ("stt", "deepgram", "DEEPGRAM_API_KEY"),
        ("llm", "anthropic", "ANTHROPIC_API_KEY"),
        ("tts", "lab", "KYUTAI_API_KEY"), ("tts", "cartesia", "CARTESIA_API_KEY"),
    ],
)  # fmt: skip
async def test_a_wrong_key_is_told_and_where_it_is_set(role: str, name: str, variable: str) -> None:
    async def test(house: House) -> None:
        for wrong, said in ((Secret("hushhush"), "Mend it"), (None, "None is set")):
            found = await house.ask(role, name, api_key=wrong)
            assert verdict(found) == (State.FAILED, Answer.YES, Answer.NO)
            assert "does not accept the api_key" in found.hint
            assert f"{said}: api_key in [{role}.{name}], or {variable}" in found.hint
            assert "hushhush" not in found.hint

    await with_lab(test)


async def test_what_an_account_is_refused_for_is_told() -> None:
    async def test(house: House) -> None:
        cloud = house.lab.cloud
        cloud.deepgram.fault = deepgram_faults.DeepgramFault(deepgram_faults.Kind.NO_CREDIT)
        cloud.cartesia.fault = cartesia_faults.CartesiaFault(cartesia_faults.Kind.UNKNOWN_VOICE)
        cloud.anthropic.fault = lab_anthropic.AnthropicFault.NO_CREDIT
        for role, name, said in (
            ("stt", "deepgram", "no credit left"),
            ("llm", "anthropic", "no credit left"),
            ("tts", "cartesia", "check voice"),
        ):
            found = await house.ask(role, name)
            assert verdict(found) == (State.FAILED, Answer.YES, Answer.UNKNOWN)
            assert said in found.hint

    await with_lab(test)


@pytest.mark.parametrize(
    ("fault", "reachable", "authorised", "said"),
    [
        (LlmFault.UNAUTHORISED, Answer.YES, Answer.NO, "or OPENAI_API_KEY"),
        (LlmFault.NOT_FOUND, Answer.YES, Answer.UNKNOWN, "`ollama pull lab`"),
        (LlmFault.RATE_LIMITED, Answer.YES, Answer.YES, "limits our rate"),
        (LlmFault.EMPTY, Answer.YES, Answer.YES, "it answered nothing"),
    ],
)
async def test_models_that_do_not_answer(
    fault: LlmFault, reachable: Answer, authorised: Answer, said: str
) -> None:
    async def test(house: House) -> None:
        house.lab.llm.fault = fault
        found = await house.ask("llm", "lab")
        assert verdict(found) == (State.FAILED, reachable, authorised)
        assert said in found.hint

    await with_lab(test)


@pytest.mark.parametrize(("key", "authorised"), [("", Answer.UNKNOWN), ("api_key", Answer.NO)])
async def test_the_words_of_a_refusal_are_not_searched_for_the_key(
    key: str, authorised: Answer, autojump_clock: MockClock
) -> None:
    class Refusing(Mute):
        async def complete(self, *what: object) -> None:
            await trio.lowlevel.checkpoint()
            error = EngineRefused("lab", "llm", "a proxy does not accept the api_key")
            error.key = key
            raise error

    found = await ask_llm(row("llm"), cast(Llm, Refusing()), OpenAiLlm())
    assert verdict(found) == (State.FAILED, Answer.YES, authorised)
    assert ("OPENAI_API_KEY" in found.hint) is bool(key)


class Slow:
    """A voice that needs twice the time of what it says."""

    async def speak(
        self, words: trio.MemoryReceiveChannel[str], speech: trio.MemorySendChannel[SpeechEvent]
    ) -> None:
        assert [word async for word in words] == ["Hello"]
        for length in (800, 400, 400, 400, 400):
            await trio.sleep(0.1)
            await speech.send(SpokenAudio(bytes(length)))


async def test_a_slow_voice_works_and_gets_a_hint(autojump_clock: MockClock) -> None:
    found = await ask_tts(row("tts"), cast(Tts, Slow()), MoshiTts())
    assert found.state is State.WORKS
    assert (found.first_ms, found.real_time) == (100, pytest.approx(0.5))
    assert "slower than real time" in found.hint


class Mute:
    """A model that cannot be warmed, and answers all the same."""

    async def warm(self) -> None:
        raise EngineTimeout("x", "llm", "it lists no models")

    async def complete(self, messages: Any, text: trio.MemorySendChannel[str]) -> None:
        await trio.sleep(0.2)
        await text.send("OK")
        await trio.sleep_forever()


async def test_a_model_is_judged_by_its_answer(autojump_clock: MockClock) -> None:
    found = await ask_llm(row("llm"), cast(Llm, Mute()), OpenAiLlm())
    assert (found.state, found.first_ms) == (State.WORKS, 200)


# --- the carrier and the public address, pretended ----------------------------------------------


@define
class Outside:
    """Twilio's REST API and the way from outside to the daemon."""

    account: Any = field(factory=lambda: {"sid": "AC1", "status": "active", "type": "Full"})
    number: dict[str, Any] | None = field(
        factory=lambda: {
            "phone_number": NUMBER, "voice_url": f"{PUBLIC}/twilio/voice", "voice_method": "POST",
            "status_callback": "", "voice_fallback_url": "", "voice_application_sid": None,
        }
    )  # fmt: skip
    refusal: httpx.Response | Exception | None = None
    public: dict[str, Any] = field(factory=dict)
    asked: list[httpx.Request] = field(factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.host == "voice.example.com":
            return self.come_in(request)
        if request.url.host != "api.twilio.com":
            raise httpx.ConnectError("no engine here")
        if isinstance(self.refusal, Exception):
            raise self.refusal
        if self.refusal is not None:
            return self.refusal
        if "IncomingPhoneNumbers" in request.url.path:
            numbers = [] if self.number is None else [self.number]
            return httpx.Response(200, json={"incoming_phone_numbers": numbers})
        return httpx.Response(200, json=self.account)

    def come_in(self, request: httpx.Request) -> httpx.Response:
        """As the daemon does, unless told otherwise."""
        told = self.public.get(request.url.path)
        if isinstance(told, Exception):
            raise told
        if told is not None:
            return told
        forbidden = httpx.Response(403, json={"error": {"code": "forbidden", "message": "no"}})
        if request.url.path == "/healthz":
            return httpx.Response(200, json={"status": "ok"})
        form = parse_qs(request.content.decode())
        signature = request.headers.get("X-Twilio-Signature", "")
        signed = is_valid([TOKEN], str(request.url), form, signature)
        return httpx.Response(204) if signed else forbidden

    async def ask(self, of: Settings | None = None) -> dict[str, Row]:
        """The rows by name, those of the engines left out."""
        of = of or settings(stt={}, llm={}, tts={})
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as http:
            carrier = Carrier(of.twilio, http, checking.CARRIER_TIMING)
            rows = await ask_all(list(probes(of, http, carrier)))
        return {each.name: each for each in rows}


async def test_a_carrier_and_an_address_that_are_right(autojump_clock: MockClock) -> None:
    outside = Outside()
    rows = await outside.ask()
    assert [each.state for each in rows.values()] == [State.WORKS] * 4
    assert not any(each.hint for each in rows.values())
    assert rows["signatures"].authorised is Answer.YES
    (status,) = [request for request in outside.asked if request.url.path == "/twilio/status"]
    assert parse_qs(status.content.decode())["CallSid"][0].startswith("CA")


async def test_an_account_that_does_not_know_us(autojump_clock: MockClock) -> None:
    refusal = httpx.Response(401, json={"code": 20003, "message": "Authenticate", "status": 401})
    rows = await Outside(refusal=refusal).ask()
    for name in ("account", "number"):
        assert verdict(rows[name]) == (State.FAILED, Answer.YES, Answer.NO)
        assert "auth_token" in rows[name].hint


@pytest.mark.parametrize(
    ("refusal", "reachable"),
    [(httpx.ConnectError("no"), Answer.NO), (httpx.Response(500), Answer.YES)],
)
async def test_a_carrier_that_fails(
    refusal: httpx.Response | Exception, reachable: Answer, autojump_clock: MockClock
) -> None:
    rows = await Outside(refusal=refusal).ask()
    assert verdict(rows["account"]) == (State.FAILED, reachable, Answer.UNKNOWN)


@define
class Refusing:
    """A carrier whose every answer is this error."""

    error: CarrierError
    is_configured: bool = True

    async def account(self) -> Account:
        await trio.lowlevel.checkpoint()
        raise self.error

    async def number(self, phone_number: str) -> IncomingNumber | None:
        await trio.lowlevel.checkpoint()
        raise self.error


@pytest.mark.parametrize(
    ("error", "reachable"),
    [
        (CarrierError("it is busy", status=503), Answer.YES),
        (CarrierError("the proxy says (HTTP 502)"), Answer.NO),
    ],
)
async def test_a_status_tells_an_answer_and_words_do_not(
    error: CarrierError, reachable: Answer
) -> None:
    blank = row("carrier", "account")
    for asked in (
        await ask_account(blank, settings(), Refusing(error)),
        await ask_number(blank, settings(), Refusing(error)),
    ):
        assert verdict(asked) == (State.FAILED, reachable, Answer.UNKNOWN)
        assert asked.hint == str(error)


async def test_a_suspended_account(autojump_clock: MockClock) -> None:
    outside = Outside(account={"sid": "AC1", "status": "suspended", "type": "Full"})
    account = (await outside.ask())["account"]
    assert account.state is State.FAILED
    assert "the account is suspended" in account.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"voice_url": f"{PUBLIC}/twiml"}, ""),
        ({"voice_url": "https://demo.twilio.com"}, f"set it to {PUBLIC}/twilio/voice"),
        ({"voice_url": None}, "Its voice URL leads elsewhere"),
        ({"voice_method": "GET"}, "set it to HTTP POST"),
        ({"voice_application_sid": "AP1"}, "A TwiML app answers this number"),
    ],
)
async def test_where_the_number_leads(
    change: dict[str, Any], said: str, autojump_clock: MockClock
) -> None:
    outside = Outside()
    assert outside.number is not None
    outside.number |= change
    number = (await outside.ask())["number"]
    assert said in number.hint
    assert number.state is (State.FAILED if said else State.WORKS)
    assert NUMBER not in number.hint


async def test_a_number_of_somebody_else(autojump_clock: MockClock) -> None:
    number = (await Outside(number=None).ask())["number"]
    assert verdict(number) == (State.FAILED, Answer.YES, Answer.YES)
    assert "not a number of this account" in number.hint


async def test_half_an_account_is_told(autojump_clock: MockClock) -> None:
    rows = await Outside().ask(settings(Twilio(account_sid="AC1"), stt={}, llm={}, tts={}))
    assert rows["account"].state is State.NOT_CONFIGURED
    assert "twilio.auth_token is not" in rows["account"].hint
    assert rows["signatures"].state is State.FAILED
    assert "set twilio.auth_token" in rows["signatures"].hint


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8765", "http://localhost:8765"])
async def test_nothing_configured_is_no_failure(public_url: str, autojump_clock: MockClock) -> None:
    twilio = Twilio(auth_token=Secret(TOKEN))
    rows = await Outside().ask(settings(twilio, public_url, stt={}, llm={}, tts={}))
    assert {each.state for each in rows.values()} == {State.NOT_CONFIGURED}
    assert not any(each.hint for each in rows.values())


def certificate_fault() -> httpx.ConnectError:
    fault = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    fault.verify_message = "certificate has expired"
    error = httpx.ConnectError("no")
    error.__cause__ = fault
    return error


HTML = "<html>"
NOT_OURS = httpx.Response(404, text=HTML)


@pytest.mark.parametrize(
    ("public", "reachable", "said"),
    [
        ({"/healthz": NOT_OURS}, Answer.YES, ""),
        ({"/healthz": httpx.Response(200, text=HTML)}, Answer.YES, ""),
        ({"/healthz": httpx.Response(200, json={})}, Answer.YES, ""),
        ({"/healthz": NOT_OURS, "/twilio/voice": NOT_OURS}, Answer.YES, "not from voiced"),
        (
            {"/healthz": NOT_OURS, "/twilio/voice": httpx.Response(403, json={"error": {}})},
            Answer.YES, "HTTP 403 at /twilio/voice, and not from voiced",
        ),
        (
            {"/healthz": NOT_OURS, "/twilio/voice": httpx.Response(502, text=HTML)},
            Answer.YES, "not the daemon behind it",
        ),
        (
            {
                "/healthz": NOT_OURS,
                "/twilio/voice": httpx.Response(308, headers={"Location": "https://x"}),
            },
            Answer.YES, "is redirected",
        ),
        ({"/healthz": certificate_fault()}, Answer.NO, "certificate has expired"),
        ({"/healthz": httpx.ReadError("no")}, Answer.NO, "dropped the connection"),
    ],
)  # fmt: skip
async def test_the_way_from_outside(
    public: dict[str, Any], reachable: Answer, said: str, autojump_clock: MockClock
) -> None:
    address = (await Outside(public=public).ask())["address"]
    assert address.reachable is reachable
    assert said in address.hint
    assert address.state is (State.FAILED if said else State.WORKS)


async def test_an_address_without_tls(autojump_clock: MockClock) -> None:
    of = settings(public_url="http://voice.example.com", stt={}, llm={}, tts={})
    address = (await Outside().ask(of))["address"]
    assert address.state is State.FAILED
    assert "must be https://" in address.hint


async def test_a_daemon_with_another_token(autojump_clock: MockClock) -> None:
    twilio = Twilio(account_sid="AC1", auth_token=Secret("another"))
    signed = (await Outside().ask(settings(twilio, stt={}, llm={}, tts={})))["signatures"]
    assert verdict(signed) == (State.FAILED, Answer.YES, Answer.NO)
    assert "restart voiced" in signed.hint


async def test_either_token_signs(autojump_clock: MockClock) -> None:
    twilio = Twilio(account_sid="AC1", auth_token_secondary=Secret(TOKEN))
    signed = (await Outside().ask(settings(twilio, stt={}, llm={}, tts={})))["signatures"]
    assert verdict(signed) == WORKING


@pytest.mark.parametrize(
    ("told", "reachable", "said"),
    [
        (httpx.Response(404, text=HTML), Answer.YES, "HTTP 404 at /twilio/status"),
        (httpx.ConnectError("no"), Answer.NO, "there is no way"),
    ],
)
async def test_a_status_callback_that_does_not_arrive(
    told: Any, reachable: Answer, said: str, autojump_clock: MockClock
) -> None:
    signed = (await Outside(public={"/twilio/status": told}).ask())["signatures"]
    assert (signed.state, signed.reachable) == (State.FAILED, reachable)
    assert said in signed.hint


async def test_one_that_does_not_answer_holds_up_no_other(autojump_clock: MockClock) -> None:
    async def never(asked: Row) -> Row:
        await trio.sleep_forever()
        raise AssertionError

    async def at_once(asked: Row) -> Row:
        await trio.lowlevel.checkpoint()
        return evolve(asked, state=State.WORKS)

    late, works = await ask_all([checking.Probe(row(), never), checking.Probe(row(), at_once)])
    assert trio.current_time() == pytest.approx(checking.DEADLINE_S)
    assert (late.state, late.hint) == (State.FAILED, "no answer")
    assert works.state is State.WORKS


# --- the report ---------------------------------------------------------------------------------

FOUND = [
    row("stt", "lab", "ws://127.0.0.1:8090/api/asr-streaming", state=State.WORKS, hint="",
        reachable=Answer.YES, authorised=Answer.YES, first_ms=12, free=14, slots=16),
    row("llm", "lab", "http://127.0.0.1:11434/v1", reachable=Answer.YES, authorised=Answer.NO,
        hint="it does not accept the api_key"),
    row("tts", "lab", "ws://127.0.0.1:8080/api/tts_streaming", state=State.WORKS, hint="",
        reachable=Answer.YES, authorised=Answer.YES, first_ms=250, real_time=2.48),
    row("carrier", "number", "", state=State.NOT_CONFIGURED, hint="not yet"),
]  # fmt: skip


def test_the_table_keeps_to_its_width_and_the_hints_stand_below() -> None:
    lines = report(settings(), FOUND)
    assert max(map(len, lines)) <= 100
    assert lines[0].split()[:4] == ["WHAT", "WHERE", "REACHABLE", "AUTHORISED"]
    assert lines[1].split()[-3:] == ["12", "-", "14/16"]
    assert lines[3].split()[-3:] == ["250", "2.5x", "-"]
    assert lines[4].split() == ["carrier", "number", "not", "configured"]
    assert lines[5:] == [
        "",
        "llm lab: it does not accept the api_key",
        "carrier number: not yet",
        "",
        "no call can be served: no llm of agent.default works",
    ]


def test_without_hints_the_verdict_follows_the_table() -> None:
    assert len(report(settings(), [FOUND[0]])) == 4


def test_the_report_for_programs() -> None:
    told = report_object(settings(), FOUND)
    assert told["ok"] is False
    assert told["missing"] == ["no llm of agent.default works"]
    assert json.loads(json.dumps(told)) == told
    stt, llm, *_ = told["rows"]
    assert (stt["reachable"], stt["authorised"], stt["state"]) == (True, True, "works")
    assert (llm["authorised"], llm["first_ms"]) == (False, None)


def test_without_a_token_signed_calls_cannot_be_served() -> None:
    rows = [row(role, "lab", state=State.WORKS) for role in ("stt", "llm", "tts")]
    assert not can_serve(settings(Twilio()), rows)
    assert can_serve(settings(Twilio(verify_signatures=False)), rows)
    assert can_serve(settings(Twilio(auth_token_secondary=Secret(TOKEN))), rows)


# --- the command --------------------------------------------------------------------------------


def configured(folder: Path) -> list[str]:
    path = folder / "voiced.toml"
    path.write_text("""
        [stt.kyutai]
        type = "moshi"
        url = "ws://127.0.0.1:1/api/asr-streaming"
        [llm.local]
        type = "openai"
        base_url = "http://127.0.0.1:1/v1"
        [tts.kyutai]
        type = "moshi"
        url = "ws://127.0.0.1:1/api/tts_streaming"
        [agent.default]
        language = "en"
        [twilio]
        verify_signatures = false
        """)
    path.chmod(0o600)
    return ["--config", str(path)]


def test_the_command_fails_where_no_call_could_be_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *configured(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "stt kyutai: nothing listens at ws://127.0.0.1:1/api/asr-streaming" in told
    assert told.splitlines()[-1].startswith("no call can be served: no stt of agent.default")


def test_the_command_tells_the_warnings_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = configured(tmp_path)
    path = Path(options[1])
    path.write_text(path.read_text().replace("verify_signatures = false", ""))
    assert cli.main(["check", *options]) == 1
    assert "twilio.auth_token is not set" in capsys.readouterr().err


def test_the_command_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--json", *configured(tmp_path)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert [each["role"] for each in told["rows"]][:3] == ["stt", "llm", "tts"]


def test_an_interrupted_check_is_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*arguments: object) -> int:
        await trio.lowlevel.checkpoint()
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()
        return 0

    monkeypatch.setattr(cli, "check", interrupted)
    assert cli.main(["check", *configured(tmp_path)]) == 1
