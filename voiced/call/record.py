"""What is known of a call when it is over, and the one line that tells it."""

from attrs import evolve, frozen

from voiced.audio.playout import PlayoutStatistics
from voiced.call.leg import LegStatistics
from voiced.dialog.turn import Ending, Turn
from voiced.engines.roles import SttStatistics


@frozen
class CallRecord:
    """One call. Times in the turns are seconds on the monotonic clock, like `started_at`."""

    call_sid: str
    agent: str
    started_at: float
    ended_at: float
    reason: str
    turns: tuple[Turn, ...]
    leg: LegStatistics
    playout: PlayoutStatistics
    stt: SttStatistics
    eager_hits: int = 0
    eager_misses: int = 0

    @property
    def duration_s(self) -> float:
        """Length of the call."""
        return self.ended_at - self.started_at

    def summary(self) -> dict[str, object]:
        """The call in one line: what an operator wants to know first.

        Each stage's figure is its median over the call's turns, in milliseconds.
        """
        stages: dict[str, list[int]] = {}
        clear_ms = round(1000 * self.leg.max_clear_s, 1)
        for turn in self.turns:
            for stage, length_ms in turn.times.stages_ms().items():
                stages.setdefault(stage, []).append(length_ms)
        return {
            "reason": self.reason,
            "duration_s": round(self.duration_s, 1),
            "turns": sum(1 for turn in self.turns if turn.utterance),
            "barge_ins": sum(1 for turn in self.turns if turn.ending is Ending.CUT),
            **{f"{stage}_ms": _median(lengths) for stage, lengths in stages.items()},
            "pauses": self.playout.pauses,
            "eager_hits": self.eager_hits,
            "eager_misses": self.eager_misses,
            "worst_silence_ms": self.worst_silence_ms,
            "gaps": self.playout.gaps,
            "underruns": self.playout.underruns,
            **({"clear_ms": clear_ms} if clear_ms else {}),
            "pacer_late_ms": round(1000 * self.leg.max_lateness_s, 1),
            "wire_errors": self.leg.wire_errors,
            **({"wire_error": self.leg.last_wire_error} if self.leg.wire_errors else {}),
            "sequence_jumps": self.leg.sequence_jumps,
            "stt_dropped_ms": self.stt.dropped_ms,
        }

    @property
    def worst_silence_ms(self) -> int:
        """The longest that the caller waited for us: for an answer, or in the middle of one."""
        return max([*map(_wait_ms, self.turns), round(self.playout.longest_gap_ms)])


def _wait_ms(turn: Turn) -> int:
    """How long the caller waited for the answer, or in vain for none; behind a filler, again."""
    times = turn.times
    if turn.ending in (Ending.FAILED, Ending.EMPTY) and times.first_frame is None:
        times = evolve(times, first_frame=times.reply_ended)
    behind_s = 0.0
    if times.filler_ended is not None:
        behind_s = (times.first_audio or times.reply_ended or 0.0) - times.filler_ended
    return max(times.stages_ms().get("answer", 0), round(1000 * behind_s))


def _median(lengths: list[int]) -> int:
    return sorted(lengths)[len(lengths) // 2]
