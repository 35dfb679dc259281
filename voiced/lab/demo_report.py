"""What the demo leaves: the stereo WAV, the transcript as heard, the picture, a verdict."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen

from voiced.dialog.turn import Ending
from voiced.lab.phone_audio import write_stereo
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_ear import Measured
from voiced.lab.timeline import Answer, Span, draw, spread, timeline_of
from voiced.lab.transcript import Said, Speaker, render

MIN_TURNS: Final = 4
STAGES: Final = {
    "turn_ended_ms": "end of turn",
    "asked_ms": "last words",
    "first_token_ms": "first token",
    "first_audio_ms": "first audio",
    "first_frame_ms": "first frame",
}
"""Fields of the daemon's log, and what the picture calls them."""


@frozen
class Reply:
    """One turn as the daemon's log tells it; `at_s` is when its reply became audible."""

    at_s: float
    ending: Ending
    caller: str
    agent: str
    answer_ms: int | None
    stages_ms: Mapping[str, int] = field(factory=dict)

    @classmethod
    def from_log(cls, record: Mapping[str, Any]) -> "Reply":
        """From a `turn ended` record; stages are counted from the end of speech."""
        stages, so_far = {}, 0
        for name, label in STAGES.items():
            if name in record:
                so_far += int(record[name])
                stages[label] = so_far
        return cls(
            at_s=float(record.get("at_s", 0.0)),
            ending=Ending(record["ending"]),
            caller=record.get("caller", ""),
            agent=record.get("agent", ""),
            answer_ms=record.get("answer_ms"),
            stages_ms=stages,
        )

    def said(self) -> Said:
        """As a line of the transcript."""
        answer_s = None if self.answer_ms is None else self.answer_ms / 1000
        cut = self.ending is Ending.CUT
        return Said(self.at_s, Speaker.AGENT, self.agent, cut, answer_s, self.stages_ms)


@frozen
class Report:
    """The call from both ends; `told` are the requests that the model got."""

    result: CallResult
    replies: Sequence[Reply]
    summary: Mapping[str, Any]
    told: Sequence[Any] = ()

    @property
    def cut(self) -> Sequence[Reply]:
        """The replies that a barge-in ended, and of which something had been heard."""
        return [reply for reply in self.replies if reply.ending is Ending.CUT and reply.agent]

    @property
    def is_remembered_right(self) -> bool:
        """Whether the model was told, of each reply cut off, exactly the words heard."""
        said = [
            str(message.get("content"))
            for message in (self.told[-1].get("messages", []) if self.told else [])
            if message.get("role") == "assistant"
        ]
        return bool(self.cut) and all(f"{reply.agent}—" in said for reply in self.cut)

    @property
    def is_good(self) -> bool:
        """Four turns, a barge-in, a right memory, and nothing that Twilio would refuse.

        Gaps are told and do not count: on a busy machine they are the machine's.
        """
        answered = sum(1 for reply in self.replies if reply.caller)
        return answered >= MIN_TURNS and self.is_remembered_right and not self.result.warnings

    def transcript(self) -> str:
        """Both sides, as heard."""
        caller = [
            Said(turn.spoken.start_s, Speaker.CALLER, turn.utterance.words)
            for turn in self.result.turns
        ]
        agent = [reply.said() for reply in self.replies if reply.agent]
        return render("A call to Chez Sesame", [*caller, *agent])

    def conclusion(self, folder: Path) -> Iterator[str]:
        """What to know of the call, and where it is."""
        answers = sorted(r.answer_ms for r in self.replies if r.answer_ms is not None)
        if answers:
            yield (
                f"answered in {answers[0]} to {answers[-1]} ms after the caller's last sound; "
                f"gaps: {self.result.playback.gaps}, warnings: {len(self.result.warnings)}, "
                f"underruns: {self.summary.get('underruns', '?')}"
            )
        for reply in self.cut:
            exact = "exactly these words" if self.is_remembered_right else "OTHER words"
            yield f"interrupted after “{reply.agent}”; the model was told {exact}"
        yield f"listen: {folder / 'call.wav'} (left: caller, right: agent)"
        yield f"read:   {folder / 'transcript.txt'}"
        yield f"look:   {folder / 'timeline.png'}"
        if not self.is_good:
            yield f"THE CALL WAS NOT AS IT SHOULD BE; see {folder / 'voiced.log'}"


def write_report(report: Report, folder: Path) -> None:
    """Leaves call.wav, transcript.txt and timeline.png in the folder."""
    result = report.result
    write_stereo(folder / "call.wav", result.caller, result.agent)
    (folder / "transcript.txt").write_text(report.transcript())
    timeline = timeline_of(result)
    pairs = [(reply, _asked_before(reply, result.turns)) for reply in report.replies]
    answers = [
        Answer(
            turn.spoken.stop_s,
            reply.at_s,
            [(name, turn.spoken.stop_s + ms / 1000) for name, ms in reply.stages_ms.items()],
        )
        for reply, turn in pairs
        if turn is not None and reply.stages_ms
    ]
    words = [word for reply in report.replies for word in _words(reply, result)]
    title = f"A call to Chez Sesame, {result.duration_s:.0f} s"
    draw(evolve(timeline, title=title, answers=answers, agent_words=words), folder / "timeline.png")


def _asked_before(reply: Reply, turns: Sequence[Measured]) -> Measured | None:
    if not reply.caller:
        return None
    before = [turn for turn in turns if turn.spoken.start_s < reply.at_s]
    return before[-1] if before else None


def _words(reply: Reply, result: CallResult) -> list[Span]:
    """The words of a reply, spread over the sound of it."""
    runs = [run for run in result.agent_runs if run.start_s >= reply.at_s - 0.1]
    if not reply.agent or not runs:
        return []
    stop_s = runs[0].stop_s
    for run in runs[1:]:
        if run.start_s - stop_s > 1.0:
            break
        stop_s = run.stop_s
    return spread(reply.agent, runs[0].start_s, stop_s)
