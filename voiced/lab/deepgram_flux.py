"""One stream of the stand-in `/v2/listen`: steps of audio in, turn by turn out. Pure."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

from attrs import define, field

from voiced.lab.deepgram_audio import STEP_S, Step
from voiced.lab.deepgram_link import REQUEST_ID
from voiced.lab.deepgram_query import FluxQuery
from voiced.lab.sphinx import END_SILENCE_S, EarWord

UPDATE_STEPS: Final = 3
SURE_PER_S: Final = 1.4
"""How fast silence makes it sure: the default threshold of 0.7 is reached after half a second."""

Message = dict[str, Any]


class _Turn(Enum):
    SILENT = auto()  # no word yet
    SPOKEN = auto()
    EAGER = auto()  # an eager end was told


@define
class FluxStream:
    """`step` for each 80 ms, `force` when asked."""

    query: FluxQuery
    _sequence: int = 0
    _index: int = 0
    _turn: _Turn = _Turn.SILENT
    _words: list[EarWord] = field(factory=list)
    _start_s: float = 0.0
    _steps: int = 0

    def connected(self) -> Message:
        """The first message."""
        return self.numbered("Connected")

    def numbered(self, kind: str, **fields: object) -> Message:
        """Any message; all of them are counted."""
        message = {"type": kind, "request_id": REQUEST_ID, "sequence_id": self._sequence}
        self._sequence += 1
        return message | fields

    def step(self, step: Step) -> list[Message]:
        """The messages that this step brings."""
        self._steps += 1
        self._words += step.words
        sure = self._confidence(step)
        event = self._event(step, sure)
        if event == "EndOfTurn":
            trigger = "model" if sure >= self.query.threshold else "timeout"
            return [self._end(step.at_s, sure, trigger)]
        if event or self._steps % UPDATE_STEPS == 0:
            return [self._info(event or "Update", step.at_s, sure)]
        return []

    def force(self, words: Sequence[EarWord], at_s: float) -> Message:
        """Ends the turn, with these words too."""
        self._words += words
        return self._end(at_s, 0.1, "manual")

    def configure(self, asked: Message) -> Message:
        """Other thresholds from now on; those not named stay."""
        told = asked.get("thresholds", {})
        query = self.query
        terms = asked.get("keyterms", list(query.keyterms))
        self.query = FluxQuery(
            told.get("eot_threshold", query.threshold),
            told.get("eager_eot_threshold", query.eager),
            told.get("eot_timeout_ms", query.timeout_s * 1000) / 1000,
            tuple(terms),
        )
        return self.numbered("ConfigureSuccess", thresholds=told, keyterms=terms)

    def _event(self, step: Step, sure: float) -> str:
        query = self.query
        if self._turn is _Turn.SILENT:
            self._turn = _Turn.SPOKEN if self._words else _Turn.SILENT
            return "StartOfTurn" if self._words else ""
        if self._turn is _Turn.EAGER and step.silence_s < STEP_S:
            self._turn = _Turn.SPOKEN
            return "TurnResumed"
        if step.silence_s < END_SILENCE_S + STEP_S:
            return ""  # the ear may hold words back, and an end has them all
        if sure >= query.threshold or step.silence_s >= query.timeout_s:
            return "EndOfTurn"
        if self._turn is _Turn.SPOKEN and query.eager is not None and sure >= query.eager:
            self._turn = _Turn.EAGER
            return "EagerEndOfTurn"
        return ""

    def _confidence(self, step: Step) -> float:
        return min(0.95, SURE_PER_S * step.silence_s) if self._words else 0.0

    def _end(self, at_s: float, sure: float, trigger: str) -> Message:
        message = self._info("EndOfTurn", at_s, sure) | {"trigger": trigger}
        self._index += 1
        self._turn = _Turn.SILENT
        self._start_s = at_s
        self._words.clear()
        return message

    def _info(self, event: str, at_s: float, sure: float) -> Message:
        words = [{"word": word.text, "confidence": 0.95} for word in self._words]
        return self.numbered(
            "TurnInfo",
            event=event,
            turn_index=self._index,
            audio_window_start=round(self._start_s, 3),
            audio_window_end=round(at_s, 3),
            transcript=" ".join(word.text for word in self._words),
            words=words,
            end_of_turn_confidence=round(sure, 3),
        )
