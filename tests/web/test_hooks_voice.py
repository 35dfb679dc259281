"""A call rings: who answers it, what Twilio is told to do, and what nobody can make us tell it."""

import re
from datetime import UTC, datetime, tzinfo
from xml.etree import ElementTree

import pytest
import trio
from attrs import evolve
from call_desk import FakeCall, record
from guests import CALL, ENGLISH, PUBLIC, House, house, settings
from trio.testing import MockClock
from twilio.twiml.voice_response import VoiceResponse
from twilio_side import ACCOUNT, CALLER, RINGS, Tree, stream_url, told, tree, twiml, webhook

from voiced.call.parties import Parties, Stage
from voiced.call.register import AWAITED_S
from voiced.config import Agent, Route, Secret, Server, Settings
from voiced.dialog.parting import Phrase
from voiced.records.model import CallOpened, Direction
from voiced.web import hooks

VOICE = "/twilio/voice"
HOSTILE = "</Say><Dial>+15550109999</Dial><Say>&lt;\"'{name}{0.__class__}]]>\x00\x0b\r\n 😀é"
HUNG_UP = ("Response", {}, "", [("Hangup", {}, "", [])])


def answered_by(**agents: Agent) -> Settings:
    return evolve(settings(), agents={"default": Agent(), **agents}, routes=())


def judged(url: str, agent: str) -> Tree:
    """What Twilio's own library writes for the same wish."""
    judge = VoiceResponse()
    connect = judge.connect(action=f"{PUBLIC}/twilio/after")
    stream = connect.stream(url=url, status_callback=f"{PUBLIC}/twilio/status")
    stream.parameter(name="agent", value=agent)
    return tree(judge)


def judged_refusal(text: str, language: str) -> Tree:
    judge = VoiceResponse()
    judge.say(text, language=language)
    judge.hangup()
    return tree(judge)


# --- connected ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", hooks.VOICE)
async def test_a_call_is_connected_as_twilios_library_would(path: str) -> None:
    async with house() as open_house:
        answer = await twiml(open_house, webhook(path, RINGS))
        url = stream_url(answer)
        assert answer == judged(url, "english")
        assert re.fullmatch(r"wss://voice\.example\.com/twilio/media/[A-Za-z0-9_-]{32}", url)
        entry = open_house.desk.register.calls[CALL]
        assert entry.parties == Parties(CALL, "english", CALLER, ENGLISH, account_sid=ACCOUNT)
        assert entry.stage is Stage.AWAITED
        (opened,) = open_house.desk.journal.of(CallOpened)
        assert isinstance(opened, CallOpened)
        assert (opened.sid, opened.direction) == (CALL, Direction.INBOUND)


async def test_the_socket_of_the_answer_can_be_opened() -> None:
    async with house() as open_house:
        url = stream_url(await twiml(open_house, webhook(VOICE, RINGS)))
        assert (await open_house.knock().upgrade(url)).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize(
    "number",
    ["", "anonymous", "Restricted", "+266696687", "+7378742833", "client:bob", "sip:a@b.c;x=1",
     "12", "+", "null", "\x00", "\u202e+1555", "+1555 0100", "x" * 5000, HOSTILE],
)  # fmt: skip
@pytest.mark.parametrize("field", ["From", "To"])
async def test_no_number_keeps_a_call_from_being_answered(field: str, number: str) -> None:
    async with house() as open_house:
        answer = await twiml(open_house, webhook(VOICE, RINGS | {field: number}))
        agent = "english" if field == "From" else "default"
        assert answer == judged(stream_url(answer), agent)


@pytest.mark.parametrize("field", ["From", "To"])
async def test_a_call_without_a_number_is_answered(field: str) -> None:
    form = {name: value for name, value in RINGS.items() if name != field}
    async with house() as open_house:
        stream_url(await twiml(open_house, webhook(VOICE, form)))


@pytest.mark.parametrize("name", ["<Hangup/>", "a\"'>&", "x" * 600, "\x00é😀", "]]>"])
async def test_an_agents_name_stays_a_name(name: str) -> None:
    chosen = evolve(
        settings(), agents={"default": Agent(), name: Agent()}, routes=(Route(agent=name),)
    )
    async with house(chosen) as open_house:
        answer = await twiml(open_house, webhook(VOICE, RINGS))
        assert answer == judged(stream_url(answer), name[:100].replace("\x00", ""))


async def test_what_the_caller_is_called_goes_nowhere() -> None:
    form = RINGS | {"CallerName": HOSTILE, "FromCity": HOSTILE, "StirVerstat": HOSTILE}
    async with house() as open_house:
        _, body = await told(open_house, webhook(VOICE, form))
        assert b"Dial" not in body


# --- who answers --------------------------------------------------------------------------------

ROUTES = (
    Route(called="+331*", caller="+33612345678", agent="friend"),
    Route(caller="withheld", agent="stranger"),
    Route(called="+33123456789", hours=("mon-fri 09:00-18:00",), time_zone="Europe/Paris",
          agent="office"),
    Route(called="+331*", agent="night"),
)  # fmt: skip

