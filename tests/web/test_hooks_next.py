"""What Twilio asks and tells once a call is under way: what is next, and what has become of it."""

import itertools

import pytest
import trio
from attrs import evolve
from call_desk import FakeCall, record
from guests import CALL, ENGLISH, PUBLIC, STREAM, House, code, house, settings
from trio.testing import MockClock
from twilio.twiml.voice_response import Dial, VoiceResponse
from twilio_side import CALLER, RINGS, Tree, stream_url, told, tree, twiml, webhook

from voiced.call.parties import Entry, Parties, Stage
from voiced.call.register import LOST_S
from voiced.config import Agent
from voiced.dialog import events as ev
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.records.model import Direction, Happened

AFTER, DIALLED, STATUS = "/twilio/after", "/twilio/dialled", "/twilio/status"
WHISPER = f"/twilio/whisper?call={CALL}"
GOES_ON = RINGS | {"CallStatus": "in-progress"}
NUMBER = "+15550107777"
CHILD = "CA" + "4" * 32
EMPTY = ("Response", {}, "", [])
HUNG_UP = ("Response", {}, "", [("Hangup", {}, "", [])])
HOSTILE = "</Say><Dial>+1555</Dial>&amp;<![CDATA[\x00\x1b\ud7ff]]>\"'é😀"


def live(open_house: House) -> Entry:
    register = open_house.desk.register
    entry = open_house.switchboard.admit(
        Parties(CALL, "english", CALLER, ENGLISH), Stage.AWAITED, 60.0
    )
    register.connected(entry, FakeCall())  # type: ignore[arg-type]
    return entry


def over(open_house: House, reason: str, transfer: Transfer | None = None) -> Entry:
    entry = live(open_house)
    assert entry.call
    if transfer:
        entry.call.parting = Parting(reason, (Phrase.TRANSFER,), transfer)  # type: ignore[misc]
    open_house.desk.register.left(entry, record(reason))
    return entry


def judged_dial(caller_id: str | None = None, whisper: str | None = None) -> Tree:
    judge = VoiceResponse()
    dial = Dial(
        action=f"{PUBLIC}/twilio/dialled", timeout=20, answer_on_bridge=True, caller_id=caller_id
    )
    dial.number(NUMBER, url=whisper)
    judge.append(dial)
    return tree(judge)


# --- the stream is over -------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["hangup", "goodbye", "operator", "internal"])
async def test_a_call_that_is_over_is_hung_up(reason: str) -> None:
    async with house() as open_house:
        over(open_house, reason)
        assert await twiml(open_house, webhook(AFTER, GOES_ON)) == HUNG_UP


async def test_a_call_that_nobody_knows_is_hung_up() -> None:
    async with house() as open_house:
        assert await twiml(open_house, webhook(AFTER, GOES_ON)) == HUNG_UP


@pytest.mark.parametrize("own", ["", ENGLISH])
@pytest.mark.parametrize("warm", [False, True])
async def test_a_transfer_is_dialled_as_twilios_library_would(own: str, warm: bool) -> None:  # noqa: FBT001
    async with house(settings(phone_number=own)) as open_house:
        entry = over(open_house, "transfer", Transfer(NUMBER, warm, "Zoe, about a bill"))
        answer = await twiml(open_house, webhook(AFTER, GOES_ON))
        assert answer == judged_dial(own or None, f"{PUBLIC}{WHISPER}" if warm else None)
        assert entry.stage is Stage.TRANSFERRING


async def test_a_transfer_that_is_asked_for_twice_is_dialled_twice() -> None:
    async with house() as open_house:
        over(open_house, "transfer", Transfer(NUMBER))
        for _ in range(2):
            assert await twiml(open_house, webhook(AFTER, GOES_ON)) == judged_dial()
        assert open_house.desk.journal.statuses.count("transferring") == 1
        assert open_house.desk.journal.ends == []


async def test_a_lost_stream_is_opened_again_with_a_token_of_its_own() -> None:
    async with house() as open_house:
        entry = over(open_house, "socket-lost")
        url = stream_url(await twiml(open_house, webhook(AFTER, GOES_ON)))
        assert (entry.stage, entry.opening) == (Stage.AWAITED, Phrase.RESUMED)
        assert (await open_house.knock().upgrade(url)).startswith(b"HTTP/1.1 101")


