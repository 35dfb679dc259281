"""What becomes of records on their way past the counters."""

import re
from pathlib import Path

import pytest
from attrs import define, evolve, field
from call_desk import record as call_record
from metrics_page import Page, shown, value

from voiced.config import Agent, AnthropicLlm, CartesiaTts, MoshiStt, Settings
from voiced.ops.metrics_kinds import ENDS, REFUSALS
from voiced.records.metrics import Metrics
from voiced.records.model import (
    CallClosed,
    CallOpened,
    CallStatus,
    Direction,
    EngineFailed,
    Happened,
    Record,
    TurnEnded,
)

SID = "CA" + "1" * 32
OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"
SETTINGS = Settings(
    agents={"default": Agent(), "night": Agent()},
    stt={"kyutai": MoshiStt(), "spare": MoshiStt()},
    llm={"claude": AnthropicLlm(model="m")},
    tts={"sonic": CartesiaTts(voice="v")},
)
SUMMARY = {
    "reason": "hangup", "duration_s": 62.0, "turns": 4, "barge_ins": 2, "answer_ms": 900,
    "pauses": 3, "eager_hits": 2, "eager_misses": 1, "worst_silence_ms": 2400, "gaps": 1,
    "underruns": 14, "pacer_late_ms": 3.5, "clear_ms": 1.5, "wire_errors": 1, "wire_error": "?",
    "sequence_jumps": 5, "stt_dropped_ms": 40,
}  # fmt: skip


@define
class Counted:
    """Counters, and what has come out behind them."""

    kept: list[Record] = field(factory=list)
    metrics: Metrics = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.metrics = Metrics(SETTINGS, self.kept.append)

    def after(self, *records: Record) -> Page:
        for record in records:
            self.metrics.put(record)
        assert self.kept == list(records)
        return shown(self.metrics.instruments)


def opened(agent: str = "default", direction: Direction = Direction.INBOUND) -> CallOpened:
    return CallOpened(SID, direction, agent, "+33612345678", "+33100000001", 1.0, {"a": "b"})


def turn(ending: str = "heard", **stages_ms: int) -> TurnEnded:
    return TurnEnded(SID, 1, 1.0, 0.5, ending, stages_ms, ())


def closed(reason: str = "hangup", **summary: object) -> CallClosed:
    return CallClosed(SID, 70.0, reason, 62.0, summary)


def failed(role: str = "stt", engine: str = "kyutai", reason: str = "timeout") -> EngineFailed:
    return EngineFailed(SID, 1.0, role, engine, reason, f"{role} {engine}: 5 s without a word")


def test_every_record_is_passed_on_as_it_is() -> None:
    Counted().after(
        opened(),
        CallStatus(SID, "live", 1.0),
        turn(answer=900),
        Happened(SID, 1.0, "say", {}),
        Happened(SID, 1.0, "stream-drop", {"reason": "stalled"}),
        failed(),
        closed(),
    )


def test_calls_are_counted_by_direction_and_agent() -> None:
    page = Counted().after(opened(), opened(), opened("night", Direction.OUTBOUND), opened("gone"))
    name = "voiced_calls_opened_total"
    assert value(page, name, direction="inbound", agent="default") == 2
    assert value(page, name, direction="outbound", agent="night") == 1
    assert value(page, name, direction="inbound", agent="night") == 0
    assert value(page, name, direction="inbound", agent="other") == 1


def test_new_settings_teach_the_new_names_and_show_them_at_zero() -> None:
    counted = Counted()
    agents = {"default": Agent(), "day": Agent()}
    counted.metrics.renew(evolve(SETTINGS, agents=agents, stt={"fresh": MoshiStt()}))
    page, name = shown(counted.metrics.instruments), "voiced_calls_opened_total"
    assert value(page, name, direction="inbound", agent="day") == 0
    assert value(page, name, direction="inbound", agent="night") == 0
    assert value(page, "voiced_failovers_total", role="stt", engine="fresh") == 0
    page = counted.after(opened("day"), opened("night"))
    assert value(page, name, direction="inbound", agent="day") == 1
    assert value(page, name, direction="inbound", agent="night") == 1
    assert value(page, name, direction="inbound", agent="other") is None


