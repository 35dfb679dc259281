"""One turn of the demo's call, as the daemon's log tells it."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from voiced.dialog.turn import Ending
from voiced.lab.transcript import Said, Speaker

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
    """One turn; `at_s` is when its reply became audible."""

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