MONDAY = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
"""Half past nine in Paris."""


@pytest.mark.parametrize(
    ("called", "caller", "at", "agent"),
    [
        ("+33123456789", "+33612345678", MONDAY, "friend"),
        ("+33123456789", "+33600000000", MONDAY, "office"),
        ("+33123456789", "+33600000000", MONDAY.replace(hour=7), "night"),
        ("+33123456789", "+33600000000", MONDAY.replace(day=22), "night"),
        ("+33123456789", "+266696687", MONDAY, "stranger"),
        ("+33123456789", "", MONDAY, "stranger"),
        ("+4930123456", "+33612345678", MONDAY, "default"),
    ],
)
async def test_the_agent_is_chosen_by_number_caller_and_hour(
    called: str, caller: str, at: datetime, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return at.astimezone(tz)

    monkeypatch.setattr(hooks, "datetime", Clock)
    names = ("default", "friend", "stranger", "office", "night")
    chosen = evolve(settings(), agents={name: Agent() for name in names}, routes=ROUTES)
    async with house(chosen) as open_house:
        form = RINGS | {"From": caller, "To": called}
        assert (await twiml(open_house, webhook(VOICE, form)))[0] == "Response"
        assert open_house.desk.register.calls[CALL].parties.agent == agent


# --- asked again --------------------------------------------------------------------------------


async def test_a_webhook_that_comes_again_gives_one_place_and_one_live_token(
    autojump_clock: MockClock,
) -> None:
    async with house() as open_house:
        request = webhook(VOICE, RINGS)
        first = stream_url(await twiml(open_house, request))
        await trio.sleep(AWAITED_S - 1)
        second = stream_url(await twiml(open_house, request))
        assert first != second
        assert open_house.desk.register.free == 1
        assert len(open_house.desk.journal.of(CallOpened)) == 1
        assert (await open_house.knock().upgrade(first)).startswith(b"HTTP/1.1 403")
        await trio.sleep(30)
        assert (await open_house.knock().upgrade(second)).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("state", ["live", "over"])
async def test_a_webhook_that_is_replayed_later_opens_nothing(
    state: str, autojump_clock: MockClock
) -> None:
    async with house() as open_house:
        request = webhook(VOICE, RINGS)
        await twiml(open_house, request)
        register = open_house.desk.register
        entry = register.calls[CALL]
        register.connected(entry, FakeCall())  # type: ignore[arg-type]
        if state == "over":
            register.left(entry, record("hangup"))
        calls = dict(register.calls)
        answer = await twiml(open_house, request)
        assert [verb[0] for verb in answer[3]] == ["Say", "Hangup"]
        assert dict(register.calls) == calls


# --- refused ------------------------------------------------------------------------------------


async def refused(of: Settings, form: dict[str, str], reason: str = "stt-slots") -> Tree:
    async with house(of) as open_house:
        open_house.desk.rooms.reason = reason
        answer = await twiml(open_house, webhook(VOICE, form))
        assert dict(open_house.desk.register.calls) == {}
        return answer


async def test_who_cannot_be_taken_hears_the_agents_own_words() -> None:
    busy = "{name} ({company}) : {called}, {caller}, {product}. {{so}}"
    agent = Agent(language="fr-CA", name="Zoé", company="A&B", busy=busy,
                  variables={"product": "<or>"})  # fmt: skip
    answer = await refused(answered_by(default=agent), RINGS)
    expected = f"Zoé (A&B) : {ENGLISH}, {CALLER}, <or>. {{so}}"
    assert answer == judged_refusal(expected, "fr-CA")


async def test_the_date_in_the_refusal_is_todays() -> None:
    answer = await refused(answered_by(default=Agent(language="en", busy="{date}")), RINGS)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", answer[3][0][2])


@pytest.mark.parametrize("field", ["From", "To"])
async def test_a_number_cannot_write_the_refusal(field: str) -> None:
    agent = Agent(language="de", busy="{caller}{called}")
    answer = await refused(
        answered_by(default=agent), RINGS | {"From": "", "To": "", field: HOSTILE}
    )
    said = HOSTILE.translate({0: None, 0x0B: None, 0x0D: None})
    assert answer == judged_refusal(said, "de-DE")


async def test_a_long_refusal_is_cut_at_what_twilio_reads() -> None:
    agent = Agent(language="en", busy="{caller}" * 3)
    answer = await refused(answered_by(default=agent), RINGS | {"From": "x" * 4000})
    assert answer == judged_refusal("x" * 4096, "en-US")


NUMBER = "+33199999999"


@pytest.mark.parametrize(
    ("caller", "called", "own", "shown"),
    [
        (CALLER, ENGLISH, "+15550100077", CALLER),
        ("anonymous", ENGLISH, "+15550100077", "+15550100077"),
        ("+266696687", ENGLISH, "+15550100077", "+15550100077"),  # withheld, on a keypad
        ("+2562533", ENGLISH, "", ENGLISH),
        ("", ENGLISH, "", ENGLISH),
        (HOSTILE, ENGLISH, "", ENGLISH),
        ("anonymous", "sip:desk@example.com", "", None),
        ("client:bob", "", "", None),
    ],
)
async def test_the_overflow_number_rings_with_a_caller_id_that_twilio_takes(
    caller: str, called: str, own: str, shown: str | None
) -> None:
    chosen = answered_by(default=Agent(overflow_number=NUMBER))
    chosen = evolve(chosen, twilio=evolve(chosen.twilio, phone_number=own))
    answer = await refused(chosen, RINGS | {"From": caller, "To": called})
    judge = VoiceResponse()
    given = {} if shown is None else {"caller_id": shown}
    judge.dial(timeout=20, answer_on_bridge=True, **given).number(NUMBER)
    assert answer == tree(judge)


async def test_a_refusal_leaves_the_reason_in_the_log_and_no_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await refused(answered_by(), RINGS, "tts-slots")
    (entry,) = [each for each in caplog.records if each.getMessage() == "call refused"]
    told = {"call": RINGS["CallSid"], "reason": "tts-slots", "agent": "default"}
    assert entry.fields == told  # type: ignore[attr-defined]


# --- calls that we placed -----------------------------------------------------------------------

OURS = "out-abc_DEF-123"
ANSWERED = f"{VOICE}?call={OURS}"
PICKED_UP = RINGS | {"CallStatus": "in-progress", "Direction": "outbound-api",
                     "From": ENGLISH, "To": "+15550100003"}  # fmt: skip


def place(open_house: House) -> None:
    parties = Parties(OURS, "english", ENGLISH, "+15550100003", Direction.OUTBOUND)
    open_house.switchboard.admit(parties, Stage.QUEUED, 90.0)


@pytest.mark.parametrize("named", ["before", "after"])
async def test_a_call_that_we_placed_is_connected_whenever_we_learn_its_name(named: str) -> None:
    async with house() as open_house:
        place(open_house)
        register = open_house.desk.register
        if named == "before":
            register.name(OURS, CALL)
        answer = await twiml(open_house, webhook(ANSWERED, PICKED_UP))
        assert answer == judged(stream_url(answer), "english")
        if named == "after":
            assert register.name(OURS, CALL) is None
        ((sid, entry),) = register.calls.items()
        assert (sid, entry.stage, entry.opening) == (CALL, Stage.AWAITED, None)
        assert len(open_house.desk.journal.of(CallOpened)) == 1


async def test_a_placed_call_is_connected_once_more_while_it_is_awaited() -> None:
    async with house() as open_house:
        place(open_house)
        first = stream_url(await twiml(open_house, webhook(ANSWERED, PICKED_UP)))
        second = stream_url(await twiml(open_house, webhook(ANSWERED, PICKED_UP)))
        assert (await open_house.knock().upgrade(first)).startswith(b"HTTP/1.1 403")
        assert (await open_house.knock().upgrade(second)).startswith(b"HTTP/1.1 101")
        assert open_house.desk.register.free == 1


@pytest.mark.parametrize("state", ["unknown", "live", "over"])
async def test_a_placed_call_that_is_not_awaited_is_hung_up(state: str) -> None:
    async with house() as open_house:
        register = open_house.desk.register
        if state != "unknown":
            place(open_house)
            entry = register.name(OURS, CALL)
            assert entry
            register.connected(entry, FakeCall())  # type: ignore[arg-type]
            if state == "over":
                register.left(entry, record("hangup"))
        calls = dict(register.calls)
        assert await twiml(open_house, webhook(ANSWERED, PICKED_UP)) == HUNG_UP
        assert dict(register.calls) == calls


async def test_a_placed_call_is_promised_its_place_though_we_drain() -> None:
    async with house() as open_house:
        place(open_house)
        open_house.switchboard.drain()
        stream_url(await twiml(open_house, webhook(ANSWERED, PICKED_UP)))


async def test_what_a_broken_stream_was_to_say_is_not_said_to_who_picks_up() -> None:
    async with house() as open_house:
        place(open_house)
        entry = open_house.desk.register.calls[OURS]
        entry.opening = Phrase.RESUMED
        await twiml(open_house, webhook(ANSWERED, PICKED_UP))
        assert entry.opening is None


async def test_the_public_address_may_have_a_path_of_its_own() -> None:
    chosen = evolve(settings(), server=Server(public_url=f"{PUBLIC}/phone/", max_calls=2))
    async with house(chosen) as open_house:
        request = webhook(VOICE, RINGS, public=f"{PUBLIC}/phone")
        _, body = await told(open_house, request)
        (connect,) = ElementTree.fromstring(body)
        assert connect.get("action") == f"{PUBLIC}/phone/twilio/after"


async def test_a_rotation_reaches_the_media_socket_too() -> None:
    chosen = settings(auth_token=Secret("new"), auth_token_secondary=Secret("12345"))
    async with house(chosen) as open_house:
        url = stream_url(await twiml(open_house, webhook(VOICE, RINGS, token="new")))
        assert (await open_house.knock().upgrade(url)).startswith(b"HTTP/1.1 101")
