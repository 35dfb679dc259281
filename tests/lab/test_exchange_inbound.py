"""Inbound calls that the daemon leads through the API, over real loopback sockets."""

from itertools import pairwise

import trio
from attrs import evolve
from test_exchange_daemon import BRIEF, CALLER, HUMAN, OURS, PATIENT, QUICK, Town, town

from voiced.lab.exchange_settings import Gone, Human
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.phone_script import DropStream, Person
from voiced.lab.script import After, Cue, HangUp, Turn


def texts(result: CallResult, kind: Kind) -> list[str]:
    return [event.text for event in result.events if event.kind is kind]


async def calling(place: Town, nursery: trio.Nursery, results: list[CallResult]) -> None:
    """Calls, and returns when the daemon has the stream."""

    async def live() -> None:
        results.append(await place.exchange.call())

    nursery.start_soon(live)
    await place.daemon.connected.wait()


async def test_a_call_is_ended_through_the_api() -> None:
    results: list[CallResult] = []
    async with town() as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream() + "<Say>never</Say>")
        async with trio.open_nursery() as nursery:
            await calling(place, nursery, results)
            seen = (await place.look(f"/Calls/{place.sid}")).json()
            assert (seen["status"], seen["direction"]) == ("in-progress", "inbound")
            assert (seen["from"], seen["to"]) == (CALLER, OURS)
            answer = await place.ask(f"/Calls/{place.sid}", Status="completed")
            assert (answer.status_code, answer.json()["status"]) == (200, "completed")
            again = await place.ask(f"/Calls/{place.sid}", Status="completed")
            assert (again.status_code, again.json()["code"]) == (400, 21220)
        (result,) = results
        assert (result.ended, result.status) == (Ended.COMPLETED, "completed")
        assert place.exchange.calls == results
        heard = await place.daemon.wait_heard(5)
        assert heard == ["/media/stay", "connected", "start", "stop", "1000"]
        assert texts(result, Kind.ANNOUNCED) == []
        assert texts(result, Kind.API_REQUEST) == [
            f"GET {place.sid}: 200",
            f"POST {place.sid} Status=completed: 200",
            f"POST {place.sid} Status=completed: 400",
        ]
        ended = (await place.look(f"/Calls/{place.sid}")).json()
        assert ended["duration"] in {"0", "1"}
        assert ended["end_time"].endswith("+0000")


async def test_a_call_that_is_gone_may_be_not_found() -> None:
    async with town(evolve(QUICK, gone=Gone.NOT_FOUND), BRIEF) as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream())
        await place.exchange.call()
        answer = await place.ask(f"/Calls/{place.sid}", Status="completed")
        assert (answer.status_code, answer.json()["code"]) == (404, 20404)


