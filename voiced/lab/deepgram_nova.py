"""One stream of the stand-in `/v1/listen`: steps of audio in, messages out. Pure.

Interim results about every second, the last word cut off where it is still being said; a final
every few seconds of speech, and at its end; results without words in silence; `UtteranceEnd` where
no word has been said for long enough, also where `speech_final` has told the end already.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

from attrs import define, field

from voiced.lab.deepgram_audio import STEP_S, Step
from voiced.lab.deepgram_link import REQUEST_ID
from voiced.lab.deepgram_query import ListenQuery
from voiced.lab.sphinx import END_SILENCE_S, EarWord

INTERIM_S: Final = 1.0
FINAL_S: Final = 4.0
FRESH_S: Final = 0.2
"""A word that ended less than this before the end of the audio is guessed from its beginning."""
HELD_S: Final = 2.0
"""In sound, the ear may have heard a word and not told it for so long: a long one, or in doubt. In
silence it holds nothing back."""

Message = dict[str, Any]


class _Line(Enum):
    QUIET = auto()
    SPEECH = auto()


@define
class NovaStream:
    """`step` for each 80 ms, `finalize` when asked."""

    query: ListenQuery
    _window_s: float = 0.0
    _reported_s: float = 0.0
    _words: list[EarWord] = field(factory=list)
    _line: _Line = _Line.QUIET
    _last_word_s: float | None = None

    def step(self, step: Step) -> list[Message]:
        """The messages that this step brings."""
        messages = self._speech(step)
        self._words += step.words
        self._note(step.words)
        if self._line is _Line.SPEECH and step.silence_s >= self._endpointing_s:
            self._line = _Line.QUIET
            messages.append(self._final(step.at_s, speech_final=True))
        elif step.at_s - self._window_s >= FINAL_S:
            messages.append(self._final(step.at_s))
        elif self.query.interims and step.at_s - self._reported_s >= INTERIM_S:
            messages.append(self._interim(step.at_s))
        return messages + self._gap(step)

    @property
    def _endpointing_s(self) -> float:
        """The ear's own patience comes on top of too little."""
        asked_s = self.query.endpointing_s
        return float("inf") if asked_s is None else max(asked_s, END_SILENCE_S + STEP_S)

    def finalize(self, words: Sequence[EarWord], at_s: float) -> Message:
        """All that is there, and these words."""
        self._words += words
        self._note(words)
        return self._final(at_s, from_finalize=True)

    def _note(self, words: Sequence[EarWord]) -> None:
        if words:
            self._last_word_s = words[-1].stop_s

    def _speech(self, step: Step) -> list[Message]:
        if self._line is _Line.SPEECH or step.silence_s >= STEP_S:
            return []
        self._line = _Line.SPEECH
        started = {"type": "SpeechStarted", "channel": [0, 1], "timestamp": step.at_s - STEP_S}
        return [started] if self.query.vad_events else []

    def _gap(self, step: Step) -> list[Message]:
        """A gap is one between words: it is as long as the audio whose words are all known."""
        last_s, gap_s = self._last_word_s, self.query.utterance_end_s
        is_silent = step.silence_s >= END_SILENCE_S + STEP_S
        known_until_s = step.at_s if is_silent else step.at_s - HELD_S
        if last_s is None or gap_s is None or known_until_s - last_s < gap_s:
            return []
        self._last_word_s = None
        return [{"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": round(last_s, 3)}]

    def _final(self, at_s: float, **flags: bool) -> Message:
        words = [_item(word, 0.98) for word in self._words]
        message = _results(words, self._window_s, at_s, is_final=True, **flags)
        self._words.clear()
        self._window_s = self._reported_s = at_s
        return message

    def _interim(self, at_s: float) -> Message:
        words = [_item(word, 0.97) for word in self._words]
        if words and self._words[-1].stop_s > at_s - FRESH_S:
            cut = EarWord(self._words[-1].text[:3], self._words[-1].start_s, at_s)
            words[-1] = _item(cut, 0.61)
        self._reported_s = at_s
        return _results(words, self._window_s, at_s)


def _item(word: EarWord, confidence: float) -> Message:
    return {
        "word": word.text.lower(),
        "start": round(word.start_s, 3),
        "end": round(word.stop_s, 3),
        "confidence": confidence,
        "punctuated_word": word.text,
    }


def _results(words: list[Message], start_s: float, stop_s: float, **flags: bool) -> Message:
    transcript = " ".join(word["punctuated_word"] for word in words)
    confidence = min((word["confidence"] for word in words), default=0.0)
    best = {"transcript": transcript, "confidence": confidence, "words": words}
    told = {"is_final": False, "speech_final": False, "from_finalize": False} | flags
    model = {"name": "general-nova-3", "version": "lab", "arch": "nova-3"}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "start": round(start_s, 3),
        "duration": round(stop_s - start_s, 3),
        "channel": {"alternatives": [best]},
        "metadata": {"request_id": REQUEST_ID, "model_info": model, "model_uuid": REQUEST_ID},
        **told,
    }
