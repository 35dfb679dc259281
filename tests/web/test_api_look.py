"""What operators see: live and past calls, transcripts, recordings; with records and without."""

import sqlite3
from pathlib import Path

import pytest
from attrs import define
from call_desk import record
from guests import CALL, House, house
from operators import OWN, PLACED, TO, Answer, ask, carrier_takes, live, office, recorded, ringing

from voiced.call.parties import Parties, Stage
from voiced.records.model import CallClosed, CallOpened, Direction, Said, TurnEnded
from voiced.records.recorder import Recorder
from voiced.web.shown import shown

CALLS = "/v1/calls"
ONE = f"{CALLS}/{CALL}"
MISSING = (404, "unknown-call", "")
WAV = b"RIFF" + bytes(range(256)) * 200


def keep_past(there: House, count: int) -> None:
    """Calls that ended, the oldest first, two at each moment."""
    for number in range(count):
        sid, at = f"CA{number:032}", 1_700_000_000.0 + number // 2
        there.feed.put(CallOpened(sid, Direction.INBOUND, "default", TO, OWN, at))
        there.feed.put(CallClosed(sid, at + 9, "hangup", 9.0, {}))


async def settled(there: House) -> None:
    assert isinstance(there.recorder, Recorder)
    await there.recorder.flush()


# --- the list -----------------------------------------------------------------------------------


async def test_the_calls_of_the_moment_need_no_records() -> None:
    async with house(office()) as there:
        ringing(there, "CA1")
        live(there, "CA2")
        answer = await ask(there, "GET", f"{CALLS}?state=live&limit=1")
        assert [(each["sid"], each["status"]) for each in answer.json["calls"]] == [
            ("CA2", "live"), ("CA1", "ringing"),
        ]  # fmt: skip
        assert answer.json["next"] is None


async def test_a_call_that_the_carrier_has_not_named_is_not_listed() -> None:
    async with house(office()) as there:
        parties = Parties("out-1", "default", OWN, TO, Direction.OUTBOUND)
        there.switchboard.admit(parties, Stage.QUEUED, 60.0)
        assert (await ask(there, "GET", f"{CALLS}?state=live")).json["calls"] == []


@pytest.mark.parametrize("state", ["", "&state=ended"])
async def test_past_calls_come_in_pages_the_latest_first(tmp_path: Path, state: str) -> None:
    async with recorded(tmp_path) as there:
        keep_past(there, 7)
        await settled(there)
        seen: list[str] = []
        cursor = ""
        for length in (3, 3, 1):
            page = (await ask(there, "GET", f"{CALLS}?limit=3{state}{cursor}")).json
            assert len(page["calls"]) == length
            seen += [each["sid"] for each in page["calls"]]
            cursor = f"&before={page['next']}"
        assert seen == [f"CA{number:032}" for number in reversed(range(7))]
        assert page["next"] is None


