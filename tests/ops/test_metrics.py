"""Counters, histograms and gauges, as Prometheus reads them."""

import shutil
import subprocess
from itertools import chain

import pytest
import trio
from metrics_page import FakeRoom, House, State, shown, value
from trio.testing import MockClock

from voiced import __version__
from voiced.call.parties import Stage
from voiced.dialog.turn import Ending, TurnTimes
from voiced.engines.rooms import RoomState
from voiced.ops import metrics_declared as declared
from voiced.ops.metrics import MAX_LEARNT, Exposition, Instruments
from voiced.ops.metrics_declared import SECTIONS
from voiced.ops.metrics_kinds import ENDINGS, PARTS, STAGES, STATES, By, Kind
from voiced.ops.metrics_lateness import watch_lateness

NAMES = {"agent": ["default"], "engine": ["kyutai", "deepgram"]}
ALL = list(chain(*SECTIONS.values()))


def instruments() -> Instruments:
    return Instruments(NAMES)


# --- what is declared ---------------------------------------------------------------------------


def test_everything_that_is_declared_is_in_a_section_once() -> None:
    there = [each for each in vars(declared).values() if isinstance(each, declared.Declared)]
    assert sorted(each.name for each in there) == sorted(each.name for each in ALL)
    assert len({each.name for each in ALL}) == len(ALL)


@pytest.mark.parametrize("what", ALL, ids=lambda each: each.name)
def test_names_follow_the_practice(what: declared.Declared) -> None:
    assert what.name.startswith("voiced_")
    assert what.name.endswith("_total") is (what.kind is Kind.COUNTER)
    assert what.name.endswith("_seconds") is (what.kind is Kind.HISTOGRAM)
    assert (what.buckets != ()) is (what.kind is Kind.HISTOGRAM)
    assert list(what.buckets) == sorted(set(what.buckets))
    assert what.help.endswith(".")
    assert "_ms" not in what.name


def test_the_words_of_the_labels_are_those_of_the_house() -> None:
    assert set(STAGES) == {stage.value for stage in Stage}
    assert set(STATES) == {state.value for state in RoomState}
    assert set(ENDINGS) == {ending.value for ending in Ending} - {"pending"}
    every = TurnTimes(*(float(moment) for moment in range(10)))
    assert set(PARTS) | {"answer", "eager_gain", "filler"} == set(every.stages_ms())


# --- counting -----------------------------------------------------------------------------------


def test_two_daemons_count_apart() -> None:
    one, other = instruments(), instruments()
    one.count(declared.GAPS, by=3)
    assert value(shown(one), "voiced_gaps_total") == 3
    assert value(shown(other), "voiced_gaps_total") == 0


def test_a_histogram_counts_in_its_buckets() -> None:
    counted = instruments()
    for seconds in (0.05, 0.9, 2.1, 60.0):
        counted.observe(declared.ANSWER, seconds)
    page = shown(counted)
    buckets = [value(page, "voiced_answer_seconds_bucket", le=le) for le in ("0.05", "2.0", "5.0")]
    assert buckets == [1, 2, 3]
    assert value(page, "voiced_answer_seconds_bucket", le="+Inf") == 4
    assert value(page, "voiced_answer_seconds_count") == 4
    assert value(page, "voiced_answer_seconds_sum") == pytest.approx(63.05)


def test_what_is_prepared_is_shown_at_zero() -> None:
    counted = instruments()
    assert value(shown(counted), "voiced_failovers_total", role="stt", engine="kyutai") is None
    counted.prepare(declared.FAILOVERS, "stt", "kyutai")
    assert value(shown(counted), "voiced_failovers_total", role="stt", engine="kyutai") == 0


def test_a_name_that_is_not_configured_is_other() -> None:
    counted = instruments()
    for engine in ("kyutai", "+33612345678", "whatever"):
        counted.count(declared.FAILOVERS, "stt", engine)
    page = shown(counted)
    assert value(page, "voiced_failovers_total", role="stt", engine="kyutai") == 1
    assert value(page, "voiced_failovers_total", role="stt", engine="other") == 2