def test_the_stages_of_a_turn_are_told_in_seconds() -> None:
    page = Counted().after(
        turn(turn_ended=600, asked=100, first_token=250, first_audio=180, first_frame=5,
             answer=1135, eager_gain=400, filler=1500),
        turn(first_token=0),
    )  # fmt: skip
    name = "voiced_answer_stage_seconds"
    assert value(page, f"{name}_sum", stage="turn_ended") == pytest.approx(0.6)
    assert value(page, f"{name}_count", stage="first_token") == 2
    assert value(page, f"{name}_sum", stage="first_token") == pytest.approx(0.25)
    assert value(page, f"{name}_count", stage="answer") is None
    assert value(page, "voiced_answer_seconds_sum") == pytest.approx(1.135)
    assert value(page, "voiced_answer_seconds_count") == 1
    assert value(page, "voiced_eager_gain_seconds_sum") == pytest.approx(0.4)
    assert value(page, "voiced_filler_seconds_sum") == pytest.approx(1.5)


def test_a_stage_that_nobody_has_declared_is_left_out() -> None:
    page = Counted().after(turn(telepathy=5))
    assert not [key for key in page if "telepathy" in str(key)]


def test_turns_are_counted_by_their_ending_and_those_cut_off_are_barge_ins() -> None:
    page = Counted().after(turn("heard"), turn("cut"), turn("cut"), turn("withdrawn"))
    assert value(page, "voiced_turns_total", ending="heard") == 1
    assert value(page, "voiced_turns_total", ending="cut") == 2
    assert value(page, "voiced_turns_total", ending="empty") == 0
    assert value(page, "voiced_barge_ins_total") == 2


def test_only_a_stream_that_breaks_is_a_drop() -> None:
    page = Counted().after(Happened(SID, 1.0, "stream-drop", {}), Happened(SID, 1.0, "say", {}))
    assert value(page, "voiced_stream_drops_total") == 1


def test_failures_are_counted_by_engine_and_reason() -> None:
    page = Counted().after(failed(), failed(reason="broken"), failed(reason="broken"))
    name, engine = "voiced_engine_failures_total", {"role": "stt", "engine": "kyutai"}
    assert value(page, name, **engine, reason="timeout") == 1
    assert value(page, name, **engine, reason="broken") == 2
    assert value(page, name, **engine, reason="capacity") == 0
    assert value(page, name, role="tts", engine="sonic", reason="timeout") == 0


def test_a_spare_that_took_over_is_a_failover() -> None:
    counted = Counted()
    counted.metrics.took_over("stt", "kyutai")
    page = counted.after()
    assert value(page, "voiced_failovers_total", role="stt", engine="kyutai") == 1
    assert value(page, "voiced_failovers_total", role="llm", engine="claude") == 0


def test_a_refused_call_is_counted_by_its_reason() -> None:
    counted = Counted()
    counted.metrics.refused("stt-slots")
    page = counted.after()
    assert value(page, "voiced_calls_refused_total", reason="stt-slots") == 1
    assert value(page, "voiced_calls_refused_total", reason="max-calls") == 0


def test_lateness_is_never_negative() -> None:
    counted = Counted()
    for seconds in (0.003, -0.001):
        counted.metrics.late(seconds)
    page = counted.after()
    assert value(page, "voiced_scheduler_late_seconds_count") == 2
    assert value(page, "voiced_scheduler_late_seconds_sum") == pytest.approx(0.003)