async def test_live_and_ended_calls_are_told_apart(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        keep_past(there, 1)
        live(there)
        await settled(there)
        for state, sids in (("", 2), ("?state=live", 1), ("?state=ended", 1)):
            calls = (await ask(there, "GET", f"{CALLS}{state}")).json["calls"]
            assert len(calls) == sids
            assert (calls[0]["sid"] == CALL) is (state != "?state=ended")
            assert ("ended" in {each["status"] for each in calls}) is (state != "?state=live")


async def test_a_live_call_and_a_past_one_are_shown_alike(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        keep_past(there, 1)
        entry = live(there)
        await settled(there)
        (past,) = (await ask(there, "GET", f"{CALLS}?state=ended")).json["calls"]
        assert set(past) == set(shown(entry))


@pytest.mark.parametrize("cursor", ["", "x", "_", "nan_CA1", "inf_", "-1_", "1e400_%00", "%F0%9F"])
async def test_a_cursor_that_is_not_ours_is_survived(tmp_path: Path, cursor: str) -> None:
    async with recorded(tmp_path) as there:
        keep_past(there, 2)
        await settled(there)
        answer = await ask(there, "GET", f"{CALLS}?before={cursor}")
        assert answer.status == 200
        assert answer.json["next"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=501", "limit"), ("limit=-1", "limit"), ("limit=", "limit"),
        ("limit=1.5", "limit"), ("limit=x", "limit"), ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 5000, "limit"), ("state=LIVE", "state"), ("state=", "state"),
        ("state=live%00", "state"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_named(query: str, field: str) -> None:
    async with house(office()) as there:
        assert (await ask(there, "GET", f"{CALLS}?{query}")).error == (422, "invalid", field)


# --- one call -----------------------------------------------------------------------------------


async def test_a_past_call_comes_with_its_timeline_and_transcript(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        entry = live(there)
        said = (Said("caller", "Bonjour é😀", 1.0, "complete"),)
        there.feed.put(TurnEnded(CALL, 1, 5.0, 1.5, "complete", {"llm": 80}, said))
        there.desk.register.left(entry, record("hangup"))
        await settled(there)
        call = (await ask(there, "GET", ONE)).json
        assert (call["sid"], call["status"], call["reason"]) == (CALL, "ended", "hangup")
        assert [each["number"] for each in call["timeline"]["turns"]] == [1]
        assert (await ask(there, "GET", f"{ONE}/transcript")).json == {
            "sid": CALL,
            "entries": [
                {"role": "caller", "text": "Bonjour é😀", "at_s": 1.0, "ending": "complete"}
            ],
        }


@pytest.mark.parametrize("path", [ONE, f"{ONE}/transcript"])
async def test_a_call_that_nobody_knows_is_not_found(tmp_path: Path, path: str) -> None:
    async with recorded(tmp_path) as there:
        assert (await ask(there, "GET", path)).error == MISSING


@define
class Blank:
    """Records that have not come as far as this call."""

    def call(self, sid: str) -> None:
        return None

    transcript = recording = call


@pytest.mark.parametrize("records", ["none", "behind"])
async def test_a_live_call_is_shown_without_its_record(records: str) -> None:
    async with house(office()) as there:
        there.recorder.store = Blank() if records == "behind" else None  # type: ignore[union-attr]
        entry = live(there)
        answer = await ask(there, "GET", ONE)
        assert (answer.status, answer.json) == (200, shown(entry))
        assert answer.json["status"] == "live"


async def test_a_call_without_a_name_is_not_found_by_ours() -> None:
    async with house(office()) as there:
        there.recorder.store = Blank()  # type: ignore[union-attr]
        parties = Parties("out-1", "default", OWN, TO, Direction.OUTBOUND)
        there.switchboard.admit(parties, Stage.QUEUED, 60.0)
        assert (await ask(there, "GET", f"{CALLS}/out-1")).error == MISSING


async def test_a_live_call_of_which_nothing_is_written_has_an_empty_transcript() -> None:
    async with house(office()) as there:
        there.recorder.store = Blank()  # type: ignore[union-attr]
        live(there)
        assert (await ask(there, "GET", f"{ONE}/transcript")).json == {"sid": CALL, "entries": []}


@pytest.mark.parametrize(
    "sid",
    ["..", "%2e%2e", "%00", "%FF", "%F0%9F%98%80", "'; DROP TABLE calls--".replace(" ", "%20"),
     "CA%0d%0aX-Evil:1", "x" * 8000, "%25", "CA1%20", "undefined", "null"],
)  # fmt: skip
async def test_an_absurd_sid_is_not_found(tmp_path: Path, sid: str) -> None:
    async with recorded(tmp_path) as there:
        for path in ("", "/transcript", "/recording"):
            answer = await ask(there, "GET", f"{CALLS}/{sid}{path}")
            assert answer.error[0] == 404
            assert "x-evil" not in answer.headers


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/call", "/v1/calls/", "/v1//calls",
                                  "/v1/calls//", f"{ONE}/", f"{ONE}/x/y",
                                  f"{CALLS}/a%2Fb%2Fc", "/V1/calls"])  # fmt: skip
async def test_there_is_nothing_elsewhere(path: str) -> None:
    async with house(office()) as there:
        answer = await ask(there, "GET", path)
        assert answer.error == (404, "not-found", "")
        assert "location" not in answer.headers


# --- the recording ------------------------------------------------------------------------------


def keep_recording(there: House, name: str) -> None:
    there.feed.put(CallClosed(CALL, 9.0, "hangup", 9.0, {}, recording=name))


def store_sound(directory: Path, name: str = f"{CALL}.wav") -> Path:
    folder = directory / "recordings"
    folder.mkdir()
    (folder / name).write_bytes(WAV)
    return folder / name


async def sound(there: House, *headers: str, method: str = "GET") -> Answer:
    return await ask(there, method, f"{ONE}/recording", b"", *headers)


async def test_a_recording_is_sent_whole_and_is_no_caches_to_keep(tmp_path: Path) -> None:
    store_sound(tmp_path)
    async with recorded(tmp_path) as there:
        keep_recording(there, f"{CALL}.wav")
        await settled(there)
        answer = await sound(there)
        assert (answer.status, answer.body) == (200, WAV)
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["content-length"] == str(len(WAV))
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("wish", "part"),
    [("0-3", slice(0, 4)), ("100-199", slice(100, 200)), ("51200-", slice(51_200, None)),
     ("-4", slice(-4, None)), ("-99999999", slice(0, None)), ("51203-51203", slice(-1, None)),
     ("51000-99999999", slice(51_000, None))],
)  # fmt: skip
async def test_a_part_of_a_recording_is_sent(tmp_path: Path, wish: str, part: slice) -> None:
    store_sound(tmp_path)
    async with recorded(tmp_path) as there:
        keep_recording(there, f"{CALL}.wav")
        await settled(there)
        answer = await sound(there, f"Range: bytes={wish}")
        start, stop, _ = part.indices(len(WAV))
        assert (answer.status, answer.body) == (206, WAV[part])
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(WAV)}"
        assert answer.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("wish", ["bytes=99999999-", "bytes=5-1", "bytes=x"])