def test_a_name_that_is_learnt_is_shown_and_none_is_forgotten() -> None:
    counted = instruments()
    counted.count(declared.OPENED, "inbound", "night")
    counted.learn({"agent": ["night"], "direction": ["sideways"]})
    for agent in ("night", "default"):
        counted.count(declared.OPENED, "inbound", agent)
        counted.count(declared.OPENED, "sideways", agent)
    page, name = shown(counted), "voiced_calls_opened_total"
    assert value(page, name, direction="inbound", agent="other") == 1
    assert value(page, name, direction="inbound", agent="night") == 1
    assert value(page, name, direction="inbound", agent="default") == 1
    assert value(page, name, direction="other", agent="night") == 1


def test_no_more_names_are_learnt_than_there_is_room_for() -> None:
    counted = instruments()
    for number in range(2 * MAX_LEARNT):
        counted.learn({"agent": ["default", f"agent-{number:03}"]})
    for number in range(2 * MAX_LEARNT):
        counted.count(declared.OPENED, "inbound", f"agent-{number:03}")
    page, name = shown(counted), "voiced_calls_opened_total"
    assert value(page, name, direction="inbound", agent=f"agent-{MAX_LEARNT - 1:03}") == 1
    assert value(page, name, direction="inbound", agent=f"agent-{MAX_LEARNT:03}") is None
    assert value(page, name, direction="inbound", agent="other") == MAX_LEARNT
    counted.learn({"engine": ["new"]})  # each label has its own room
    counted.count(declared.FAILOVERS, "stt", "new")
    assert value(shown(counted), "voiced_failovers_total", role="stt", engine="new") == 1


def test_new_reasons_are_let_in_until_there_are_too_many() -> None:
    counted = instruments()
    for letter in "abcdefghijkl":
        counted.count(declared.REFUSED, f"new-{letter}")
        counted.count(declared.REFUSED, "max-calls")
    counted.count(declared.REFUSED, "new-a")
    page = shown(counted)
    assert value(page, "voiced_calls_refused_total", reason="new-a") == 2
    assert value(page, "voiced_calls_refused_total", reason="new-h") == 1
    assert value(page, "voiced_calls_refused_total", reason="new-i") is None
    assert value(page, "voiced_calls_refused_total", reason="other") == 4
    assert value(page, "voiced_calls_refused_total", reason="max-calls") == 12


@pytest.mark.parametrize("reason", ["+33612345678", "", "Hello there", "x" * 41, 'a"b\n'])
def test_a_reason_that_is_no_word_of_ours_is_not_shown(reason: str) -> None:
    counted = instruments()
    counted.count(declared.REFUSED, reason)
    assert value(shown(counted), "voiced_calls_refused_total", reason="other") == 1


# --- looking ------------------------------------------------------------------------------------


def test_gauges_are_read_when_somebody_asks() -> None:
    house, counted = House(), instruments()
    page = shown(counted, house)
    assert value(page, "voiced_calls", stage="live") == 2
    assert value(page, "voiced_calls", stage="ringing") == 1
    assert value(page, "voiced_calls", stage="lost") == 0
    assert value(page, "voiced_calls_free") == 7
    assert value(page, "voiced_ready", agent="default") == 1
    assert value(page, "voiced_ready", agent="night") == 0
    assert value(page, "voiced_draining") == 0
    assert value(page, "voiced_records_kept") == 0
    assert value(page, "voiced_records_lost_total") == 2
    assert value(page, "voiced_records_waiting") == 3
    assert value(page, "voiced_slow_steps_total") == 4
    house.stages, house.lost, house.draining, house.kept = (), 9, ("SIGTERM",), ("records",)
    page = shown(counted, house)
    assert value(page, "voiced_calls", stage="live") == 0
    assert value(page, "voiced_records_lost_total") == 9
    assert value(page, "voiced_draining") == 1
    assert value(page, "voiced_records_kept") == 1