async def test_who_hung_up_while_the_stream_was_lost_is_not_called_back() -> None:
    async with house() as open_house:
        over(open_house, "socket-lost")
        form = RINGS | {"CallStatus": "completed"}
        assert await twiml(open_house, webhook(AFTER, form)) == HUNG_UP
        assert open_house.desk.journal.ends == ["hangup"]


async def test_a_lost_stream_without_room_any_more_hears_the_refusal() -> None:
    async with house() as open_house:
        entry = over(open_house, "socket-lost")
        entry.free()
        open_house.desk.rooms.reason = "stt-slots"
        say, hang_up = (await twiml(open_house, webhook(AFTER, GOES_ON)))[3]
        assert (say[0], say[1], hang_up[0]) == ("Say", {"language": "en-US"}, "Hangup")
        assert open_house.desk.journal.ends == ["stt-slots"]


async def test_a_socket_that_never_came_ends_in_the_refusal() -> None:
    async with house() as open_house:
        await twiml(open_house, webhook("/twilio/voice", RINGS))
        answer = await twiml(open_house, webhook(AFTER, GOES_ON))
        assert [verb[0] for verb in answer[3]] == ["Say", "Hangup"]
        assert open_house.desk.journal.ends == ["never-connected"]


async def test_a_call_whose_end_we_have_not_seen_is_waited_for(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        entry = live(open_house)
        call = entry.call
        assert isinstance(call, FakeCall)

        async def breaks() -> None:
            await trio.sleep(3)
            assert call.requests == [ev.LegEnded("socket-lost")]
            open_house.desk.register.left(entry, record("socket-lost"))

        open_house.nursery.start_soon(breaks)
        stream_url(await twiml(open_house, webhook(AFTER, GOES_ON)))


# --- the transfer is over -----------------------------------------------------------------------


async def dialled(open_house: House, status: str, **more: str) -> Tree:
    form = GOES_ON | {"DialCallStatus": status, "DialCallSid": CHILD, **more}
    return await twiml(open_house, webhook(DIALLED, form))


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_a_transfer_that_was_taken_is_the_end(status: str) -> None:
    async with house() as open_house:
        over(open_house, "transfer", Transfer(NUMBER))
        await twiml(open_house, webhook(AFTER, GOES_ON))
        assert await dialled(open_house, status, DialCallDuration="63") == HUNG_UP
        assert open_house.desk.journal.ends == ["transferred"]
        (ended,) = open_house.desk.journal.of(Happened)
        assert isinstance(ended, Happened)
        assert ended.detail == {"status": status, "duration_s": 63}


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
async def test_a_transfer_that_nobody_took_comes_back(status: str) -> None:
    async with house() as open_house:
        entry = over(open_house, "transfer", Transfer(NUMBER))
        await twiml(open_house, webhook(AFTER, GOES_ON))
        stream_url(await dialled(open_house, status))
        assert (entry.opening, entry.parting) == (Phrase.TRANSFER_FAILED, None)


async def test_a_transfer_comes_back_to_a_refusal_where_there_is_no_room() -> None:
    async with house() as open_house:
        over(open_house, "transfer", Transfer(NUMBER))
        await twiml(open_house, webhook(AFTER, GOES_ON))
        open_house.desk.rooms.reason = "llm-unreachable"
        answer = await dialled(open_house, "busy")
        assert [verb[0] for verb in answer[3]] == ["Say", "Hangup"]


@pytest.mark.parametrize("stage", ["unknown", "live", "over"])
async def test_the_end_of_a_transfer_that_there_was_not_is_the_end(stage: str) -> None:
    async with house() as open_house:
        if stage == "live":
            live(open_house)
        if stage == "over":
            over(open_house, "hangup")
        assert await dialled(open_house, "busy") == HUNG_UP


@pytest.mark.parametrize("at", ["", "0123abcd"])
async def test_a_transfer_that_nobody_knows_is_asked_for_by_its_daemon_s_name(at: str) -> None:
    """Another daemon may have put it through, and be gone."""
    path = f"?at={at}" if at else ""
    over = {"SequenceNumber": "3", "CallStatus": "completed"}
    async with house() as open_house:
        asked = []

        async def inherit(sid: str, name: str) -> None:
            await trio.lowlevel.checkpoint()
            asked.append((sid, name))

        open_house.desk.afterwards.inherit = inherit
        form = GOES_ON | {"DialCallStatus": "busy"}
        assert await twiml(open_house, webhook(f"{DIALLED}{path}", form)) == HUNG_UP
        assert asked == [(CALL, at)]
        for told_of in (GOES_ON, GOES_ON | over):
            status, _ = await told(open_house, webhook(f"{STATUS}{path}", told_of))
            assert status == 204
        assert asked == [(CALL, at)] * 2
        live(open_house)
        await told(open_house, webhook(f"{STATUS}{path}", GOES_ON | over))
        assert len(asked) == 2


@pytest.mark.parametrize("given", [{}, {"DialCallStatus": ""}, {"DialCallStatus": "eaten"}])
async def test_a_dial_that_tells_no_status_is_a_bad_request(given: dict[str, str]) -> None:
    async with house() as open_house:
        entry = over(open_house, "transfer", Transfer(NUMBER))
        await twiml(open_house, webhook(AFTER, GOES_ON))
        status, body = await told(open_house, webhook(DIALLED, GOES_ON | given))
        assert (status, code(body)) == (400, "bad-request")
        assert entry.stage is Stage.TRANSFERRING


# --- the whisper --------------------------------------------------------------------------------


async def whispered(open_house: House, path: str = WHISPER) -> Tree:
    form = RINGS | {"CallSid": CHILD, "ParentCallSid": CALL, "Direction": "outbound-dial"}
    return await twiml(open_house, webhook(path, form))


@pytest.mark.parametrize("summary", ["Zoe, about a bill", HOSTILE, "x" * 4096])
async def test_who_takes_a_warm_transfer_hears_the_summary_and_nothing_else(summary: str) -> None:
    async with house() as open_house:
        over(open_house, "transfer", Transfer(NUMBER, warm=True, summary=summary))
        judge = VoiceResponse()
        judge.say(summary.replace("\x00", "").replace("\x1b", ""), language="en-US")
        assert await whispered(open_house) == tree(judge)


@pytest.mark.parametrize(
    "transfer",
    [None, Transfer(NUMBER), Transfer(NUMBER, warm=True), Transfer(NUMBER, summary="secret")],
)
async def test_otherwise_nothing_is_whispered(transfer: Transfer | None) -> None:
    async with house() as open_house:
        over(open_house, "transfer", transfer)
        assert await whispered(open_house) == EMPTY


@pytest.mark.parametrize(
    "path", ["/twilio/whisper", "/twilio/whisper?call=", "/twilio/whisper?call=CA%00"]
)
async def test_nothing_is_whispered_of_a_call_that_nobody_knows(path: str) -> None:
    async with house() as open_house:
        over(open_house, "transfer", Transfer(NUMBER, warm=True, summary="secret"))
        assert await whispered(open_house, path) == EMPTY


async def test_the_whisper_has_the_agents_language() -> None:
    agents = {"default": Agent(), "english": Agent(language="pt")}
    async with house(evolve(settings(), agents=agents)) as open_house:
        over(open_house, "transfer", Transfer(NUMBER, warm=True, summary="Oi"))
        assert (await whispered(open_house))[3][0][1] == {"language": "pt-BR"}


# --- what has become of it ----------------------------------------------------------------------

OURS = "out-1"


def placed(open_house: House) -> Entry:
    parties = Parties(OURS, "english", ENGLISH, CALLER, Direction.OUTBOUND)
    return open_house.switchboard.admit(parties, Stage.QUEUED, 90.0)


def step(status: str, sequence: int, **more: str) -> dict[str, str]:
    return {
        "CallSid": CALL, "AccountSid": "AC1", "CallStatus": status, "Direction": "outbound-api",
        "From": ENGLISH, "To": CALLER, "SequenceNumber": str(sequence), **more,
        "Timestamp": "Fri, 20 Nov 2026 10:00:49 +0000", "CallbackSource": "call-progress-events",
    }  # fmt: skip


async def report(open_house: House, form: dict[str, str], ours: str = OURS) -> None:
    path = f"{STATUS}?call={ours}" if ours else STATUS
    assert await told(open_house, webhook(path, form)) == (204, b"")


STEPS = [step("initiated", 0), step("ringing", 1), step("no-answer", 2, SipResponseCode="487")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_progress_in_any_order_ends_the_same_way(order: tuple[int, ...]) -> None:
    async with house() as open_house:
        placed(open_house)
        for index in order:
            await report(open_house, STEPS[index])
        assert open_house.desk.journal.ends == ["no-answer"]
        assert (open_house.desk.rooms.taken, open_house.desk.register.free) == (0, 2)


async def test_progress_that_comes_late_takes_nothing_back() -> None:
    async with house() as open_house:
        entry = placed(open_house)
        await report(open_house, step("in-progress", 2))
        await report(open_house, step("ringing", 1))
        await report(open_house, step("in-progress", 2))
        assert open_house.desk.journal.statuses == []
        assert (entry.sid, entry.stage, entry.progress.status) == (
            CALL, Stage.RINGING, "in-progress"
        )  # fmt: skip


@pytest.mark.parametrize("ours", ["", "out-9", OURS, "%00", "out-1%26x"])
async def test_progress_of_a_call_that_nobody_knows_changes_nothing(ours: str) -> None:
    async with house() as open_house:
        for each in STEPS:
            await report(open_house, each, ours)
        assert open_house.desk.journal.records == []


async def test_the_end_of_a_live_call_is_its_streams_to_tell() -> None:
    async with house() as open_house:
        live(open_house)
        await report(open_house, step("completed", 3, CallDuration="49", Duration="1"), "")
        assert open_house.desk.journal.ends == []


@pytest.mark.parametrize("word", ["human", "machine_start", "machine_end_beep", "fax"])
async def test_a_verdict_reaches_the_call(word: str) -> None:
    async with house() as open_house:
        entry = live(open_house)
        form = {"CallSid": CALL, "AccountSid": "AC1", "AnsweredBy": word,
                "MachineDetectionDuration": "3120"}  # fmt: skip
        await report(open_house, form)
        assert isinstance(entry.call, FakeCall)
        assert (entry.answered_by, entry.call.requests) == (word, [ev.MachineDetected(word)])


@pytest.mark.parametrize(
    ("event", "happened"),
    [("stream-started", []), ("stream-stopped", []), ("stream-error", ["stream-error"])],
)
async def test_only_the_failure_of_a_stream_is_on_record(event: str, happened: list[str]) -> None:
    async with house() as open_house:
        live(open_house)
        form = {"CallSid": CALL, "StreamSid": STREAM, "StreamName": STREAM, "StreamEvent": event}
        form |= {"StreamError": "31920 - handshake", "Timestamp": "2026-11-20T10:00:00Z"}
        await report(open_house, form, "")
        assert open_house.desk.journal.happened == happened


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"CallStatus": "eaten"},
        {"CallStatus": "busy", "SequenceNumber": "-1"},
        {"CallStatus": "ringing", "SequenceNumber": "9" * 400, "SipResponseCode": "\x00"},
        {"AnsweredBy": "<elephant>", "MachineDetectionDuration": "NaN"},
        {"StreamEvent": "stream-error"},
        {"StreamEvent": "", "StreamSid": "x"},
        {"StreamEvent": "stream-error", "StreamSid": STREAM, "StreamError": HOSTILE * 99},
        {"CallStatus": "\U0001f4de", "AnsweredBy": "\u202e"},
    ],
)
@pytest.mark.parametrize("sid", [CALL, "CA" + "9" * 32, "CA-short"])
async def test_whatever_is_told_is_taken(form: dict[str, str], sid: str) -> None:
    async with house() as open_house:
        entry = live(open_house)
        await report(open_house, {"CallSid": sid, **form})
        assert entry.stage is Stage.LIVE


async def test_a_lost_call_that_the_carrier_ends_is_over_at_once(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        over(open_house, "stalled")
        await trio.sleep(LOST_S / 2)
        await report(open_house, step("completed", 3), "")
        assert open_house.desk.journal.ends == ["hangup"]