async def test_a_caller_is_transferred_and_comes_back() -> None:
    results: list[CallResult] = []
    human = Human(answers_after_s=0.05, talks_s=0.1)
    async with town(evolve(QUICK, human=human)) as place:
        daemon = place.daemon
        daemon.answer("/twilio/voice", daemon.stream(action="/after"))
        number = f'<Number url="/whisper">{HUMAN}</Number>'
        dial = f'<Dial action="/dialled" callerId="{OURS}" timeout="5" answerOnBridge="true">'
        daemon.answer("/transfer", f"<Say>Un instant.</Say>{dial}{number}</Dial>")
        daemon.answer("/whisper", "<Say>Madame Durand, for a table.</Say><Pause length='0'/>")
        daemon.answer("/dialled", daemon.stream("/media/close", action="/bye"))
        daemon.answer("/bye", "<Say>Au revoir.</Say><Hangup/>")
        async with trio.open_nursery() as nursery:
            await calling(place, nursery, results)
            answer = await place.ask(f"/Calls/{place.sid}", Url=f"{daemon.url}/transfer")
            assert answer.json()["status"] == "in-progress"
        (result,) = results
        assert [asked.path for asked in daemon.asked] == [
            "/twilio/voice", "/transfer", "/whisper", "/dialled", "/bye"]  # fmt: skip
        assert daemon.heard[:5] == ["/media/stay", "connected", "start", "stop", "1000"]
        assert daemon.heard[5:8] == ["/media/close", "connected", "start"]
        (transfer,) = result.transfers
        assert (transfer.number, transfer.status) == (HUMAN, "completed")
        assert transfer.heard == ("Madame Durand, for a table.",)
        assert 0.1 <= (transfer.bridged_s or 0) < 2
        (whispered,) = daemon.forms("/whisper")
        assert whispered["CallSid"] == transfer.call_sid != place.sid
        assert (whispered["ParentCallSid"], whispered["Direction"]) == (place.sid, "outbound-dial")
        assert (whispered["From"], whispered["To"]) == (OURS, HUMAN)
        (dialled,) = daemon.forms("/dialled")
        assert dialled["CallSid"] == place.sid
        assert dialled["DialCallStatus"] == "completed"
        assert dialled["DialCallSid"] == transfer.call_sid
        assert dialled["DialCallDuration"] in {"0", "1"}
        assert dialled["DialBridged"] == "true"
        child = (await place.look(f"/Calls/{transfer.call_sid}")).json()
        assert (child["parent_call_sid"], child["status"]) == (place.sid, "completed")
        kinds = [event.kind for event in result.events]
        story = [Kind.API_REQUEST, Kind.REDIRECTED, Kind.ANNOUNCED, Kind.DIALLED, Kind.ANSWERED,
            Kind.HUMAN_HEARS, Kind.BRIDGED, Kind.TRANSFER_ENDED, Kind.CONNECTED, Kind.ANNOUNCED,
            Kind.ENDED]  # fmt: skip
        assert [kind for kind in kinds[kinds.index(Kind.API_REQUEST) :] if kind in story] == story
        assert (result.ended, result.streams) == (Ended.SERVER_CLOSED, 2)
        times = [event.at_s for event in result.events]
        assert all(later > earlier - 0.03 for earlier, later in pairwise(times))
        assert len(result.caller) == len(result.agent)
        assert result.duration_s > 0.15  # the time between the streams is in the recording


async def test_a_document_in_the_update_is_run() -> None:
    results: list[CallResult] = []
    async with town() as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream())
        async with trio.open_nursery() as nursery:
            await calling(place, nursery, results)
            await place.ask(f"/Calls/{place.sid}", Twiml="<Response><Say>Closed.</Say></Response>")
        assert texts(results[0], Kind.ANNOUNCED) == ["Closed."]
        assert results[0].ended is Ended.REDIRECTED
        assert len(place.daemon.asked) == 1


async def test_a_time_limit_ends_a_call() -> None:
    results: list[CallResult] = []
    async with town() as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream())
        async with trio.open_nursery() as nursery:
            await calling(place, nursery, results)
            await place.ask(f"/Calls/{place.sid}", TimeLimit="100")
            await place.ask(f"/Calls/{place.sid}", TimeLimit="1")
        (result,) = results
        assert (result.ended, result.status) == (Ended.TIME_LIMIT, "completed")
        assert 0.8 < result.duration_s < 1.5
        assert (await place.daemon.wait_heard(5))[-2:] == ["stop", "1000"]


async def test_a_stream_that_is_cut_leads_to_the_action_and_the_script_goes_on() -> None:
    turns = [Turn(DropStream(), After(Cue.SILENCE, 0.1)), Turn(HangUp(), After(Cue.SILENCE, 0.1))]
    async with town(person=Person(turns, [b"", b""])) as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream(action="/again"))
        place.daemon.answer("/again", place.daemon.stream())
        result = await place.exchange.call()
        heard = await place.daemon.wait_heard(9)
        assert sorted(heard) == sorted(["/media/stay", "connected", "start", "1006",
            "/media/stay", "connected", "start", "stop", "1000"])  # fmt: skip
        assert [asked.path for asked in place.daemon.asked] == ["/twilio/voice", "/again"]
        assert place.daemon.forms("/again")[0]["CallStatus"] == "in-progress"
        assert (result.ended, result.streams) == (Ended.HUNG_UP, 2)
        assert texts(result, Kind.DROPPED) == [""]