def test_rooms_show_what_is_known_and_leave_out_what_has_no_limit() -> None:
    house = House(
        rooms=[FakeRoom("stt", "kyutai", State.OPEN, 16, 2, 13.0), FakeRoom("llm", "x", State.AWAY)]
    )
    page = shown(instruments(), house)
    here = {"role": "stt", "engine": "kyutai"}
    assert value(page, "voiced_engine_slots", **here) == 16
    assert value(page, "voiced_engine_slots_used", **here) == 2
    assert value(page, "voiced_engine_calls_free", **here) == 13
    assert value(page, "voiced_engine_state", **here, state="open") == 1
    assert value(page, "voiced_engine_state", **here, state="unreachable") == 0
    there = {"role": "llm", "engine": "x"}
    for name in ("slots", "slots_used", "calls_free"):
        assert value(page, f"voiced_engine_{name}", **there) is None
    assert value(page, "voiced_engine_state", **there, state="unreachable") == 1
    assert value(page, "voiced_engine_state", **there, state="unknown") == 0


def test_the_build_is_told() -> None:
    (labels,) = [dict(key[1]) for key in shown(instruments()) if key[0] == "voiced_build_info"]
    assert labels["version"] == __version__
    assert labels["trio"] == trio.__version__


# --- the page -----------------------------------------------------------------------------------


def test_each_metric_is_shown_once_with_its_help_and_no_others_but_the_process() -> None:
    text = b"".join(Exposition(instruments(), House().sources()).pages()).decode()
    told = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    ours = [name for name in told if not name.startswith("process_")]
    assert sorted(ours) == sorted(each.name for each in ALL)
    for each in ALL:
        assert f"# HELP {each.name} {each.help}\n" in text
        assert f"# TYPE {each.name} {each.kind.value}\n" in text
    assert "_created" not in text


def test_each_metric_is_a_page_of_its_own() -> None:
    pages = list(Exposition(instruments(), House().sources()).pages())
    assert all(page.count(b"# TYPE") == 1 and page.endswith(b"\n") for page in pages)
    assert len(pages) >= len(ALL)


def test_what_is_counted_and_what_is_looked_at_are_apart() -> None:
    counted = {family.name for family in instruments().families()}
    for each in ALL:
        assert (each.name.removesuffix("_total") in counted) is (each.by is By.COUNTING)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_mend() -> None:
    page = b"".join(Exposition(instruments(), House().sources()).pages())
    ours = b"".join(line for line in page.splitlines(keepends=True) if b"process_" not in line)
    found = subprocess.run(
        ["promtool", "check", "metrics"], input=ours, capture_output=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, b"")


# --- lateness -----------------------------------------------------------------------------------


async def test_a_loop_that_is_on_time_is_told_so(autojump_clock: MockClock) -> None:
    told: list[float] = []
    with trio.move_on_after(1.1):
        await watch_lateness(told.append)
    assert told == pytest.approx([0.0, 0.0, 0.0, 0.0])


async def test_every_deadline_that_a_stall_covers_is_told(autojump_clock: MockClock) -> None:
    told: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_lateness, told.append)
        await trio.testing.wait_all_tasks_blocked()
        autojump_clock.jump(1.1)  # due at 0.25, 0.5, 0.75 and 1.0
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert told == pytest.approx([0.85, 0.6, 0.35, 0.1])


async def test_a_machine_that_slept_is_not_made_up_for(autojump_clock: MockClock) -> None:
    told: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_lateness, told.append)
        await trio.testing.wait_all_tasks_blocked()
        autojump_clock.jump(3600.0)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert told[0] == pytest.approx(3599.75)
    assert max(told[1:]) == pytest.approx(10.0)
    assert len(told) <= 42