async def test_a_part_that_there_is_not(tmp_path: Path, wish: str) -> None:
    store_sound(tmp_path)
    async with recorded(tmp_path) as there:
        keep_recording(there, f"{CALL}.wav")
        await settled(there)
        answer = await sound(there, f"Range: {wish}")
        if answer.status == 416:
            assert answer.error == (416, "no-such-range", "")
        else:  # a wish that makes no sense may be passed over
            assert (answer.status, answer.body) == (200, WAV)


async def test_a_recording_that_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    store_sound(tmp_path)
    async with recorded(tmp_path) as there:
        keep_recording(there, f"{CALL}.wav")
        await settled(there)
        tag = (await sound(there)).headers["etag"]
        answer = await sound(there, f"If-None-Match: {tag}")
        assert (answer.status, answer.body) == (304, b"")


async def test_the_head_of_a_recording_tells_its_length(tmp_path: Path) -> None:
    store_sound(tmp_path)
    async with recorded(tmp_path) as there:
        keep_recording(there, f"{CALL}.wav")
        await settled(there)
        answer = await sound(there, method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == str(len(WAV))


@pytest.mark.parametrize("name", ["", "gone.wav", "..", ".", "/", "\x00.wav", "x" * 300])
async def test_a_recording_that_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    store_sound(tmp_path)
    async with recorded(tmp_path) as there:
        keep_recording(there, name)
        await settled(there)
        assert (await sound(there)).error == (404, "not-found", "")


@pytest.mark.parametrize("name", ["../voiced.db", "/etc/passwd", "recordings/../../secret.wav",
                                  "..\\secret.wav"])  # fmt: skip
async def test_a_stored_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    store_sound(tmp_path)
    (tmp_path / "secret.wav").write_bytes(b"secret")
    async with recorded(tmp_path) as there:
        keep_recording(there, name)
        await settled(there)
        assert (await sound(there)).error == (404, "not-found", "")


async def test_the_recording_of_a_live_call_needs_no_records(tmp_path: Path) -> None:
    store_sound(tmp_path)
    async with recorded(tmp_path) as there:
        live(there).recording = f"{CALL}.wav"
        there.recorder._store = None  # type: ignore[union-attr]
        assert (await sound(there)).body == WAV


# --- without records ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CALLS, f"{CALLS}?state=ended", ONE, f"{ONE}/transcript",
                                  f"{ONE}/recording"])  # fmt: skip
async def test_without_records_what_is_past_is_unavailable(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(office()) as there:
        assert (await ask(there, "GET", path)).error == (503, "no-records", "")
    assert caplog.records == []


async def test_without_records_calls_go_on() -> None:
    async with house(office()) as there:
        carrier_takes(there)
        live(there)
        for method, path, body, status in (
            ("GET", f"{CALLS}?state=live", b"", 200), ("GET", ONE, b"", 200),
            ("POST", f"{ONE}/interrupt", b"", 202), ("POST", CALLS, {"to": TO}, 201),
            ("GET", f"{CALLS}/{PLACED}", b"", 200), ("GET", "/v1/events", b"", 200),
            ("POST", f"{CALLS}/CA9/hangup", b"", 503),
        ):  # fmt: skip
            assert (await ask(there, method, path, body)).status == status


async def test_records_that_break_under_way_are_told_without_a_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with recorded(tmp_path) as there:
        keep_past(there, 1)
        await settled(there)
        with sqlite3.connect(tmp_path / "voiced.db") as db:
            db.execute("DROP TABLE said")
        answer = await ask(there, "GET", f"{CALLS}/CA{0:032}/transcript")
        assert answer.error == (503, "no-records", "")
        assert b"Traceback" not in answer.body
    assert not [each for each in caplog.records if each.exc_info]


async def test_answers_are_no_caches_to_keep() -> None:
    async with house(office()) as there:
        for path in (f"{CALLS}?state=live", CALLS, "/v1/nothing", "/readyz"):
            answer = await ask(there, "GET", path)
            assert answer.headers["cache-control"] == "no-store"


# --- methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (CALLS, "GET, HEAD, POST"), (ONE, "GET, HEAD"), (f"{ONE}/transcript", "GET, HEAD, POST"),
        ("/v1/events", "GET, HEAD"), (f"{ONE}/say", "POST"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "BREW"])
async def test_other_methods_are_refused(method: str, path: str, allowed: str) -> None:
    async with house(office()) as there:
        answer = await ask(there, method, path)
        assert answer.error == (405, "method-not-allowed", "")
        assert set(answer.headers["allow"].split(", ")) == set(allowed.split(", "))


async def test_a_head_has_no_body() -> None:
    async with house(office()) as there:
        answer = await ask(there, "HEAD", f"{CALLS}?state=live")
        assert (answer.status, answer.body) == (200, b"")