async def test_a_stream_that_is_cut_without_action_ends_the_call() -> None:
    person = Person([Turn(DropStream(), After(Cue.SILENCE, 0.1))], [b"", b""])
    async with town(person=person) as place:
        place.daemon.answer("/twilio/voice", place.daemon.stream())
        assert (await place.exchange.call()).ended is Ended.DROPPED


async def test_the_numbers_status_callback_is_told_the_end() -> None:
    async with town(person=BRIEF) as place:
        place.exchange.settings = evolve(
            place.exchange.settings, status_callback=f"{place.daemon.url}/status"
        )
        place.daemon.answer("/twilio/voice", place.daemon.stream())
        result = await place.exchange.call()
        (form,) = place.daemon.forms("/status")
        assert (form["CallStatus"], form["SequenceNumber"]) == ("completed", "0")
        assert (form["CallSid"], form["Direction"]) == (result.call_sid, "inbound")
        assert form["SipResponseCode"] == "200"


async def test_a_streams_own_callback_is_told() -> None:
    async with town(person=BRIEF) as place:
        more = f' statusCallback="{place.daemon.url}/status"'
        refused = f'<Connect><Stream url="ws://127.0.0.1:1/x"{more}/></Connect>'
        place.daemon.answer("/twilio/voice", refused + place.daemon.stream(more=more))
        result = await place.exchange.call()
        forms = place.daemon.forms("/status")
        events = ["stream-error", "stream-started", "stream-stopped"]
        assert [form["StreamEvent"] for form in forms] == events
        assert forms[1]["StreamSid"].startswith("MZ")
        assert forms[0]["StreamError"] == "the media server did not answer"
        assert [warning.code for warning in result.warnings] == [31901]


async def test_a_call_that_is_rejected_is_busy() -> None:
    async with town() as place:
        place.daemon.answer("/twilio/voice", '<Reject reason="busy"/>')
        result = await place.exchange.call()
        assert (result.status, result.ended) == ("busy", Ended.TWIML)


async def test_a_call_that_no_document_takes_has_failed() -> None:
    async with town() as place:
        result = await place.exchange.call()
        assert (result.status, result.ended) == ("failed", Ended.REFUSED)


async def test_pauses_and_sounds_take_the_call() -> None:
    async with town() as place:
        place.daemon.answer("/tune.wav", "")
        place.daemon.answer(
            "/twilio/voice",
            "<Pause length='0'/><Play>/tune.wav</Play><Play digits='1w2'/><Enqueue/>",
        )
        result = await place.exchange.call()
        assert texts(result, Kind.PLAYED) == [f"{place.daemon.url}/tune.wav", "1w2"]
        assert texts(result, Kind.SKIPPED) == ["Unplayed"]
        assert result.status == "completed"


async def test_an_inbound_call_that_rings_can_be_ended_but_not_redirected() -> None:
    results: list[CallResult] = []
    async with town() as place:
        place.daemon.answer("/twilio/voice", f'<Dial answerOnBridge="true">{HUMAN}</Dial>')
        async with trio.open_nursery() as nursery:

            async def live() -> None:
                results.append(await place.exchange.call(PATIENT))

            nursery.start_soon(live)
            await place.daemon.wait_asked("/twilio/voice")
            refused = await place.ask(f"/Calls/{place.sid}", Url=f"{place.daemon.url}/x")
            assert refused.json()["code"] == 21220
            await place.ask(f"/Calls/{place.sid}", Status="completed")
        (result,) = results
        assert (result.ended, result.status) == (Ended.COMPLETED, "completed")
        assert [transfer.status for transfer in result.transfers] == ["canceled"]