def test_a_closed_call_tells_its_worst_and_its_sums() -> None:
    page = Counted().after(closed(**SUMMARY), closed(**SUMMARY))
    assert value(page, "voiced_calls_ended_total", reason="hangup") == 2
    assert value(page, "voiced_call_duration_seconds_sum") == 124
    assert value(page, "voiced_worst_silence_seconds_bucket", le="2.0") == 0
    assert value(page, "voiced_worst_silence_seconds_bucket", le="3.0") == 2
    assert value(page, "voiced_pacer_late_seconds_sum") == pytest.approx(0.007)
    assert value(page, "voiced_barge_in_seconds_sum") == pytest.approx(0.003)
    sums = {"gaps": 2, "underruns": 28, "pauses": 6, "wire_errors": 2, "sequence_jumps": 10}
    assert {name: value(page, f"voiced_{name}_total") for name in sums} == sums
    assert value(page, "voiced_stt_dropped_seconds_total") == pytest.approx(0.08)
    assert value(page, "voiced_drafts_total", outcome="hit") == 4
    assert value(page, "voiced_drafts_total", outcome="miss") == 2


def test_a_call_that_nobody_took_has_no_length_and_no_silence() -> None:
    page = Counted().after(closed("no-answer"))
    assert value(page, "voiced_calls_ended_total", reason="no-answer") == 1
    assert value(page, "voiced_call_duration_seconds_count") == 0
    assert value(page, "voiced_worst_silence_seconds_count") == 0


def test_a_summary_with_other_things_in_it_is_survived() -> None:
    page = Counted().after(closed(gaps="two", underruns=-4, worst_silence_ms=None))
    assert value(page, "voiced_gaps_total") == 0
    assert value(page, "voiced_underruns_total") == 0
    assert value(page, "voiced_worst_silence_seconds_count") == 0


def test_the_summary_of_a_real_record_has_what_is_counted() -> None:
    summary = evolve(call_record("hangup"), eager_hits=3).summary()
    assert set(summary) >= set(SUMMARY) - {"answer_ms", "clear_ms", "wire_error"}
    page = Counted().after(CallClosed(SID, 2.0, "hangup", 2.0, summary))
    assert value(page, "voiced_worst_silence_seconds_count") == 1
    assert value(page, "voiced_drafts_total", outcome="hit") == 3


@pytest.mark.parametrize(
    "reason", ["internal", "crash", "stt-timeout", "llm-refused", "tts-broken"]
)
def test_a_call_that_we_lost_has_failed(reason: str) -> None:
    page = Counted().after(closed(reason))
    assert value(page, "voiced_calls_failed_total", reason=reason) == 1
    assert value(page, "voiced_calls_ended_total", reason=reason) == 1


def test_an_engine_that_failed_for_a_reason_of_its_own_is_a_failure_too() -> None:
    page = Counted().after(closed("llm-error"))
    assert value(page, "voiced_calls_failed_total", reason="other") == 1


@pytest.mark.parametrize("reason", ["hangup", "stt-slots", "tts-unreachable", "busy", "failed"])
def test_any_other_end_is_none(reason: str) -> None:
    page = Counted().after(closed(reason))
    assert value(page, "voiced_calls_ended_total", reason=reason) == 1
    assert sum(of for key, of in page.items() if key[0] == "voiced_calls_failed_total") == 0


def test_the_reasons_of_the_manual_are_known() -> None:
    table = OPERATE.read_text().split("### Why a call ended")[1].split("### Warnings")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")][1:]
    first_cells = [row.split("|")[1] for row in rows]
    words = [word for cell in first_cells for word in re.findall(r"`([a-z-]+)`", cell)]
    # `transfer` is the end of a stream; the last two rows are patterns.
    known = {*ENDS, "transfer", *("refused", "timeout", "broken", "capacity")}
    assert len(words) > 20
    assert set(words) <= known


def test_the_refusals_of_the_manual_are_known() -> None:
    table = OPERATE.read_text().split("| status of `/readyz`")[1].split("\n\n")[0]
    words = re.findall(
        r"`([a-z-]+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:])
    )
    assert len(words) == 7
    assert set(words) <= set(REFUSALS)


def test_nothing_of_the_caller_is_shown() -> None:
    counted = Counted()
    counted.after(opened(), turn(answer=900), failed(), closed(**SUMMARY))
    text = repr(shown(counted.metrics.instruments))
    for secret in ("+336", "+331", SID, "without a word"):
        assert secret not in text
