"""What is known of a call when it is over."""

from attrs import evolve

from voiced.audio.playout import Playout
from voiced.call.leg import LegStatistics
from voiced.call.record import CallRecord
from voiced.dialog.turn import Ending, Turn, TurnTimes
from voiced.engines.roles import SttStatistics

TIMES = TurnTimes(
    speech_ended=10.0,
    turn_ended=10.3,
    asked=10.4,
    first_token=10.6,
    first_audio=10.85,
    first_frame=10.86,
)


def record(*turns: Turn) -> CallRecord:
    return CallRecord(
        call_sid="CA1",
        agent="default",
        started_at=5.0,
        ended_at=65.04,
        reason="hangup",
        turns=turns,
        leg=LegStatistics(
            wire_errors=2, last_wire_error="not JSON", sequence_jumps=1, max_lateness_s=0.0012
        ),
        playout=Playout().statistics(),
        stt=SttStatistics(dropped_ms=80),
    )


def answered(number: int, ending: Ending = Ending.HEARD, times: TurnTimes = TIMES) -> Turn:
    return Turn(number, utterance="hello", times=times, ending=ending)


def test_the_summary_tells_the_call_in_one_line() -> None:
    greeting = Turn(0, ending=Ending.HEARD)
    assert record(greeting, answered(1), answered(2, Ending.CUT)).summary() == {
        "reason": "hangup",
        "duration_s": 60.0,
        "turns": 2,
        "barge_ins": 1,
        "turn_ended_ms": 300,
        "asked_ms": 100,
        "first_token_ms": 200,
        "first_audio_ms": 250,
        "first_frame_ms": 10,
        "answer_ms": 860,
        "pauses": 0,
        "eager_hits": 0,
        "eager_misses": 0,
        "worst_silence_ms": 860,
        "gaps": 0,
        "underruns": 0,
        "pacer_late_ms": 1.2,
        "wire_errors": 2,
        "wire_error": "not JSON",
        "sequence_jumps": 1,
        "stt_dropped_ms": 80,
    }


def test_the_stages_add_up_to_the_answer() -> None:
    stages = TIMES.stages_ms()
    assert stages.pop("answer") == sum(stages.values())


def test_a_call_without_a_turn_has_a_summary() -> None:
    summary = record().summary()
    assert summary["turns"] == 0
    assert summary["worst_silence_ms"] == 0


def test_a_stages_figure_is_its_median() -> None:
    slow = evolve(TIMES, first_frame=13.86)
    turns = [answered(1), answered(2), answered(3, times=slow)]
    assert record(*turns).summary()["answer_ms"] == 860
    assert record(*turns).worst_silence_ms == 3860


def test_a_caller_who_waited_in_vain_waited_all_the_same() -> None:
    in_vain = TurnTimes(speech_ended=10.0, asked=10.4, reply_ended=18.4)
    assert record(answered(1, Ending.FAILED, in_vain)).worst_silence_ms == 8400
    assert record(answered(1, Ending.EMPTY, in_vain)).worst_silence_ms == 8400
    assert record(answered(1, Ending.WITHDRAWN, in_vain)).worst_silence_ms == 0


def test_the_slowest_clear_of_a_call_is_told() -> None:
    statistics = LegStatistics()
    for decided, sent in ((1.0, 1.002), (5.0, 5.0041), (9.0, 9.001)):
        statistics.clearing(decided)
        statistics.sent(sent)
        statistics.sent(sent + 1.0)  # of other messages
    assert evolve(record(), leg=statistics).summary()["clear_ms"] == 4.1
    assert "clear_ms" not in record().summary()


def test_how_late_frames_were_is_told_since_the_beginning_and_since_last_asked() -> None:
    statistics = LegStatistics()
    statistics.late(0.004)
    statistics.late(0.002)
    assert statistics.take_lateness() == 0.004
    statistics.late(0.001)
    assert (statistics.take_lateness(), statistics.take_lateness()) == (0.001, 0.0)
    assert statistics.max_lateness_s == 0.004
