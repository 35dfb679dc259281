"""What the demo leaves: the stereo WAV, the transcript as heard, the picture, a verdict."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from voiced.audio.frame import SAMPLE_RATE
from voiced.dialog.turn import Ending
from voiced.lab.demo_evidence import Evidence
from voiced.lab.demo_reply import Reply
from voiced.lab.llm_talk import text_of
from voiced.lab.phone_audio import write_stereo
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_ear import Measured
from voiced.lab.timeline import Answer, Span, draw, spread, timeline_of
from voiced.lab.transcript import Said, Speaker, render

MIN_TURNS: Final = 4
BEGINS_S: Final = 0.3
"""The telephone and the daemon agree about the beginning of a reply to within this."""
TITLE: Final = "A call to Chez Sesame"


@frozen
class Report:
    """The call from both ends; `told` are the requests that the model got, `notes` what happened
    beside the words."""

    evidence: Evidence
    summary: Mapping[str, Any] = field(factory=dict)
    told: Sequence[Any] = ()
    notes: Sequence[Said] = ()

    @property
    def result(self) -> CallResult:
        """The call as the telephone lived it."""
        return self.evidence.result

    @property
    def replies(self) -> Sequence[Reply]:
        """The turns."""
        return self.evidence.replies

    @property
    def cut(self) -> Sequence[Reply]:
        """The replies that a barge-in ended, and of which something had been heard."""
        return [reply for reply in self.replies if reply.ending is Ending.CUT and reply.agent]

    @property
    def is_remembered_right(self) -> bool:
        """Whether the model was told, of each reply cut off, exactly the words heard."""
        conversations = [each.get("messages", []) for each in self.told]
        last: list[Any] = max(conversations, key=len, default=[])  # the later, the longer
        said = [text_of(message) for message in last if message.get("role") == "assistant"]
        return bool(self.cut) and all(f"{reply.agent}—" in said for reply in self.cut)

    @property
    def is_good(self) -> bool:
        """Four turns, a barge-in, a right memory, nothing that Twilio would refuse, and all that
        the evidence should show.

        Gaps are told and do not count: on a busy machine they are the machine's.
        """
        answered = sum(1 for reply in self.replies if reply.caller)
        lasting = all(verdict.holds for verdict in self.evidence.verdicts())
        talked = answered >= MIN_TURNS and self.is_remembered_right
        return talked and lasting and not self.result.warnings

    @property
    def gaps(self) -> int:
        """How often the agent's sound stopped within a reply. What follows a tool at once is a
        reply of its own, though not to the telephone."""
        begins = [reply.at_s for reply in self.replies if reply.agent]
        ends = self.result.playback.gap_ends_s
        return sum(1 for at_s in ends if all(abs(at_s - begin) > BEGINS_S for begin in begins))

    def transcript(self) -> str:
        """Both sides, as heard."""
        caller = [
            Said(turn.spoken.start_s, Speaker.CALLER, turn.utterance.words)
            for turn in self.result.turns
        ]
        agent = [reply.said() for reply in self.replies if reply.agent]
        return render(TITLE, [*caller, *agent, *self.notes])

    def conclusion(self, folder: Path) -> Iterator[str]:
        """What to know of the call, and where it is."""
        answers = sorted(r.answer_ms for r in self.replies if r.answer_ms is not None)
        if answers:
            yield (
                f"answered in {answers[0]} to {answers[-1]} ms after the caller's last sound; "
                f"gaps: {self.gaps}, warnings: {len(self.result.warnings)}, "
                f"underruns: {self.summary.get('underruns', '?')}"
            )
        for reply in self.cut:
            exact = "exactly these words" if self.is_remembered_right else "OTHER words"
            yield f"interrupted after “{reply.agent}”; the model was told {exact}"
        yield from map(str, self.evidence.verdicts())
        yield f"listen: {folder / 'call.wav'} (left: caller, right: agent)"
        yield f"read:   {folder / 'transcript.txt'}, {folder / 'record.json'}"
        yield f"look:   {folder / 'timeline.png'}"
        if not self.is_good:
            yield f"THE CALL WAS NOT AS IT SHOULD BE; see {folder / 'voiced.log'}"


def write_report(report: Report, folder: Path) -> None:
    """Leaves call.wav, transcript.txt, record.json and timeline.png in the folder."""
    result = report.result
    write_stereo(folder / "call.wav", result.caller, result.agent)
    (folder / "transcript.txt").write_text(report.transcript())
    record = json.dumps(report.evidence.record, indent=1, ensure_ascii=False)
    (folder / "record.json").write_text(record + "\n")
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
    timeline, moments = timeline_of(result), report.evidence.moments()
    end_s = max([result.duration_s, *(at_s + 0.5 for at_s in moments)])
    drawn = evolve(
        timeline,
        title=f"{TITLE}, {end_s:.0f} s",
        caller=_until(timeline.caller, end_s),
        agent=_until(timeline.agent, end_s),
        answers=answers,
        agent_words=_agent_words(report.replies, result),
        moments=moments,
    )
    draw(drawn, folder / "timeline.png")


def _until(pcm: NDArray[np.int16], end_s: float) -> NDArray[np.int16]:
    """The line, with silence behind it: the stream ends before the transfer does."""
    return np.pad(pcm, (0, max(0, round(end_s * SAMPLE_RATE) - len(pcm))))


def _asked_before(reply: Reply, turns: Sequence[Measured]) -> Measured | None:
    if not reply.caller:
        return None
    before = [turn for turn in turns if turn.spoken.start_s < reply.at_s]
    return before[-1] if before else None


def _agent_words(replies: Sequence[Reply], result: CallResult) -> list[Span]:
    """The words of each reply, spread over its sound, which ends where the next one begins."""
    audible = sorted((reply for reply in replies if reply.agent), key=lambda reply: reply.at_s)
    ends = [later.at_s for _, later in pairwise(audible)] + [result.duration_s]
    words: list[Span] = []
    for reply, end_s in zip(audible, ends, strict=True):
        runs = [r for r in result.agent_runs if reply.at_s - 0.1 <= r.start_s < end_s - 0.1]
        if runs:
            words += spread(reply.agent, runs[0].start_s, runs[-1].stop_s)
    return words
